#!/usr/bin/env bash
# spec/interop/curl.sh LIST: sends the requests of a list with curl and holds each status against the documented ones.
# A line of LIST has these columns, separated by tabs, "-" for none: operation, statuses that are good ("200 204"),
# NAME:FIELD to keep of the answer, verb, URL, header with the token, type of the body, body. "<NAME>" in a URL or a body
# stands for what an earlier line has kept.
# Prints a line for each request that failed, then "N of N requests answered as documented"; the exit code is 1 when one
# was not.
set -euo pipefail

declare -A kept
total=0
good=0
answer=$(mktemp)
trap 'rm -f "$answer"' EXIT

# filled TEXT: sets `text`.
filled() {
    text=$1
    while [[ $text =~ \<([a-z_.]+)\> ]]; do
        text=${text//"${BASH_REMATCH[0]}"/"${kept[${BASH_REMATCH[1]}]:-nothing-kept}"}
    done
}

# The field of that name in the answer, outside of objects in it: a number, or a text without quotes.
keep() {
    local name=${1%%:*} field=${1#*:} value
    value=$(sed -E ':more; s/(.)\{[^{}]*\}/\1/; t more' "$answer" |
        grep -o "\"$field\":\"\\?[^\",}]*" | head -n 1) || true
    value=${value#*:}
    kept[$name]=${value#\"}
}

while IFS=$'\t' read -r name statuses to_keep verb url token type body; do
    options=(--silent --show-error --max-time 20 --request "$verb" --output "$answer" --write-out '%{http_code}')
    if [ "$token" != - ]; then options+=(--header "$token"); fi
    filled "$url"
    url=$text
    if [ "$type" != - ]; then
        filled "$body"
        body=$text
        options+=(--header "Content-Type: $type" --data-raw "$body")
    fi
    : >"$answer"
    status=$(curl "${options[@]}" "$url" </dev/null) || status=none
    total=$((total + 1))
    if [[ " $statuses " == *" $status "* ]]; then
        good=$((good + 1))
        if [ "$to_keep" != - ]; then keep "$to_keep"; fi
    else
        printf '%s: %s %s %s was answered %s, not %s: %s\n' \
            "$name" "$verb" "$url" "$body" "$status" "$statuses" "$(head -c 300 "$answer")"
    fi
done <"$1"

printf '%d of %d requests answered as documented\n' "$good" "$total"
[ "$good" -eq "$total" ]
