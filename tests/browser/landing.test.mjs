// The daemon's own page in Chromium, as a person opens it, and pages of other origins that would like to be let in.
//
// BETWIXT is the command, BETWIXT_HOME a home that is open, BETWIXT_CHROMIUM the browser.

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { copyFile, mkdtemp, readFile, readdir, rm } from "node:fs/promises";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { pathToFileURL } from "node:url";
import { promisify } from "node:util";

import { chromium } from "playwright-core";

const run = promisify(execFile);

// As root, in a container; it asks nobody on the network for anything, and two names mean this machine.
const ARGUMENTS = [
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
  "--host-resolver-rules=MAP evil.example 127.0.0.1, MAP 127.0.0.1.evil.example 127.0.0.1",
];

let profile;
let context;
let pages;
let foreign;

async function betwixt(...words) {
  const { stdout } = await run(process.env.BETWIXT, [...words, "--json"]);
  return JSON.parse(stdout);
}

/** An origin that serves an empty page. */
async function origin() {
  const server = createServer((_, response) => response.setHeader("content-type", "text/html").end("<!doctype html>"));
  await new Promise((ready) => server.listen(0, "127.0.0.1", ready));
  return { server, url: `http://127.0.0.1:${server.address().port}` };
}

before(async () => {
  profile = await mkdtemp(join(tmpdir(), "betwixt-chromium-"));
  context = await chromium.launchPersistentContext(profile, {
    executablePath: process.env.BETWIXT_CHROMIUM,
    headless: true,
    args: ARGUMENTS,
  });
  pages = await origin();
  foreign = await origin();
});

after(async () => {
  await context?.close();
  for (const { server } of [pages, foreign]) {
    server.closeAllConnections();
    server.close();
  }
  await rm(profile, { recursive: true, force: true });
});

/** Opens the file that `betwixt open` makes; with the token that the page sends, as the browser's own tools show it. */
async function opened() {
  const login = await betwixt("open", "--print");
  const page = await context.newPage();
  const complaints = [];
  page.on("console", (message) => message.type() === "error" && complaints.push(message.text()));
  page.on("pageerror", (error) => complaints.push(error.message));
  const asked = page.waitForRequest((request) => request.url().endsWith("/v1/status"));
  await page.goto(pathToFileURL(login.file).href);
  await says(page, "This page is connected to Betwixt");
  const token = (await (await asked).allHeaders()).authorization.replace("Bearer ", "");
  return { login, page, token, complaints };
}

async function says(page, words) {
  await page.locator("#words", { hasText: words }).waitFor({ timeout: 20_000 });
}

/** What a page gets when it asks for a path of the daemon with this token. */
function ask(page, url, token, method = "GET") {
  const question = async ({ url, token, method }) => {
    try {
      const headers = { authorization: `Bearer ${token}`, "content-type": "application/json" };
      const response = await fetch(url, { method, headers, body: method === "GET" ? undefined : "{}" });
      return { status: response.status, body: await response.json() };
    } catch (error) {
      return { refused: error.name };
    }
  };
  return page.evaluate(question, { url, token, method });
}

test("a file leads to the page once, and leaves no code in the address, the history or what the page stores", async () => {
  const login = await betwixt("open", "--print");
  const kept = join(profile, "kept.html");
  await copyFile(login.file, kept);
  const code = /#([\w-]+)"/.exec(await readFile(kept, "utf8"))[1];
  const page = await context.newPage();
  const addresses = [];
  page.on("request", (request) => addresses.push(request.url()));
  await page.goto(pathToFileURL(login.file).href);
  await says(page, "This page is connected to Betwixt");
  assert.equal(page.url(), login.page);
  assert.equal(await page.evaluate(() => location.href + location.hash), login.page);
  const visited = await (await context.newCDPSession(page)).send("Page.getNavigationHistory");
  assert.ok(visited.entries.some((entry) => entry.url === login.page));
  assert.ok(visited.entries.every((entry) => !entry.url.includes(code)), JSON.stringify(visited.entries));
  // No address that was asked for over the network holds it; the fragment is the browser's own affair.
  assert.ok(addresses.every((address) => !new URL(address).pathname.includes(code) && !new URL(address).search));
  const stored = await page.evaluate(async () => [
    document.cookie,
    localStorage.length,
    sessionStorage.length,
    (await indexedDB.databases()).length,
    (await caches?.keys?.())?.length ?? 0,
  ]);
  assert.deepEqual(stored, ["", 0, 0, 0, 0]);
  assert.deepEqual(await context.cookies(), []);
  await page.reload();
  await says(page, "it leads here with a code that is good once");

  // The file is gone with its code, and a copy of it is of no use.
  await assert.rejects(page.goto(pathToFileURL(login.file).href), /ERR_FILE_NOT_FOUND/);
  await page.close();
  const again = await context.newPage();
  await again.goto(pathToFileURL(kept).href);
  await says(again, "The code is not good, or no longer");
  assert.equal(again.url(), login.page);
  await again.close();
});

