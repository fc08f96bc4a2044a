import type { Admission } from './admission.js'

/** A file, as the backend tells of it. */
interface RecordedFile {
  id: string
  name: string | null
  /** Milliseconds since 1970. */
  startedAt: number | null
  durationMs: number | null
  url: string
}

/** The backend may hear of a file a moment after us: so often it is asked again for one that it does not know yet. */
const TRIES = 6
const AGAIN_MS = 250

/** The recorded files of one's room, each with a player of its own. */
export class RecordedList {
  readonly #section: HTMLElement
  readonly #list: HTMLElement
  readonly #items = new Map<string, HTMLLIElement>()
  #timer: ReturnType<typeof setTimeout> | undefined
  /** Counts what is shown: an answer that comes late is not. */
  #shown = 0

  constructor (section: HTMLElement, list: HTMLElement) {
    this.#section = section
    this.#list = list
  }

  /** Asks for the list, until these are in it, or it is clear that they will not be. */
  show (admission: Admission, expected: string[]): void {
    clearTimeout(this.#timer)
    void this.#load(admission, expected, ++this.#shown, 1)
  }

  clear (): void {
    clearTimeout(this.#timer)
    this.#shown++
    this.#items.clear()
    this.#list.replaceChildren()
    this.#section.hidden = true
  }

  async #load (admission: Admission, expected: string[], shown: number, tries: number): Promise<void> {
    const files = await admission.ask('GET', 'recordings').then(async (response) => await response.json() as RecordedFile[]).catch(() => null)
    if (shown !== this.#shown) return
    // What there is stays as it is: somebody may be watching it.
    for (const file of files ?? []) if (!this.#items.has(file.id)) this.#add(file)
    if (tries >= TRIES || expected.every((id) => this.#items.has(id))) return
    this.#timer = setTimeout(() => { void this.#load(admission, expected, shown, tries + 1) }, AGAIN_MS * 2 ** (tries - 1))
  }

  #add ({ id, name, startedAt, durationMs, url }: RecordedFile): void {
    const who = name ?? 'Somebody'
    const video = document.createElement('video')
    video.controls = true
    video.playsInline = true
    video.preload = 'metadata'
    video.src = url
    video.setAttribute('aria-label', `Recording of ${who}`)
    const caption = document.createElement('p')
    caption.textContent = [
      who,
      startedAt === null ? null : new Date(startedAt).toLocaleTimeString([], { hour: '2-digit', minute: '2-digit', second: '2-digit' }),
      durationMs === null ? null : `${Math.round(durationMs / 1_000)} s`
    ].filter((part) => part !== null).join(' · ')
    const item = document.createElement('li')
    item.dataset.recordingId = id
    item.append(video, caption)
    this.#items.set(id, item)
    this.#list.append(item)
    this.#section.hidden = false
  }
}
