import { TrunkDownError } from '../../errors.js'
import { Fault, JanusCode, faultOf, isId, isObject } from './messages.js'
import type { JanusMessage, Verb } from './messages.js'
import { JanusRequest } from './request.js'
import type { Requester } from './request.js'
import type { Requests } from './requests.js'

/** What a plugin answers. */
export type PluginData = Record<string, unknown>

/** The backend's own session at Janus, in nobody's name: it shows that the secret is right, and does what the app asks for. */
export class JanusService {
  readonly #requests: Requests
  readonly #isUp: () => boolean
  readonly #now: () => number
  #sessionId: number | null = null
  /** By plugin. */
  readonly #handles = new Map<string, Promise<number>>()
  heardAt = 0

  constructor (requests: Requests, isUp: () => boolean, now: () => number) {
    this.#requests = requests
    this.#isUp = isUp
    this.#now = now
  }

  get sessionId (): number | null {
    return this.#sessionId
  }

  /** The first thing on a new connection: what was there before goes on if it can. @throws Fault Janus does not let us in */
  async begin (): Promise<void> {
    if (this.#sessionId !== null) {
      try {
        await this.ask('claim', this.#sessionId, true)
        return
      } catch (error) {
        // It may still be there when there is another connection.
        if ((error as Fault).code !== JanusCode.noSuchSession) throw error
        this.#sessionId = null
        this.#handles.clear()
      }
    }
    const { data } = await this.ask('create', null, true)
    this.#sessionId = isObject(data) && isId(data.id) ? data.id : null
  }

  async end (): Promise<void> {
    const sessionId = this.#sessionId
    this.#sessionId = null
    this.#handles.clear()
    if (sessionId !== null) await this.ask('destroy', sessionId)
  }

  keepAlive (): void {
    if (this.#sessionId === null) return
    this.heardAt = this.#now()
    this.ask('keepalive', this.#sessionId).catch(({ code }: Fault) => {
      if (code !== JanusCode.noSuchSession) return
      this.#sessionId = null
      this.#handles.clear()
      this.begin().catch(() => {})
    })
  }

  /**
   * Says something to a plugin, and answers what that answers.
   * @throws TrunkDownError
   * @throws Fault Janus, or the plugin, answers with an error, or not in time
   */
  async message (plugin: string, body: object): Promise<PluginData> {
    if (!this.#isUp() || this.#sessionId === null) throw new TrunkDownError()
    const sessionId = this.#sessionId
    try {
      const handleId = await this.#handle(plugin, sessionId)
      const { plugindata } = await this.ask('message', sessionId, false, handleId, { body })
      const data = isObject(plugindata) && isObject(plugindata.data) ? plugindata.data : {}
      if (data.error_code !== undefined) throw new Fault(Number(data.error_code), String(data.error))
      return data
    } catch (error) {
      // Whoever runs Janus may have detached it.
      if (error instanceof Fault && error.code === JanusCode.noSuchHandle) this.#handles.delete(plugin)
      throw error
    }
  }

  /**
   * @param isFirst whether it goes before all that waits
   * @throws Fault
   */
  async ask (verb: Verb, sessionId: number | null, isFirst = false, handleId: number | null = null, fields: Record<string, unknown> = {}): Promise<JanusMessage> {
    return await new Promise((resolve, reject) => {
      const request = new JanusRequest(new Asker(resolve, reject), '', verb, null, sessionId, handleId, fields)
      if (isFirst) this.#requests.pushFirst(request)
      else this.#requests.push(request)
    })
  }

  async #handle (plugin: string, sessionId: number): Promise<number> {
    const handle = this.#handles.get(plugin) ?? this.ask('attach', sessionId, false, null, { plugin }).then(({ data }) => (data as { id: number }).id)
    this.#handles.set(plugin, handle)
    // One that could not be made is tried again.
    handle.catch(() => this.#handles.delete(plugin))
    return await handle
  }
}

/** One answer, awaited. */
class Asker implements Requester {
  readonly isOver = false
  readonly #resolve: (answer: JanusMessage) => void
  readonly #reject: (fault: Fault) => void

  constructor (resolve: (answer: JanusMessage) => void, reject: (fault: Fault) => void) {
    this.#resolve = resolve
    this.#reject = reject
  }

  answered ({ verb }: JanusRequest, answer: JanusMessage): void {
    if (answer.janus === 'error') this.#reject(faultOf(answer))
    else if (answer.janus !== 'ack' || verb !== 'message') this.#resolve(answer)
  }

  failed (_request: JanusRequest, fault: Fault): void {
    this.#reject(fault)
  }
}
