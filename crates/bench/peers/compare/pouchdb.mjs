// PouchDB over LevelDB on both sides, one of them behind express-pouchdb: an entry a document. See host.mjs.
//
//     node pouchdb.mjs DIRECTORY

import { once } from "node:events"
import { join } from "node:path"
import express from "express"
import serveCouch from "express-pouchdb"
import PouchDB from "pouchdb"
import { EDITED, serve, tell, until, years } from "./host.mjs"

const home = process.argv[2]
const Local = PouchDB.defaults({ prefix: home + "/" })
const db = new Local("db")
let replication
let before

// One document is edited; its id comes after all years.
const edited = `~/${EDITED}`

db.changes({ live: true, since: "now", include_docs: true }).on("change", ({ id, doc }) => {
  if (id !== edited || doc.text === before) return
  before = doc.text
  tell({ seen: doc.text })
  // What is told is in LevelDB already.
  tell({ saved: doc.text })
})

async function put(documents) {
  for (const outcome of await db.bulkDocs(documents)) {
    if (outcome.error) throw new Error(`${outcome.id}: ${outcome.message}`)
  }
}

serve({
  async load({ file }) {
    for (const [year, lines] of years(file)) {
      const revisions = new Map()
      let batch = new Map()
      const write = async () => {
        const documents = [...batch.values()]
        for (const { id, rev, error, message } of await db.bulkDocs(documents)) {
          if (error) throw new Error(`${id}: ${message}`)
          revisions.set(id, rev)
        }
        batch = new Map()
      }
      for (const { day, who, key, text } of lines) {
        const id = `${year}/${key}`
        // A document cannot be written twice at once: what is said anew comes with the next batch.
        if (batch.has(id) || batch.size >= 1000) await write()
        const rev = revisions.get(id) ?? (await db.get(id).catch(() => undefined))?._rev
        batch.set(id, { _id: id, ...(rev && { _rev: rev }), day, who, text })
      }
      await write()
    }
  },
  async listen() {
    const app = express()
    app.use("/", serveCouch(Local, { mode: "minimumForPouchDB", inMemoryConfig: true, logPath: join(home, "log.txt") }))
    const server = app.listen(0, "127.0.0.1")
    await once(server, "listening")
    return { port: server.address().port }
  },
  state: () => ({}),
  connect({ port }) {
    replication = db.sync(`http://127.0.0.1:${port}/db`, { live: true, retry: true })
    replication.on("error", error => console.error(error))
  },
  async disconnect() {
    const ended = once(replication, "complete")
    replication.cancel()
    await ended
  },
  wait: asked =>
    until(async year => {
      const options = { startkey: `${year}/`, endkey: `${year}/\uffff` }
      return (await db.allDocs(options)).rows.length
    }, asked),
  async edit({ text }) {
    const rev = (await db.get(edited).catch(() => undefined))?._rev
    await put([{ _id: edited, ...(rev && { _rev: rev }), text }])
  },
  async read() {
    const { rows } = await db.allDocs({ include_docs: true, descending: true, startkey: "~", limit: 1 })
    return { text: rows[0].doc.text }
  },
  async search({ word }) {
    const { rows } = await db.allDocs({ include_docs: true })
    return { found: rows.filter(({ doc }) => doc.text.includes(word)).length }
  },
  stop: () => db.close(),
})
