import { randomUUID } from 'node:crypto'
import type { Clock } from '../clock.js'
import { AdmitBusyError, AdmitError, AdmitGoneError, ControlUnsupportedError } from '../errors.js'
import { logThrown } from '../logger.js'
import type { Logger } from '../logger.js'
import { checkIdentity } from './admission.js'
import type { CheckedIdentity, Complaints, Identity } from './admission.js'
import type { AppControl } from './app-control.js'
import type { Admittance, MediaServerControl } from './control.js'

/** What is looked at of the request that asks for admittance. */
export interface AskingRequest {
  /** `http` or `https`; behind a proxy that is trusted, as the proxy was asked. */
  readonly protocol: string
  /** With the port, as the client named it; behind a proxy that is trusted, as the proxy was asked. */
  readonly host: string
  /** Absent where no network is. */
  readonly raw: { readonly socket?: { readonly destroyed?: boolean } }
}

export interface AdmitOptions<Request = AskingRequest> {
  /** Of the client that is to come in: tells how it reaches this backend, and whether it is still there. */
  request?: Request | undefined
  /** Which kind of client it is. Default: the first of the option `dialects`. */
  dialect?: 'trunkline' | 'fishjam' | 'janus' | undefined
  /** Aborted when the client is gone. */
  signal?: AbortSignal | undefined
}

/** Of a client that is to connect to the media server itself. */
export interface DirectPeer {
  /** Default: a new UUID. */
  peerId?: string | undefined
  metadata?: unknown
  dialect?: AdmitOptions['dialect']
}

export interface AdmittancesOptions<Metadata> {
  mode: 'relay' | 'direct'
  control: AppControl
  /** Of the driver. */
  driver: string
  /** Makes what the client shows; null: `authenticate` takes something else. */
  issue: ((identity: CheckedIdentity<Metadata> & { peerId: string }) => Promise<string>) | null
  publicUrl: string | undefined
  /** The paths where the clients of each dialect connect, in the order of the option. */
  paths: ReadonlyMap<string, string>
  clock: Clock
  log: Logger
}

/** Clients that the media server is being asked to let in, at once. */
const MAX_ASKED = 1_000

const BY_ADMIT: Complaints = {
  broken: (why) => new AdmitError(why),
  expired: () => new AdmitError('expiresAt is not in the future')
}

/** Lets clients in: by way of this backend, or to the media server itself, and answers both alike. */
export class Admittances<Metadata> {
  readonly #options: AdmittancesOptions<Metadata>
  /** By peer id: whoever was let in last, when it is. */
  readonly #turns = new Map<string, Promise<unknown>>()
  #asked = 0

  constructor (options: AdmittancesOptions<Metadata>) {
    this.#options = options
  }

  /**
   * @throws AdmitError
   * @throws AdmitGoneError
   * @throws AdmitBusyError
   */
  async admit (who: Identity<Metadata>, { request, dialect, signal }: AdmitOptions = {}): Promise<Admittance> {
    const { mode, paths } = this.#options
    const isGone = (): boolean => signal?.aborted === true || request?.raw.socket?.destroyed === true
    const identity = this.#checked(who)
    const kind = dialect ?? [...paths.keys()][0]!
    // Only one that the app has named can be there already, and only a client that is watched is seen to go.
    const mayBeThere = who.peerId !== undefined && (request ?? signal) !== undefined
    if (mode === 'direct') return await this.#add(identity, kind, isGone, mayBeThere)
    const { issue } = this.#options
    if (issue === null) throw new AdmitError("the option 'authenticate' takes something else than tickets: give authenticate: tickets(), or let the app itself make what its function takes")
    const path = paths.get(kind)
    if (path === undefined) throw new AdmitError(`clients of the dialect '${kind}' are not served: there are ${[...paths.keys()].join(', ')}, by the option 'dialects'`)
    if (isGone()) throw new AdmitGoneError()
    const token = await issue(identity)
    if (isGone()) throw new AdmitGoneError()
    return { peerId: identity.peerId, url: this.#base(request) + path, token }
  }

  /**
   * @throws ModeError
   * @throws AdmitError
   * @throws AdmitBusyError
   */
  async addPeer (roomId: string, { peerId, metadata, dialect }: DirectPeer = {}): Promise<Admittance> {
    this.#options.control.direct('addPeer')
    const identity = this.#checked({ roomId, metadata, ...(peerId === undefined ? {} : { peerId }) })
    return await this.#add(identity, dialect ?? [...this.#options.paths.keys()][0]!, () => false, false)
  }

  #checked (who: unknown): CheckedIdentity<Metadata> & { peerId: string } {
    const identity = checkIdentity<Metadata>(who, this.#options.clock.now(), BY_ADMIT)
    return { ...identity, peerId: identity.peerId ?? randomUUID() }
  }

  /** As the client names this backend; empty: nobody has said. */
  #base (request: AskingRequest | undefined): string {
    const { publicUrl } = this.#options
    if (publicUrl !== undefined) return publicUrl.replace(/^http/, 'ws').replace(/\/+$/, '')
    // What is no host comes from the client, and is no more than its own affair.
    if (request === undefined || !/^[^\s/?#@\\]+$/.test(request.host ?? '')) return ''
    return `${request.protocol === 'https' ? 'wss' : 'ws'}://${request.host}`
  }

  /** One peer at a time, so that the newest is the last that the media server hears of. */
  async #add (identity: CheckedIdentity<Metadata> & { peerId: string }, dialect: string, isGone: () => boolean, mayBeThere: boolean): Promise<Admittance> {
    if (isGone()) throw new AdmitGoneError()
    const { control, driver } = this.#options
    const server = control.direct('addPeer')
    if (server.addPeer === undefined) throw new ControlUnsupportedError(driver, 'let clients in that connect to the media server themselves')
    if (this.#asked >= MAX_ASKED) throw new AdmitBusyError(MAX_ASKED)
    this.#asked++
    const { peerId } = identity
    const turn = (this.#turns.get(peerId) ?? Promise.resolve()).then(async () => await this.#ask(server, identity, dialect, isGone, mayBeThere))
    const over = turn.then(() => {}, () => {}).then(() => {
      this.#asked--
      if (this.#turns.get(peerId) === over) this.#turns.delete(peerId)
    })
    this.#turns.set(peerId, over)
    return await turn
  }

  async #ask (server: MediaServerControl, { roomId, peerId, metadata }: CheckedIdentity<Metadata> & { peerId: string }, dialect: string, isGone: () => boolean, mayBeThere: boolean): Promise<Admittance> {
    if (isGone()) throw new AdmitGoneError()
    const wasThere = mayBeThere && (await server.getRoom(roomId)).peers.some(({ id }) => id === peerId)
    const admittance = await server.addPeer!({ roomId, peerId, metadata: metadata ?? null, dialect })
    if (!isGone()) return admittance
    // Whoever is in a call, and has but asked anew, stays in it.
    if (wasThere) throw new AdmitGoneError()
    try {
      await server.removePeer(roomId, peerId)
    } catch (error) {
      logThrown(this.#options.log, error, 'a client that was gone before it was let in could not be removed', { roomId, peerId })
    }
    throw new AdmitGoneError()
  }
}
