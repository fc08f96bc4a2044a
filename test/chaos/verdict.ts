import type { Ending, Instance } from './client.js'
import type { Counts } from './sequence.js'
import type { Witness } from './stage.js'

export interface Verdict {
  sent: number
  delivered: number
  lost: number
  duplicated: number
  reordered: number
  damaged: number
  /** Events that went down with sessions that could not be resumed, by cause: the tail of each, and nothing else. */
  unresumed: Record<string, number>
  /** Sessions of `trunkline/client` that ended, by cause. */
  resets: Record<string, number>
  /** Those of plain clients. */
  closes: Record<string, number>
  violations: string[]
}

/**
 * What both sides notice late of what the other one suffers, at most: a link is dead after two beats, and a frozen trunk
 * delays what a backend says of it. A session is taken for one that has outlived its window if its client was away for longer
 * than the window less this.
 */
export const LATENESS_MS = 4_000

const KILLED = 'media server killed'
const WINDOW = 'window passed'
const UNANSWERED = 'never joined: the answer was lost'

/** Holds the books of the clients against those of the media servers. */
export function judge (instances: Instance[], witnesses: Witness[], windowMs: number): Verdict {
  const verdict: Verdict = { sent: 0, delivered: 0, lost: 0, duplicated: 0, reordered: 0, damaged: 0, unresumed: {}, resets: {}, closes: {}, violations: [] }
  const bound = new Map<Witness, Instance>()

  const count = (who: string, { received, lost, duplicated, reordered, damaged }: Counts): void => {
    verdict.delivered += received
    for (const [what, n] of Object.entries({ lost, duplicated, reordered, damaged })) {
      if (n === 0) continue
      verdict[what as 'lost'] += n
      verdict.violations.push(`${who}: ${n} ${what}`)
    }
  }
  /** What had not come by the end: that of the session excuses it, that of the run does not. */
  const tail = (what: string, missing: number, cause: string | null): void => {
    if (missing === 0) return
    if (cause === null) {
      verdict.lost += missing
      verdict.violations.push(`${what}: the last ${missing} never came`)
    } else verdict.unresumed[cause] = (verdict.unresumed[cause] ?? 0) + missing
  }

  const pairs = instances.map((instance) => {
    const partners = witnesses.filter(({ stream, from }) => from === instance.stream || stream === instance.heard.from)
    if (partners.length > 1) verdict.violations.push(`${instance.stream} has spoken with ${partners.map(({ stream }) => stream).join(' and ')}`)
    for (const partner of partners) {
      const other = bound.get(partner)
      if (other !== undefined) verdict.violations.push(`${partner.stream} has spoken with ${other.stream} and ${instance.stream}`)
      bound.set(partner, instance)
    }
    return { instance, partner: partners[0] ?? null }
  })

  for (const { instance, partner } of pairs) {
    const { stream, sent, heard, peerId, end } = instance
    let cause: string | null = null
    if (end !== null) {
      const present = partner !== null ? [partner] : witnesses.filter((witness) => witness.peerId === peerId && !bound.has(witness))
      cause = causeOf(end, present, windowMs)
      if (cause === null) verdict.violations.push(`${stream} (${peerId ?? 'no id'}) ended without a cause: ${end.how} ${end.text} after ${Math.round(end.awayMs)} ms away; the media server: ${present.map((witness) => `${witness.stream} ${JSON.stringify(witness.end)}`).join(', ')}`)
      cause ??= 'no cause'
      const ended = end.how === 'closed' ? verdict.closes : verdict.resets
      ended[cause] = (ended[cause] ?? 0) + 1
    }
    const arrived = partner?.from === stream ? partner.received + partner.lost : 0
    verdict.sent += sent
    tail(`${stream} to ${partner?.stream ?? 'nobody'}`, sent - arrived, cause)
    count(`${partner?.stream ?? 'nobody'} from ${stream}`, heard.counts)
    if (partner !== null) tail(`${partner.stream} to ${stream}`, partner.sent - heard.counts.received - heard.counts.lost, cause)
  }
  for (const witness of witnesses) {
    verdict.sent += witness.sent
    count(`${witness.from ?? 'nobody'} to ${witness.stream}`, witness)
    if (!bound.has(witness)) tail(witness.stream, witness.sent, UNANSWERED)
  }
  return verdict
}

/** Whether all that was sent in the sessions that live has arrived. */
export function allArrived (instances: Instance[], witnesses: Witness[]): boolean {
  return instances.filter(({ end }) => end === null).every(({ stream, sent, heard }) => {
    const partner = witnesses.find((witness) => witness.stream === heard.from)
    return partner !== undefined && partner.sent === heard.counts.received && (sent === 0 || (partner.from === stream && partner.received === sent))
  })
}

/** Whether anything has gone wrong that no waiting puts right. */
export function isSpoilt (instances: Instance[], witnesses: Witness[]): boolean {
  const isWrong = ({ lost, duplicated, reordered, damaged }: Counts): boolean => lost + duplicated + reordered + damaged > 0
  return witnesses.some(isWrong) || instances.some(({ heard, end }) => isWrong(heard.counts) || end?.how === 'failed')
}

/** Why a session could not go on; null: it should have. */
function causeOf ({ how, cause, awayMs }: Ending, witnesses: Witness[], windowMs: number): string | null {
  if (how === 'failed') return null
  if (cause !== null) return cause
  if (witnesses.some(({ killed, end }) => killed && end === null)) return KILLED
  const outlived = witnesses.some(({ end }) => end !== null && end.detachedMs !== null && Math.max(end.detachedMs, awayMs) >= windowMs - LATENESS_MS)
  return outlived ? WINDOW : null
}
