/** Folds lives that come as lines of JSON on the standard input, and prints where the model's own fold says otherwise. */

import { createInterface } from "node:readline";

import { facts, items, type Reading } from "../src/documents.js";

interface Life {
  seed: number;
  facts: Record<string, string>;
  void: string[];
  fields: { item: string; kind: string; field: string; live: string[]; agreed: unknown[] }[];
}

const sorted = (values: unknown[]) => JSON.stringify([...new Set(values.map((value) => JSON.stringify(value)))].sort());

let about: Parameters<typeof items>[1] | undefined;
const folded = { lives: 0, fields: 0, differing: 0, agreed: 0, void: 0, wrong: [] as unknown[] };
for await (const line of createInterface({ input: process.stdin })) {
  if (about === undefined) {
    about = JSON.parse(line);
    continue;
  }
  const life = JSON.parse(line) as Life;
  const reading: Reading = { void: life.void };
  const found = items(facts({ all: life.facts }), about!, reading);
  folded.lives += 1;
  folded.void += life.void.length;
  for (const { item, kind, field, live, agreed } of life.fields) {
    const shown = found.get(item)?.fields[field];
    const stands = [...(shown?.versions ?? []), ...(shown?.outside ?? [])].map((version) => version.fact);
    folded.fields += 1;
    folded.differing += shown?.state === "differing" ? 1 : 0;
    folded.agreed += agreed.length;
    const consent = shown?.kind === "consent";
    if (sorted(stands) !== sorted(live) || (consent && sorted(shown.agreement) !== sorted(agreed))) {
      folded.wrong.push({ seed: life.seed, item, kind, field, live, shown });
    }
  }
}
process.stdout.write(JSON.stringify({ ...folded, wrong: folded.wrong.slice(0, 3), wrongs: folded.wrong.length }));
