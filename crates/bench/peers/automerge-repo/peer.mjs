// automerge-repo as cargo xtask bench measures it: this process writes, a child of it reads. Between them is a WebSocket,
// and each has its own file storage.
//
//     node peer.mjs DIRECTORY EDITS
//
// prints as JSON, in nanoseconds, for each edit: `read`, from the change here to its being read in the other process, and
// `saved`, to that and both having flushed their storage. process.hrtime is the monotonic clock, the same in both.

import { fork } from "node:child_process"
import { once } from "node:events"
import { join } from "node:path"
import { setTimeout as rest } from "node:timers/promises"
import { fileURLToPath } from "node:url"
import { ImmutableString, Repo } from "@automerge/automerge-repo"
import { WebSocketClientAdapter, WebSocketServerAdapter } from "@automerge/automerge-repo-network-websocket"
import { NodeFSStorageAdapter } from "@automerge/automerge-repo-storage-nodefs"
import { WebSocketServer } from "ws"

// It sends what changed at most every 100 ms. A person edits less often: so long between two edits, each goes at once.
const REST = 120

const now = () => process.hrtime.bigint()

async function read(directory) {
  const server = new WebSocketServer({ host: "127.0.0.1", port: 0 })
  await once(server, "listening")
  const repo = new Repo({
    network: [new WebSocketServerAdapter(server)],
    storage: new NodeFSStorageAdapter(directory),
    // As a server is set up: it gives what it is asked for.
    sharePolicy: async () => false,
  })
  process.on("message", async ({ find }) => {
    if (!find) return
    const document = await repo.find(find)
    document.on("change", async ({ doc }) => {
      const value = doc.title?.val
      if (value === undefined) return
      process.send({ value, read: now().toString() })
      await repo.flush([document.documentId])
      process.send({ value, saved: now().toString() })
    })
    process.send({ found: true })
  })
  process.send({ port: server.address().port })
}

async function write(directory, edits) {
  const child = fork(fileURLToPath(import.meta.url), [join(directory, "reader")], { env: { ...process.env, READER: "1" } })
  const waiting = new Map()
  child.on("message", message => {
    for (const key of Object.keys(message)) {
      const name = message.value === undefined ? key : `${key} ${message.value}`
      waiting.get(name)?.(message[key])
      waiting.delete(name)
    }
  })
  child.on("exit", code => process.exit(code ?? 1))
  const told = name => new Promise(resolve => waiting.set(name, resolve))
  const port = await told("port")
  const repo = new Repo({
    network: [new WebSocketClientAdapter(`ws://127.0.0.1:${port}`)],
    storage: new NodeFSStorageAdapter(join(directory, "writer")),
  })
  await repo.networkSubsystem.whenReady()
  const document = repo.create({ title: new ImmutableString("A title") })
  const found = told("found")
  child.send({ find: document.url })
  await found
  const taken = { read: [], saved: [] }
  const warm = 10
  for (let number = 0; number < warm + edits; number++) {
    const value = `Title ${number}`
    await rest(REST)
    const there = { read: told(`read ${value}`), saved: told(`saved ${value}`) }
    const begun = now()
    document.change(doc => {
      doc.title = new ImmutableString(value)
    })
    const here = repo.flush([document.documentId]).then(now)
    const seen = BigInt(await there.read)
    const [mine, theirs] = await Promise.all([here, there.saved])
    const saved = mine > BigInt(theirs) ? mine : BigInt(theirs)
    if (number < warm) continue
    taken.read.push(Number(seen - begun))
    taken.saved.push(Number(saved - begun))
  }
  console.log(JSON.stringify(taken))
  child.removeAllListeners("exit")
  child.kill()
  process.exit(0)
}

if (process.env.READER) await read(process.argv[2])
else await write(process.argv[2], Number(process.argv[3]))
