import type { Socket } from 'node:net'
import process from 'node:process'
import t from 'tap'
import type { Test } from 'tap'
import type { FakeClient } from '../../lib/testing/index.js'
import { LINK_SUBPROTOCOL } from '../../lib/session/messages.js'
import type { TestApp } from '../support.js'
import { RawClient } from './raw-client.js'

/** With its guard taken out an attack often waits for what never comes: then for no longer than ATTACK_MS. */
const TIMEOUT_MS = Number(process.env.ATTACK_MS ?? 25_000)

/** A test of one attack. */
export function attack (name: string, fn: (t: Test) => Promise<void>): void {
  void t.test(name, { timeout: TIMEOUT_MS }, fn)
}

export const LINK = { 'sec-websocket-protocol': LINK_SUBPROTOCOL }
export const FISHJAM_PATH = '/socket/peer/websocket'

export const tokenOf = (identity: unknown): string => encodeURIComponent(JSON.stringify(identity))

/** Fails unless this client's events still come back: nobody else's fault is to be felt. */
export async function isWell (t: { equal (found: unknown, wanted: unknown, message: string): unknown }, client: FakeClient): Promise<void> {
  client.send('still here')
  t.equal(await client.receiveText(), 'still here', 'others are well')
}

/** The server's end of each connection, in the order in which they came. */
export function serverSockets ({ app }: TestApp): Socket[] {
  const sockets: Socket[] = []
  app.server.on('connection', (socket) => sockets.push(socket))
  return sockets
}

/** Waits, turn by turn of the event loop, until it holds. */
export async function eventually (holds: () => boolean): Promise<void> {
  while (!holds()) await new Promise((resolve) => setImmediate(resolve))
}

/** So many turns of the event loop. */
export async function turns (n: number): Promise<void> {
  for (let i = 0; i < n; i++) await new Promise((resolve) => setImmediate(resolve))
}

/** Connects by hand, and is cut at the end of the test. */
export async function raw (t: { teardown (fn: () => unknown): void }, { host }: TestApp, path: string, headers: Record<string, string> = {}): Promise<RawClient> {
  const client = await RawClient.connect(host, path, headers)
  t.teardown(() => client.socket.destroy())
  return client
}
