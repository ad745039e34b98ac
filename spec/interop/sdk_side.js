// Drives every call of @figuro/chatwoot-sdk against a desk, as calls.json lists them, and compares each answer with
// what was written. usage: node sdk_side.js FOLDER-WITH-NODE_MODULES FACTS.json
// The desk and its tokens come from OOCTOPUS_URL, OOCTOPUS_ACCOUNT_ID, OOCTOPUS_TOKEN and OOCTOPUS_PLATFORM_TOKEN.
// Prints a line for each failure, then "N of N SDK calls passed"; the exit code is 1 when one failed.
"use strict";

const fs = require("fs");
const path = require("path");
const { filled, compare } = require("./answers.js");

const [folder, factsFile] = process.argv.slice(2);
const Client = require(path.resolve(folder, "node_modules/@figuro/chatwoot-sdk")).default;
const calls = require("./calls.json");
const account = Number(process.env.OOCTOPUS_ACCOUNT_ID);

const facts = {};
for (const operation of JSON.parse(fs.readFileSync(factsFile, "utf8")).operations) {
    facts[`${operation.module}.${operation.method}`] = operation;
}

// A client for each kind of token, and one without.
function clientWith(token) {
    return new Client({ config: { basePath: process.env.OOCTOPUS_URL, token } });
}
const clients = {
    userApiKey: clientWith(process.env.OOCTOPUS_TOKEN),
    platformAppApiKey: clientWith(process.env.OOCTOPUS_PLATFORM_TOKEN),
    none: clientWith(undefined),
};

function clientFor(operation) {
    const kinds = operation ? operation.auth : ["userApiKey"];
    return clients[kinds.find((kind) => clients[kind]) || "none"];
}

// Every call that the SDK has, as "service.method", found by looking at its objects.
function methodsOf(object, prefix) {
    const names = [];
    for (const [name, member] of Object.entries(object)) {
        if (member === null || typeof member !== "object" || name === "chatwootAPI") {
            continue;
        }
        const prototype = Object.getPrototypeOf(member);
        if (prototype === Object.prototype) {
            names.push(...methodsOf(member, `${prefix}${name}.`));
            continue;
        }
        for (const method of Object.getOwnPropertyNames(prototype)) {
            if (method !== "constructor") {
                names.push(`${prefix}${name}.${method}`);
            }
        }
    }
    return names;
}

function camel(name) {
    return name.replace(/_(\w)/g, (_, letter) => letter.toUpperCase());
}

function schemaOf(operation) {
    return (operation && operation.body && operation.body.schema.properties) || {};
}

// The SDK wants the bytes of an attachment, moonwire its path.
function attachment(file) {
    return { content: fs.readFileSync(file, "base64"), encoding: "base64", filename: path.basename(file) };
}

// The SDK takes path and query parameters by their names in camel case, and the body as `data`, but for the filters.
function argumentsOf(call, args) {
    const operation = facts[call.op];
    const pathNames = operation
        ? operation.path_params.map((parameter) => parameter.name || parameter)
        : [...call.beyond.path.matchAll(/{(\w+)}/g)].map((match) => match[1]);
    const queryNames = ((operation && operation.query) || []).map((parameter) => parameter.name);
    const bodyNames = schemaOf(operation);
    const out = pathNames.includes("account_id") ? { accountId: account } : {};
    const body = {};
    for (const [name, value] of Object.entries(args)) {
        const beside = pathNames.includes(name) || queryNames.includes(name);
        if (beside) {
            out[camel(name)] = value;
        }
        if (!beside || bodyNames[name]) {
            body[name] = value;
        }
    }
    if (body.attachments) {
        body.attachments = body.attachments.map(attachment);
    }
    return body.payload ? { ...out, ...body } : { ...out, data: body };
}

async function send(call, args) {
    const names = call.sdk.split(".");
    const method = names.pop();
    const service = names.reduce((object, name) => object[name], clientFor(facts[call.op]));
    return service[method](argumentsOf(call, args));
}

// What is wrong with one call: lines, none when all is well.
async function problemsOf(call, kept, totals) {
    let answer;
    try {
        answer = await send(call, filled(call.args || {}, kept));
    } catch (error) {
        if (call.status && error.status === call.status) {
            return [];
        }
        return [error.status ? `answered ${error.status} ${JSON.stringify(error.body)}` : error.message];
    }
    if (call.status) {
        return [`was answered, not refused with ${call.status}`];
    }
    try {
        const { wrong, compared } = compare(call, answer, kept);
        totals.compared += compared;
        return wrong;
    } catch (error) {
        return [error.message];
    }
}

async function main() {
    const methods = methodsOf(clients.none, "");
    const failed = new Set();
    const driven = new Set();
    const kept = {};
    const totals = { compared: 0 };
    for (const [index, call] of calls.entries()) {
        driven.add(call.sdk);
        for (const problem of await problemsOf(call, kept, totals)) {
            failed.add(call.sdk);
            console.log(`call ${index + 1}, ${call.sdk} (${call.op}): ${problem}`);
        }
    }
    for (const name of methods) {
        if (!driven.has(name)) {
            failed.add(name);
            console.log(`${name}: calls.json has no call of it`);
        }
    }
    const passed = methods.filter((name) => !failed.has(name)).length;
    console.log(`${passed} of ${methods.length} SDK calls passed (${calls.length} requests, ` +
        `${totals.compared} values compared)`);
    process.exitCode = failed.size === 0 && passed === methods.length ? 0 : 1;
}

main();
