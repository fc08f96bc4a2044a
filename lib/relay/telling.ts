import type { Logger } from '../logger.js'
import { logThrown } from '../logger.js'
import type { Hooks } from './hooks.js'
import type { Notification, TrunkState } from './media-server.js'

/** Notifications that wait for the app's hooks at most; what comes beyond is left with the media server. */
const MAX_NOTIFICATIONS = 1_000
/** States of the trunk that wait for the app's hooks at most. */
const MAX_TRUNK_STATES = 100

/** What the app is told that is about no peer, and no recording: one at a time for each room, and the states of the trunk in their order. */
export class Telling<Metadata> {
  readonly #hooks: Hooks<Metadata>
  readonly #log: Logger
  /** What the app has still to handle, in order, by room. */
  readonly #rooms = new Map<string, Promise<void>>()
  #notifications = 0
  #trunk = Promise.resolve()
  #trunkStates = 0
  #closing = false

  constructor (hooks: Hooks<Metadata>, log: Logger) {
    this.#hooks = hooks
    this.#log = log
  }

  /** In order, also where a hook takes longer than the state lasts. */
  trunk (state: TrunkState): void {
    if (this.#hooks.lists.onTrunk === null) return
    if (this.#trunkStates >= MAX_TRUNK_STATES) {
      this.#log.warn({ state: state.state }, `onTrunk is not told: ${MAX_TRUNK_STATES} states wait for its hooks`)
      return
    }
    this.#trunkStates++
    this.#trunk = this.#trunk
      .then(() => this.#hooks.tell('onTrunk', (error) => logThrown(this.#log, error, 'a hook onTrunk failed'), state))
      .then(() => { this.#trunkStates-- })
  }

  /** @param handled called once the app has dealt with it */
  notification (notification: Notification, handled: () => void): void {
    this.#tell(notification.roomId, handled, 'onNotification', () => this.#hooks.run('onNotification', notification))
  }

  /** Begins nothing more that might take long: the media server will tell it again. Resolves after the last hook. */
  async close (): Promise<void> {
    this.#closing = true
    await Promise.all([...this.#rooms.values(), this.#trunk])
  }

  /** What the app did not handle is left with the media server, which tells it again. */
  #tell (roomId: string, handled: () => void, hook: string, run: () => Promise<void>): void {
    if (this.#notifications >= MAX_NOTIFICATIONS) {
      this.#log.warn({ roomId }, `a notification is left with the media server: ${MAX_NOTIFICATIONS} wait for the app's hooks`)
      return
    }
    this.#notifications++
    const told = (this.#rooms.get(roomId) ?? Promise.resolve()).then(async () => {
      try {
        if (!this.#closing) {
          await run()
          handled()
        }
      } catch (error) {
        logThrown(this.#log, error, `a hook ${hook} failed: the media server will tell it again`, { roomId })
      }
      this.#notifications--
      if (this.#rooms.get(roomId) === told) this.#rooms.delete(roomId)
    })
    this.#rooms.set(roomId, told)
  }
}
