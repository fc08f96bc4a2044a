import { hueOf, initialsOf } from './names.js'

/** What a tile shows. */
export interface TileContent {
  name: string
  /** Said after the name, and no part of it. */
  note?: string
  video: MediaStreamTrack | null
  audio: MediaStreamTrack | null
  cameraOn: boolean
  microphoneOn: boolean
}

const SVG = 'http://www.w3.org/2000/svg'

/** One person: the picture and the sound, or the initials, and the name. */
export class Tile {
  readonly element = document.createElement('li')
  readonly video = document.createElement('video')
  readonly #stream = new MediaStream()
  readonly #initials = document.createElement('span')
  readonly #name = document.createElement('span')

  constructor () {
    this.element.className = 'tile'
    this.video.autoplay = true
    this.video.playsInline = true
    const avatar = document.createElement('div')
    avatar.className = 'avatar'
    avatar.setAttribute('aria-hidden', 'true')
    avatar.append(this.#initials)
    const nameplate = document.createElement('p')
    nameplate.className = 'nameplate'
    nameplate.append(icon('mic-off', 'Muted'), this.#name)
    this.element.append(this.video, avatar, nameplate)
  }

  /** Whether there is a track to play that was not there before. */
  show ({ name, note, video, audio, cameraOn, microphoneOn }: TileContent): boolean {
    this.#name.textContent = note === undefined ? name : `${name} (${note})`
    this.#initials.textContent = initialsOf(name)
    this.element.style.setProperty('--hue', String(hueOf(name)))
    this.video.setAttribute('aria-label', name)
    this.element.dataset.camera = cameraOn ? 'on' : 'off'
    this.element.toggleAttribute('data-muted', !microphoneOn)
    return this.#play([video, audio].filter((track) => track !== null))
  }

  #play (tracks: MediaStreamTrack[]): boolean {
    for (const track of this.#stream.getTracks()) if (!tracks.includes(track)) this.#stream.removeTrack(track)
    const added = tracks.filter((track) => this.#stream.getTrackById(track.id) === null)
    for (const track of added) this.#stream.addTrack(track)
    // Not before: a video that waits for its first track keeps the page from having loaded.
    if (added.length > 0 && this.video.srcObject === null) this.video.srcObject = this.#stream
    return added.length > 0
  }

  remove (): void {
    this.#play([])
    this.video.srcObject = null
    this.element.remove()
  }
}

function icon (name: string, label: string): SVGElement {
  const svg = document.createElementNS(SVG, 'svg')
  svg.setAttribute('role', 'img')
  svg.setAttribute('aria-label', label)
  const use = document.createElementNS(SVG, 'use')
  use.setAttribute('href', `#icon-${name}`)
  svg.append(use)
  return svg
}
