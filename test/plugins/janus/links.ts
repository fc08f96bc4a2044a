import type { FakeMediaServer } from '../../../lib/testing/index.js'
import type { Message } from '../../janus-client.js'
import { startApp, startMediaServer } from '../../support.js'
import type { TestApp, TestOptions } from '../../support.js'

// Time is moved without giving pongs time to come.
const NEVER = 2 ** 31 - 1
export const heartbeat = { clientMs: NEVER, trunkMs: NEVER }
export const ROOM = { roomId: 'room' }
export const token = JSON.stringify(ROOM)

export const tick = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))
export const gone = async ({ app }: TestApp): Promise<void> => { while (app.trunkline.peers.size > 0) await tick() }
export const detached = async ({ app }: TestApp): Promise<void> => { while (app.trunkline.stats().detached === 0) await tick() }
export const noSuch = (id: number, transaction = 'claim'): Message => ({ janus: 'error', session_id: id, transaction, error: { code: 458, reason: `No such session ${id}` } })

/** Sessions are held in the app's process, as for a Janus. */
export async function start (t: { teardown (fn: () => unknown): void }, options: TestOptions = {}): Promise<{ app: TestApp, server: FakeMediaServer }> {
  const server = await startMediaServer(t)
  return { server, app: await startApp(t, server.options, { dialects: ['janus'], ...options }) }
}
