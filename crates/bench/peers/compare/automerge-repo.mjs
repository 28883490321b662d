// automerge-repo with its file storage and WebSocket: a document a year, an entry a change. See host.mjs.
//
//     node automerge-repo.mjs DIRECTORY

import { once } from "node:events"
import { existsSync, readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { ImmutableString, Repo } from "@automerge/automerge-repo"
import { WebSocketClientAdapter, WebSocketServerAdapter } from "@automerge/automerge-repo-network-websocket"
import { NodeFSStorageAdapter } from "@automerge/automerge-repo-storage-nodefs"
import { WebSocketServer } from "ws"
import { EDITED, serve, tell, until, years } from "./host.mjs"

let dials = false
const home = process.argv[2]
const names = join(home, "documents.json")
const repo = new Repo({
  network: [],
  storage: new NodeFSStorageAdapter(join(home, "storage")),
  // As a server is set up, it gives what it is asked for; as a client, it asks and tells.
  sharePolicy: async () => dials,
})
let urls = existsSync(names) ? JSON.parse(readFileSync(names, "utf8")) : {}
const handles = new Map()
let adapter

const remember = () => writeFileSync(names, JSON.stringify(urls))
const last = () => Object.keys(urls).sort().at(-1)

function find(year) {
  if (!handles.has(year)) {
    const found = repo.find(urls[year]).then(handle => {
      watch(handle)
      return handle
    })
    handles.set(year, found)
    found.catch(() => handles.delete(year))
  }
  return handles.get(year)
}

function watch(handle) {
  let before = handle.doc()?.entries?.[EDITED]?.val
  handle.on("change", async ({ doc }) => {
    const text = doc.entries?.[EDITED]?.val
    if (text === undefined || text === before) return
    before = text
    tell({ seen: text })
    await repo.flush([handle.documentId])
    tell({ saved: text })
  })
}

serve({
  async load({ file, documents = {} }) {
    // What was said before comes as documents that Rust wrote with an entry a change; here a change takes milliseconds.
    for (const [year, path] of Object.entries(documents)) {
      urls[year] = repo.import(readFileSync(path)).url
      await repo.flush()
    }
    remember()
    if (Object.keys(documents).length > 0) return
    for (const [year, entries] of years(file)) {
      const handle = await find(year)
      for (const { key, text } of entries) {
        handle.change(doc => {
          doc.entries[key] = new ImmutableString(text)
        })
      }
    }
    await repo.flush()
  },
  async listen() {
    const server = new WebSocketServer({ host: "127.0.0.1", port: 0 })
    await once(server, "listening")
    repo.networkSubsystem.addNetworkAdapter(new WebSocketServerAdapter(server))
    return { port: server.address().port }
  },
  state: () => urls,
  async connect({ port, state }) {
    urls = state
    remember()
    dials = true
    adapter = new WebSocketClientAdapter(`ws://127.0.0.1:${port}`)
    repo.networkSubsystem.addNetworkAdapter(adapter)
    await adapter.whenReady()
    // The present first.
    for (const year of Object.keys(urls).sort().reverse()) find(year).catch(error => console.error(error))
  },
  disconnect() {
    repo.networkSubsystem.removeNetworkAdapter(adapter)
  },
  wait: asked =>
    until(async year => Object.keys((await find(year)).doc()?.entries ?? {}).filter(key => key !== EDITED).length, asked),
  async edit({ text }) {
    const handle = await find(last())
    handle.change(doc => {
      doc.entries[EDITED] = new ImmutableString(text)
    })
    await repo.flush([handle.documentId])
  },
  async read() {
    const { entries } = (await find(last())).doc()
    return { text: Object.values(entries).at(-1).val }
  },
  async search({ word }) {
    let found = 0
    for (const year of Object.keys(urls)) {
      const { entries } = (await find(year)).doc()
      for (const text of Object.values(entries)) if (text.val.includes(word)) found++
    }
    return { found }
  },
  stop: () => repo.flush(),
})
