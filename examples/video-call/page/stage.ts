import type { RemotePeer } from './call.js'
import { Tile } from './tile.js'
import type { TileContent } from './tile.js'

const ASPECT = 16 / 9

/** Everybody's tiles, as large as the screen lets them be. */
export class Stage {
  readonly #list: HTMLElement
  readonly #hear: HTMLButtonElement
  readonly #tiles = new Map<string, Tile>()
  readonly #own = new Tile()
  #silenced = false

  /** @param hear is shown while the browser plays no sound without a click */
  constructor (list: HTMLElement, hear: HTMLButtonElement) {
    this.#list = list
    this.#hear = hear
    this.#own.video.muted = true
    this.#own.video.dataset.own = ''
    new ResizeObserver(() => this.#arrange()).observe(list)
    hear.addEventListener('click', () => this.#unsilence())
  }

  showOwn (content: TileContent, mirrored: boolean): void {
    this.#own.element.toggleAttribute('data-mirrored', mirrored)
    if (!this.#own.element.isConnected) this.#list.append(this.#own.element)
    if (this.#own.show({ ...content, note: 'you' })) this.#play(this.#own.video)
    this.#arrange()
  }

  showOthers (peers: RemotePeer[]): void {
    const present = new Set(peers.map(({ peerId }) => peerId))
    for (const [peerId, tile] of this.#tiles) {
      if (present.has(peerId)) continue
      tile.remove()
      this.#tiles.delete(peerId)
    }
    for (const peer of peers) {
      const tile = this.#tiles.get(peer.peerId) ?? this.#add(peer.peerId)
      if (tile.show(peer)) this.#play(tile.video)
    }
    this.#arrange()
  }

  clear (): void {
    this.showOthers([])
    this.#own.remove()
    this.#hear.hidden = true
  }

  #add (peerId: string): Tile {
    const tile = new Tile()
    tile.element.dataset.remote = ''
    tile.video.dataset.peerId = peerId
    tile.video.muted = this.#silenced
    this.#tiles.set(peerId, tile)
    this.#list.append(tile.element)
    return tile
  }

  /** By hand: browsers do not start a video by themselves that is out of sight, or that has sound. */
  #play (video: HTMLVideoElement): void {
    video.play().catch((error: unknown) => {
      if (!(error instanceof DOMException) || error.name !== 'NotAllowedError' || video.muted) return
      this.#silenced = true
      this.#hear.hidden = false
      video.muted = true
      this.#play(video)
    })
  }

  #unsilence (): void {
    this.#silenced = false
    this.#hear.hidden = true
    for (const { video } of this.#tiles.values()) {
      video.muted = false
      this.#play(video)
    }
  }

  /** The number of columns with which a tile is largest. */
  #arrange (): void {
    const count = this.#list.childElementCount
    const { clientWidth, clientHeight } = this.#list
    if (count === 0 || clientWidth === 0) return
    const gap = Number.parseFloat(getComputedStyle(this.#list).columnGap) || 0
    let best = 0
    for (let columns = 1; columns <= count; columns++) {
      const rows = Math.ceil(count / columns)
      const width = (clientWidth - gap * (columns - 1)) / columns
      const height = (clientHeight - gap * (rows - 1)) / rows
      best = Math.max(best, Math.min(width, height * ASPECT))
    }
    // Beyond some number of people they would be stamps: then the list scrolls.
    this.#list.style.setProperty('--tile-width', `${Math.floor(Math.max(best, Math.min(140, clientWidth)))}px`)
  }
}
