import type { Link } from 'trunkline/client'
import type { Admission } from './admission.js'
import { label } from './buttons.js'
import type { RecordedList } from './recorded-list.js'

type Light = Link['recordingLight']

export interface RecordingParts {
  light: HTMLElement
  lightText: HTMLElement
  button: HTMLButtonElement
  /** Says what the backend refuses. */
  notice: HTMLElement
  list: RecordedList
}

const LIGHT_TEXT: Record<Light, string> = { on: 'Recording', unknown: 'Recording?', off: '' }

/** The recording light, the button that starts and stops, and when there is something new to play. */
export class RecordingControl {
  readonly #parts: RecordingParts
  #link: Link | null = null
  #admission: Admission | null = null
  /** Ids of the files that there are, as far as the link has told. */
  #available = ''
  #isAsking = false
  #unlisten = (): void => {}

  constructor (parts: RecordingParts) {
    this.#parts = parts
    parts.button.addEventListener('click', () => { void this.#toggle() })
  }

  begin (link: Link, admission: Admission): void {
    this.#link = link
    this.#admission = admission
    this.#unlisten = link.on('recordings', () => this.#look())
    this.#available = ''
    this.#isAsking = false
    this.#complain(null)
    this.#showLight('off')
    this.#showButton()
  }

  end (): void {
    this.#unlisten()
    this.#link = this.#admission = null
    this.#showLight('off')
    this.#parts.list.clear()
  }

  #look (): void {
    if (this.#link === null || this.#admission === null) return
    const { recordingLight, recordings } = this.#link
    this.#showLight(recordingLight)
    this.#showButton()
    const available = recordings.filter(({ status }) => status === 'available').map(({ recordingId }) => recordingId)
    if (available.join() === this.#available) return
    this.#available = available.join()
    this.#parts.list.show(this.#admission, available)
  }

  #showLight (light: Light): void {
    const { light: element, lightText } = this.#parts
    element.dataset.light = light
    element.hidden = light === 'off'
    if (lightText.textContent !== LIGHT_TEXT[light]) lightText.textContent = LIGHT_TEXT[light]
  }

  /** As it was known last: while nobody knows, the light says so. */
  get #isOn (): boolean {
    return this.#link?.recordings.some(({ status }) => status === 'active') ?? false
  }

  #showButton (): void {
    const { button } = this.#parts
    button.disabled = this.#isAsking
    label(button, this.#isOn, this.#isOn ? 'Stop recording' : 'Record', this.#isOn ? 'record-stop' : 'record')
  }

  async #toggle (): Promise<void> {
    const admission = this.#admission
    if (admission === null) return
    this.#isAsking = true
    this.#complain(null)
    this.#showButton()
    let complaint: string | null = null
    try {
      await admission.ask(this.#isOn ? 'DELETE' : 'POST', 'recording')
    } catch (error) {
      complaint = error instanceof Error ? error.message : String(error)
    }
    // Another call may have begun meanwhile.
    if (admission !== this.#admission) return
    this.#isAsking = false
    this.#complain(complaint)
    this.#showButton()
  }

  #complain (complaint: string | null): void {
    const { notice } = this.#parts
    notice.hidden = complaint === null
    notice.textContent = complaint ?? ''
  }
}
