#!/bin/sh
# A frontend in plain curl, over the Unix socket: lists goals, adds one, changes its title, sees it change.
#
#     sh docs/examples/frontend.sh ~/.local/share/betwixt/api.sock
set -eu
socket=$1
notices=$(mktemp)
trap 'kill "$watching" 2>/dev/null || true; rm -f "$notices"' EXIT

ask() { # METHOD PATH [BODY] [HEADER]
    curl --silent --show-error --fail-with-body --unix-socket "$socket" --request "$1" \
        ${3:+--header "Content-Type: application/json" --data "$3"} ${4:+--header "$4"} "http://localhost$2"
}

text() { # NAME: the first text of that name in the JSON that comes
    grep -o "\"$1\":\"[^\"]*\"" | head -n 1 | cut -d '"' -f 4
}

curl --silent --no-buffer --unix-socket "$socket" http://localhost/v1/events >"$notices" &
watching=$!
until grep -q betwixt "$notices"; do sleep 0.05; done

# A key makes it harmless to send the request again.
goal=$(ask POST /v1/goals '{"fields":{"title":"Plant a tree"}}' "Idempotency-Key: $$-$(date +%s)")
id=$(printf %s "$goal" | text id)
# The token of the title, which is what was said there: the other fields have said nothing yet.
seen=$(printf %s "$goal" | grep -o '"title":{[^}]*}[^}]*}' | grep -o '"seen":"[^"]*"' | cut -d '"' -f 4)
ask PUT "/v1/goals/$id/title" "{\"value\":\"Plant two trees\",\"seen\":\"$seen\"}" >/dev/null

ask GET "/v1/goals?order=latest&limit=5" |
    grep -o '"title":{"kind":"shared","state":"held","value":"[^"]*"' | cut -d '"' -f 14 | sed 's/^/goal: /'

until grep -q '^data:' "$notices"; do sleep 0.05; done
grep '^data:' "$notices" | head -n 1 | text kind | sed 's/^/changed: /'
