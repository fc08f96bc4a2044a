import { createHmac, createSecretKey, randomBytes } from 'node:crypto'
import { deskOf, tickets } from '../../../lib/tickets/tickets.js'

export interface Costs {
  /** The best round of showing a ticket: its signature, its life, what it says, and the store. */
  checkMicros: number
  /** The best round of one HMAC-SHA256 of the same bytes, by node:crypto. */
  hmacMicros: number
}

/** Both are done by turns, ticket by ticket, so that whatever else the machine does slows both. */
export async function compareCosts ({ tickets: count, rounds }: { tickets: number, rounds: number }): Promise<Costs> {
  const secret = randomBytes(32)
  const key = createSecretKey(secret)
  const authenticate = tickets<unknown>({ secret, lifeMs: 24 * 60 * 60 * 1_000 })
  const desk = deskOf<unknown>(authenticate)!
  const shown: string[] = []
  for (let i = 0; i < count; i++) {
    const metadata = { userId: i, name: `user ${i}` }
    shown.push(await desk.issue({ peerId: `peer-${i}`, roomId: 'room', subject: null, metadata, metadataText: JSON.stringify(metadata), expiresAt: null }))
  }
  const best: Costs = { checkMicros: Infinity, hmacMicros: Infinity }
  for (let round = 0; round < rounds; round++) {
    let checkMs = 0
    let hmacMs = 0
    for (const token of shown) {
      const begin = performance.now()
      await desk.admit(token)
      const between = performance.now()
      createHmac('sha256', key).update(token.slice(0, token.lastIndexOf('.'))).digest()
      hmacMs += performance.now() - between
      checkMs += between - begin
    }
    best.checkMicros = Math.min(best.checkMicros, checkMs / count * 1_000)
    best.hmacMicros = Math.min(best.hmacMicros, hmacMs / count * 1_000)
  }
  return best
}
