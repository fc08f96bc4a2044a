import { systemTiming, type Timing } from './timing.js'

/** When something last came from a client over its media transport, by `performance.now()`; -Infinity: nothing has yet. */
export interface Heard {
  /** RTP: whoever publishes sends it all the time, be it silence or a black picture. */
  readonly media: number
  /** STUN requests, which a browser goes on sending in any case. */
  readonly stun: number
}

export const LOOK_MS = 250
/**
 * Looks in a row that find nothing new, after which who was sending is gone. Looks and not a time: a process that was held
 * up looks before it reads what came meanwhile.
 */
export const MEDIA_LOOKS = 7
/** The same for who was sending nothing: a browser's STUN requests are 2.7 s apart. */
export const STUN_LOOKS = 30

/**
 * Clients whose signaling is lost. The media of one that has only lost its signaling goes on; where it stops as well there
 * is nobody who could come back, and the others need not look at a frozen picture for as long as a session is held.
 */
export class Absentees<Client> {
  readonly #gone: (client: Client) => void
  readonly #timing: Pick<Timing, 'now' | 'every'>
  readonly #absences = new Map<Client, Absence>()
  #timer: { cancel (): void } | undefined

  constructor (gone: (client: Client) => void, timing: Pick<Timing, 'now' | 'every'> = systemTiming) {
    this.#gone = gone
    this.#timing = timing
  }

  /** @param heard when the client was last heard of, at the moment of the call */
  add (client: Client, heard: () => Heard): void {
    this.#absences.set(client, new Absence(heard, this.#timing.now()))
    this.#timer ??= this.#timing.every(LOOK_MS, () => { this.#look() })
  }

  /** It is back, or over. */
  delete (client: Client): void {
    this.#absences.delete(client)
    if (this.#absences.size > 0) return
    this.#timer?.cancel()
    this.#timer = undefined
  }

  #look (): void {
    for (const [client, absence] of [...this.#absences]) {
      // Whoever was told of the end of one may have ended another.
      if (this.#absences.get(client) !== absence || !absence.isForGood()) continue
      this.delete(client)
      this.#gone(client)
    }
  }
}

class Absence {
  readonly #heard: () => Heard
  #last: Heard
  #wasSending: boolean
  #quietLooks = { media: 0, stun: 0 }

  constructor (heard: () => Heard, now: number) {
    this.#heard = heard
    this.#last = heard()
    this.#wasSending = now - this.#last.media < MEDIA_LOOKS * LOOK_MS
  }

  isForGood (): boolean {
    const { media, stun } = this.#heard()
    const isNew = { media: media > this.#last.media, stun: stun > this.#last.stun }
    this.#last = { media, stun }
    this.#wasSending ||= isNew.media
    this.#quietLooks.media = isNew.media ? 0 : this.#quietLooks.media + 1
    this.#quietLooks.stun = isNew.stun ? 0 : this.#quietLooks.stun + 1
    if (this.#wasSending) return this.#quietLooks.media >= MEDIA_LOOKS
    // Who has not begun with its media yet begins when it is back.
    return stun > -Infinity && this.#quietLooks.stun >= STUN_LOOKS
  }
}
