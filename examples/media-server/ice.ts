import { networkInterfaces } from 'node:os'
import type { CandidatePair, PeerConfig } from 'werift'

const LOOPBACK = '127.0.0.1'

/** The IPv4 addresses of this machine that a browser may reach it at, its own browsers' loopback last. */
function hostAddresses (): string[] {
  const external = Object.values(networkInterfaces()).flatMap((addresses) => addresses ?? [])
    .filter(({ family, internal }) => family === 'IPv4' && !internal)
    .map(({ address }) => address)
  return [...new Set(external), LOOPBACK]
}

/** Only the addresses of these options are gathered: the given one, or each of this machine's. */
export function iceOptions (address: string | undefined): Partial<PeerConfig> {
  return {
    // Without ICE-lite werift asks a public STUN server even when it is given none.
    iceLite: true,
    iceServers: [],
    // Gathering by interface cannot be narrowed down to loopback, so it is off, and the list is made here.
    iceUseIpv4: false,
    iceUseIpv6: false,
    iceAdditionalHostAddresses: address === undefined ? hostAddresses() : [address],
    ...(address === undefined ? {} : { iceInterfaceAddresses: { udp4: address } })
  }
}

/** What is needed of werift's ICE agent; its own declarations hide some of it. */
interface IceAgent {
  readonly localUsername: string
  readonly remoteUsername: string
  nominated?: CandidatePair | undefined
}

interface BindingRequest {
  readonly attributesKeys: readonly string[]
  getAttributeValue (key: 'USERNAME'): unknown
}

/** Looks at each STUN request of a client: is it ours, when did the last one come, and which address does it favour? */
export class StunWatch {
  readonly #now: () => number
  #agent: IceAgent | undefined
  #since: number
  #heardAt = -Infinity

  constructor (now: () => number = () => performance.now()) {
    this.#now = now
    this.#since = now()
  }

  /** When the last request came; -Infinity: none has yet. */
  get heardAt (): number {
    return this.#heardAt
  }

  /** Milliseconds since the last request; 0 while none can be expected. */
  get silence (): number {
    return this.#agent === undefined ? 0 : this.#now() - this.#since
  }

  /** The client has been answered: from now on its requests can come. */
  expect (agent: IceAgent | undefined): void {
    if (agent === undefined || this.#agent !== undefined) return
    this.#agent = agent
    this.#since = this.#now()
  }

  /** @returns whether werift shall answer the request */
  accept (request: BindingRequest, [host, port]: readonly [string, number], protocol: object): boolean {
    const agent = this.#agent
    if (agent === undefined) return false
    // werift checks no message integrity; the names of both sides at least have to be right.
    if (request.getAttributeValue('USERNAME') !== `${agent.localUsername}:${agent.remoteUsername}`) return false
    this.#since = this.#heardAt = this.#now()
    // werift stays with the first pair that the browser nominated, even when the browser has moved to another: with two
    // addresses here (a network's and loopback) DTLS then never gets through.
    const pair = agent.nominated
    if (pair !== undefined && request.attributesKeys.includes('USE-CANDIDATE')) {
      const [pairHost, pairPort] = pair.remoteAddr
      if (pair.protocol !== protocol || pairHost !== host || pairPort !== port) agent.nominated = undefined
    }
    return true
  }
}
