/**
 * The facts of documents that Automerge holds, read into items and fields. See docs/bridge.md.
 *
 * This is the plain fold, from the words of docs/design/folding.md: every fact of a field compared with every other. It does
 * not merge prose: where the daemon reads several texts as one, all of them are shown here. It never shows one value where the
 * daemon shows several.
 */

import type { components } from "./schema.js";

export * from "./saying.js";

type About = components["schemas"]["About"];

/** Something that somebody said. */
export interface Fact {
  id: string;
  item: string;
  kind: string;
  field: string;
  /** What was said; `undefined` when it was erased. */
  value: unknown;
  erased: boolean;
  /** Who said it, on which device, on which day. */
  by: string;
  device: string;
  on: string;
  /** What its writer had before them. */
  seen: string[];
  previous: string | undefined;
  /** Whether it founded its item. */
  founding: boolean;
  /** The value as it is written, by which values are equal or not. */
  written: string;
}

/** A live version of a field. */
export interface Version {
  value: unknown;
  erased: boolean;
  by: string;
  on: string;
  fact: string;
}

/** A field as it stands. */
export interface Field {
  kind: "owned" | "shared" | "consent" | "light" | "unknown";
  /** `held`: one value; `differing`: several, and none is preferred; `each`: each partner's own word. */
  state: "empty" | "held" | "differing" | "each";
  /** What it holds, where the state is `held`. */
  value?: unknown;
  /** Every live version. */
  versions: Version[];
  /** To be handed back with what is said about the field. */
  seen: string;
  /** In a field of consent: whether what it holds is what both said. */
  agreed: boolean;
  /** In a field of consent: what stands agreed. */
  agreement: unknown[];
  /** In an owned field: what somebody other than the owner said, which does not count. */
  outside: Version[];
  /** Part of what it builds on is in no document that was given: it takes no writes here, and what it shows may change. */
  arriving: boolean;
}

export interface Item {
  id: string;
  kind: string;
  fields: Record<string, Field>;
}

const ID = /^[a-z2-7]{52}$/;
const SPELT = /^\{"header":\{.*?\},"nonce":"[a-z2-7]*","value":(.*)\}$/s;
/** The most facts that a token names. */
const MAX_SEEN = 64;

/** A document as Automerge gives it: `handle.doc()`. */
export type Document = object;

/** The facts that documents hold, of a format that is known here. Their signatures are the daemon's to verify. */
export function facts(...documents: Document[]): Fact[] {
  const found = new Map<string, Fact>();
  for (const document of documents) {
    for (const [name, map] of Object.entries(document)) {
      if (name === "signatures" || typeof map !== "object" || map === null) continue;
      for (const [key, text] of Object.entries(map as object)) {
        const fact = ID.test(key) ? parse(key, String(text)) : undefined;
        // Of a fact that is there with its value and without, the value counts.
        if (fact && (!found.has(key) || found.get(key)?.erased)) found.set(key, fact);
      }
    }
  }
  return [...found.values()];
}

function parse(id: string, text: string): Fact | undefined {
  try {
    const { header, value, nonce } = JSON.parse(text);
    if (header.format !== 1) return undefined;
    const erased = nonce === undefined;
    const written = erased ? `erased ${id}` : `said ${SPELT.exec(text)?.[1] ?? ""}`;
    return {
      id,
      item: header.item ?? id,
      kind: header.kind,
      field: header.field,
      value,
      erased,
      by: header.partner,
      device: header.device,
      on: header.date,
      seen: header.seen,
      previous: header.previous ?? undefined,
      founding: header.item === null,
      written,
    };
  } catch {
    return undefined;
  }
}

export interface Reading {
  /** Facts that do not count: those of a removed device that its removal did not accept. */
  void?: Iterable<string>;
  /** Whose words come first. */
  reader?: string;
}

