import Janus from 'janus-gateway'
import type { JanusJS } from 'janus-gateway'
import { Tile } from './tiles.js'

const PLUGIN = 'janus.plugin.videoroom'

interface Publisher {
  id: string
  display?: string
}

export interface Ticket {
  roomId: string
  peerId: string
  token: string
}

/** The VideoRoom, by janus.js as it comes from npm: one handle to publish, and one for each of the others. */
export class Room {
  readonly #janus: Janus
  readonly #ticket: Ticket
  readonly #name: string
  readonly #mine: Tile
  readonly #others = new Map<string, { tile: Tile, handle: JanusJS.PluginHandle | null }>()
  #publisher: JanusJS.PluginHandle | null = null

  constructor (janus: Janus, ticket: Ticket, name: string) {
    this.#janus = janus
    this.#ticket = ticket
    this.#name = name
    this.#mine = new Tile(ticket.peerId, name, true)
  }

  join (): void {
    const { roomId } = this.#ticket
    this.#janus.attach({
      plugin: PLUGIN,
      success: (handle) => {
        this.#publisher = handle
        handle.send({ message: { request: 'join', ptype: 'publisher', room: roomId, display: this.#name } })
      },
      onmessage: (message, jsep) => {
        if (jsep !== undefined) this.#publisher!.handleRemoteJsep({ jsep })
        if (message.videoroom === 'joined') this.#publish()
        for (const publisher of (message.publishers ?? []) as Publisher[]) this.#watch(publisher)
        for (const gone of [message.unpublished, message.leaving]) if (typeof gone === 'string') this.#forget(gone)
        // The connection between the backend and Janus was lost for a while: who came and went meanwhile was not told.
        if (message.trunkline === 'resync') this.#resync()
      },
      onlocaltrack: (track, isOn) => { this.#mine[isOn ? 'add' : 'delete'](track) }
    })
  }

  /** Nothing of it is left on the page. */
  close (): void {
    this.#mine.remove()
    for (const id of [...this.#others.keys()]) this.#forget(id)
  }

  #publish (): void {
    const publisher = this.#publisher!
    publisher.createOffer({
      tracks: [{ type: 'audio', capture: true, recv: false }, { type: 'video', capture: true, recv: false }],
      success: (jsep) => publisher.send({ message: { request: 'configure', audio: true, video: true }, jsep })
    })
  }

  #watch ({ id, display = 'somebody' }: Publisher): void {
    if (this.#others.has(id)) return
    const other: { tile: Tile, handle: JanusJS.PluginHandle | null } = { tile: new Tile(id, display, false), handle: null }
    this.#others.set(id, other)
    const { roomId: room } = this.#ticket
    this.#janus.attach({
      plugin: PLUGIN,
      success: (handle) => {
        other.handle = handle
        handle.send({ message: { request: 'join', ptype: 'subscriber', room, streams: [{ feed: id }] } })
      },
      onmessage: (_message, jsep) => {
        if (jsep === undefined) return
        other.handle!.createAnswer({ jsep, success: (jsep) => other.handle!.send({ message: { request: 'start', room }, jsep }) })
      },
      onremotetrack: (track, _mid, isOn) => { other.tile[isOn ? 'add' : 'delete'](track) }
    })
  }

  #forget (id: string): void {
    const other = this.#others.get(id)
    this.#others.delete(id)
    other?.tile.remove()
    other?.handle?.detach({})
  }

  #resync (): void {
    this.#publisher!.send({
      message: { request: 'listparticipants', room: this.#ticket.roomId },
      success: ({ participants = [] }: { participants?: Array<Publisher & { publisher: boolean }> }) => {
        const publishing = participants.filter(({ id, publisher }) => publisher && id !== this.#ticket.peerId)
        for (const id of this.#others.keys()) if (!publishing.some((other) => other.id === id)) this.#forget(id)
        for (const publisher of publishing) this.#watch(publisher)
      }
    })
  }
}
