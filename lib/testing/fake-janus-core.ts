import { randomBytes } from 'node:crypto'
import { isObject } from '../janus-api.js'

/** A Janus request that is an object and says what it wants; the rest of it is as it came. */
export interface FakeJanusRequest {
  janus: string
  transaction: string
  session_id?: number
  handle_id?: number
  [field: string]: unknown
}

export interface FakeJanusHandle {
  readonly plugin: string
  readonly opaque_id: string | undefined
}

export interface FakeJsep {
  type: string
  sdp: string
  [field: string]: unknown
}

/** A `message` as its plugin gets it. */
export interface FakePluginMessage {
  plugin: string
  sessionId: number
  handleId: number
  body: Record<string, unknown>
  jsep: FakeJsep | undefined
}

/** What the plugin says: at once, as a `success`, or in an `event` after an `ack`. */
export interface FakePluginAnswer {
  data: Record<string, unknown>
  jsep?: FakeJsep
  /** Default: false. */
  synchronous?: boolean
}

export type FakePlugin = (message: FakePluginMessage) => FakePluginAnswer

/** One message of Janus', and whether it goes to whoever asked or to the socket that the session belongs to. */
export interface Said {
  to: 'asker' | 'owner'
  message: Record<string, unknown>
}

interface Session<Owner> {
  owner: Owner
  readonly handles: Map<number, FakeJanusHandle & { hasMedia: boolean }>
}

export interface FakeJanusCoreOptions {
  /** Null: it asks for none. */
  apiSecret: string | null
  token: string | null
  plugins: readonly string[]
  info: Record<string, unknown>
}

const UNAUTHORIZED = 'Unauthorized request (wrong or missing secret/token)'

/** What the plugins of Debian's Janus answer at once. */
const SYNCHRONOUS: Record<string, readonly string[]> = {
  'janus.plugin.videoroom': ['create', 'edit', 'destroy', 'list', 'exists', 'allowed', 'kick', 'moderate', 'enable_recording', 'listparticipants', 'listforwarders', 'rtp_forward', 'stop_rtp_forward'],
  'janus.plugin.recordplay': ['update', 'list', 'configure']
}

/** Says back what it was told; to an offer it answers with the offer's own SDP. */
export const echoingPlugin: FakePlugin = ({ plugin, body: { request, ...fields }, jsep }) => {
  const synchronous = SYNCHRONOUS[plugin]?.includes(String(request)) ?? false
  return {
    synchronous,
    data: { [plugin.slice(plugin.lastIndexOf('.') + 1)]: synchronous ? 'success' : 'event', ...fields },
    ...(jsep?.type === 'offer' ? { jsep: { type: 'answer', sdp: jsep.sdp } } : {})
  }
}

/**
 * Sessions, handles and what a request does to them, of Janus 1.1.2 (src/janus.c, janus_process_incoming_request): answers, error
 * codes and the order of the checks. As there, whoever knows the secret may use every session.
 */
export class FakeJanusCore<Owner> {
  plugin: FakePlugin = echoingPlugin
  readonly #options: FakeJanusCoreOptions
  readonly #sessions = new Map<number, Session<Owner>>()

  constructor (options: FakeJanusCoreOptions) {
    this.#options = options
  }

