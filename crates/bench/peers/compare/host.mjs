// What every peer in JavaScript is asked, the same for all: lines of JSON on standard input, each answered by a line on
// standard output, as crates/bench/src/compare/host.rs says. Besides, a peer tells what it sees: {"seen": TEXT} when the
// edited text has come to it, {"saved": TEXT} when it has handed that to its storage, too.
//
//     load {file, documents}   takes the lines of a file in: {"day", "who", "key", "text"}, a change each; `documents` are
//                              the same as Automerge's documents, by year, where they are there
//     listen                   {port}
//     state                    what the other needs to find the same documents, for `connect`
//     connect {port, state}    begins to be connected, and stays so
//     disconnect
//     wait {year, entries}     until so many entries of the year are here; of every year where `entries` is an object
//     edit {text}              changes the one entry that is edited, and hands it to storage
//     read                     the last entry of the last year: what a person sees first
//     search {word}            in how many entries it stands
//     stop                     hands everything to storage

import { readFileSync } from "node:fs"
import { createInterface } from "node:readline"
import { setTimeout as rest } from "node:timers/promises"

// Standard output is for answers.
console.log = console.info = console.error

export const tell = message => process.stdout.write(JSON.stringify(message) + "\n")

export const EDITED = "edited/title"

export function serve(commands) {
  const lines = createInterface({ input: process.stdin })
  lines.on("line", async line => {
    const { number, asked, ...given } = JSON.parse(line)
    try {
      tell({ number, answer: (await commands[asked](given)) ?? {} })
    } catch (error) {
      tell({ number, error: String(error?.message ?? error) })
    }
  })
  lines.on("close", () => process.exit(0))
  tell({ ready: true })
}

/** The lines of a file, by year, in order. */
export function years(file) {
  const years = new Map()
  for (const line of readFileSync(file, "utf8").split("\n")) {
    if (line === "") continue
    const entry = JSON.parse(line)
    const year = entry.day.slice(0, 4)
    if (!years.has(year)) years.set(year, [])
    years.get(year).push(entry)
  }
  return years
}

/** Waits until `count(year)` is what is asked for, of each year. */
export async function until(count, { entries }) {
  for (const [year, wanted] of Object.entries(entries)) {
    while ((await count(year)) < wanted) await rest(5)
  }
}
