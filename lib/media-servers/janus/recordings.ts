import type { Clock, Timer } from '../../clock.js'
import { RecordingFailedError, RoomNotFoundError } from '../../errors.js'
import type { Logger } from '../../logger.js'
import type { Recording } from '../../relay/media-server.js'
import type { AskAdmin, JanusAdmin } from './admin.js'
import { Fault, JanusCode } from './messages.js'
import { isSilent, lookAt, nothingOf } from './publishers.js'
import type { SeenPublisher, WatchedHandle } from './publishers.js'
import { RoomRecording } from './room-recording.js'
import type { JanusService } from './service.js'
import type { RoomName, VideoRoom } from './videoroom.js'

/** Rooms that are recorded at once at most. */
const MAX_ROOMS = 10_000
/** Looks at most until it is known whether a room is recorded. */
const CHECKS = 3

export interface JanusRecordingsOptions {
  /** Between two looks at what is recorded, in milliseconds. */
  pollMs: number
}

export interface JanusRecordingsServices {
  readonly service: Pick<JanusService, 'sessionId'>
  readonly videoRoom: VideoRoom
  /** Null: nobody can say what is really recorded. */
  readonly admin: JanusAdmin | null
  /** VideoRoom's handles of the peers of the app's rooms, by room. */
  handlesIn (roomIds: ReadonlySet<string>): Map<string, WatchedHandle[]>
  tell (recording: Recording): void
  /** All that is being recorded, as far as is known once the trunk is there. */
  known (recordings: Recording[]): void
  readonly clock: Clock
  readonly log: Logger
}

interface Seen {
  recording: RoomRecording
  publisher: SeenPublisher
  isMute: boolean
}

/**
 * Rooms of VideoRoom that the app has recorded. VideoRoom says ok also when it cannot open a file, and tells nobody when one is
 * whole: so what it does is looked at, for as long as a room is recorded.
 */
export class JanusRecordings {
  readonly #options: JanusRecordingsOptions
  readonly #services: JanusRecordingsServices
  readonly #rooms = new Map<string, RoomRecording>()
  /** What is being done to a room: one thing after the other. */
  readonly #doing = new Map<string, Promise<unknown>>()
  /** Handles that will never publish, by session: not to be asked for each time. */
  readonly #subscribers = new Map<number, Set<number>>()
  /** The driver's own, when it was last known which rooms are recorded: another one may be that of another Janus. */
  #sessionId: number | null = null
  #isUp = false
  /** Whether it was told what is being recorded, since the trunk is there. */
  #isKnown = false
  #isBlind = false
  #isLooking = false
  #isClosed = false
  #timer: Timer | null = null
  /** What waits for a moment, and how to end that. */
  readonly #waits = new Map<Timer, () => void>()

  constructor (options: JanusRecordingsOptions, services: JanusRecordingsServices) {
    this.#options = options
    this.#services = services
  }

  /**
   * @throws TrunkDownError
   * @throws RoomNotFoundError
   * @throws JanusRoomError
   * @throws JanusRefusedError the room's secret is wrong, or Janus says nothing
   * @throws RecordingFailedError Janus says that it records, and does not, or that cannot be seen
   */
  async start (roomId: string): Promise<Recording[]> {
    return await this.#inTurn(roomId, async () => {
      const room = this.#services.videoRoom.room(roomId)
      await this.#settle()
      const before = this.#rooms.get(roomId)
      if (before === undefined && this.#rooms.size >= MAX_ROOMS) throw new RecordingFailedError(roomId, `${MAX_ROOMS} rooms are being recorded already`)
      const recording = before ?? new RoomRecording({
        roomId, room, folder: await this.#folder(room), confirmMs: this.#options.pollMs / 2, tell: (recording) => this.#services.tell(recording)
      })
      await this.#enable(roomId, true)
      this.#rooms.set(roomId, recording)
      if (this.#services.admin === null) {
        recording.began(this.#services.clock.now())
        return recording.active
      }
      const wrong = await this.#check(recording)
      if (wrong !== null) {
        await this.#abandon(recording, wrong)
        throw new RecordingFailedError(roomId, wrong)
      }
      this.#plan()
      return recording.active
    })
  }

