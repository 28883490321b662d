"use strict";

// The code is good once, and leaves the address bar and the history before anything else happens. The token stays in this
// page's memory: what a browser stores for 127.0.0.1 is there for every port of the machine.
const code = location.hash.slice(1);
history.replaceState(null, "", location.pathname);

async function ask(method, path, token, body) {
  const headers = { "content-type": "application/json" };
  if (token) headers.authorization = `Bearer ${token}`;
  const response = await fetch(path, { method, headers, body: body && JSON.stringify(body), credentials: "omit" });
  const answer = await response.json();
  if (!response.ok) throw new Error(answer.detail);
  return answer;
}

async function begin() {
  if (!code) throw new Error("Run `betwixt open`: it leads here with a code that is good once.");
  const { token } = await ask("POST", "/v1/login/token", null, { code });
  const status = await ask("GET", "/v1/status", token);
  return `This page is connected to Betwixt ${status.version}.`;
}

const words = document.getElementById("words");
begin().then(
  (text) => { words.textContent = text; },
  (error) => { words.textContent = error.message; },
);
