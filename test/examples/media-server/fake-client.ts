import type { RtpPacket } from 'werift'
import type { Heard } from '../../../examples/media-server/absentees.js'
import type { Kind, Sink, Source } from '../../../examples/media-server/forwarder.js'
import type { ServerEvent } from '../../../examples/media-server/media-events.js'
import { Participant, type Answer, type Connection, type Plan } from '../../../examples/media-server/participant.js'
import type { Room } from '../../../examples/media-server/room.js'
import type { MLine } from '../../../examples/media-server/slots.js'

/** A packet that names its track, and is a VP8 key frame. */
export function packet (trackId: string): RtpPacket {
  return { trackId, header: {}, payload: Buffer.from([0x10, 0x00]) } as unknown as RtpPacket
}

/** Media transport without media: the "SDP" is the list of m-lines, and each step waits until the test lets it go on. */
export class FakeConnection implements Connection {
  readonly sources = new Map<string, (packet: RtpPacket) => void>()
  readonly received: string[] = []
  heard: Heard = { media: -Infinity, stun: -Infinity }
  /** How many of the sinks are listened to. */
  listeners = 0
  closed = false
  #steps: Array<() => void> = []

  /** Lets the step that is waiting go on. @returns whether there was one */
  step (): boolean {
    const next = this.#steps.shift()
    next?.()
    return next !== undefined
  }

  async answer (offer: string, plan: (mLines: MLine[]) => Plan): Promise<Answer> {
    await this.#gate()
    const mLines = JSON.parse(offer) as MLine[]
    const { receive, send } = plan(mLines)
    await this.#gate()
    const answer: Answer = { sdp: JSON.stringify([...send.keys()]), sources: new Map(), sinks: new Map() }
    for (const { mid, kind } of mLines) {
      if (receive.has(mid)) answer.sources.set(mid, this.#source(mid, kind))
      if (send.has(mid)) answer.sinks.set(mid, this.#sink())
    }
    return answer
  }

  async settled (): Promise<void> {
    await this.#gate()
  }

  close (): void {
    this.closed = true
  }

  #gate (): Promise<void> {
    return new Promise((resolve) => { this.#steps.push(resolve) })
  }

  #source (mid: string, kind: Kind): Source {
    return {
      kind,
      onPacket: (listener) => {
        this.sources.set(mid, listener)
        return () => { this.sources.delete(mid) }
      },
      requestKeyFrame () {}
    }
  }

  #sink (): Sink {
    return {
      ready: true,
      start () {},
      send: (sent) => { this.received.push((sent as unknown as { trackId: string }).trackId) },
      onKeyFrameRequest: () => {
        this.listeners++
        return () => { this.listeners-- }
      }
    }
  }
}

interface OwnMLine {
  mid: string
  kind: Kind
  direction: MLine['direction']
}

/** A client that fails where the real one fails, and knows what the real one would know. */
export class FakeClient {
  readonly id: string
  readonly connection = new FakeConnection()
  readonly participant: Participant
  readonly events: ServerEvent[] = []
  readonly failures: unknown[] = []
  /** The tracks of the others that the browser has delivered. */
  readonly ready = new Set<string>()
  readonly remote = new Map<string, Set<string>>()
  readonly published = new Map<string, string>()
  readonly #mLines: OwnMLine[] = []
  #sending = new Map<string, string>()
  #wanted: { audio: number, video: number } | undefined
  #announced = false
  #tracks = 0

