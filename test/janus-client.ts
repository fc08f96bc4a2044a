import { FakeClient } from '../lib/testing/index.js'
import type { FakeClientOptions, FakeMediaServer } from '../lib/testing/index.js'
import { fakeFrame } from '../lib/testing/index.js'
import type { TestApp } from './support.js'

export type Message = Record<string, unknown>

/** A client of Janus that does as it is told: what janus.js would never send, too. */
export class JanusClient {
  readonly client: FakeClient

  constructor (client: FakeClient) {
    this.client = client
  }

  static async connect (t: { teardown (fn: () => unknown): void }, { base }: Pick<TestApp, 'base'>, { path = '/janus', ...options }: FakeClientOptions & { path?: string } = {}): Promise<JanusClient> {
    const client = await FakeClient.connect(base + path, { protocols: ['janus-protocol'], ...options })
    t.teardown(() => client.cut())
    return new JanusClient(client)
  }

  get closed (): Promise<{ code: number, reason: string }> {
    return this.client.closed
  }

  /** A string as it is. */
  say (message: Message | string): void {
    this.client.send(typeof message === 'string' ? message : JSON.stringify(message))
  }

  async hear (): Promise<Message> {
    return JSON.parse(await this.client.receiveText()) as Message
  }

  claim (sessionId: unknown, identity: unknown, transaction = 'claim'): void {
    this.say({ janus: 'claim', session_id: sessionId, transaction, token: JSON.stringify(identity) })
  }
}

/** Whose peer it is, and what the media server is to answer to. */
export interface Arrival {
  peerId: string
  epoch: number
}

/** A client with a session of this id. */
export async function createSession (t: { teardown (fn: () => unknown): void }, app: TestApp, server: FakeMediaServer, id: number, identity: Message = { roomId: 'room' }): Promise<{ janus: JanusClient, arrival: Arrival }> {
  const janus = await JanusClient.connect(t, app)
  janus.say({ janus: 'create', transaction: 'c', token: JSON.stringify(identity) })
  const { peerId, epoch } = await server.receive('text', ({ body }) => body.toString().includes('create'))
  const arrival = { peerId, epoch }
  down(server, arrival, { janus: 'success', transaction: 'c', data: { id } })
  await janus.hear()
  return { janus, arrival }
}

/** From the media server to the client. */
export function down (server: FakeMediaServer, { peerId, epoch }: Arrival, message: Message | string): void {
  server.send(fakeFrame('text', Buffer.from(typeof message === 'string' ? message : JSON.stringify(message)), peerId, epoch))
}
