/** Against a running daemon whose home is open and empty: `BETWIXT_SOCKET` names its socket. */

import assert from "node:assert/strict";
import { after, before, test } from "node:test";

import { pages, ProblemError, unwrap, type Client } from "../src/index.js";
import { connectSocket } from "../src/node.js";

let client: Client & { close(): Promise<void> };

before(() => {
  const socket = process.env["BETWIXT_SOCKET"];
  assert.ok(socket, "BETWIXT_SOCKET names the socket");
  client = connectSocket(socket);
});

after(() => client.close());

const goals = { path: { collection: "goals" as const } };

async function add(title: string, key: string) {
  return unwrap(
    client.api.POST("/v1/{collection}", {
      params: { ...goals, header: { "Idempotency-Key": key } },
      body: { fields: { title } },
    }),
  );
}

test("what the daemon speaks is told", async () => {
  const about = await unwrap(client.api.GET("/v1"));
  assert.equal(about.api, 1);
  assert.ok(about.collections.some((collection) => collection.name === "goals" && collection.begins_with === "title"));
});

test("a request that is sent again makes one item, and what is said carries what was seen", async () => {
  const goal = await add("Cycle along the coast", "once");
  assert.equal((await add("Cycle along the coast", "once")).id, goal.id);
  const title = goal.fields["title"];
  assert.ok(title?.state === "held");
  assert.equal(title.value, "Cycle along the coast");
  const place = { path: { ...goals.path, id: goal.id, field: "title" } };
  const saying = await unwrap(
    client.api.PUT("/v1/{collection}/{id}/{field}", { params: place, body: { value: "By the sea", seen: title.seen ?? "" } }),
  );
  assert.ok(saying.now.state === "held" && saying.now.value === "By the sea");
  const unseen = client.api.PUT("/v1/{collection}/{id}/{field}", { params: place, body: { value: "Blind" } });
  await assert.rejects(unwrap(unseen), (error) => error instanceof ProblemError && error.is("seen-missing"));
  const unknown = client.api.PUT("/v1/{collection}/{id}/{field}", { params: place, body: { value: "x", seen: "nonsense" } });
  await assert.rejects(unwrap(unknown), (error) => error instanceof ProblemError && error.problem.field === "title");
});

test("pages put together are the list", async () => {
  const made = new Set<string>();
  for (let number = 0; number < 5; number++) made.add((await add(`Goal ${number}`, `page-${number}`)).id);
  const walked = [];
  for await (const goal of pages((after) =>
    client.api.GET("/v1/{collection}", { params: { ...goals, query: { limit: 2, order: "latest", after } } }),
  )) {
    walked.push(goal.id);
  }
  assert.equal(new Set(walked).size, walked.length);
  for (const id of made) assert.ok(walked.includes(id));
});

test("what changes is followed, and resumed after a notice", async () => {
  const stop = new AbortController();
  const stream = client.events({ signal: stop.signal });
  const first = stream.next();
  // The stream has begun by the time that a request after it is answered.
  await new Promise((resolve) => setTimeout(resolve, 200));
  const goal = await add("Watched", "watched");
  const { value: notice } = await first;
  assert.ok(notice);
  assert.equal(notice.item, goal.id);
  stop.abort();
  const another = await add("Missed meanwhile", "missed");
  const resumed = client.events({ after: notice.id, signal: AbortSignal.timeout(10_000) });
  for await (const missed of resumed) {
    if (missed.item === another.id) return;
  }
  assert.fail("what was missed is not told");
});