  constructor (room: Room, id: string, metadataJson = '') {
    this.id = id
    this.participant = new Participant({
      id,
      metadataJson,
      room,
      connection: this.connection,
      send: (event) => { this.#receive(event) },
      onFailure: (error) => { this.failures.push(error) }
    })
    room.join(this.participant)
  }

  /** The events since the last call. */
  take (): ServerEvent[] {
    return this.events.splice(0)
  }

  /** The types of the events since the last call. */
  takeTypes (): string[] {
    return this.take().map(({ type }) => type)
  }

  /** Adds a track, as the client's `addTrack` does. @returns its id */
  publish (kind: Kind): string {
    const trackId = `${this.id}:${kind}${this.#tracks++}`
    const mid = String(this.#mLines.length)
    this.#mLines.push({ mid, kind, direction: 'sendonly' })
    this.published.set(trackId, mid)
    this.participant.receive({ type: 'renegotiateTracks' })
    return trackId
  }

  /** Removes a track, as the client's `removeTrack` does. */
  unpublish (trackId: string): void {
    const mid = this.published.get(trackId)
    this.published.delete(trackId)
    for (const mLine of this.#mLines) if (mLine.mid === mid) mLine.direction = 'inactive'
    this.participant.receive({ type: 'renegotiateTracks' })
  }

  get owesOffer (): boolean {
    return this.#wanted !== undefined
  }

  /** Sends the offer that the last `offerData` asked for. */
  offer (): void {
    const wanted = this.#wanted
    if (wanted === undefined) throw new Error('nobody asked for an offer')
    this.#wanted = undefined
    for (const kind of ['audio', 'video'] as const) {
      const missing = wanted[kind] - this.#mLines.filter((m) => m.kind === kind && m.direction === 'recvonly').length
      if (missing < 0) throw new RangeError('Invalid array length')
      for (let i = 0; i < missing; i++) this.#mLines.push({ mid: String(this.#mLines.length), kind, direction: 'recvonly' })
    }
    this.participant.receive({
      type: 'sdpOffer',
      sdp: JSON.stringify(this.#mLines),
      trackIdToMetadataJson: Object.fromEntries([...this.published.keys()].map((id) => [id, JSON.stringify({ id })])),
      midToTrackId: Object.fromEntries([...this.published].map(([id, mid]) => [mid, id]))
    })
  }

  /** Sends one packet of each published track that is forwarded. */
  emitPackets (): void {
    for (const [trackId, mid] of this.published) this.connection.sources.get(mid)?.(packet(trackId))
  }

  #receive (event: ServerEvent): void {
    this.events.push(event)
    if (this.#announced && event.type !== 'tracksAdded' && event.type !== 'offerData') {
      throw new Error(`${event.type} between tracksAdded and offerData`)
    }
    switch (event.type) {
      case 'connected':
        for (const id of Object.keys(event.endpointIdToEndpoint)) if (id !== this.id) this.remote.set(id, new Set())
        break
      case 'endpointAdded':
        if (event.endpointId === this.id) throw new Error('an echo')
        if (this.remote.has(event.endpointId)) throw new Error('an endpoint is added twice')
        this.remote.set(event.endpointId, new Set())
        break
      case 'endpointUpdated':
        this.#tracksOf(event.endpointId)
        break
      case 'endpointRemoved':
        for (const id of this.#tracksOf(event.endpointId)) this.ready.delete(id)
        this.remote.delete(event.endpointId)
        break
      case 'tracksAdded':
        this.#announced = true
        for (const id of Object.keys(event.trackIdToTrack)) this.#tracksOf(event.endpointId).add(id)
        break
      case 'tracksRemoved':
        for (const id of event.trackIds) {
          if (!this.#tracksOf(event.endpointId).delete(id)) throw new Error(`Track ${id} not found`)
          this.ready.delete(id)
        }
        break
      case 'trackUpdated':
        if (!this.#tracksOf(event.endpointId).has(event.trackId)) throw new Error(`Track ${event.trackId} not found`)
        break
      case 'offerData':
        if (this.#wanted !== undefined) throw new Error('a second offerData')
        this.#announced = false
        this.#wanted = event.tracksTypes
        break
      case 'sdpAnswer':
        this.#bind(JSON.parse(event.sdp) as string[], event.midToTrackId)
        break
    }
  }

  #bind (mids: string[], midToTrackId: Record<string, string>): void {
    const sending = new Map<string, string>()
    for (const mid of mids) {
      const trackId = midToTrackId[mid]
      if (trackId === undefined) throw new Error(`Remote track with ${mid} not found`)
      sending.set(mid, trackId)
      const before = this.#sending.get(mid)
      if (before === trackId) continue
      // The browser tells of a track only where nothing was sent before.
      if (before !== undefined) throw new Error(`m-line ${mid} changed its track without a round of silence`)
      const [endpointId = ''] = trackId.split(':')
      if (!this.#tracksOf(endpointId).has(trackId)) throw new Error(`Remote track with ${mid} not found`)
      this.ready.add(trackId)
    }
    this.#sending = sending
  }

  #tracksOf (endpointId: string): Set<string> {
    const tracks = this.remote.get(endpointId)
    if (tracks === undefined) throw new Error(`Endpoint ${endpointId} not found`)
    return tracks
  }
}

const turn = (): Promise<void> => new Promise((resolve) => { setImmediate(resolve) })

/** Lets every client answer, and every connection go on, until nothing happens any more. */
export async function settle (...clients: FakeClient[]): Promise<void> {
  for (let round = 0; round < 1000; round++) {
    let busy = false
    for (const client of clients) {
      if (client.owesOffer) {
        client.offer()
        busy = true
      }
      busy = client.connection.step() || busy
    }
    await turn()
    if (!busy) return
  }
  throw new Error('the negotiations never end')
}

/** Lets one connection take its next step. */
export async function step (client: FakeClient): Promise<void> {
  client.connection.step()
  await turn()
}
