import { randomUUID } from 'node:crypto'
import type { Kind } from './forwarder.js'
import type { Participant } from './participant.js'
import type { ActiveRecording, Recording } from './recording.js'
import type { Recordings } from './recordings.js'
import type { Track } from './room.js'
import type { Timing } from './timing.js'

/** A client publishes its camera a moment after its microphone: so long a file waits for its second track. */
export const SECOND_TRACK_MS = 2_000
/** Files of one peer at most: one that publishes anew all the time would have those of others forgotten. */
export const MAX_FILES = 50
/** Peers whose files are counted: beyond, the one is forgotten that began one longest ago. */
const MAX_COUNTED = 1_000

interface Shoot {
  readonly recording: ActiveRecording
  /** The tracks in the file, by their kind. */
  readonly tracks: Map<Kind, Track>
  wait: { cancel (): void } | undefined
}

/** Everybody of a room, each in files of its own: the first audio and the first video that it publishes, as long as it does. */
export class RoomRecording {
  /** The component's, as the API calls it. */
  readonly id = randomUUID()
  readonly #roomId: string
  readonly #recordings: Recordings
  readonly #timing: Timing
  readonly #shoots = new Map<Participant, Shoot>()
  readonly #files = new Map<string, number>()
  #isOver = false

  constructor (roomId: string, recordings: Recordings, timing: Timing) {
    this.#roomId = roomId
    this.#recordings = recordings
    this.#timing = timing
  }

  /** Those of the recordings that are still known. */
  get recordings (): Recording[] {
    return this.#recordings.all.filter(({ componentId }) => componentId === this.id)
  }

  /** Resolves when the files that are made now are there, or cannot be. */
  async opened (): Promise<void> {
    await Promise.all([...this.#shoots.values()].map(({ recording }) => recording.opened()))
  }

  /** @param tracks all that it publishes now */
  tracksChanged (publisher: Participant, tracks: readonly Track[]): void {
    if (this.#isOver) return
    const first = (kind: Kind): Track | undefined => tracks.find((track) => track.kind === kind)
    const wanted = [first('audio'), first('video')].filter((track) => track !== undefined)
    const shoot = this.#shoots.get(publisher)
    // Over already, and those tracks with it: they have filled the file, or could not be written.
    const isRunning = shoot?.recording.state.status === 'active'
    const added = wanted.filter((track) => shoot?.tracks.get(track.kind) !== track)

    if (wanted.length === 0) this.#finish(publisher)
    else if (shoot === undefined) this.#begin(publisher, wanted)
    else if (isRunning && shoot.wait !== undefined && added.every(({ kind }) => !shoot.tracks.has(kind))) this.#add(shoot, added)
    else if (added.length > 0) {
      this.#finish(publisher)
      this.#begin(publisher, wanted)
    }
  }

  /** Finishes all files, and makes no more. */
  stop (): void {
    this.#isOver = true
    for (const publisher of [...this.#shoots.keys()]) this.#finish(publisher)
  }

  #begin (publisher: Participant, tracks: readonly Track[]): void {
    const files = this.#files.get(publisher.id) ?? 0
    if (files >= MAX_FILES) return
    this.#files.delete(publisher.id)
    this.#files.set(publisher.id, files + 1)
    if (this.#files.size > MAX_COUNTED) this.#files.delete(this.#files.keys().next().value!)
    const recording = this.#recordings.begin({ roomId: this.#roomId, peerId: publisher.id, componentId: this.id })
    const shoot: Shoot = { recording, tracks: new Map(), wait: undefined }
    shoot.wait = this.#timing.after(SECOND_TRACK_MS, () => { this.#roll(shoot) })
    this.#shoots.set(publisher, shoot)
    this.#add(shoot, tracks)
  }

  #add (shoot: Shoot, tracks: readonly Track[]): void {
    for (const track of tracks) {
      shoot.tracks.set(track.kind, track)
      shoot.recording.add(track.source)
    }
    if (shoot.tracks.size === 2) this.#roll(shoot)
  }

  #roll (shoot: Shoot): void {
    shoot.wait?.cancel()
    shoot.wait = undefined
    shoot.recording.begin()
  }

  #finish (publisher: Participant): void {
    const shoot = this.#shoots.get(publisher)
    if (shoot === undefined) return
    this.#shoots.delete(publisher)
    shoot.wait?.cancel()
    shoot.recording.stop()
  }
}
