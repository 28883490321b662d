/**
 * A frontend in TypeScript, with the client of `crates/web/client`: lists goals, adds one, changes its title, sees it change.
 *
 *     node dist/examples/frontend.js ~/.local/share/betwixt/api.sock
 */
import { randomUUID } from "node:crypto";

import { unwrap } from "@betwixt/client";
import { connectSocket } from "@betwixt/client/node";

const client = connectSocket(process.argv[2]);
const stop = new AbortController();
const changed = client.events({ signal: stop.signal }).next();
const goals = { path: { collection: "goals" as const } };

// A key makes it harmless to send the request again.
const goal = await unwrap(
  client.api.POST("/v1/{collection}", {
    params: { ...goals, header: { "Idempotency-Key": randomUUID() } },
    body: { fields: { title: "Plant a tree" } },
  }),
);
await unwrap(
  client.api.PUT("/v1/{collection}/{id}/{field}", {
    params: { path: { ...goals.path, id: goal.id, field: "title" } },
    body: { value: "Plant two trees", seen: goal.fields["title"]?.seen ?? "" },
  }),
);

const listed = client.api.GET("/v1/{collection}", { params: { ...goals, query: { order: "latest", limit: 5 } } });
for (const { fields } of (await unwrap(listed)).items) {
  const title = fields["title"];
  console.log("goal:", title?.state === "held" ? title.value : "to settle");
}

console.log("changed:", (await changed).value?.kind);
stop.abort();
await client.close();
