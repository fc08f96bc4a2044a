import t from 'tap'
import type { Admitted } from '../../lib/dialects/dialect.js'
import { StandIn } from '../../lib/dialects/stand-in.js'
import { HeldSession } from '../../lib/media-servers/held-session.js'
import type { Attachment, AttachmentReceiver, MediaServer, OpenRequest } from '../../lib/relay/media-server.js'
import { ManualClock } from '../../lib/testing/index.js'
import type { Channel } from '../../lib/trunk/channel.js'
import { EndpointPeer } from '../../lib/trunk/endpoint-peer.js'
import type { EndpointPeerOwner } from '../../lib/trunk/endpoint-peer-owner.js'
import { Pins } from '../../lib/pins.js'
import { unpinned } from '../../lib/unpinned.js'

// What waits is a view of what was read, all of which would stay alive with it: 64 KiB for an event of 100 bytes.

const READ_BYTES = 64 * 1024
const EVENT_BYTES = 100

/** One event of many that were read at once. */
const oneOfMany = (): Buffer => Buffer.alloc(READ_BYTES, 7).subarray(EVENT_BYTES, 2 * EVENT_BYTES)

/** What stays in memory for it. */
const kept = ({ buffer }: Buffer): number => buffer.byteLength

t.test('so much beyond itself an event may keep alive, and a byte more is copied', async (t) => {
  const most = 2 * EVENT_BYTES + 2_048
  for (const [read, keeps] of [[most, most], [most + 1, EVENT_BYTES]] as const) {
    const event = Buffer.from(new ArrayBuffer(read), 0, EVENT_BYTES).fill(7)
    t.equal(kept(unpinned(event)), keeps)
    t.same(unpinned(event), event)
  }
  t.equal(kept(unpinned(Buffer.from('of the pool that Node has for small ones'))), 40)
})

t.test('of a client without an end of its own, while the media server cannot be reached', async (t) => {
  const sent: Buffer[] = []
  const door = { clock: new ManualClock(), queueBytes: READ_BYTES, windowEvents: 512, pins: new Pins(READ_BYTES) }
  const standIn = new StandIn({ bufferedBytes: 0, joined () {}, send () {}, pause () {}, resume () {}, close () {} }, door)
  standIn.enter({ enter: () => ({ ask () {}, uplink: (data: Buffer) => sent.push(data), skip () {}, ack () {}, end () {} }) } as unknown as Admitted)
  // The second is one more than may be kept alive for nothing.
  for (let i = 0; i < 2; i++) standIn.uplink(oneOfMany(), true)
  t.equal(sent.length, 0)
  standIn.joined({ key: 'k', resumed: false, received: 0, windowBytes: 1_000, peerId: 'p', roomId: 'r', resumeMs: 0, recordings: { isKnown: false, revision: 0, recordings: [] } })
  t.same(sent.map(kept), [2 * EVENT_BYTES, 2 * EVENT_BYTES])
})

t.test('of a session that is held here, while its client is away', async (t) => {
  const heard: Buffer[] = []
  const nothing = { opened () {}, refused () {}, skip () {}, ack () {}, relieved () {}, closed () {} }
  const receiver: AttachmentReceiver = { ...nothing, event: (data) => heard.push(data) }
  const inner = { open: (): Attachment => ({ bufferedBytes: 0, send: () => 'taken', skip: () => 'taken', ack () {}, detach () {}, close () {} }) } as unknown as MediaServer
  const request = { received: 0 } as OpenRequest
  const session = new HeldSession(request, 'key', { windowMs: 1_000, windowBytes: 1_000, windowEvents: 512, clock: new ManualClock(), pins: new Pins(READ_BYTES) }, () => {})
  const attachment = session.begin(inner, receiver)
  session.opened({ key: '', resumed: false, received: 0, windowBytes: 0 })
  attachment.detach()
  for (let i = 0; i < 2; i++) session.event(oneOfMany(), true)
  t.equal(heard.length, 0)
  session.resume(request, receiver)
  await Promise.resolve()
  t.same(heard.map(kept), [2 * EVENT_BYTES, 2 * EVENT_BYTES])
})

t.test('of what a media server forwards from one client to another', async (t) => {
  const sent: Buffer[] = []
  const trunk = {
    hasRoom: () => true, way: () => null, send: () => 'taken', sendEvent: (_way: unknown, data: Buffer) => { sent.push(data); return 'taken' }
  } as unknown as Channel
  const owner: EndpointPeerOwner = {
    clock: new ManualClock(),
    session: { windowMs: 1_000, windowBytes: 1_000, limits: { windowEvents: 512, keptBytes: 10_000, keptEvents: 100 } },
    pins: new Pins(2 * READ_BYTES),
    received () {},
    recordings: () => [],
    gone () {},
    failed () {}
  }
  const peer = new EndpointPeer({ id: 'p', roomId: 'r', metadata: null, key: 'k', asked: { key: '', asker: '', turn: 0 } }, trunk, 1, owner)
  peer.send(oneOfMany())
  peer.send('of the pool')
  t.equal(sent.length, 0)
  // By then so much has been read that what the first two keep alive is more than all peers may.
  for (let i = 0; i < 2; i++) peer.send(oneOfMany())
  peer.opened(1)
  t.same(sent.map(({ length }) => length), [EVENT_BYTES, 11, EVENT_BYTES, EVENT_BYTES])
  t.equal(sent[0]!.buffer, sent[1]!.buffer, 'both into one piece')
  t.ok(kept(sent[0]!) <= 2 * EVENT_BYTES + 11)
  t.same(sent.slice(2).map(kept), [kept(sent[0]!), READ_BYTES], 'what has just come is not copied')
})
