import { EventEmitter } from 'node:events'
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import type { FastifyInstance } from 'fastify'

/** @fastify/websocket keeps the head for as long as the request, and with an empty one all of what was read with it. */
const NO_HEAD = Buffer.alloc(0)

/**
 * Where an @fastify/websocket that we bring listens for upgrades, in place of the server: it would answer each one, also those
 * that another listener of the app has taken, and two answers on one socket end the process. The others go first here; one that
 * has to think about it comes too late.
 */
export function upgradesLeftOver (app: FastifyInstance): EventEmitter {
  const leftOver = new EventEmitter()
  const listener = (request: IncomingMessage, socket: Duplex, head: Buffer): void => {
    const written = bytesWritten(socket)
    // Node's own listener is gone, and nobody else's may be there yet.
    socket.on('error', destroy)
    // No later: what follows would wait for another turn of the event loop.
    process.nextTick(() => {
      if (isTaken(socket) || bytesWritten(socket) > written) return
      socket.removeListener('error', destroy)
      // Nobody listens any more once the app has closed.
      if (leftOver.emit('upgrade', request, socket, head.length === 0 ? NO_HEAD : head)) letGoWhenAnswered(socket)
      else socket.destroy()
    })
  }
  listen(app, listener)
  return leftOver
}

/** The same care for the upgrades that an @fastify/websocket of the app's own takes: after it, so that the answer is there. */
export function letGoOfAnswered (app: FastifyInstance): void {
  listen(app, (_request, socket) => letGoWhenAnswered(socket))
}

function destroy (this: Duplex): void {
  this.destroy()
}

function listen (app: FastifyInstance, listener: (request: IncomingMessage, socket: Duplex, head: Buffer) => void): void {
  app.server.on('upgrade', listener)
  app.addHook('onClose', async () => { app.server.removeListener('upgrade', listener) })
}

/**
 * An upgrade that is answered by HTTP is over, but where no hook has run (a URL that cannot be decoded, or with too long a
 * parameter) nobody hangs up: the client could stay as long as it likes, and the server would not close meanwhile.
 */
function letGoWhenAnswered (socket: Duplex): void {
  promisedTo(socket)?.once('finish', () => socket.destroy())
}

/**
 * The upgrade has been answered by a socket: what was there to answer it by HTTP would be kept for as long as that one. Unless
 * somebody waits for its end.
 */
export function letGoOfResponse (socket: Duplex | undefined): void {
  const response = socket === undefined ? null : promisedTo(socket)
  if (response === null || response.listenerCount('close') > 0) return
  response.detachSocket(socket as Socket)
}

/** Whether somebody reads it, has hung it up, or has promised it to a response that is yet to come. */
function isTaken (socket: Duplex): boolean {
  return socket.destroyed || socket.listenerCount('data') > 0 || promisedTo(socket) !== null
}

/** What Node itself looks at before it assigns a socket to a response, and throws. */
function promisedTo (socket: Duplex): ServerResponse | null {
  return (socket as { _httpMessage?: ServerResponse | null })._httpMessage ?? null
}

/** More than none at the beginning, where the connection has carried other requests before. */
function bytesWritten (socket: Duplex): number {
  return (socket as { bytesWritten?: number }).bytesWritten ?? 0
}