test("the page reads and follows events with its token, until it is revoked", async () => {
  const { login, page, token, complaints } = await opened();
  const made = await page.evaluate(async (token) => {
    const headers = { authorization: `Bearer ${token}`, "content-type": "application/json" };
    const stream = await fetch("/v1/events", { headers });
    const reader = stream.body.pipeThrough(new TextDecoderStream()).getReader();
    const body = JSON.stringify({ fields: { title: "A garden" } });
    const made = await fetch("/v1/goals", { method: "POST", headers, body });
    let told = "";
    while (!told.includes("event: item")) {
      const { done, value } = await reader.read();
      if (done) break;
      told += value;
    }
    await reader.cancel();
    return { status: made.status, id: (await made.json()).id, told, type: stream.headers.get("content-type") };
  }, token);
  assert.equal(made.status, 201);
  assert.equal(made.type, "text/event-stream");
  assert.ok(made.told.includes(made.id) && !made.told.includes("A garden"), made.told);
  const goals = await ask(page, "/v1/goals", token);
  assert.equal(goals.body.items[0].fields.title.value, "A garden");
  assert.deepEqual(complaints, []);
  assert.deepEqual(await context.cookies(), []);

  const frontends = await betwixt("frontend", "list");
  await betwixt("frontend", "revoke", frontends.filter((frontend) => frontend.page).at(-1).name);
  await says(page, "This page is connected no more");
  assert.equal((await ask(page, `${login.page}v1/goals`, token)).status, 401);
  await page.close();
});

test("pages of other origins are refused, and those of a frontend are let in", async () => {
  const { login, page, token } = await opened();
  const frontend = await betwixt("frontend", "add", "pages", "--scope", "read,write", "--origin", pages.url);
  const status = `${login.page}v1/status`;

  const own = await context.newPage();
  await own.goto(pages.url);
  assert.equal((await ask(own, status, frontend.token)).status, 200);
  assert.deepEqual(await ask(own, status, token), { refused: "TypeError" }, "the page's token is of no use elsewhere");

  const other = await context.newPage();
  await other.goto(foreign.url);
  for (const stolen of [token, frontend.token]) {
    assert.deepEqual(await ask(other, status, stolen), { refused: "TypeError" });
    assert.deepEqual(await ask(other, `${login.page}v1/goals`, stolen, "POST"), { refused: "TypeError" });
  }
  // What needs no preflight is sent, and refused for where it comes from.
  await other.evaluate((status) => fetch(status, { mode: "no-cors" }), status).then(
    () => assert.fail("an answer of the daemon's is for its own pages"),
    () => {},
  );
  const form = await context.newPage();
  await form.goto(foreign.url);
  await form.setContent(
    `<form method="post" enctype="text/plain" action="${login.page}v1/goals"><input name="{" value="}"></form>`,
  );
  const submitted = form.waitForResponse((response) => response.url() === `${login.page}v1/goals`);
  await form.evaluate(() => document.forms[0].submit());
  assert.equal((await submitted).status(), 403);
  const framing = await context.newPage();
  await framing.goto(foreign.url);
  await framing.setContent(`<iframe src="${login.page}" onload="window.loaded = true"></iframe>`);
  await framing.waitForFunction(() => window.loaded);
  assert.equal(framing.frames().length, 2);
  assert.ok(!framing.frames().some((frame) => frame.url() === login.page), "the page is in nobody's frame");
  assert.equal((await ask(page, "/v1/goals", token)).body.items.length, 1, "nothing came of any of it");
  for (const opened of [own, other, form, framing, page]) await opened.close();
});

test("a name that was made to mean this machine is refused as what it is", async () => {
  const { login, page, token } = await opened();
  const port = new URL(login.page).port;
  for (const name of ["evil.example", "127.0.0.1.evil.example"]) {
    const rebound = await context.newPage();
    // As a page that was served from there before its name came to mean this machine.
    const shown = await rebound.goto(`http://${name}:${port}/`);
    assert.equal(shown.status(), 421);
    const refused = await ask(rebound, "/v1/status", token);
    assert.equal(refused.status, 421);
    assert.equal(refused.body.type, "urn:betwixt:problem:foreign-host");
    await rebound.close();
  }
  assert.equal((await ask(page, "/v1/status", token)).status, 200, "the daemon goes on");
  await page.close();
});

test("what the browser writes down holds no token", async () => {
  const { page, token } = await opened();
  await page.close();
  await context.close();
  const files = await readdir(profile, { recursive: true, withFileTypes: true });
  for (const file of files.filter((entry) => entry.isFile())) {
    const bytes = await readFile(join(file.parentPath ?? file.path, file.name));
    assert.ok(!bytes.includes(token), file.name);
  }
});
