import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { WebSocketServer } from 'ws'
import { FakeJanus } from '../../../lib/testing/index.js'
import type { FakeJanusOptions } from '../../../lib/testing/index.js'
import { echoingPlugin } from '../../../lib/testing/fake-janus-core.js'
import type { FakePlugin } from '../../../lib/testing/fake-janus-core.js'

/** What a publisher in it is like. */
export interface FakePublisher {
  room: number | string
  id: number
  ready: boolean
  files: string[]
}

/**
 * A FakeJanus with an Admin API and with rooms that are recorded, or only said to be: files appear and go as a test says.
 */
export class FakeVideoRoom {
  readonly janus: FakeJanus
  readonly #admin: WebSocketServer
  /** By VideoRoom's name: whether it is recorded. */
  readonly recorded = new Map<number | string, boolean>([[1234, false], ['lobby', false]])
  /** By handle. */
  readonly publishers = new Map<number, FakePublisher>()
  /** Whether files can be opened. */
  canOpen = true
  /** Beside what Janus would answer: null is no answer, and what is none of both is answered instead. */
  onAdmin: (request: Record<string, any>) => Record<string, unknown> | null | undefined = () => undefined
  /** Requests to the Admin API so far. */
  readonly asked: Array<Record<string, any>> = []
  #file = 0

  private constructor (janus: FakeJanus, admin: WebSocketServer) {
    this.janus = janus
    this.#admin = admin
    admin.on('connection', (socket) => socket.on('message', (data) => {
      const request = JSON.parse((data as Buffer).toString()) as Record<string, any>
      this.asked.push(request)
      const said = this.onAdmin(request)
      if (said !== null) socket.send(JSON.stringify({ ...said ?? this.#answer(request), transaction: request.transaction }))
    }))
  }

  static async listen (options: FakeJanusOptions = {}): Promise<FakeVideoRoom> {
    const admin = new WebSocketServer({ host: '127.0.0.1', port: 0, handleProtocols: (offered) => offered.has('janus-admin-protocol') ? 'janus-admin-protocol' : false })
    await once(admin, 'listening')
    const room = new FakeVideoRoom(await FakeJanus.listen(options), admin)
    room.janus.plugin = room.#plugin
    return room
  }

  get adminUrl (): string {
    return `ws://127.0.0.1:${(this.#admin.address() as AddressInfo).port}`
  }

  /** Resolves when nobody is connected to the Admin API. */
  async adminIsLeft (): Promise<void> {
    await Promise.all([...this.#admin.clients].map((socket) => once(socket, 'close')))
  }

  /** Somebody publishes on this handle. */
  publish (handleId: number, publisher: Partial<FakePublisher> = {}): FakePublisher {
    const added = { room: 1234, id: handleId, ready: true, files: [], ...publisher }
    this.publishers.set(handleId, added)
    if (this.recorded.get(added.room) === true) this.#open(added)
    return added
  }

  /** A new process: it records nothing. */
  restart (): void {
    for (const room of this.recorded.keys()) this.recorded.set(room, false)
    this.publishers.clear()
    this.janus.restart()
  }

  async close (): Promise<void> {
    for (const socket of this.#admin.clients) socket.terminate()
    this.#admin.close()
    await this.janus.close()
  }

  #open (publisher: FakePublisher): void {
    if (this.canOpen) publisher.files = [`videoroom-${publisher.room}-user-${publisher.id}-${1_700_000_000_000_000 + this.#file++}-audio-0.mjr.tmp`]
  }

  #plugin: FakePlugin = (message) => {
    const { body: { request, room, secret, record } } = message
    if (request === 'list') {
      const list = [...this.recorded].map(([room, record]) => ({ room, record, rec_dir: '/recordings' }))
      return { synchronous: true, data: { videoroom: 'success', list } }
    }
    if (request !== 'enable_recording') return echoingPlugin(message)
    const refuse = (code: number, error: string): ReturnType<FakePlugin> => ({ synchronous: true, data: { videoroom: 'event', error_code: code, error } })
    if (!this.recorded.has(room as number)) return refuse(426, `No such room (${String(room)})`)
    if (secret === undefined) return refuse(429, 'Missing mandatory element (secret)')
    if (secret !== 'room secret') return refuse(433, 'Unauthorized (wrong secret)')
    this.recorded.set(room as number, record as boolean)
    for (const publisher of this.publishers.values()) {
      if (publisher.room !== room) continue
      if (record !== true) publisher.files = []
      else if (publisher.ready && publisher.files.length === 0) this.#open(publisher)
    }
    return { synchronous: true, data: { videoroom: 'success', record } }
  }

  #answer ({ janus, admin_secret: secret, session_id: sessionId, handle_id: handleId }: Record<string, any>): Record<string, unknown> {
    const refuse = (code: number, reason: string): Record<string, unknown> => ({ janus: 'error', error: { code, reason } })
    if (secret !== 'admin secret') return refuse(403, 'Unauthorized request (wrong or missing secret/token)')
    const handles = this.janus.sessions.get(sessionId as number)
    if (handles === undefined) return refuse(458, `No such session ${sessionId}`)
    if (janus === 'list_handles') return { janus: 'success', session_id: sessionId, handles: [...handles.keys()] }
    const publisher = this.publishers.get(handleId as number)
    if (!handles.has(handleId as number)) return refuse(459, `No such handle ${handleId} in session ${sessionId}`)
    const streams = publisher?.files.length === 0 ? [{ type: 'audio' }] : publisher?.files.map((recording) => ({ type: 'audio', recording }))
    const specific = publisher === undefined ? { type: 'subscriber', room: 1234 } : { type: 'publisher', room: publisher.room, id: publisher.id, streams }
    return { janus: 'success', session_id: sessionId, handle_id: handleId, info: { plugin_specific: specific, flags: { ready: publisher?.ready } } }
  }
}