/** Reads facts into items. `about` is what `GET /v1` answers: it says whose word counts in which field. */
export function items(all: Fact[], about: Pick<About, "collections">, { void: gone = [], reader }: Reading = {}): Map<string, Item> {
  const known = new Map(all.map((fact) => [fact.id, fact]));
  const graph = new Graph(known, new Set(gone));
  const owners = new Map(all.filter((fact) => fact.founding).map((fact) => [fact.id, fact.by]));
  const fields = new Map<string, Fact[]>();
  for (const fact of all) {
    const key = `${fact.item} ${fact.kind} ${fact.field}`;
    const there = fields.get(key);
    if (there) there.push(fact);
    else fields.set(key, [fact]);
  }
  const found = new Map<string, Item>();
  for (const said of fields.values()) {
    const { item, kind, field } = said[0]!;
    const schema = about.collections.find((collection) => collection.kind === kind)?.fields.find(({ name }) => name === field);
    const shown = found.get(item) ?? { id: item, kind, fields: {} };
    found.set(item, shown);
    const rule: Rule = { kind: schema?.kind ?? "unknown", each: schema?.each ?? false, prose: schema?.prose ?? false };
    shown.fields[field] = new Fold(graph, said, rule).view(owners.get(item), reader);
  }
  return found;
}

interface Rule {
  kind: Field["kind"];
  each: boolean;
  prose: boolean;
}

/** What is in whose past, over everything that was given. */
class Graph {
  #placed = new Map<string, boolean>();

  constructor(
    readonly known: Map<string, Fact>,
    readonly gone: Set<string>,
  ) {}

  counts(fact: Fact): boolean {
    return !this.gone.has(fact.id);
  }

