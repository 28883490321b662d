/** Saying something by writing it unsigned into a document that Automerge holds. See docs/bridge.md. */

import type { components } from "./schema.js";

type Problem = components["schemas"]["Problem"];

/** What is to be said. */
export interface Saying {
  /** The whole id of the item; absent to found one. */
  item?: string;
  /** The kind of the item, as facts and `GET /v1` call it: `goal`. */
  kind: string;
  field: string;
  /** The field's token as it was read; absent where nothing was said. */
  seen?: string;
  value: unknown;
}

/** The fact that was said, and the item that it is about. */
export interface Said {
  fact: string;
  item: string;
}

/** Why it was not said. `problem.type` is stable. */
export class NotSaid extends Error {
  constructor(readonly problem: Problem) {
    super(`${problem.title}: ${problem.detail}`);
    this.name = "NotSaid";
  }
}

/** What is needed of automerge-repo's `DocHandle`. */
export interface Handle {
  doc(): object | undefined;
  // Method syntax: the real one takes callbacks over its own type of document.
  change(write: (document: never) => void): void;
  on(event: "change", listener: () => void): unknown;
  off(event: "change", listener: () => void): unknown;
}

export interface HowToSay {
  /** Names what is said: written again under the same one, it is said once. A UUID when not given. */
  name?: string;
  /** Makes a text that is one value: `(text) => new ImmutableString(text)`. Without it, long texts cost an operation a character. */
  scalar?: (text: string) => unknown;
  signal?: AbortSignal;
}

/**
 * Says something by writing it into the document that a handle has open, and waits until the daemon has it on disk.
 *
 * @throws {@link NotSaid} when it was refused; the signal's reason when that aborts, and then it may be said all the same.
 */
export async function say(handle: Handle, saying: Saying, { name, scalar, signal }: HowToSay = {}): Promise<Said> {
  const named = name ?? globalThis.crypto.randomUUID();
  const map = practiceOf(saying.kind);
  const text = JSON.stringify(saying);
  const answered = () => {
    const document = handle.doc() as Record<string, Record<string, unknown> | undefined> | undefined;
    const answer = document?.[map]?.[`answer:${named}`];
    return answer === undefined ? undefined : (JSON.parse(String(answer)) as Said | { problem: Problem });
  };
  signal?.throwIfAborted();
  return new Promise((resolve, reject) => {
    const aborted = () => done(() => reject(signal!.reason));
    const done = (end: () => void) => {
      handle.off("change", look);
      signal?.removeEventListener("abort", aborted);
      end();
    };
    const look = () => {
      const answer = answered();
      if (answer === undefined) return;
      done(() => ("problem" in answer ? reject(new NotSaid(answer.problem)) : resolve(answer)));
    };
    handle.on("change", look);
    signal?.addEventListener("abort", aborted);
    handle.change((document: Record<string, Record<string, unknown>>) => {
      document[map]![`new:${named}`] = scalar ? scalar(text) : text;
    });
    look();
  });
}

const PRACTICES: Record<string, string> = {
  member: "members",
  vision: "vision",
  value: "values",
  agreement: "agreements",
  goal: "goals",
  milestone: "goals",
  progress: "goals",
  ritual: "rituals",
  occurrence: "rituals",
  reflection: "reflections",
  journal: "reflections",
  project: "projects",
  thanks: "thanks",
  saying_back: "settling",
  sealed: "checkins",
};

/** The map in which facts of a kind stand. */
export function practiceOf(kind: string): string {
  return PRACTICES[kind] ?? "others";
}
