// bench_sdk.js FOLDER-WITH-NODE_MODULES CALLS small|page IN_FLIGHT [fresh]: the same workload as bench_calls.lua by
// @figuro/chatwoot-sdk as it comes: axios and Node's agent with their defaults; `fresh`: those of Node 18, which makes
// a connection for each request. Prints calls per second of the second half. The desk and its token come from OOCTOPUS_URL, OOCTOPUS_ACCOUNT_ID and OOCTOPUS_TOKEN.
"use strict";

const http = require("http");
const path = require("path");

const [folder, callsText, answer, inFlightText, agent] = process.argv.slice(2);
if (agent === "fresh") {
    http.globalAgent = new http.Agent({ keepAlive: false });
}
const Client = require(path.resolve(folder, "node_modules/@figuro/chatwoot-sdk")).default;
const accountId = Number(process.env.OOCTOPUS_ACCOUNT_ID);
const client = new Client({ config: { basePath: process.env.OOCTOPUS_URL, token: process.env.OOCTOPUS_TOKEN } });

let left = Number(callsText);
const half = Math.floor(left / 2);
let began;

async function call() {
    const fine = answer === "small"
        ? (await client.contacts.get({ accountId, id: 12 })).payload.id === 12
        : (await client.conversations.list({ accountId })).data.payload.length === 25;
    if (!fine) {
        throw new Error("not the answer that was expected");
    }
}

async function work() {
    while (left > 0) {
        left -= 1;
        if (left === half) {
            began = process.hrtime.bigint();
        }
        await call();
    }
}

async function main() {
    await Promise.all(Array.from({ length: Number(inFlightText) }, work));
    console.log((half * 1e9 / Number(process.hrtime.bigint() - began)).toFixed(0));
}

main();
