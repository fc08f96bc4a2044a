import type { AddressInfo } from 'node:net'
import Fastify from 'fastify'
import trunkline, { errors, tickets } from 'trunkline'
import { ControlError } from './control.js'
import type { DirectDoor } from './direct-door.js'

export interface DirectOptions {
  /** The trunk of this very process, and the secret of it. */
  readonly trunk: { readonly url: string, readonly token: string }
  readonly host: string
  readonly port: number
  /** What clients are told; default: where it listens. */
  readonly url: string | undefined
  readonly origins: '*' | string[]
}

/** The public door: the same plugin as in a backend, in front of the media server's own trunk. So every dialect works here, and sessions do. */
export interface Direct {
  readonly door: DirectDoor
  readonly url: string
  close (): Promise<void>
}

/** A room knows better how long its peers are waited for: whoever is not is refused there. */
const TICKET_MS = 24 * 60 * 60 * 1_000
/** Clients are told to come back, and are not waited for any longer: this process has two seconds. */
const DRAIN = { deadlineMs: 500, spreadMs: 1 }

/** @throws where it cannot listen */
export async function openDirect ({ trunk, host, port, url, origins }: DirectOptions): Promise<Direct> {
  const app = Fastify({ forceCloseConnections: true })
  await app.register(trunkline, {
    mediaServer: { ...trunk, retry: { baseMs: 50, maxMs: 500 } },
    origins,
    drain: DRAIN,
    authenticate: tickets({ lifeMs: TICKET_MS })
  })
  await app.listen({ host, port })
  const at = url ?? urlOf('ws', app.server.address() as AddressInfo)
  return {
    url: at,
    door: {
      async admit ({ roomId, peerId, metadata, dialect }) {
        try {
          const { token, url: path } = await app.trunkline.admit({ roomId, peerId, metadata }, { dialect })
          return { token, url: at + path }
        } catch (error) {
          // More metadata than a ticket has room for, say.
          throw error instanceof errors.AdmitError ? new ControlError(400, error.message) : error
        }
      },
      remove (peerId, reason) { app.trunkline.kick(peerId, reason) }
    },
    close: async () => { await app.close() }
  }
}

export function urlOf (protocol: 'ws' | 'http', { address, port }: AddressInfo): string {
  return `${protocol}://${address.includes(':') ? `[${address}]` : address}:${port}`
}
