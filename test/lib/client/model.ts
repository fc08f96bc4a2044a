import assert from 'node:assert/strict'
import { ackMessage, binaryEventMessage, controlMessage, skipMessage } from '../../../lib/session/messages.js'
import type { MemorySocket } from './memory-socket.js'
import { answerTo } from './support.js'
import type { Join, Said } from './support.js'

/** A session as backend and media server know it: what has come in, and all that was ever to go out. */
export interface FarSession {
  peerId: string
  key: string
  got: string[]
  /** Null: a skip. */
  out: Array<string | null>
  acked: number
}

/** One event as both sides write it down: its kind, and what is in it. */
export const written = (event: string | Uint8Array): string => typeof event === 'string' ? `text ${event}` : `bytes ${Buffer.from(event).toString()}`

/** What goes out for an event that was written down. */
const message = (event: string | null): string | Uint8Array => {
  if (event === null) return skipMessage()
  return event.startsWith('text ') ? event.slice(5) : binaryEventMessage(Buffer.from(event.slice(6)))
}

/** The far side of one socket, with what is on its way in each direction. */
export class Far {
  readonly socket: MemorySocket
  readonly up: Said[] = []
  readonly down: Array<string | Uint8Array> = []
  /** Whether events flow: from the answer to an asking until the next one is needed. */
  attached = false
  cursor = 0
  /** The asking that the client waits for an answer to; null: it has one. */
  #awaited: number | null = null

  constructor (socket: MemorySocket) {
    this.socket = socket
    socket.hears = (said) => {
      if (said.type === 'join') this.#awaited = said.id
      else assert.equal(this.#awaited, null, `${said.type} between asking and the answer`)
      this.up.push(said)
    }
  }

  get idle (): boolean {
    return this.up.length === 0 && this.down.length === 0
  }

  /** The client gets one message, if it still listens. */
  deliver (): void {
    const next = this.down.shift()
    if (next === undefined) return
    if (typeof next !== 'string' && this.socket.closedWith === null && next[0] === 0) {
      const { type, id } = JSON.parse(Buffer.from(next.subarray(1)).toString()) as { type: string, id: number }
      if (type === 'joined' && id === this.#awaited) this.#awaited = null
    }
    this.socket.brings(next)
  }

  /** The network loses it, and all that was on its way. */
  lose (code: number): void {
    this.up.length = this.down.length = 0
    this.attached = false
    this.socket.closes(code)
  }
}

/** Backend and media server in one, as plain as can be. */
export class FarSide {
  readonly fars: Far[] = []
  session: FarSession | null = null
  readonly sessions = new Map<string, FarSession>()
  /** Where the session is, or was last. */
  holder: Far | null = null
  readonly #windowBytes: number
  #asked = 0

  constructor (windowBytes: number) {
    this.#windowBytes = windowBytes
  }

  /** The socket that the client has at the moment, if any. */
  get current (): Far | null {
    const far = this.fars.at(-1)
    return far !== undefined && far.socket.readyState < 2 ? far : null
  }

  accept (socket: MemorySocket): void {
    assert.ok(this.current === null, 'the old socket was let go first')
    this.fars.push(new Far(socket))
  }

  /** One message of the client arrives. */
  process (far: Far): void {
    const said = far.up.shift()
    if (said === undefined) return
    const { session } = this
    if (said.type === 'join') this.#join(far, said)
    if (this.holder !== far || session === null || said.type === 'join') return
    if (said.type === 'leave') this.session = null
    else if (far.attached && said.type === 'event') session.got.push(written(said.event))
    else if (far.attached && said.type === 'ack') {
      assert.ok(said.received >= session.acked && said.received <= far.cursor, 'an acknowledgement of what was sent')
      session.acked = said.received
    }
  }

  /** For once nothing goes wrong: all that is on its way arrives. */
  settle (): void {
    for (let far = this.current; far !== null; far = this.current) {
      if (far.socket.readyState === 0) far.socket.opens()
      if (far.idle) return
      this.process(far)
      far.deliver()
    }
  }

  /** What the client said with its close arrives. */
  closed (far: Far): void {
    if (this.holder !== far || far.socket.closedWith === null) return
    far.attached = false
    if (far.socket.closedWith.code === 1000) this.session = null
  }

  /** The media server has something to say. */
  emit (event: string | null): void {
    if (this.session === null) return
    this.session.out.push(event)
    this.#pump()
  }

  acknowledge (): void {
    if (this.session !== null && this.holder?.attached === true) this.holder.down.push(ackMessage(this.session.got.length))
  }

  trunkDown (): void {
    if (this.holder === null) return
    this.holder.attached = false
    this.holder.down.push(controlMessage({ type: 'trunk', state: 'down' }))
  }

  rejoin (): void {
    if (this.holder === null) return
    this.holder.attached = false
    this.holder.down.push(controlMessage({ type: 'rejoin', reason: 'trunk' }))
  }

  #join (far: Far, join: Join): void {
    // An asking that was overtaken by a newer one on another socket must not take the session away from that.
    if (join.id <= this.#asked) return
    this.#asked = join.id
    const { resume } = join
    const resumed = resume !== undefined && this.session !== null && resume.key === this.session.key
    if (resumed) {
      assert.ok(resume.received >= this.session!.acked && resume.received <= this.session!.out.length, 'the client has what it can have')
    } else {
      const n = this.sessions.size
      this.session = { peerId: `peer ${n}`, key: `key ${n}`, got: [], out: [], acked: 0 }
      this.sessions.set(this.session.peerId, this.session)
    }
    const { peerId, key, got } = this.session!
    if (this.holder !== null) this.holder.attached = false
    this.holder = far
    far.attached = true
    far.cursor = resumed ? resume.received : 0
    far.down.push(controlMessage(answerTo(join, { peerId, key, resumed, received: got.length, windowBytes: this.#windowBytes, heartbeatMs: 1_000 })))
    this.#pump()
  }

  #pump (): void {
    const { holder, session } = this
    if (holder?.attached !== true || session === null) return
    for (; holder.cursor < session.out.length; holder.cursor++) holder.down.push(message(session.out[holder.cursor]!))
  }
}