  /** Whether the whole past of a fact is here. */
  placed(fact: Fact): boolean {
    const open = [fact.id];
    while (open.length > 0) {
      const id = open[open.length - 1]!;
      const named = this.#named(id);
      const next = named?.find((earlier) => !this.#placed.has(earlier));
      if (named === undefined || this.#placed.has(id)) {
        if (named === undefined) this.#placed.set(id, false);
        open.pop();
      } else if (next !== undefined) {
        // Hashes name only what was there before, so this comes to an end; a forged circle has no place.
        if (open.includes(next)) this.#placed.set(next, false);
        else open.push(next);
      } else {
        this.#placed.set(id, named.every((earlier) => this.#placed.get(earlier)));
        open.pop();
      }
    }
    return this.counts(fact) && this.#placed.get(fact.id) === true;
  }

  /** Everything reached through what a fact names and what its device said before. */
  past(fact: Fact): Set<string> {
    const past = new Set<string>();
    const open = [...(this.#named(fact.id) ?? [])];
    for (let id = open.pop(); id !== undefined; id = open.pop()) {
      if (past.has(id)) continue;
      past.add(id);
      open.push(...(this.#named(id) ?? []));
    }
    return past;
  }

  #named(id: string): string[] | undefined {
    const fact = this.known.get(id);
    return fact && (fact.previous === undefined ? fact.seen : [...fact.seen, fact.previous]);
  }
}

/** One field's facts, compared with each other. */
class Fold {
  readonly #all: Map<string, Fact>;
  readonly #entries: Fact[];
  #pasts = new Map<string, Set<string>>();
  #closures = new Map<string, Set<string>>();
  #left = new Map<string, Set<string>>();

  constructor(
    readonly graph: Graph,
    said: Fact[],
    readonly rule: Rule,
  ) {
    this.#all = new Map(said.map((fact) => [fact.id, fact]));
    this.#entries = said.filter((fact) => graph.counts(fact));
  }

  view(owner: string | undefined, reader: string | undefined): Field {
    const { kind, each } = this.rule;
    const order = (fact: Fact) => `${fact.by === reader ? 0 : 1} ${fact.by} ${fact.id}`;
    const live = this.#live().sort((one, other) => (order(one) < order(other) ? -1 : 1));
    const arriving = (of: Fact[]) => of.some((fact) => !this.graph.placed(fact));
    const field = (shown: Fact[], more: Partial<Field> = {}): Field => {
      const equal = shown.every((fact) => fact.written === shown[0]!.written);
      const state = shown.length === 0 ? "empty" : equal ? "held" : "differing";
      return {
        kind,
        state,
        ...(state === "held" ? { value: shown[0]!.value } : {}),
        versions: shown.map(version),
        seen: token(shown),
        agreed: false,
        agreement: [],
        outside: [],
        arriving: arriving(this.#entries),
        ...more,
      };
    };
    if (kind === "owned" && each) {
      const own = this.#entries.filter((fact) => fact.by === reader);
      return field(live, { state: live.length === 0 ? "empty" : "each", value: undefined, arriving: arriving(reader ? own : this.#entries) });
    }
    if (kind === "owned") {
      const own = live.filter((fact) => owner === undefined || fact.by === owner);
      const by = this.#entries.filter((fact) => owner === undefined || fact.by === owner);
      return field(own, { outside: live.filter((fact) => !own.includes(fact)).map(version), arriving: arriving(by) });
    }
    if (kind === "light") {
      const greatest = [...live].sort((one, other) => (one.id < other.id ? 1 : -1)).slice(0, 1);
      return field(greatest, { versions: live.map(version), seen: token(live) });
    }
    if (kind === "consent") {
      const agreements = new Map(this.#agreements().map((fact) => [fact.written, fact.value]));
      const held = live.length > 0 && live.every((fact) => fact.written === live[0]!.written);
      const agreed = agreements.size === 1 && held && agreements.has(live[0]!.written);
      return field(live, { agreed, agreement: [...agreements.values()] });
    }
    return field(live);
  }

  #past(fact: Fact): Set<string> {
    return memo(this.#pasts, fact.id, () => this.graph.past(fact));
  }

  #hasInPast(later: Fact, earlier: Fact): boolean {
    return this.graph.placed(later) && this.graph.placed(earlier) && this.#past(later).has(earlier.id);
  }

  #concurrent(one: Fact, other: Fact): boolean {
    const placed = this.graph.placed(one) && this.graph.placed(other) && one !== other;
    return placed && !this.#hasInPast(one, other) && !this.#hasInPast(other, one);
  }

  /** The facts of this field that a fact names, with what void ones name in their place. */
  #named(fact: Fact): Fact[] {
    const named = new Set<Fact>();
    const done = new Set<string>();
    const open = [...fact.seen];
    for (let id = open.pop(); id !== undefined; id = open.pop()) {
      const earlier = this.#all.get(id);
      if (!earlier || done.has(id)) continue;
      done.add(id);
      if (this.graph.counts(earlier)) named.add(earlier);
      else open.push(...earlier.seen);
    }
    return [...named];
  }

  /** Everything that a fact names, directly or through what it names. */
  #closure(fact: Fact): Set<string> {
    return memo(this.#closures, fact.id, () => {
      const all = new Set<string>();
      const open = this.#named(fact);
      for (let earlier = open.pop(); earlier; earlier = open.pop()) {
        if (all.has(earlier.id)) continue;
        all.add(earlier.id);
        open.push(...this.#named(earlier));
      }
      return all;
    });
  }

  /** Whoever said the one had not been shown the other. */
  #apart(one: Fact, other: Fact): boolean {
    const placed = this.graph.placed(one) && this.graph.placed(other) && one !== other;
    return placed && !this.#closure(one).has(other.id) && !this.#closure(other).has(one.id);
  }

  #contradicts(one: Fact, other: Fact): boolean {
    return one.written !== other.written && this.#apart(one, other);
  }

  /** Whether what `later` has in its past was said apart from `earlier` and says something else, or `earlier` is contested. */
  #knowinglyContradicted(later: Fact, earlier: Fact): boolean {
    const known = (other: Fact) => this.#contradicts(other, earlier) && this.#hasInPast(later, other);
    return this.#isContested(earlier) || this.#entries.some(known);
  }

  #isContested(fact: Fact): boolean {
    return !this.rule.prose && [...this.#leftBy(fact)].some((id) => this.#all.get(id)!.written !== fact.written);
  }

  /** What a fact left standing of the other partner's. */
  #leftBy(fact: Fact): Set<string> {
    return memo(this.#left, fact.id, () => {
      const named = this.#named(fact);
      const own = named.filter((earlier) => earlier.by === fact.by);
      const other = named.filter((earlier) => earlier.by !== fact.by);
      const standing = other.filter((earlier) => this.graph.placed(earlier) && this.#knowinglyContradicted(fact, earlier));
      const left = new Set(standing.map((earlier) => earlier.id));
      for (const id of own.flatMap((earlier) => [...this.#leftBy(earlier)])) {
        const answered = other.some((later) => later.id === id || this.#closure(later).has(id));
        if (!answered) left.add(id);
      }
      return left;
    });
  }

  /** The rule of docs/design/folding.md. */
  #replaces(later: Fact, earlier: Fact): boolean {
    if (!this.#named(later).includes(earlier)) return false;
    if (later.by === earlier.by) return true;
    if (!this.graph.placed(later)) return false;
    if (this.rule.kind === "light") return true;
    if (this.rule.kind !== "shared") return false;
    const beside = (other: Fact) => other.by === later.by && other !== later && !this.#hasInPast(other, later);
    const keeps = (other: Fact) =>
      this.#contradicts(other, earlier) || (this.graph.placed(other) && this.#leftBy(other).has(earlier.id));
    return !this.#entries.some((other) => beside(other) && keeps(other)) && !this.#knowinglyContradicted(later, earlier);
  }

  #live(): Fact[] {
    return this.#entries.filter((fact) => !this.#entries.some((later) => this.#replaces(later, fact)));
  }

  /** One fact of every pair that agrees and stands. */
  #agreements(): Fact[] {
    const live = new Set(this.#live());
    const rival = (word: Fact) =>
      this.#entries.some((other) => {
        const beside = this.#concurrent(other, word) || (this.#hasInPast(word, other) && live.has(other));
        return other.by === word.by && other.written !== word.written && beside;
      });
    const knowingly = (word: Fact, other: Fact) =>
      this.#entries
        .filter((later) => this.graph.placed(later) && later.by === word.by && this.#named(later).includes(word))
        .every((later) => this.#hasInPast(later, other));
    const words = this.#entries.filter((word) => this.graph.placed(word) && word.value !== null && !rival(word));
    const pairs = words.flatMap((one) =>
      words
        .filter((other) => one.by < other.by && one.written === other.written && knowingly(one, other) && knowingly(other, one))
        .map((other) => [one, other] as const),
    );
    type Pair = (typeof pairs)[number];
    const covers = (later: Pair, fact: Fact) => later.some((said) => said === fact || this.#hasInPast(said, fact));
    const within = (earlier: Pair, later: Pair) => earlier.every((fact) => covers(later, fact));
    const ended = (pair: Pair) =>
      this.#entries.some(
        (end) => end.value === null && pair.some(({ by }) => by === end.by) && pair.every((fact) => this.#hasInPast(end, fact)),
      );
    const stands = (pair: Pair) => !ended(pair) && !pairs.some((later) => within(pair, later) && !within(later, pair));
    return pairs.filter(stands).map(([one]) => one);
  }
}

function memo<Value>(known: Map<string, Value>, key: string, make: () => Value): Value {
  let value = known.get(key);
  if (value === undefined) known.set(key, (value = make()));
  return value;
}

function version({ value, erased, by, on, id }: Fact): Version {
  return { value, erased, by, on, fact: id };
}

function token(live: Fact[]): string {
  return live
    .slice(0, MAX_SEEN)
    .map((fact) => fact.id)
    .sort()
    .join(",");
}
