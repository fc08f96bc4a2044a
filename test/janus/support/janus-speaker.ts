import type { Test } from 'tap'
import { FakeClient } from '../../../lib/testing/index.js'
import type { JanusMessage } from './janus-call.js'

/** A bare socket that speaks Janus' API, to a real one or to a fake. */
export class JanusSpeaker {
  readonly client: FakeClient
  readonly #apiSecret: string

  private constructor (client: FakeClient, apiSecret: string) {
    this.client = client
    this.#apiSecret = apiSecret
  }

  static async connect (t: Test, { url, apiSecret }: { url: string, apiSecret: string | null }): Promise<JanusSpeaker> {
    const client = await FakeClient.connect(url, { protocols: ['janus-protocol'] })
    t.teardown(() => client.cut())
    return new JanusSpeaker(client, apiSecret ?? '')
  }

  say (message: Record<string, unknown>): void {
    this.client.send(JSON.stringify({ transaction: 't', apisecret: this.#apiSecret, ...message }))
  }

  /** The next message that is wanted; those before it are lost. */
  async hear (wanted: (message: JanusMessage) => boolean = () => true): Promise<JanusMessage> {
    for (;;) {
      const message = JSON.parse(await this.client.receiveText()) as JanusMessage
      if (wanted(message)) return message
    }
  }

  async ask (message: Record<string, unknown>): Promise<JanusMessage> {
    this.say(message)
    return await this.hear()
  }

  /** What is said to a `message`, after its ack if there is one. */
  async message (ids: Ids, body: Record<string, unknown>, jsep?: unknown): Promise<JanusMessage> {
    this.say({ janus: 'message', ...ids, body, transaction: 'message', ...(jsep === undefined ? {} : { jsep }) })
    return await this.hear(({ janus, transaction }) => transaction === 'message' && janus !== 'ack')
  }

  /** A session, and in it a handle. */
  async attach (plugin: string, opaqueId = 'peer'): Promise<Ids> {
    const session = await this.ask({ janus: 'create' })
    const handle = await this.ask({ janus: 'attach', session_id: session.data.id, plugin, opaque_id: opaqueId })
    return { session_id: session.data.id as number, handle_id: handle.data.id as number }
  }
}

export interface Ids {
  session_id: number
  handle_id: number
}
