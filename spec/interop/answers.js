// Looking into answers: paths such as "payload[id=12].name", and what a call of calls.json says of them.
// Knows JSON values, no SDK.
"use strict";

// The value at a path, undefined where there is none. "[name=value]" picks from a list the first element whose field
// reads so.
function at(value, path) {
    for (const step of path.match(/\[[^\]]*\]|[^.[\]]+/g) || []) {
        if (value === null || value === undefined) {
            return undefined;
        }
        if (step.startsWith("[")) {
            const [name, wanted] = step.slice(1, -1).split("=");
            value = Array.isArray(value) ? value.find((item) => String(item[name]) === wanted) : undefined;
        } else {
            value = value[step];
        }
    }
    return value;
}

// The same with every "$name" replaced by what was kept under it; throws where nothing was.
function filled(value, kept) {
    if (Array.isArray(value)) {
        return value.map((item) => filled(item, kept));
    }
    if (value !== null && typeof value === "object") {
        return Object.fromEntries(Object.entries(value).map(([name, inner]) => [name, filled(inner, kept)]));
    }
    if (typeof value !== "string") {
        return value;
    }
    const whole = value.match(/^\$(\w+)$/);
    return whole ? known(kept, whole[1]) : value.replace(/\$(\w+)/g, (_, name) => known(kept, name));
}

function known(kept, name) {
    if (kept[name] === undefined) {
        throw new Error(`nothing was kept as $${name}`);
    }
    return kept[name];
}

// Holds an answer against the call's `is`, `gone` and `keep`. Gives one line for each value that is not as it should
// be, and how many were compared.
function compare(call, answer, kept) {
    const wrong = [];
    let compared = 0;
    for (const [path, value] of Object.entries(call.keep || {})) {
        kept[path] = at(answer, value);
        if (kept[path] === undefined || kept[path] === null) {
            wrong.push(`${value} is missing`);
        }
    }
    for (const [path, value] of Object.entries(call.is || {})) {
        const place = filled(path, kept);
        const wanted = filled(value, kept);
        const found = at(answer, place);
        compared += 1;
        if (found !== wanted) {
            wrong.push(`${place} is ${JSON.stringify(found)}, not ${JSON.stringify(wanted)}`);
        }
    }
    for (const path of call.gone || []) {
        const place = filled(path, kept);
        const found = at(answer, place);
        compared += 1;
        if (found !== undefined && found !== null) {
            wrong.push(`${place} is still there: ${JSON.stringify(found)}`);
        }
    }
    return { wrong, compared };
}

module.exports = { filled, compare };
