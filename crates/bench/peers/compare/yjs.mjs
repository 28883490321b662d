// Yjs with y-websocket 2 and y-leveldb on both sides: a document a year. See host.mjs.
//
//     node yjs.mjs DIRECTORY

import { once } from "node:events"
import { createServer } from "node:http"
import { createRequire } from "node:module"
import { existsSync, readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { WebSocket, WebSocketServer } from "ws"
import { EDITED, serve, tell, until, years } from "./host.mjs"

// Its server is CommonJS; two copies of Yjs in one process do not know each other's documents.
const require = createRequire(import.meta.url)
const Y = require("yjs")
const { WebsocketProvider } = require("y-websocket")
const { LeveldbPersistence } = require("y-leveldb")
const { getYDoc, setPersistence, setupWSConnection } = require("y-websocket/bin/utils")

const home = process.argv[2]
const names = join(home, "documents.json")
const store = new LeveldbPersistence(join(home, "level"))
let known = existsSync(names) ? JSON.parse(readFileSync(names, "utf8")) : []
const loaded = new Map()
let saving = Promise.resolve()
let providers = []

const remember = () => writeFileSync(names, JSON.stringify(known))
const last = () => known.toSorted().at(-1)

// As y-websocket's own server does it, and knowing when it is done.
setPersistence({
  bindState(name, doc) {
    const ready = (async () => {
      Y.applyUpdate(doc, Y.encodeStateAsUpdate(await store.getYDoc(name)))
      doc.on("update", update => {
        saving = store.storeUpdate(name, update)
      })
      watch(doc)
    })()
    loaded.set(name, ready)
    return ready
  },
  writeState: async () => {},
})

async function find(year) {
  const doc = getYDoc(year, true)
  await loaded.get(year)
  return doc
}

function watch(doc) {
  const entries = doc.getMap("entries")
  entries.observe(async event => {
    if (!event.keysChanged.has(EDITED)) return
    const text = entries.get(EDITED)
    tell({ seen: text })
    // After the update itself was handed over.
    await new Promise(setImmediate)
    await saving
    tell({ saved: text })
  })
}

serve({
  async load({ file }) {
    for (const [year, lines] of years(file)) {
      const here = known.includes(year)
      const doc = here ? await find(year) : new Y.Doc()
      const entries = doc.getMap("entries")
      for (const { key, text } of lines) entries.set(key, text)
      if (here) continue
      // As y-leveldb leaves it after a trim: one update for what was said before.
      await store.storeUpdate(year, Y.encodeStateAsUpdate(doc))
      doc.destroy()
      known.push(year)
    }
    remember()
    await saving
  },
  async listen() {
    const server = createServer()
    const sockets = new WebSocketServer({ server })
    sockets.on("connection", setupWSConnection)
    server.listen(0, "127.0.0.1")
    await once(server, "listening")
    return { port: server.address().port }
  },
  state: () => known,
  async connect({ port, state }) {
    known = state
    remember()
    providers = await Promise.all(
      // The present first.
      known.toSorted().reverse().map(async year => {
        const options = { WebSocketPolyfill: WebSocket, disableBc: true }
        return new WebsocketProvider(`ws://127.0.0.1:${port}`, year, await find(year), options)
      }),
    )
  },
  disconnect() {
    for (const provider of providers) provider.destroy()
    providers = []
  },
  wait: asked =>
    until(async year => {
      const entries = (await find(year)).getMap("entries")
      return entries.size - (entries.has(EDITED) ? 1 : 0)
    }, asked),
  async edit({ text }) {
    const doc = await find(last())
    doc.getMap("entries").set(EDITED, text)
    await saving
  },
  async read() {
    const entries = (await find(last())).getMap("entries")
    return { text: [...entries.values()].at(-1) }
  },
  async search({ word }) {
    let found = 0
    for (const year of known) {
      for (const text of (await find(year)).getMap("entries").values()) if (text.includes(word)) found++
    }
    return { found }
  },
  async stop() {
    await saving
    await store.destroy()
  },
})
