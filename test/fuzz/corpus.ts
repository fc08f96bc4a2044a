import { messageOf } from '../../lib/trunk/codec.js'
import { protobufCodec } from '../../lib/trunk/frames.js'
import { jsonCodec } from '../../lib/trunk/json-frames.js'
import { frame } from '../../lib/trunk/schema.js'
import type { Frame } from '../../lib/trunk/schema.js'
import { Writer } from '../../lib/protobuf.js'
import { ackMessage, binaryEventMessage, skipMessage } from '../../lib/session/messages.js'
import { BINARY, CLOSE, CONTINUATION, PING, PONG, TEXT, rawFrame } from '../attackers/raw-client.js'
import type { Random } from '../sim/random.js'

/** A message of a WebSocket. */
export interface Message {
  data: Buffer
  binary: boolean
}

/** Whom frames may be about. */
export interface Subject { peerId: string, epoch: number }

const text = (data: string): Message => ({ data: Buffer.from(data), binary: false })
const binary = (data: Uint8Array): Message => ({ data: Buffer.from(data), binary: true })
const control = (value: unknown): Message => binary(Buffer.concat([Buffer.from([0]), Buffer.from(JSON.stringify(value))]))

const EVENTS = ['', 'x', '{"type":"connect"}', '{"type":"mediaEvent","data":{"sdp":"v=0","tracks":[1,2,3]}}', 'ä€𝄞\u2028', 'y'.repeat(300)]
const BYTES = [Buffer.alloc(0), Buffer.from([0]), Buffer.from([0xff, 0xfe]), Buffer.from('0a090a01701007', 'hex'), Buffer.alloc(500, 7)]
const NUMBERS = [0, 1, 2, 3, 127, 128, 2 ** 31, 2 ** 32, 2 ** 53 - 1]
const NAMES = ['', 'p', 'x', 'admin', '__proto__', 'constructor', 'n'.repeat(128), 'n'.repeat(129), 'ä€']

/** In a plain client, each message is an event. */
export const plainMessage = (random: Random): Message => random.chance(0.5) ? text(random.pick(EVENTS)) : binary(random.pick(BYTES))

export function linkMessage (random: Random): Message {
  const number = (): number => random.pick(NUMBERS)
  return random.weighted<() => Message>([
    [4, () => text(random.pick(EVENTS))],
    [4, () => binary(binaryEventMessage(random.pick(BYTES)))],
    [2, () => binary(skipMessage())],
    [2, () => binary(ackMessage(random.chance(0.8) ? 0 : number()))],
    [2, () => binary(Buffer.from([random.between(4, 255), 1, 2]))],
    [1, () => control({ type: 'join', id: number(), version: 1, token: '{"roomId":"fuzz"}', ...(random.chance(0.5) ? { client: random.pick(NAMES) } : {}), ...(random.chance(0.5) ? { resume: { peerId: random.pick(NAMES), key: random.pick(NAMES), received: number() } } : {}) })],
    [1, () => control({ type: random.pick(['ping', 'joined', 'rejoin', 'trunk', 'of tomorrow', 'leave']), id: number(), peerId: random.pick(NAMES) })]
  ])()
}

export const linkJoin = (identity: unknown): Message => control({ type: 'join', id: 1, version: 1, token: JSON.stringify(identity) })

export const fishjamAuth = (token: string): Message => binary(new Writer().bytes(2, new Writer().bytes(1, Buffer.from(token)).finish()).finish())

export function fishjamMessage (random: Random): Message {
  const event = Buffer.from(random.pick(EVENTS))
  return random.weighted<() => Message>([
    [4, () => binary(new Writer().bytes(3, new Writer().bytes(1, event).finish()).finish())],
    [4, () => binary(new Writer().bytes(5, random.pick(BYTES)).finish())],
    [1, () => binary(new Writer().bytes(4, event).present(9, 7).finish())],
    [1, () => fishjamAuth(random.pick(['{"roomId":"fuzz"}', '', 'x']))],
    [1, () => text(random.pick(EVENTS))]
  ])()
}

