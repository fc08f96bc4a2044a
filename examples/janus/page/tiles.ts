const tiles = document.querySelector<HTMLUListElement>('#tiles')!

/** One person in the room, as one sees them. */
export class Tile {
  readonly #item = document.createElement('li')
  readonly #video = document.createElement('video')
  readonly #stream = new MediaStream()

  constructor (id: string, name: string, isMine: boolean) {
    const label = document.createElement('span')
    label.textContent = isMine ? `${name} (you)` : name
    this.#item.dataset.peer = id
    this.#video.autoplay = true
    this.#video.playsInline = true
    this.#video.muted = isMine
    this.#video.srcObject = this.#stream
    this.#item.append(this.#video, label)
    tiles.append(this.#item)
  }

  add (track: MediaStreamTrack): void {
    this.#stream.addTrack(track)
  }

  delete (track: MediaStreamTrack): void {
    this.#stream.removeTrack(track)
  }

  remove (): void {
    this.#item.remove()
  }
}
