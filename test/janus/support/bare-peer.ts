import { FakeClient } from 'trunkline/testing'
import type { JanusMessage } from './janus-call.js'
import { ROOM } from './janus-config.js'

/** A client that speaks the Janus API through the backend, without browser and without media. */
export class BarePeer {
  readonly name: string
  readonly client: FakeClient
  /** What it has not asked for, or what is of another's session. */
  readonly strays: JanusMessage[] = []
  /** What it was told without having asked. */
  readonly events: JanusMessage[] = []
  sessionId = 0
  handleId = 0
  readonly #token: string
  readonly #asked = new Map<string, { verb: string, resolve: (answer: JanusMessage) => void, reject: (error: Error) => void }>()
  readonly #answered = new Set<string>()
  #count = 0

  private constructor (name: string, token: string, client: FakeClient) {
    this.name = name
    this.#token = token
    this.client = client
    void this.#listen()
  }

  /** @param url of the app, `http://...` */
  static async connect ({ url }: { url: string }, name: string, token = name): Promise<BarePeer> {
    return new BarePeer(name, token, await FakeClient.connect(`${url.replace('http', 'ws')}/janus`, { protocols: ['janus-protocol'] }))
  }

  /** With a session, a handle, and in the room. */
  static async join (app: { url: string }, name: string): Promise<BarePeer> {
    const peer = await BarePeer.connect(app, name)
    await peer.create()
    await peer.attach()
    await peer.message({ request: 'join', ptype: 'publisher', room: ROOM.id, display: name })
    return peer
  }

  async create (): Promise<void> {
    this.sessionId = (await this.ask({ janus: 'create', token: this.#token })).data.id as number
  }

  async attach (plugin = 'janus.plugin.videoroom'): Promise<void> {
    this.handleId = (await this.ask({ janus: 'attach', session_id: this.sessionId, plugin })).data.id as number
  }

  /** What the plugin answers. */
  async message (body: Record<string, unknown>): Promise<Record<string, any>> {
    const { plugindata } = await this.ask({ janus: 'message', session_id: this.sessionId, handle_id: this.handleId, body })
    return plugindata.data as Record<string, any>
  }

  /** @throws what Janus calls an error; the connection was closed before there was an answer */
  async ask (message: Record<string, unknown>): Promise<JanusMessage> {
    const transaction = `${this.name}-${++this.#count}`
    const answer = new Promise<JanusMessage>((resolve, reject) => { this.#asked.set(transaction, { verb: message.janus as string, resolve, reject }) })
    this.client.send(JSON.stringify({ ...message, transaction }))
    return await answer
  }

  async #listen (): Promise<void> {
    try {
      for (;;) this.#hear(JSON.parse(await this.client.receiveText()) as JanusMessage)
    } catch (error) {
      for (const { reject } of this.#asked.values()) reject(error as Error)
      this.#asked.clear()
    }
  }

  #hear (message: JanusMessage): void {
    const { janus, transaction, session_id: sessionId } = message
    if (sessionId !== undefined && this.sessionId !== 0 && sessionId !== this.sessionId) this.strays.push(message)
    if (transaction === undefined) {
      this.events.push(message)
      return
    }
    const asked = this.#asked.get(transaction)
    if (asked === undefined) {
      // Its `ack` may come after the event.
      if (janus !== 'ack' || !this.#answered.has(transaction)) this.strays.push(message)
    } else if (janus !== 'ack' || asked.verb !== 'message') {
      this.#asked.delete(transaction)
      this.#answered.add(transaction)
      if (janus === 'error') asked.reject(new Error(`${asked.verb}: ${message.error.code} ${message.error.reason}`))
      else asked.resolve(message)
    }
  }
}
