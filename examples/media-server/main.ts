import { createServer } from 'node:http'
import { isIPv4, type AddressInfo } from 'node:net'
import process from 'node:process'
import { createEndpoint, EndpointRefusal } from 'trunkline/media-server'
import { MediaConnection } from './media-connection.js'
import { RoomFullError, Sfu } from './sfu.js'

/** The process: configuration from the environment, the trunk's endpoint at /trunk, and an orderly end. */

const TRUNK_PATH = '/trunk'
/** A room that is full now may have a place later: the client may come back. */
const TRY_AGAIN_LATER = 1013
/** How long the trunks may take to close. */
const CLOSE_MS = 2_000

const { env } = process
const token = env['TRUNK_TOKEN']
const address = env['MEDIA_ADDRESS']
const port = Number(env['PORT'] ?? 0)
if (token === undefined || token === '') fail('TRUNK_TOKEN is needed: the secret that the backend opens the trunk with')
if (!Number.isInteger(port) || port < 0 || port > 65_535) fail('PORT is a number from 0 to 65535')
if (address !== undefined && !isIPv4(address)) fail('MEDIA_ADDRESS is one IPv4 address, or left out')

const sfu = new Sfu({
  connect: (onEnd) => new MediaConnection({ address, onEnd }),
  onError: (error, peer) => { report(`peer ${peer.id} of room ${peer.roomId} was ended`, error) }
})

const endpoint = createEndpoint<unknown>({
  token,
  onPeer (peer) {
    try {
      sfu.accept(peer)
    } catch (error) {
      if (error instanceof RoomFullError) throw new EndpointRefusal(TRY_AGAIN_LATER, 'the room is full')
      throw error
    }
  }
})

const server = createServer((_request, response) => { response.writeHead(426).end() })
server.on('upgrade', (request, socket, head) => {
  if (request.url?.split('?')[0] === TRUNK_PATH) {
    endpoint.handleUpgrade(request, socket, head)
  } else {
    socket.on('error', () => {})
    socket.end('HTTP/1.1 404 Not Found\r\nConnection: close\r\n\r\n')
  }
})
server.on('error', (error) => { fail(error.message) })
server.listen(port, env['HOST'] ?? '127.0.0.1', () => {
  const bound = server.address() as AddressInfo
  process.stdout.write(`${JSON.stringify({ listening: `ws://${bound.address}:${bound.port}${TRUNK_PATH}` })}\n`)
})

let closing = false
async function close (): Promise<void> {
  if (closing) return
  closing = true
  server.close(() => { process.exit(0) })
  setTimeout(() => { process.exit(0) }, CLOSE_MS)
  sfu.close()
  await endpoint.close()
}
process.on('SIGTERM', close)
// A terminal's Ctrl-C reaches the whole group: with a parent it is for the parent to end first.
process.on('SIGINT', () => { if (env['EXIT_WITH_PARENT'] !== '1') void close() })
if (env['EXIT_WITH_PARENT'] === '1') {
  process.stdin.on('end', close)
  process.stdin.on('close', close)
  process.stdin.resume()
}
// A promise that fails inside the media library belongs to one client's transport, which then falls silent and is
// closed. The other clients' calls go on.
process.on('unhandledRejection', (error) => { report('unhandled rejection', error) })

function report (what: string, error: unknown): void {
  const cause = error instanceof Error && error.cause !== undefined ? ` (${String(error.cause)})` : ''
  process.stderr.write(`${what}: ${String(error)}${cause}\n`)
}

function fail (message: string): never {
  process.stderr.write(`${message}\n`)
  process.exit(1)
}
