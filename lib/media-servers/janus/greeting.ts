import { JanusCode } from './messages.js'
import type { Fault, JanusMessage } from './messages.js'
import type { JanusPeer } from './peer.js'
import type { JanusService } from './service.js'

/** Sessions that are being claimed at once. */
const CLAIMS_AT_ONCE = 128
/** The longest that Janus hears nothing of a session, in milliseconds: less where it ends them sooner. */
const KEEPALIVE_MS = 20_000

/** What is known of a Janus when everything else may be said to it. */
export interface Greeting {
  serverId: string
  /** Whether sessions can be claimed after the connection was lost. */
  reclaims: boolean
  /** How long it may hear nothing of a session, in milliseconds. */
  keepaliveMs: number
  /** Whose sessions go on. */
  claimed: JanusPeer[]
}

/**
 * What is said first on each connection: who is there, who we are, and whose sessions go on with us.
 * @param sessions that there were, by their ids
 * @param forgotten told of those that Janus does not know any more
 * @throws Fault Janus does not let us in, or the connection is lost meanwhile
 */
export async function greet (service: JanusService, sessions: ReadonlyMap<number, JanusPeer>, forgotten: (peer: JanusPeer, sessionId: number) => void): Promise<Greeting> {
  const info = await service.ask('info', null, true)
  await service.begin()
  const claimed = await claimAll(service, sessions, forgotten)
  return { ...described(info), claimed }
}

function described (info: JanusMessage): Omit<Greeting, 'claimed'> {
  const [reclaimMs, sessionMs] = [milliseconds(info['reclaim-session-timeout']), milliseconds(info['session-timeout'])] as const
  return {
    serverId: typeof info['server-name'] === 'string' ? info['server-name'] : '',
    reclaims: reclaimMs > 0,
    // The time within which a session can be claimed runs from its last request, not from the loss.
    keepaliveMs: Math.min(KEEPALIVE_MS, ...[reclaimMs, sessionMs].filter((ms) => ms > 0).map((ms) => ms / 3))
  }
}

async function claimAll (service: JanusService, sessions: ReadonlyMap<number, JanusPeer>, forgotten: (peer: JanusPeer, sessionId: number) => void): Promise<JanusPeer[]> {
  const claimed: JanusPeer[] = []
  const waiting = [...sessions].filter(([, peer]) => !peer.isOver)
  const claim = async (): Promise<void> => {
    for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
      const [sessionId, peer] = next
      try {
        await service.ask('claim', sessionId, true)
        claimed.push(peer)
      } catch (error) {
        // The connection is lost again, and the session may still be there.
        if ((error as Fault).code !== JanusCode.noSuchSession) throw error
        forgotten(peer, sessionId)
      }
    }
  }
  await Promise.all(Array.from({ length: CLAIMS_AT_ONCE }, claim))
  return claimed.filter(({ isOver }) => !isOver)
}

function milliseconds (seconds: unknown): number {
  return typeof seconds === 'number' && seconds > 0 ? seconds * 1_000 : 0
}
