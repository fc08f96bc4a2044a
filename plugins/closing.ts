import type { IncomingMessage, Server } from 'node:http'
import type { Duplex } from 'node:stream'
import type { FastifyInstance } from 'fastify'
import type { Drain } from '../lib/drain.js'
import { AFTER_DEADLINE_MS } from '../lib/drain.js'
import { OptionError } from '../lib/errors.js'
import type { Settings } from '../lib/options.js'

/** Of all registrations on a server, so that they drain at the same time: Fastify runs one `preClose` after the other. */
const drains = new WeakMap<object, Drain[]>()

/**
 * What `app.close()` does, before the rest of Fastify's closing: the listeners first, so that a successor can listen at once,
 * then the drain.
 * @throws OptionError Fastify would not wait for so long
 */
export function drainOnClose (app: FastifyInstance, drain: Drain, { limits, drain: { deadlineMs } }: Settings): void {
  const { pluginTimeout = 0 } = app.initialConfig
  if (pluginTimeout > 0 && deadlineMs + AFTER_DEADLINE_MS >= pluginTimeout) {
    throw new OptionError('drain.deadlineMs', `is ${deadlineMs}, and closing may take a second more, for which Fastify's pluginTimeout of ${pluginTimeout} ms does not wait: lower it, or raise the other, as in Fastify({ pluginTimeout: ${deadlineMs + 2 * AFTER_DEADLINE_MS} })`)
  }
  const all = drains.get(app.server) ?? []
  drains.set(app.server, all)
  all.push(drain)
  app.addHook('preClose', async () => {
    letGoOfRefused(app, limits.closeMs)
    closeListeners(app)
    await Promise.all(all.map(async (each) => await each.run()))
  })
}

/**
 * Takes no more connections. Fastify itself does so only after the last `preClose` hook, and then on a server that is closed
 * already just waits for its connections to end.
 */
function closeListeners (app: FastifyInstance): void {
  // What is open for `localhost` beside the main one would be closed only when the connections of that have ended.
  for (const server of [app.server, ...bindingsOf(app)]) if (server.listening) server.close()
}

/** Fastify keeps them to itself. Where it should call them something else, they are closed as late as it does it. */
function bindingsOf (app: FastifyInstance): Server[] {
  for (let scope: object | null = app; scope !== null; scope = Object.getPrototypeOf(scope) as object | null) {
    const key = Object.getOwnPropertySymbols(scope).find(({ description }) => description === 'fastify.serverBindings')
    if (key !== undefined) return (scope as Record<symbol, Server[]>)[key] ?? []
  }
  return []
}

/**
 * While the app closes, Fastify answers upgrades with 503 and nobody lets go of their sockets: half open, each would keep
 * the server from closing for as long as its client likes. And closing is just when all clients come back.
 */
function letGoOfRefused (app: FastifyInstance, withinMs: number): void {
  const listener = (_request: IncomingMessage, socket: Duplex): void => {
    // One that somebody reads was taken: another listener of the same server may accept what Fastify would refuse.
    const letGo = (): void => { if (socket.listenerCount('data') === 0) socket.destroy() }
    const cut = setTimeout(letGo, withinMs)
    socket.once('close', () => clearTimeout(cut))
    socket.once('finish', letGo)
  }
  app.server.on('upgrade', listener)
  app.server.once('close', () => app.server.removeListener('upgrade', listener))
}
