import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { createEndpoint } from '../../lib/trunk/endpoint.js'
import type { EndpointPeer, EndpointStats } from '../../lib/trunk/endpoint.js'
import { given, serve } from '../bench/child.js'
import { Random } from '../sim/random.js'
import { burst, makeEvent, readEvent } from './events.js'
import { Ledger } from './ledger.js'
import type { PeerRecord } from './ledger.js'
import { listenAgain } from './listen.js'
import { heapBytes } from './memory.js'
import { NO_COUNTS, Sequence } from './sequence.js'

/** A media server process: it numbers what it sends to each client, and keeps the books of what it hears from each. */

export interface MediaServerSettings {
  name: string
  /** 0: any that is free. */
  port: number
  ledger: string
  windowMs: number
  seed: number
}

export interface MediaServerState {
  stats: EndpointStats
  heapBytes: number
}

const TICK_MS = 100
/** Slices of a tick, so that not all peers speak at once. */
const SLICES = 5

const { name, port, ledger: path, windowMs, seed } = given<MediaServerSettings>()
const random = new Random(seed)
const ledger = new Ledger(path)
const speakers = new Set<() => void>()
let peers = 0
let slice = 0

const endpoint = createEndpoint({ token: 'chaos', onPeer, resumeWindowMs: windowMs, heartbeatMs: 1_000 })
const server = createServer()
server.on('upgrade', (request, socket, head) => { void endpoint.handleUpgrade(request, socket, head) })
const ticking = setInterval(() => {
  slice = (slice + 1) % SLICES
  let i = 0
  for (const speak of speakers) if (i++ % SLICES === slice) speak()
}, TICK_MS / SLICES)

await listenAgain(port, (at) => once(server.listen(at, '127.0.0.1'), 'listening'))
serve({ port: (server.address() as AddressInfo).port }, {
  quiet () {
    clearInterval(ticking)
    return 'quiet'
  },
  state: async (): Promise<MediaServerState> => ({ stats: endpoint.stats(), heapBytes: await heapBytes() })
})

function onPeer (peer: EndpointPeer): void | Promise<void> {
  const stream = `${name}.${++peers}`
  const record: PeerRecord = { stream, peerId: peer.id, from: null, sent: 0, end: null, ...NO_COUNTS }
  const write = ledger.open(record)
  const heard = new Sequence()
  let detachedAt: number | null = null
  let waits = false

  const say = (): void => {
    record.sent++
    write()
    waits = !peer.send(makeEvent(stream, record.sent, random))
  }
  const speak = (): void => {
    // A client that is away, or does not read, is sent a little all the same: its session has room for that.
    const count = waits ? random.between(0, 1) : burst(random)
    for (let i = 0; i < count && record.end === null; i++) say()
  }
  peer.on('mediaEvent', (data, binary) => {
    heard.take(readEvent(binary ? data : data.toString()))
    record.from = heard.from
    Object.assign(record, heard.counts)
    write()
  })
  peer.on('drain', () => { waits = false })
  peer.on('detach', () => { detachedAt = performance.now() })
  peer.on('attach', () => { detachedAt = null })
  peer.on('close', ({ code, reason }) => {
    speakers.delete(speak)
    record.end = { code, reason: reason.slice(0, 60), detachedMs: detachedAt === null ? null : Math.round(performance.now() - detachedAt) }
    write()
  })
  // The first event waits for the answer that lets the peer in: by it a client knows whose session it has.
  say()
  speakers.add(speak)
  if (random.chance(0.3)) return new Promise((resolve) => { setTimeout(resolve, random.between(0, 10)) })
}
