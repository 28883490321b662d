/** Over the home's Unix socket, on Node: no token is needed, for only the home's own user can reach it. */

import { homedir } from "node:os";
import { join } from "node:path";

import { Agent, fetch } from "undici";

import { connect, type Client } from "./index.js";

/** The socket of a home: of this directory, or of the one that `betwixt` itself would take. */
export function socketOf(home = process.env["BETWIXT_HOME"]): string {
  return join(home ?? join(homedir(), ".local", "share", "betwixt"), "api.sock");
}

/** A client of the daemon that listens on this socket. Close it to let the process end. */
export function connectSocket(socket = socketOf()): Client & { close(): Promise<void> } {
  const dispatcher = new Agent({ connect: { socketPath: socket } });
  // undici's own types and the platform's describe the same objects by other names.
  const carry = async (input: Request | string | URL, init?: RequestInit): Promise<Response> => {
    if (!(input instanceof Request)) return (await fetch(input, { ...(init as object), dispatcher })) as unknown as Response;
    const body = input.body === null ? null : await input.text();
    const { method, url, signal } = input;
    const headers = Object.fromEntries(input.headers);
    return (await fetch(url, { method, headers, body, signal, dispatcher })) as unknown as Response;
  };
  // A stream of events may still be open; it ends with the agent.
  return { ...connect({ fetch: carry as typeof globalThis.fetch }), close: () => dispatcher.destroy() };
}