  get sessions (): Map<number, Map<number, FakeJanusHandle>> {
    const copy = (handles: Session<Owner>['handles']): Map<number, FakeJanusHandle> => new Map([...handles].map(([id, { hasMedia, ...handle }]) => [id, handle]))
    return new Map([...this.#sessions].map(([id, { handles }]) => [id, copy(handles)]))
  }

  /** Null: there is no such session. */
  ownerOf (sessionId: number): Owner | null {
    return this.#sessions.get(sessionId)?.owner ?? null
  }

  pluginOf (sessionId: number, handleId: number): string | null {
    return this.#sessions.get(sessionId)?.handles.get(handleId)?.plugin ?? null
  }

  /** False: there was none. */
  forget (sessionId: number): boolean {
    return this.#sessions.delete(sessionId)
  }

  forgetAll (): void {
    this.#sessions.clear()
  }

  handle (request: Record<string, unknown>, asker: Owner): Said[] {
    const { janus, transaction } = request
    const sessionId = idOf(request.session_id)
    const handleId = idOf(request.handle_id)
    // What has no usable transaction is answered without.
    for (const [name, value] of Object.entries({ transaction, janus })) {
      if (value === undefined) return [error(sessionId, null, 456, `Missing mandatory element (${name})`)]
      if (typeof value !== 'string') return [error(sessionId, null, 467, `Invalid element type (${name} should be a string)`)]
    }
    const verb = janus as string
    const tag = transaction as string
    const what = verb.toLowerCase()
    const refuse = (code: number, reason: string): Said[] => [error(sessionId, tag, code, reason)]
    if (sessionId === 0 && handleId === 0) {
      if (what === 'info') return [toAsker({ janus: 'server_info', transaction: tag, ...this.#options.info })]
      if (what === 'ping') return [toAsker({ janus: 'pong', transaction: tag })]
      if (what !== 'create') return refuse(457, `Unhandled request '${verb}' at this path`)
      if (request.id !== undefined && idOf(request.id) <= 0) return [error(0, null, 467, 'Invalid element type (id should be a positive integer)')]
      if (!this.#isAllowed(request)) return refuse(403, UNAUTHORIZED)
      return this.#create(idOf(request.id), tag, asker)
    }
    if (sessionId === 0) return refuse(458, 'Session not found')
    if (request.handle_id !== undefined && handleId <= 0) return refuse(459, 'Handle not found')
    if (!this.#isAllowed(request)) return refuse(403, UNAUTHORIZED)
    const session = this.#sessions.get(sessionId)
    if (session === undefined) return refuse(458, `No such session ${sessionId}`)
    if (handleId !== 0 && !session.handles.has(handleId)) return refuse(459, `No such handle ${handleId} in session ${sessionId}`)
    return this.#ofSession(session, sessionId, handleId, what, tag, request, asker)
  }

  #isAllowed ({ apisecret, token }: Record<string, unknown>): boolean {
    const { apiSecret, token: wanted } = this.#options
    if (apiSecret === null && wanted === null) return true
    return (apiSecret !== null && apisecret === apiSecret) || (wanted !== null && token === wanted)
  }

  #create (wanted: number, transaction: string, owner: Owner): Said[] {
    if (this.#sessions.has(wanted)) return [error(wanted, transaction, 468, 'Session ID already in use')]
    const id = wanted !== 0 ? wanted : newId(this.#sessions)
    this.#sessions.set(id, { owner, handles: new Map() })
    return [toAsker({ janus: 'success', transaction, data: { id } })]
  }

  #ofSession (session: Session<Owner>, sessionId: number, handleId: number, verb: string, transaction: string, request: Record<string, unknown>, asker: Owner): Said[] {
    const refuse = (code: number, reason: string): Said[] => [error(sessionId, transaction, code, reason)]
    const answer = (janus: string, fields: Record<string, unknown> = {}): Said => toAsker({ janus, session_id: sessionId, transaction, ...fields })
    const event = (janus: string, fields: Record<string, unknown> = {}): Said => ({ to: 'owner', message: { janus, session_id: sessionId, sender: handleId, ...fields } })
    const ofHandle = ['message', 'trickle', 'hangup', 'detach'].includes(verb)
    if (ofHandle !== (handleId !== 0) && (ofHandle || ['attach', 'destroy'].includes(verb))) return refuse(457, `Unhandled request '${String(request.janus)}' at this path`)
    const handle = session.handles.get(handleId)
    switch (verb) {
      case 'keepalive':
        return [answer('ack')]
      case 'claim':
        session.owner = asker
        return [answer('success')]
      case 'destroy':
        this.#sessions.delete(sessionId)
        return [answer('success')]
      case 'attach': {
        const { plugin, opaque_id: opaqueId } = request
        if (plugin === undefined) return refuse(456, 'Missing mandatory element (plugin)')
        if (typeof plugin !== 'string') return refuse(467, 'Invalid element type (plugin should be a string)')
        if (opaqueId !== undefined && typeof opaqueId !== 'string') return refuse(467, 'Invalid element type (opaque_id should be a string)')
        if (!this.#options.plugins.includes(plugin)) return refuse(460, `No such plugin '${plugin}'`)
        const id = newId(session.handles)
        session.handles.set(id, { plugin, opaque_id: opaqueId, hasMedia: false })
        return [answer('success', { data: { id } })]
      }
      case 'detach':
        session.handles.delete(handleId)
        return [event('detached'), answer('success')]
      case 'hangup': {
        const hadMedia = handle!.hasMedia
        handle!.hasMedia = false
        return [answer('success'), ...(hadMedia ? [event('hangup', { reason: 'Janus API' })] : [])]
      }
      case 'trickle':
        if (request.candidate === undefined && request.candidates === undefined) return refuse(456, 'Missing mandatory element (candidate|candidates)')
        return [answer('ack')]
      case 'message': {
        const { body, jsep } = request
        if (body === undefined) return refuse(456, 'Missing mandatory element (body)')
        if (!isObject(body)) return refuse(467, 'Invalid element type (body should be an object)')
        const wrong = faultOf(jsep)
        if (wrong !== null) return refuse(...wrong)
        if (jsep !== undefined) handle!.hasMedia = true
        const said = this.plugin({ plugin: handle!.plugin, sessionId, handleId, body, jsep: jsep as FakeJsep | undefined })
        const fields = { sender: handleId, plugindata: { plugin: handle!.plugin, data: said.data }, ...(said.jsep === undefined ? {} : { jsep: said.jsep }) }
        if (said.synchronous === true) return [answer('success', fields)]
        return [answer('ack'), { to: 'owner', message: { janus: 'event', session_id: sessionId, transaction, ...fields } }]
      }
      default:
        return refuse(453, `Unknown request '${String(request.janus)}'`)
    }
  }
}

/** Code and reason; null: it is as it should be, or absent. */
function faultOf (jsep: unknown): [number, string] | null {
  if (jsep === undefined) return null
  if (!isObject(jsep)) return [455, 'Invalid jsep object']
  for (const name of ['type', 'sdp']) {
    if (jsep[name] === undefined) return [456, `JSEP error: missing mandatory element (${name})`]
    if (typeof jsep[name] !== 'string') return [467, `JSEP error: invalid element type (${name} should be a string)`]
    if (name === 'type' && !['offer', 'answer'].includes(jsep.type as string)) return [464, `JSEP error: unknown message type '${String(jsep.type)}'`]
  }
  return null
}

/** Zero, as for Janus: it was not given. */
function idOf (value: unknown): number {
  return typeof value === 'number' && Number.isInteger(value) ? value : 0
}

/** Of 53 bits, as Janus' are. */
function newId (taken: ReadonlyMap<number, unknown>): number {
  for (;;) {
    const id = Number(randomBytes(8).readBigUInt64LE() & 0x1FFFFFFFFFFFFFn)
    if (id !== 0 && !taken.has(id)) return id
  }
}

function toAsker (message: Record<string, unknown>): Said {
  return { to: 'asker', message }
}

/** Without what was not known: a session's id, or the transaction. */
function error (sessionId: number, transaction: string | null, code: number, reason: string): Said {
  return toAsker({ janus: 'error', ...(sessionId === 0 ? {} : { session_id: sessionId }), ...(transaction === null ? {} : { transaction }), error: { code, reason } })
}
