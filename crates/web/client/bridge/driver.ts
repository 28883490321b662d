/**
 * A program with automerge-repo, driven by lines of JSON on its standard input; for the tests of the bridge. Everything of
 * automerge-repo is as published.
 */

import { createInterface } from "node:readline";

import { ImmutableString, Repo, type AutomergeUrl, type DocHandle } from "@automerge/automerge-repo";
import { WebSocketClientAdapter } from "@automerge/automerge-repo-network-websocket";

import { facts, items, NotSaid, say, type Handle, type Reading, type Saying } from "../src/documents.js";

type Maps = Record<string, Record<string, unknown>>;
type Command =
  | { do: "connect"; url: string; retry?: number }
  | { do: "disconnect" }
  | { do: "find"; id: string }
  | { do: "heads" }
  | { do: "doc" }
  | { do: "items"; about: Parameters<typeof items>[1]; reader?: string }
  | { do: "say"; saying: Saying; name?: string; text?: boolean }
  | { do: "put"; map?: string; key: string; value: unknown }
  | { do: "delete"; map?: string; key: string };

const repo = new Repo({});
let adapter: WebSocketClientAdapter | undefined;
let handle: DocHandle<Maps> | undefined;

function open(): DocHandle<Maps> {
  if (!handle) throw new Error("no document is open");
  return handle;
}

async function carryOut(command: Command): Promise<unknown> {
  switch (command.do) {
    case "connect":
      adapter = new WebSocketClientAdapter(command.url, command.retry ?? 100);
      repo.networkSubsystem.addNetworkAdapter(adapter);
      return null;
    case "disconnect":
      if (adapter) repo.networkSubsystem.removeNetworkAdapter(adapter);
      return null;
    case "find":
      handle = await repo.find<Maps>(command.id as AutomergeUrl, { signal: AbortSignal.timeout(20_000) });
      return null;
    case "heads":
      return open().heads();
    case "doc":
      return open().doc();
    case "items": {
      const reading: Reading = command.reader ? { reader: command.reader } : {};
      return Object.fromEntries(items(facts(open().doc()), command.about, reading));
    }
    case "say": {
      const scalar = command.text ? {} : { scalar: (text: string) => new ImmutableString(text) };
      const how = { ...scalar, ...(command.name ? { name: command.name } : {}), signal: AbortSignal.timeout(20_000) };
      return say(open() as unknown as Handle, command.saying, how).catch((error) => {
        if (error instanceof NotSaid) return { refused: error.problem };
        throw error;
      });
    }
    case "put":
      open().change((doc) => {
        const value = typeof command.value === "string" ? new ImmutableString(command.value) : command.value;
        const place = command.map === undefined ? (doc as Record<string, unknown>) : doc[command.map]!;
        place[command.key] = value;
      });
      return null;
    case "delete":
      open().change((doc) => {
        const place = command.map === undefined ? (doc as Record<string, unknown>) : doc[command.map]!;
        delete place[command.key];
      });
      return null;
  }
}

// Standard output is for answers alone: automerge-repo logs there when a message cannot be received any more, and whoever asked
// read that as the answer.
console.log = console.error;

// The adapter throws out of a listener when a connection is refused, again at every retry.
process.on("uncaughtException", (error) => process.stderr.write(`uncaught: ${error.message}\n`));

for await (const line of createInterface({ input: process.stdin })) {
  const answer = await carryOut(JSON.parse(line) as Command).then(
    (done) => ({ done }),
    (error: unknown) => ({ failed: String(error) }),
  );
  process.stdout.write(`${JSON.stringify(answer)}\n`);
}
process.exit(0);
