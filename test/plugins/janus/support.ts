import { janus } from '../../../lib/media-servers/janus.js'
import type { JanusOptions } from '../../../lib/media-servers/janus.js'
import { FakeJanus } from '../../../lib/testing/index.js'
import type { FakeClient, FakeJanusOptions } from '../../../lib/testing/index.js'
import { startApp } from '../../support.js'
import type { TestApp, TestOptions } from '../../support.js'

export interface Stage extends TestApp {
  server: FakeJanus
}

/** An app behind which stands a Janus that does as it is told; both end with the test. */
export async function start (t: { teardown (fn: () => unknown): void }, { fake = {}, driver = {}, ...options }: TestOptions & { fake?: FakeJanusOptions, driver?: Partial<JanusOptions> } = {}): Promise<Stage> {
  const server = await FakeJanus.listen(fake)
  t.teardown(() => server.close())
  const app = await startApp(t, janus({ url: server.url, apiSecret: 'secret', retry: { baseMs: 1, maxMs: 5 }, ...driver }), options)
  return { ...app, server }
}

export type Message = Record<string, any>

export const say = (client: FakeClient, message: unknown): void => client.send(JSON.stringify(message))
export const hear = async (client: FakeClient): Promise<Message> => JSON.parse(await client.receiveText()) as Message

/** The next message that fits. */
export async function hearThat (client: FakeClient, fits: (message: Message) => boolean): Promise<Message> {
  for (let i = 0; i < 100; i++) {
    const message = await hear(client)
    if (fits(message)) return message
  }
  throw new Error('nothing fits of a hundred messages')
}

export async function create (client: FakeClient): Promise<number> {
  say(client, { janus: 'create', transaction: 'create' })
  return (await hear(client)).data.id as number
}

export async function attach (client: FakeClient, sessionId: number, plugin = 'janus.plugin.videoroom'): Promise<number> {
  say(client, { janus: 'attach', session_id: sessionId, plugin, transaction: 'attach' })
  return (await hear(client)).data.id as number
}
