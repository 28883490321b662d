"use strict";

// The code is good once, and leaves the address bar and the history before anything else happens. The token stays in this
// page's memory: what a browser stores for 127.0.0.1 is there for every port of the machine.
const code = location.hash.slice(1);
history.replaceState(null, "", location.pathname);

const ONCE_MORE = "Run `betwixt open`: it leads here with a code that is good once.";
const AGAIN_MS = 1000;

async function ask(method, path, token, body) {
  const headers = { "content-type": "application/json" };
  if (token) headers.authorization = `Bearer ${token}`;
  const response = await fetch(path, { method, headers, body: body && JSON.stringify(body), credentials: "omit" });
  const answer = await response.json();
  if (!response.ok) throw new Error(answer.detail);
  return answer;
}

// Ends when the stream does: with the daemon, or because this page is let in no more.
async function follow(token) {
  const headers = { authorization: `Bearer ${token}` };
  const response = await fetch("/v1/events", { headers, credentials: "omit" });
  if (!response.ok) return;
  const reader = response.body.getReader();
  while (!(await reader.read()).done);
}

async function stay(token) {
  for (;;) {
    const status = await ask("GET", "/v1/status", token);
    say(`This page is connected to Betwixt ${status.version}.`);
    await follow(token).catch(() => {});
    await new Promise((after) => setTimeout(after, AGAIN_MS));
  }
}

async function begin() {
  if (!code) throw new Error(ONCE_MORE);
  const { token } = await ask("POST", "/v1/login/token", null, { code });
  await stay(token).catch(() => {
    throw new Error(`This page is connected no more. ${ONCE_MORE}`);
  });
}

// What stands in backquotes is a command. Never as HTML: words may come from elsewhere.
function say(text) {
  const parts = text.split("`").map((part, place) => {
    const node = place % 2 ? document.createElement("code") : document.createElement("span");
    node.textContent = part;
    return node;
  });
  document.getElementById("words").replaceChildren(...parts);
}

begin().catch((error) => say(error.message));
