import type { RecordingState } from '../session/messages.js'

/** Whether the room is being recorded. `unknown`: the link, or that of the backend to the media server, is lost. */
export type RecordingLight = 'on' | 'off' | 'unknown'

/** What the client knows of its room's recordings: what the backend has said, for as long as that holds. */
export class Recordings {
  #list: readonly RecordingState[] = []
  #isKnown = false
  /** As it was told last. */
  #told = '["unknown",[]]'
  #isTouched = false

  get light (): RecordingLight {
    return !this.#isKnown ? 'unknown' : this.#list.some(({ status }) => status === 'active') ? 'on' : 'off'
  }

  /** While the light is `unknown`: as they were. */
  get list (): readonly RecordingState[] {
    return this.#list
  }

  /** What the backend says; null, or what is no list of such: it does not know. */
  are (recordings: RecordingState[] | null | undefined): void {
    this.#isKnown = Array.isArray(recordings) && recordings.every((each: unknown) => typeof each === 'object' && each !== null)
    if (this.#isKnown) this.#list = recordings!
    this.#isTouched = true
  }

  /** Nobody is there to say. */
  lost (): void {
    this.#isKnown = false
    this.#isTouched = true
  }

  /** The client has left its room. */
  reset (): void {
    this.#list = []
    this.lost()
  }

  /** Whether that is another than it was when this was asked last. */
  hasChanged (): boolean {
    if (!this.#isTouched) return false
    this.#isTouched = false
    const now = JSON.stringify([this.light, this.#list])
    const changed = now !== this.#told
    this.#told = now
    return changed
  }
}
