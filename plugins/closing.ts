import type { Server } from 'node:http'
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
export function drainOnClose (app: FastifyInstance, drain: Drain, { drain: { deadlineMs } }: Settings): void {
  const { pluginTimeout = 0 } = app.initialConfig
  if (pluginTimeout > 0 && deadlineMs + AFTER_DEADLINE_MS >= pluginTimeout) {
    throw new OptionError('drain.deadlineMs', `is ${deadlineMs}, and closing may take a second more, for which Fastify's pluginTimeout of ${pluginTimeout} ms does not wait: lower it, or raise the other, as in Fastify({ pluginTimeout: ${deadlineMs + 2 * AFTER_DEADLINE_MS} })`)
  }
  const all = drains.get(app.server) ?? []
  drains.set(app.server, all)
  all.push(drain)
  app.addHook('preClose', async () => {
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
