import { createServer } from 'node:http'
import net from 'node:net'
import type { AddressInfo } from 'node:net'
import t from 'tap'
import { FakeClient } from '../../lib/testing/index.js'
import { EndpointRefusal, createEndpoint } from '../../lib/trunk/endpoint.js'
import type { EndpointPeer } from '../../lib/trunk/endpoint.js'
import type { Peer } from '../../plugins/trunkline.js'
import { startApp } from '../support.js'

// Many clients that come, speak and go in every way, through hooks that are slow or throw, to a media server that is slow
// or refuses, over a trunk that is cut: whatever meets whatever, each peer's events stay in order, each that joined leaves
// once, and in the end nothing is left.

const CLIENTS = 12
const ROUNDS = 12
const SEEDS = process.env.RACE_SEEDS === undefined ? 3 : Number(process.env.RACE_SEEDS)

/** A small generator (xorshift), so that a seed replays what is left to chance here; what the network does is its own. */
function chanceOf (seed: number): { of: (p: number) => boolean, below: (n: number) => number } {
  let state = seed * 2654435761 >>> 0 || 1
  const next = (): number => {
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    return (state >>> 0) / 2 ** 32
  }
  return { of: (p) => next() < p, below: (n) => Math.floor(next() * n) }
}

const turns = async (n: number): Promise<void> => {
  for (let i = 0; i < n; i++) await new Promise((resolve) => setImmediate(resolve))
}

for (let seed = 1; seed <= SEEDS; seed++) {
  t.test(`races, seed ${seed}`, async (t) => {
    const chance = chanceOf(seed)
    const wrong: string[] = []
    const living = new Set<EndpointPeer>()
    const endpoint = createEndpoint({
      token: 'secret',
      // What is lost with the trunk when the app closes is held no longer than this.
      resumeWindowMs: 500,
      onPeer: async (peer) => {
        living.add(peer)
        let received = 0
        let sent = 0
        peer.on('close', () => { if (!living.delete(peer)) wrong.push(`${peer.id}: closed twice`) })
        peer.on('mediaEvent', (data) => {
          if (Number(data.toString()) !== received++) wrong.push(`${peer.id}: uplink ${data.toString()} instead of ${received - 1}`)
          peer.send(String(sent++))
          if (chance.of(0.01)) throw new Error('a listener')
          if (chance.of(0.01)) peer.close()
        })
        if (chance.of(0.3)) await turns(chance.below(5))
        if (chance.of(0.05)) throw new EndpointRefusal(4403, 'not you')
      }
    })
    const server = createServer()
    server.on('upgrade', (request, socket, head) => { void endpoint.handleUpgrade(request, socket, head) })
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    const trunks = new Set<net.Socket>()
    const cutter = net.createServer((socket) => {
      const through = net.connect((server.address() as AddressInfo).port, '127.0.0.1')
      for (const [one, other] of [[socket, through], [through, socket]] as const) {
        trunks.add(one)
        one.on('error', () => {})
        one.on('close', () => {
          trunks.delete(one)
          other.destroy()
        })
        one.pipe(other)
      }
    })
    await new Promise<void>((resolve) => cutter.listen(0, '127.0.0.1', resolve))
    t.teardown(async () => {
      for (const socket of trunks) socket.destroy()
      await new Promise((resolve) => cutter.close(resolve))
      await endpoint.close()
      await new Promise((resolve) => server.close(resolve))
    })

    const history = new Map<Peer, string[]>()
    const tell = (peer: Peer, what: string): void => { history.get(peer)?.push(what) ?? history.set(peer, [what]) }
    const forward = (what: string) => async (_event: unknown, peer: Peer): Promise<void> => {
      tell(peer, what)
      if (chance.of(0.005)) throw new Error('a forwarding hook')
      if (chance.of(0.2)) await turns(chance.below(4))
    }
    const { app, join } = await startApp(t, {
      url: `ws://127.0.0.1:${(cutter.address() as AddressInfo).port}`, token: 'secret', retry: { baseMs: 2, maxMs: 10 }, encoding: seed % 2 === 0 ? 'json' : 'protobuf'
    }, {
      fastify: { logger: false },
      limits: { uplinkQueueBytes: 500, trunkQueueBytes: 2_000, closeMs: 200 },
      hooks: {
        onPeerJoin: async (peer) => {
          tell(peer, 'join')
          if (chance.of(0.3)) await turns(chance.below(5))
          tell(peer, 'joined')
          if (chance.of(0.03)) app.trunkline.kick(peer.id)
        },
        onUplink: forward('up'),
        onDownlink: forward('down'),
        onPeerLeave: async (peer) => {
          tell(peer, 'leave')
          if (chance.of(0.2)) throw new Error('onPeerLeave')
        }
      }
    })

    const client = async (): Promise<void> => {
      for (let round = 0; round < ROUNDS; round++) {
        if (chance.of(0.1)) for (const socket of trunks) socket.destroy()
        const it = await join({ roomId: `r${chance.below(3)}`, ...(chance.of(0.5) ? { peerId: `p${chance.below(6)}` } : {}) }).catch(() => null)
        if (it === null) continue
        let heard = 0
        it.socket.on('message', (data) => { if (Number(data) !== heard++) wrong.push(`downlink ${String(data)} instead of ${heard - 1}`) })
        for (let sent = 0, events = chance.below(30); sent < events && it.socket.readyState === it.socket.OPEN; sent++) {
          it.send(String(sent))
          if (chance.of(0.3)) await turns(chance.below(4))
        }
        if (chance.of(0.3)) await turns(20)
        await leave(it)
      }
    }
    const leave = async (it: FakeClient): Promise<void> => {
      if (chance.of(0.5)) await it.cut()
      else await it.close()
    }
    await Promise.all(Array.from({ length: CLIENTS }, client))
    await app.close()

    const { peers, rooms, links, left } = app.trunkline.stats()
    t.same({ peers, rooms, links }, { peers: 0, rooms: 0, links: 0 })
    while (living.size > 0) await turns(1)
    t.equal(endpoint.stats().peers, 0)
    t.same(wrong, [])
    for (const events of history.values()) {
      const order = events.join(' ')
      if (!/^join joined( (up|down))* leave$/.test(order)) wrong.push(order)
    }
    t.same(wrong, [])
    t.ok(history.size > CLIENTS, `${history.size} peers joined; ${JSON.stringify(left)}`)
  })
}
