import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto'
import type { AddressInfo } from 'node:net'
import Fastify from 'fastify'
import trunkline from 'trunkline'
import type { DirectDoor } from './direct-door.js'

export interface DirectOptions {
  /** The trunk of this very process, and the secret of it. */
  readonly trunk: { readonly url: string, readonly token: string }
  readonly host: string
  readonly port: number
  /** What clients are told; default: where it listens. */
  readonly url: string | undefined
  readonly origins: '*' | string[]
  /** What was said of a peer that is here or waited for; undefined where there is none. */
  readonly known: (roomId: string, peerId: string) => { readonly metadata: unknown } | undefined
}

/** The public door: the same plugin as in a backend, in front of the media server's own trunk. So every dialect works here, and sessions do. */
export interface Direct {
  readonly door: DirectDoor
  readonly url: string
  close (): Promise<void>
}

const PATH = '/signaling'
/** Clients are told to come back, and are not waited for any longer: this process has two seconds. */
const DRAIN = { deadlineMs: 500, spreadMs: 1 }

/** @throws where it cannot listen */
export async function openDirect ({ trunk, host, port, url, origins, known }: DirectOptions): Promise<Direct> {
  const seal = sealedBy(randomBytes(32))
  const app = Fastify({ forceCloseConnections: true })
  await app.register(trunkline, {
    mediaServer: { ...trunk, retry: { baseMs: 50, maxMs: 500 } },
    path: PATH,
    origins,
    drain: DRAIN,
    authenticate (_request, { token }) {
      const [roomId = '', peerId = ''] = seal.open(token)
      const peer = known(roomId, peerId)
      if (peer === undefined) throw new Error('this peer is not waited for any more')
      return { roomId, peerId, metadata: peer.metadata }
    }
  })
  await app.listen({ host, port })
  const at = url ?? urlOf('ws', app.server.address() as AddressInfo)
  return {
    url: at,
    door: {
      admit: async ({ roomId, peerId, dialect }) => ({ token: seal.close([roomId, peerId]), url: dialect === 'trunkline' ? at + PATH : at }),
      // Whoever is not known is not let in, whatever it shows.
      remove () {}
    },
    close: async () => { await app.close() }
  }
}

export function urlOf (protocol: 'ws' | 'http', { address, port }: AddressInfo): string {
  return `${protocol}://${address.includes(':') ? `[${address}]` : address}:${port}`
}

/** Tokens that nobody else can write. */
function sealedBy (secret: Buffer): { close (names: string[]): string, open (token: string): string[] } {
  const sign = (text: string): Buffer => createHmac('sha256', secret).update(text).digest()
  return {
    close (names) {
      const text = Buffer.from(JSON.stringify(names)).toString('base64url')
      return `${text}.${sign(text).toString('base64url')}`
    },
    open (token) {
      const [text = '', signature = ''] = token.split('.')
      const shown = Buffer.from(signature, 'base64url')
      const expected = sign(text)
      if (shown.length !== expected.length || !timingSafeEqual(shown, expected)) throw new Error('no token of ours')
      return JSON.parse(Buffer.from(text, 'base64url').toString()) as string[]
    }
  }
}
