/** How one's signaling travels: by way of the backend, or directly to the media server. */
export type Mode = 'relay' | 'direct'

/** What the backend answers to who wants to join: the same for both ways. */
interface Ticket {
  peerId: string
  /** Of the signaling. */
  url: string
  /** For the link. */
  token: string
  /** For the backend itself. */
  pass: string
}

/** One's place in a room, as the backend gives it: what lets the link in, and what everything else is asked with. */
export class Admission {
  readonly peerId: string
  readonly url: string
  readonly #room: string
  #token: string
  /** Whether the link has had it: then it wants a newer one. */
  #isShown = false
  #pass: string

  private constructor (room: string, { peerId, url, token, pass }: Ticket) {
    this.#room = room
    this.peerId = peerId
    this.url = url
    this.#token = token
    this.#pass = pass
  }

  /** @throws when the backend does not let this person in, or cannot be reached */
  static async ask (room: string, name: string, mode: Mode): Promise<Admission> {
    const response = await request('POST', `/rooms/${encodeURIComponent(room)}/peers`, {
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ name, mode })
    })
    return new Admission(room, await response.json() as Ticket)
  }

  /**
   * For a link, which asks again whenever a token has become too old: first that of the ticket, then ever newer ones.
   * @throws when the backend cannot say: the link asks again in a while
   */
  readonly token = async (): Promise<string> => {
    try {
      if (this.#isShown) await this.#renew()
    } catch (error) {
      // There is no newer one. The link shows the old one, and hears by its close code what is wrong with it.
      if (!(error instanceof Refused) || error.status >= 500) throw error
    }
    this.#isShown = true
    return this.#token
  }

  /**
   * Asks the backend for something of the room.
   * @throws when it refuses, or cannot be reached
   */
  async ask (method: string, what: string): Promise<Response> {
    const send = async (): Promise<Response> => await request(method, `/rooms/${encodeURIComponent(this.#room)}/${what}`, { headers: { authorization: `Bearer ${this.#pass}` } })
    return await send().catch(async (error: unknown) => {
      // The pass has become too old: what it is exchanged for has another with it.
      if (!(error instanceof Refused) || error.status !== 401) throw error
      await this.#renew()
      return await send()
    })
  }

  async #renew (): Promise<void> {
    const response = await request('POST', `/rooms/${encodeURIComponent(this.#room)}/peers/${encodeURIComponent(this.peerId)}/token`, { headers: { authorization: `Bearer ${this.#pass}` } })
    const { token, pass } = await response.json() as Ticket
    this.#token = token
    this.#pass = pass
    this.#isShown = false
  }
}

/** What the backend says when it does not do what it was asked. */
class Refused extends Error {
  readonly status: number

  constructor (status: number, message: string) {
    super(message)
    this.status = status
  }
}

async function request (method: string, path: string, init: RequestInit): Promise<Response> {
  const response = await fetch(path, { method, ...init }).catch(() => { throw new Error('The server cannot be reached.') })
  if (response.ok) return response
  const { code, message = response.statusText } = await response.json().catch(() => ({})) as { code?: string, message?: string }
  throw new Refused(response.status, code === 'TRK_ERR_ROOM_MODE' ? `This room is used the other way: ${message}.` : `The server says: ${message}`)
}
