import { errors } from 'trunkline'
import type { Admittance, AdmitOptions, Identity, Trunkline } from 'trunkline'
import type { FastifyBaseLogger, FastifyRequest } from 'fastify'

/** How long a room is left alone in which there may be somebody soon. Longer than the media server waits for a client. */
export const FRESH_MS = 90_000

/**
 * Rooms of clients that connect directly: such have to be made before anybody can be let in, and stay until somebody deletes them.
 * That is done when the next one is made, to those that nobody is in any more.
 */
export class DirectRooms {
  readonly #trunkline: Trunkline
  readonly #log: FastifyBaseLogger
  /** Those that this process has let somebody into, and when it last did: no more than the media server has rooms. */
  readonly #usedAt = new Map<string, number>()
  readonly #now: () => number

  constructor (trunkline: Trunkline, log: FastifyBaseLogger, now = Date.now) {
    this.#trunkline = trunkline
    this.#log = log
    this.#now = now
  }

  /** As `admit` of Trunkline does it, into a room that is made where there is none. */
  async admit (who: Identity<unknown>, how: AdmitOptions<FastifyRequest>): Promise<Admittance> {
    const { roomId } = who
    const usedBefore = this.#usedAt.get(roomId)
    // Before anything is asked, so that nobody deletes it meanwhile.
    this.#usedAt.set(roomId, this.#now())
    try {
      return await this.#admit(who, how)
    } catch (error) {
      if (usedBefore === undefined) this.#usedAt.delete(roomId)
      throw error
    }
  }

  async #admit (who: Identity<unknown>, how: AdmitOptions<FastifyRequest>): Promise<Admittance> {
    try {
      return await this.#trunkline.admit(who, how)
    } catch (error) {
      if (!(error instanceof errors.RoomNotFoundError)) throw error
    }
    await this.#tidy()
    try {
      await this.#trunkline.rooms.create({ roomId: who.roomId })
    } catch (error) {
      // Two have come at once.
      if (!(error instanceof errors.RoomExistsError)) throw error
    }
    return await this.#trunkline.admit(who, how)
  }

  async #tidy (): Promise<void> {
    const stale = [...this.#usedAt].filter(([, usedAt]) => usedAt < this.#now() - FRESH_MS).map(([roomId]) => roomId)
    if (stale.length === 0) return
    try {
      const rooms = new Map((await this.#trunkline.rooms.list()).map(({ id, peers }) => [id, peers.length]))
      for (const roomId of stale) {
        if ((rooms.get(roomId) ?? 0) > 0 || (this.#usedAt.get(roomId) ?? Infinity) >= this.#now() - FRESH_MS) continue
        this.#usedAt.delete(roomId)
        if (rooms.has(roomId)) await this.#trunkline.rooms.delete(roomId)
      }
    } catch (error) {
      this.#log.warn({ err: error }, 'rooms that nobody is in any more could not all be deleted')
    }
  }
}