  /**
   * @throws TrunkDownError
   * @throws RoomNotFoundError
   * @throws JanusRoomError
   * @throws JanusRefusedError the room's secret is wrong, or Janus says nothing
   */
  async stop (roomId: string): Promise<Recording[]> {
    return await this.#inTurn(roomId, async () => {
      await this.#settle()
      const recording = this.#rooms.get(roomId)
      // What has begun since the last look.
      if (recording !== undefined && this.#services.admin !== null) await this.#look([recording])
      try {
        await this.#enable(roomId, false)
      } catch (error) {
        // Somebody else has ended the room, and with it what was recorded.
        if (error instanceof RoomNotFoundError && this.#rooms.delete(roomId)) recording?.end('finished')
        throw error
      }
      if (recording === undefined) return []
      this.#rooms.delete(roomId)
      // Janus closes and renames all files of the room before it answers.
      return recording.end(this.#services.admin === null ? 'finished' : 'available')
    })
  }

  /** The app's names for a room that is being recorded. */
  of (room: RoomName): string[] {
    return [...this.#rooms.values()].filter((recording) => String(recording.room) === String(room)).map(({ roomId }) => roomId)
  }

  /** The trunk is there, for the first time or again. */
  up (): void {
    this.#isUp = true
    this.#isKnown = false
    void this.#poll()
  }

  /** Nobody knows whether the Janus that could be asked now is still the same. */
  down (): void {
    this.#isUp = false
    this.#timer?.cancel()
    this.#timer = null
  }

  /** A session is no more, nor are its handles. */
  ended (sessionId: number): void {
    this.#subscribers.delete(sessionId)
  }

  /** Rooms go on being recorded: another process may be there for them. */
  close (): void {
    this.#isClosed = true
    this.down()
    this.#rooms.clear()
    for (const [timer, end] of this.#waits) {
      timer.cancel()
      end()
    }
    this.#waits.clear()
  }

  async #enable (roomId: string, record: boolean): Promise<void> {
    await this.#services.videoRoom.manage(roomId, { request: 'enable_recording', record })
  }

  /** What may be wrong is looked at again: Janus may be about to open the files. @returns what is wrong; null: nothing */
  async #check (recording: RoomRecording): Promise<string | null> {
    let wrong: string | null = null
    for (let looks = 1; looks <= CHECKS; looks++) {
      if (looks > 1) await this.#moment()
      const seen = await this.#look([recording])
      if (typeof seen === 'string') {
        wrong = `it cannot be seen what Janus records: ${seen}`
        continue
      }
      if (!seen.some(({ publisher }) => isSilent(publisher))) return null
      const mute = seen.filter(({ isMute }) => isMute)
      for (const { publisher } of mute) recording.failed(publisher, nothingOf(publisher))
      if (mute.length > 0) return mute.map(({ publisher }) => nothingOf(publisher)).join('; ')
    }
    return wrong
  }

