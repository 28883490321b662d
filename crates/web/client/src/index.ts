/**
 * A client of a Betwixt home's local API. Every path, parameter and answer is typed from the OpenAPI document; this file adds
 * what a document cannot say: problems as errors, walking through pages, and following what changes.
 *
 * In a browser, or over loopback TCP: `connect({ url, token })`. Over the home's Unix socket, on Node: `./node.js`.
 */

import createClient, { type Client as Fetching } from "openapi-fetch";

import { events, type Notice } from "./events.js";
import type { components, paths } from "./schema.js";

export type { Notice } from "./events.js";
export type { components, paths } from "./schema.js";

/** A type of the API by its name in the document: `Schema<"Item">`. */
export type Schema<Name extends keyof components["schemas"]> = components["schemas"][Name];

export interface Options {
  /** Where the daemon is, such as `http://127.0.0.1:4714`. */
  url?: string;
  /** The frontend's token. It goes into a header and nowhere else. */
  token?: string;
  /** What carries requests; the platform's own when not given. */
  fetch?: typeof globalThis.fetch;
}

/** What went wrong, as the daemon says it. `problem.type` is stable, and all that a program should look at. */
export class ProblemError extends Error {
  constructor(readonly problem: Schema<"Problem">) {
    super(`${problem.title}: ${problem.detail}`);
    this.name = "ProblemError";
  }

  /** Whether it is of this kind: `error.is("unknown-seen")`. */
  is(kind: string): boolean {
    return this.problem.type === `urn:betwixt:problem:${kind}`;
  }
}

export interface Client {
  /** The API: `client.api.GET("/v1/{collection}", { params: { path: { collection: "goals" } } })`. */
  api: Fetching<paths>;
  /**
   * What changes from now on, or after this notice; with `snapshot` everything that is there is told first. Connects again by itself when the connection is lost; after a notice of
   * kind `resync`, read everything again. Ends when the signal aborts.
   */
  events(options?: { after?: string; snapshot?: boolean; signal?: AbortSignal }): AsyncGenerator<Notice>;
}

export function connect(options: Options = {}): Client {
  const url = (options.url ?? "http://localhost").replace(/\/$/, "");
  const headers: Record<string, string> = options.token ? { authorization: `Bearer ${options.token}` } : {};
  const fetch = options.fetch ?? globalThis.fetch.bind(globalThis);
  return {
    api: createClient<paths>({ baseUrl: url, headers, fetch: (request: Request) => fetch(request) }),
    events: ({ after, snapshot, signal } = {}) =>
      events({ url: `${url}/v1/events`, headers, fetch, after, snapshot, signal }),
  };
}

/** The data of an answer. Throws a {@link ProblemError} for a problem. */
export async function unwrap<Data>(
  answering: Promise<{ data?: Data; error?: Schema<"Problem">; response: Response }>,
): Promise<Data> {
  const { data, error } = await answering;
  if (error !== undefined) throw new ProblemError(error);
  return data as Data;
}

/** Every entry of a list, page after page: `for await (const goal of pages((after) => client.api.GET(...)))`. */
export async function* pages<Entry>(
  page: (
    after: string | undefined,
  ) => Promise<{ data?: { items: Entry[]; next?: string }; error?: Schema<"Problem">; response: Response }>,
): AsyncGenerator<Entry> {
  let after: string | undefined;
  do {
    const found = await unwrap(page(after));
    yield* found.items;
    after = found.next;
  } while (after !== undefined);
}
