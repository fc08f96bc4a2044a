import { randomUUID } from 'node:crypto'

/** What is answered: a body that is neither text nor bytes is said as JSON. */
export interface FakeControlAnswer {
  status: number
  headers?: Record<string, string>
  body?: unknown
}

export interface FakeControlPeer {
  id: string
  status: 'connected' | 'disconnected'
  metadata: unknown
  /** Whether it comes over the trunk. */
  isRelayed: boolean
}

/** As the API tells of it. */
export interface FakeControlRecording {
  id: string
  roomId: string
  status: 'active' | 'finished' | 'available' | 'failed'
  revision: number
  startedAt: number | null
  file: string | null
  durationMs: number | null
  error: string | null
}

export interface FakeControlRoom {
  id: string
  maxPeers: number | null
  subscribeMode: string
  peers: Map<string, FakeControlPeer>
  /** Null: it is not recorded. */
  componentId: string | null
  recordings: FakeControlRecording[]
}

interface Asked {
  roomId?: string
  maxPeers?: number
  subscribeMode?: string
  type?: string
  options?: { peerId?: string, metadata?: unknown }
  origins?: string[]
}

const NO_ROOM: FakeControlAnswer = { status: 404, body: { errors: 'room not found' } }
const NO_PEER: FakeControlAnswer = { status: 404, body: { errors: 'peer not found' } }
const NO_COMPONENT: FakeControlAnswer = { status: 404, body: { errors: 'component not found' } }
const DONE: FakeControlAnswer = { status: 204 }

/** Rooms, and what the REST API of a media server answers of them. */
export class FakeControlRooms extends Map<string, FakeControlRoom> {
  readonly #publicUrl: string

  constructor (publicUrl: string) {
    super()
    this.#publicUrl = publicUrl
  }

  /** A peer comes over the trunk. */
  join (roomId: string, peerId: string, metadata: unknown = null): void {
    this.get(roomId)!.peers.set(peerId, { id: peerId, status: 'connected', metadata, isRelayed: true })
  }

  answer (method: string, path: string, body: unknown): FakeControlAnswer {
    let parts: string[]
    try {
      parts = path.split('/').slice(1).map(decodeURIComponent)
    } catch {
      return { status: 400, body: { errors: 'malformed path' } }
    }
    const [first, roomId = '', kind, id = '', action] = parts
    const asked = (body ?? {}) as Asked
    if (first !== 'room' || parts.length > 5) return { status: 404, body: { message: `Route ${method}:${path} not found`, error: 'Not Found', statusCode: 404 } }
    if (parts.length === 1) return method === 'POST' ? this.#create(asked) : { status: 200, body: { data: [...this.values()].map(told) } }
    const room = this.get(roomId)
    if (room === undefined) return NO_ROOM
    switch (`${method} ${[kind, id === '' ? undefined : '', action].filter((part) => part !== undefined).join('/')}`) {
      case 'GET ': return { status: 200, body: { data: told(room) } }
      case 'DELETE ': this.delete(roomId); return DONE
      case 'POST peer': return this.#addPeer(room, asked.options ?? {})
      case 'DELETE peer/': return room.peers.delete(id) ? DONE : NO_PEER
      case 'POST peer//subscribe': return room.peers.has(id) ? DONE : NO_PEER
      case 'POST component': return record(room)
      case 'DELETE component/': return room.componentId === id ? stop(room) : NO_COMPONENT
      default: return { status: 405, body: { errors: 'method not allowed' } }
    }
  }

  #create ({ roomId = randomUUID(), maxPeers, subscribeMode = 'auto' }: Asked): FakeControlAnswer {
    if (this.has(roomId)) return { status: 409, body: { errors: 'room exists' } }
    const room: FakeControlRoom = { id: roomId, maxPeers: maxPeers ?? null, subscribeMode, peers: new Map(), componentId: null, recordings: [] }
    this.set(roomId, room)
    return { status: 201, body: { data: { room: told(room) } } }
  }

  #addPeer (room: FakeControlRoom, { peerId = randomUUID(), metadata = null }: { peerId?: string, metadata?: unknown }): FakeControlAnswer {
    if ([...room.peers.values()].some(({ isRelayed }) => isRelayed)) return { status: 409, body: { errors: 'room mode' } }
    if (room.maxPeers !== null && room.peers.size >= room.maxPeers) return { status: 503, body: { errors: 'room full' } }
    const peer: FakeControlPeer = { id: peerId, status: 'disconnected', metadata, isRelayed: false }
    room.peers.set(peerId, peer)
    return { status: 201, body: { data: { peer: toldPeer(peer), token: `ticket of ${peerId}`, peer_websocket_url: this.#publicUrl } } }
  }
}

function record (room: FakeControlRoom): FakeControlAnswer {
  const isNew = room.componentId === null
  room.componentId ??= randomUUID()
  const recorded = (): FakeControlRecording[] => room.recordings.filter(({ status }) => status === 'active')
  if (isNew) {
    for (let n = 0; n < room.peers.size; n++) {
      room.recordings.push({ id: randomUUID(), roomId: room.id, status: 'active', revision: 1, startedAt: Date.now(), file: null, durationMs: null, error: null })
    }
  }
  return { status: isNew ? 201 : 200, body: { data: { id: room.componentId, type: 'recording', properties: { recordings: recorded() } } } }
}

function stop (room: FakeControlRoom): FakeControlAnswer {
  room.componentId = null
  const recordings = room.recordings.map((recording) => ({ ...recording, status: 'available', revision: recording.revision + 1, file: `${recording.id}.webm`, durationMs: 0 }))
  room.recordings = []
  return { status: 200, body: { data: { recordings } } }
}

function told ({ id, maxPeers, subscribeMode, peers, componentId }: FakeControlRoom): unknown {
  return { id, config: { maxPeers, subscribeMode }, components: componentId === null ? [] : [{ id: componentId, type: 'recording' }], peers: [...peers.values()].map(toldPeer) }
}

function toldPeer ({ id, status, metadata }: FakeControlPeer): unknown {
  return { id, type: 'webrtc', status, metadata }
}
