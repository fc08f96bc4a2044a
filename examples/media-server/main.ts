import { randomBytes } from 'node:crypto'
import type { AddressInfo } from 'node:net'
import process from 'node:process'
import Fastify from 'fastify'
import { createEndpoint, type Endpoint, type Notice } from 'trunkline/media-server'
import { Control } from './control.js'
import { openDirect, urlOf, type Direct } from './direct.js'
import { MediaConnection } from './media-connection.js'
import { recordingNotice } from './notices.js'
import { Recordings } from './recordings.js'
import { addRest, REST_OPTIONS } from './rest.js'
import { Rooms, type Way } from './rooms.js'
import { readSettings, SettingsError, type Settings } from './settings.js'
import { Sfu } from './sfu.js'
import { systemTiming } from './timing.js'

/** The process: configuration from the environment, the trunk's endpoints, the API, the door for direct clients, and an orderly end. */

const TRUNK_PATH = '/trunk'
const DIRECT_PATH = '/direct'
/** How long all may take to close: whoever has started this process waits a little longer. */
const CLOSE_MS = 2_000
/** How long the recordings may take of it. */
const FILES_MS = 1_000

const settings = await orFail(async () => readSettings(process.env))

const endpoints: Array<Endpoint<unknown>> = []
function notify (notice: Notice): void {
  for (const endpoint of endpoints) endpoint.notify(notice)
}

const rooms = new Rooms(notify)
const recordings = new Recordings({ directory: settings.recordingsDir, onChange: (recording) => { notify(recordingNotice(recording)) } })
const sfu = new Sfu({
  rooms,
  connect: (onEnd) => new MediaConnection({ address: settings.address, onEnd }),
  onError: (error, peer) => { report(`peer ${peer.id} of room ${peer.roomId} was ended`, error) }
})
const accept = (token: string, way: Way): Endpoint<unknown> => createEndpoint<unknown>({ token, onPeer: (peer) => { sfu.accept(peer, way) } })
const directToken = randomBytes(32).toString('base64url')
const relayed = accept(settings.token, 'relayed')
const connected = accept(directToken, 'direct')
endpoints.push(relayed, connected)

let direct: Direct | undefined
const control = new Control({ rooms, sfu, recordings, timing: systemTiming, door: () => direct?.door })
const app = Fastify(REST_OPTIONS)
addRest(app, control, settings.token)
for (const path of [TRUNK_PATH, DIRECT_PATH]) app.get(path, async (_request, reply) => await reply.code(426).send({ errors: 'a WebSocket is wanted here' }))
app.server.on('upgrade', (request, socket, head) => {
  const path = request.url?.split('?')[0]
  const endpoint = path === TRUNK_PATH ? relayed : path === DIRECT_PATH ? connected : undefined
  if (endpoint !== undefined) {
    void endpoint.handleUpgrade(request, socket, head)
  } else {
    socket.on('error', () => {})
    socket.end('HTTP/1.1 404 Not Found\r\nConnection: close\r\n\r\n')
  }
})

let closing = false
process.on('SIGTERM', close)
// A terminal's Ctrl-C reaches the whole group: with a parent it is for the parent to end first.
process.on('SIGINT', () => { if (!settings.endsWithParent) void close() })
if (settings.endsWithParent) {
  process.stdin.on('end', close)
  process.stdin.on('close', close)
  process.stdin.resume()
}
// A promise that fails inside the media library belongs to one client's transport, which then falls silent and is
// closed. The other clients' calls go on.
process.on('unhandledRejection', (error) => { report('unhandled rejection', error) })

await orFail(async () => { await listen(settings) })

async function listen ({ host, port, direct: { url, ...at } }: Settings): Promise<void> {
  await app.listen({ host, port })
  const bound = app.server.address() as AddressInfo
  const isAnywhere = bound.address === '0.0.0.0' || bound.address === '::'
  const own = urlOf('ws', isAnywhere ? { ...bound, address: '127.0.0.1' } : bound)
  direct = await openDirect({
    ...at,
    url,
    trunk: { url: own + DIRECT_PATH, token: directToken }
  })
  process.stdout.write(`${JSON.stringify({ listening: urlOf('ws', bound) + TRUNK_PATH, api: urlOf('http', bound), direct: direct.url })}\n`)
}

async function close (): Promise<void> {
  if (closing) return
  closing = true
  setTimeout(() => { process.exit(0) }, CLOSE_MS)
  // Whoever connects directly is told first: from a trunk that is gone it would hear nothing for a while.
  await direct?.close().catch(() => {})
  sfu.close()
  await Promise.race([recordings.close(), new Promise((resolve) => { setTimeout(resolve, FILES_MS) })])
  await Promise.all(endpoints.map((endpoint) => endpoint.close()))
  await app.close()
  process.exit(0)
}

async function orFail<Result> (fn: () => Promise<Result>): Promise<Result> {
  try {
    return await fn()
  } catch (error) {
    process.stderr.write(`${error instanceof Error && (error instanceof SettingsError || 'code' in error) ? error.message : String(error)}\n`)
    process.exit(1)
  }
}

function report (what: string, error: unknown): void {
  const cause = error instanceof Error && error.cause !== undefined ? ` (${String(error.cause)})` : ''
  process.stderr.write(`${what}: ${String(error)}${cause}\n`)
}
