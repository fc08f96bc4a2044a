import { readFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import vm from 'node:vm'
import t from 'tap'
import { WebSocket } from 'ws'
import type { FakeMediaServer } from '../../../lib/testing/index.js'
import { down } from '../../janus-client.js'
import { startApp, startMediaServer } from '../../support.js'

/** As much of it as is used here. */
interface JanusOptions {
  server: string | string[]
  token?: string
  success?: () => void
  error?: (reason: string) => void
  destroyed?: () => void
}
interface JanusSession {
  isConnected (): boolean
  getSessionId (): number
  reconnect (callbacks: { success: () => void, error: (reason: string) => void }): void
  destroy (callbacks: { success?: () => void, unload?: boolean }): void
}
interface JanusClass {
  new (options: JanusOptions): JanusSession
  init (options: { debug: boolean, dependencies: unknown, callback: () => void }): void
}

const token = JSON.stringify({ roomId: 'room' })

/** The client as it is in its package, and the sockets that it opens. */
async function loadJanus (t: { teardown (fn: () => unknown): void }): Promise<{ Janus: JanusClass, sockets: WebSocket[] }> {
  const path = createRequire(import.meta.url).resolve('janus-gateway/npm/src/janus.js')
  const sockets: WebSocket[] = []
  const timers = new Set<NodeJS.Timeout>()
  // It looks whether there is any, and no more than that for as long as nothing is attached.
  const page = { addEventListener () {}, RTCPeerConnection: class {} }
  const module = { exports: {} as JanusClass }
  const timeout = (fn: () => void, ms: number): NodeJS.Timeout => {
    const timer = setTimeout(fn, ms)
    timers.add(timer)
    return timer
  }
  vm.runInNewContext(await readFile(path, 'utf8'), { module, exports: module.exports, window: page, navigator: {}, RTCPeerConnection: page.RTCPeerConnection, console, setTimeout: timeout, clearTimeout })
  t.teardown(() => {
    for (const timer of timers) clearTimeout(timer)
    for (const socket of sockets) socket.terminate()
  })
  await new Promise<void>((resolve) => module.exports.init({
    debug: false,
    dependencies: {
      newWebSocket: (url: string, protocol: string) => {
        const socket = new WebSocket(url, protocol)
        sockets.push(socket)
        return socket
      },
      isArray: Array.isArray,
      extension: { init () {} },
      webRTCAdapter: { browserDetails: {} },
      httpAPICall: () => {}
    },
    callback: resolve
  }))
  return { Janus: module.exports, sockets }
}

/** Answers as a Janus does. */
async function answer (server: FakeMediaServer, verb: string, fields: Record<string, unknown>): Promise<void> {
  const received = await server.receive('text', ({ body }) => body.toString().includes(`"${verb}"`))
  const { transaction } = JSON.parse(received.body.toString()) as { transaction: string }
  down(server, received, { janus: 'success', transaction, ...fields })
}

t.test('janus.js begins a session, loses its link, goes on with the session, and ends it', async (t) => {
  const server = await startMediaServer(t)
  const { app, base } = await startApp(t, server.options, { dialects: ['janus'] })
  const { Janus, sockets } = await loadJanus(t)
  let lost = (_reason: string): void => {}
  const isLost = new Promise<string>((resolve) => { lost = resolve })
  const session = await new Promise<JanusSession>((resolve, reject) => {
    let opened: JanusSession | null = null
    opened = new Janus({ server: `${base}/janus`, token, success: () => resolve(opened!), error: (reason) => { lost(reason); reject(new Error(reason)) } })
    answer(server, 'create', { data: { id: 77 } }).catch(reject)
  })
  t.equal(session.getSessionId(), 77)
  sockets[0]!.terminate()
  t.match(await isLost, /Lost connection/)
  t.equal(session.isConnected(), false)
  await new Promise<void>((resolve, reject) => session.reconnect({ success: resolve, error: (reason) => reject(new Error(reason)) }))
  t.ok(session.isConnected())
  t.match(app.trunkline.stats(), { peers: 1, resumed: 1 })
  const destroyed = new Promise<void>((resolve) => session.destroy({ success: resolve }))
  await answer(server, 'destroy', { session_id: 77 })
  await destroyed
  t.equal(sockets.length, 2)
  await server.receive('close')
  await new Promise<void>((resolve, reject) => session.reconnect({ success: () => reject(new Error('there is none')), error: (reason) => { t.equal(reason, 'No such session 77'); resolve() } }))
})

t.test('janus.js hears why it is refused, and goes on to its next server where the first lets nobody in', async (t) => {
  const server = await startMediaServer(t)
  const { base } = await startApp(t, server.options, { dialects: ['janus'] })
  const { Janus } = await loadJanus(t)
  const error = await new Promise<string>((resolve) => new Janus({ server: `${base}/janus`, token: '{"error":{}}', error: resolve }))
  t.equal(error, 'not authenticated')
  const old = await startApp(t, server.options, { dialects: ['janus'] })
  await old.app.trunkline.drain()
  const session = await new Promise<JanusSession>((resolve, reject) => {
    let opened: JanusSession | null = null
    opened = new Janus({ server: [`${old.base}/janus`, `${base}/janus`], token, success: () => resolve(opened!), error: reject })
    answer(server, 'create', { data: { id: 78 } }).catch(reject)
  })
  t.equal(session.getSessionId(), 78)
  session.destroy({ unload: true })
  await server.receive('close')
})
