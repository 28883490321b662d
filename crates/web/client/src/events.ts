/** Following what changes: server-sent events over fetch, which unlike `EventSource` can send a header. */

import type { components } from "./schema.js";

/** Something changed: ids and kinds, never content. */
export type Notice = components["schemas"]["Notice"];

interface Stream {
  url: string;
  headers: Record<string, string>;
  fetch: typeof globalThis.fetch;
  after?: string | undefined;
  snapshot?: boolean | undefined;
  signal?: AbortSignal | undefined;
}

/** How long to wait before connecting again, in milliseconds: longer each time that nothing came. */
const REST = { first: 250, most: 10_000 };

export async function* events({ url, headers, fetch, after, snapshot, signal }: Stream): AsyncGenerator<Notice> {
  let rest = REST.first;
  while (!signal?.aborted) {
    try {
      const asking: Record<string, string> = { ...headers, accept: "text/event-stream" };
      if (after !== undefined) asking["last-event-id"] = after;
      // Once it has begun, what was missed is enough.
      const begun = snapshot && after === undefined ? `${url}?snapshot=true` : url;
      const response = await fetch(begun, { headers: asking, signal: signal ?? null, cache: "no-store" });
      if (!response.ok || response.body === null) throw new Refused(response.status);
      for await (const notice of read(response.body)) {
        rest = REST.first;
        after = notice.id;
        yield notice;
      }
    } catch (error) {
      if (signal?.aborted) return;
      // A token that was revoked, or a locked home, does not come right by asking again.
      if (error instanceof Refused && error.status < 500) throw error;
    }
    await new Promise((resolve) => setTimeout(resolve, rest));
    rest = Math.min(rest * 2, REST.most);
  }
}

/** The stream of events was refused. */
export class Refused extends Error {
  constructor(readonly status: number) {
    super(`the daemon refused the stream of events with status ${status}`);
    this.name = "Refused";
  }
}

/** The notices of a stream, as the HTML standard has it: lines of fields, an empty line at the end of each event. */
async function* read(body: ReadableStream<Uint8Array>): AsyncGenerator<Notice> {
  const reader = body.pipeThrough(new TextDecoderStream() as ReadableWritablePair<string, Uint8Array>).getReader();
  let rest = "";
  let data: string[] = [];
  try {
    for (;;) {
      const { value, done } = await reader.read();
      if (done) return;
      const lines = (rest + value).split(/\r\n|\n|\r/);
      rest = lines.pop() ?? "";
      for (const line of lines) {
        if (line === "") {
          if (data.length > 0) yield JSON.parse(data.join("\n")) as Notice;
          data = [];
        } else if (line.startsWith("data:")) {
          data.push(line.slice("data:".length).replace(/^ /, ""));
        }
      }
    }
  } finally {
    await reader.cancel().catch(() => undefined);
  }
}