  /** One look at some rooms: who publishes there, and of whom nothing is recorded; or why there can be none. */
  async #look (rooms: RoomRecording[]): Promise<Seen[] | string> {
    const { admin, clock, service } = this.#services
    try {
      return await admin!.with(async (ask) => {
        // The Admin API may be that of another Janus, or of one that was just started: nobody there would be recorded.
        await ask({ janus: 'list_handles', session_id: this.#sessionId })
        if (service.sessionId !== this.#sessionId) return 'Janus was restarted'
        const handles = this.#services.handlesIn(new Set(rooms.map(({ roomId }) => roomId)))
        return (await Promise.all(rooms.map(async (recording) => {
          const publishers = await this.#publishersIn(recording, handles.get(recording.roomId) ?? [], ask)
          // It was stopped meanwhile.
          if (this.#rooms.get(recording.roomId) !== recording) return []
          const mute = new Set(recording.seen(publishers, clock.now()))
          return publishers.map((publisher) => ({ recording, publisher, isMute: mute.has(publisher) }))
        }))).flat()
      })
    } catch (error) {
      if (!(error instanceof Fault)) throw error
      return error.code === JanusCode.noSuchSession ? 'adminUrl is that of another Janus, or of one that was restarted' : error.reason
    }
  }

  async #publishersIn (recording: RoomRecording, here: WatchedHandle[], ask: AskAdmin): Promise<SeenPublisher[]> {
    // Who has left may still be recorded, until Janus has heard of it.
    const handles = new Map([...recording.handles, ...here].map((handle) => [handle.handleId, handle]))
    const asked = [...handles.values()].filter(({ sessionId, handleId }) => this.#subscribers.get(sessionId)?.has(handleId) !== true)
    const { publishers, subscribers } = await lookAt(asked, recording.room, ask)
    for (const { sessionId, handleId } of subscribers) this.#subscribers.set(sessionId, (this.#subscribers.get(sessionId) ?? new Set()).add(handleId))
    return publishers
  }

  #plan (): void {
    if (!this.#isUp || this.#isLooking) return
    if (this.#isKnown && (this.#rooms.size === 0 || (this.#services.admin === null && this.#isSettled))) return
    this.#timer ??= this.#services.clock.after(this.#options.pollMs, () => {
      this.#timer = null
      void this.#poll()
    })
  }

  async #poll (): Promise<void> {
    if (this.#isLooking) return
    this.#isLooking = true
    let blind: string | null = null
    try {
      await this.#settle()
      const found = this.#services.admin === null || this.#rooms.size === 0 ? [] : await this.#look([...this.#rooms.values()])
      if (typeof found === 'string') blind = found
      else for (const { recording, publisher, isMute } of found) if (isMute) recording.failed(publisher, nothingOf(publisher))
    } catch (error) {
      blind = (error as Error).message
    }
    if (blind !== null && !this.#isBlind) this.#services.log.warn({ reason: blind }, 'it cannot be seen what Janus records')
    this.#isBlind = blind !== null
    this.#isLooking = false
    this.#plan()
  }

  get #isSettled (): boolean {
    return this.#sessionId === this.#services.service.sessionId
  }

  /** When the driver's own session is another one: was it only lost, or was Janus restarted, and records nothing? */
  async #settle (): Promise<void> {
    const { sessionId } = this.#services.service
    if (!this.#isSettled && this.#rooms.size > 0) {
      const recorded = new Set((await this.#services.videoRoom.list()).filter(({ record }) => record === true).map(({ room }) => String(room)))
      for (const recording of [...this.#rooms.values()]) {
        recording.doubt()
        if (!recorded.has(String(recording.room))) await this.#abandon(recording, 'Janus was restarted')
      }
    }
    this.#sessionId = sessionId
    if (!this.#isUp || this.#isKnown) return
    this.#isKnown = true
    this.#services.known([...this.#rooms.values()].flatMap(({ active }) => active))
  }

  /** The room is not recorded as it should be, and nobody shall think it is. */
  async #abandon (recording: RoomRecording, error: string): Promise<void> {
    const { roomId } = recording
    if (this.#rooms.get(roomId) === recording) this.#rooms.delete(roomId)
    recording.end('failed', error)
    try {
      await this.#enable(roomId, false)
    } catch (error) {
      this.#services.log.warn({ roomId, reason: (error as Error).message }, 'a recording that failed could not be switched off')
    }
  }

  /** Where VideoRoom puts the files of a room; null: it does not tell everybody, or need not be asked. */
  async #folder (room: RoomName): Promise<string | null> {
    if (this.#services.admin === null) return null
    const folder = (await this.#services.videoRoom.list()).find((each) => String(each.room) === String(room))?.rec_dir
    return typeof folder === 'string' ? folder : null
  }

  async #moment (): Promise<void> {
    if (this.#isClosed) return
    await new Promise<void>((resolve) => {
      const timer = this.#services.clock.after(this.#options.pollMs, () => {
        this.#waits.delete(timer)
        resolve()
      })
      this.#waits.set(timer, resolve)
    })
  }

  async #inTurn<Result> (roomId: string, task: () => Promise<Result>): Promise<Result> {
    const done = (this.#doing.get(roomId) ?? Promise.resolve()).then(task, task)
    this.#doing.set(roomId, done)
    try {
      return await done
    } finally {
      if (this.#doing.get(roomId) === done) this.#doing.delete(roomId)
    }
  }
}