/** Frames of both directions, for whoever they are. */
export function trunkFrame (random: Random, subjects: readonly Subject[]): Frame {
  const { peerId, epoch } = random.chance(0.8) && subjects.length > 0 ? random.pick(subjects) : { peerId: random.pick(NAMES.slice(0, 7)), epoch: random.pick(NUMBERS) }
  const number = (): number => random.pick(NUMBERS)
  const name = (): string => random.pick(NAMES)
  const about = random.chance(0.9) ? epoch : number()
  return random.weighted<() => Frame>([
    [6, () => frame('text', Buffer.from(random.pick(EVENTS)), peerId, about)],
    [6, () => frame('binary', random.pick(BYTES), peerId, about)],
    [3, () => frame('skip', null, peerId, about)],
    [3, () => frame('ack', random.chance(0.7) ? 0 : number(), peerId, about)],
    [3, () => frame('open', { id: number(), roomId: name(), metadata: random.pick(['', '{}', 'null', '{', '[1]']), key: name(), received: number(), trace: '', asker: name(), turn: number(), resumeOnly: random.chance(0.3) }, peerId)],
    [2, () => frame('opened', { id: random.between(0, 500), key: name(), resumed: random.chance(0.5), received: number(), windowBytes: number(), recordings: [] }, peerId, about)],
    [1, () => frame('refused', { id: random.between(0, 500), code: number(), reason: name() }, peerId)],
    [1, () => frame('detach', null, peerId, about)],
    [1, () => frame('close', { id: 0, code: random.pick([0, 999, 1000, 1005, 1012, 4410, 4999, 65_536]), reason: name() }, peerId, about)],
    [2, () => frame('notification', { id: name(), roomId: name(), peerId: name(), type: name(), payload: random.pick(['', '{}', '{', '"x"']), atMs: number(), recording: random.chance(0.5) ? null : { recordingId: name(), roomId: name(), status: random.pick(['active', 'failed', '']), revision: number(), startedAtMs: number(), file: name(), durationMs: number(), error: name() } })],
    [1, () => frame('done', name())],
    // Seldom: for more than was sent it closes the trunk, and what is said after it reaches nobody.
    [0.02, () => frame('credit', random.between(0, 100_000))],
    [1, () => frame('leave', { key: name(), code: number(), reason: name() }, peerId)],
    [1, () => frame('error', { id: 0, code: number(), reason: name() }, peerId)],
    [1, () => random.chance(0.5)
      ? frame('hello', { version: number(), backendId: name(), maxMessageBytes: number(), windowBytes: number() })
      : frame('welcome', { version: 1, serverId: name(), maxMessageBytes: number(), heartbeatMs: number(), resumeWindowMs: number(), windowBytes: number() })]
  ])()
}

export function trunkMessage (random: Random, encoding: 'protobuf' | 'json', subjects: readonly Subject[]): Message {
  const codec = encoding === 'json' ? jsonCodec : protobufCodec
  const frames = Array.from({ length: random.between(1, 4) }, () => trunkFrame(random, subjects))
  return { data: messageOf(codec, frames), binary: codec.binary }
}

/** Frames below the messages: pieces, pings, closes, and whatever nobody may send. */
export function webSocketFrame (random: Random, { data, binary }: Message): Buffer {
  return random.weighted<() => Buffer>([
    [6, () => rawFrame(binary ? BINARY : TEXT, data)],
    [2, () => Buffer.concat([rawFrame(binary ? BINARY : TEXT, data.subarray(0, 3), { fin: false }), rawFrame(PING, 'in between'), rawFrame(CONTINUATION, data.subarray(3))])],
    [1, () => rawFrame(random.pick([PING, PONG]), data.subarray(0, 130))],
    [1, () => rawFrame(CLOSE, random.pick([Buffer.alloc(0), Buffer.from([3]), Buffer.from([3, 0xe8]), Buffer.from([0, 0]), Buffer.from([0x10, 5]), Buffer.from([3, 0xe8, 0xff])]))],
    [1, () => rawFrame(random.between(0, 15), data, { reserved: random.pick([0, 0x10, 0x20, 0x40]), fin: random.chance(0.8) })],
    [1, () => rawFrame(BINARY, data, { announced: random.pick([data.length + 1, Math.max(0, data.length - 1), 125, 126, 65_535, 65_536, 200_000, 2 ** 40]) })]
  ])()
}
