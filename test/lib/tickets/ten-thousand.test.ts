import { createSecretKey } from 'node:crypto'
import fc from 'fast-check'
import { CompactSign, decodeProtectedHeader } from 'jose'
import t from 'tap'
import { compareCosts } from '../../bench/tickets/costs.js'
import { LIFE_MS, ROOMS, TICKETS, issueAll, office, offices, showAll, shown } from './support.js'

t.setTimeout(120_000)

/** In an order that the seed says. */
function shuffled<Item> (items: Item[], random: () => number): Item[] {
  const mixed = [...items]
  for (let i = mixed.length - 1; i > 0; i--) {
    const j = Math.floor(random() * (i + 1))
    ;[mixed[i], mixed[j]] = [mixed[j]!, mixed[i]!]
  }
  return mixed
}

t.test('of ten thousand tickets each lets in its peer, in each process, however often, and no other peer', async (t) => {
  const seed = Date.now() % 1e9
  t.comment(`seed ${seed}`)
  const random = fc.sample(fc.infiniteStream(fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true })), { numRuns: 1, seed })[0]!
  const next = (): number => random.next().value as number
  const processes = offices(2, { lifeMs: LIFE_MS })
  const issued = await issueAll(processes[0]!)
  t.equal(new Set(issued.map(({ token }) => token)).size, TICKETS)

  const peers = new Map<string, Set<string>>()
  let wrong = 0
  for (const at of [...processes, processes[0]!]) {
    await showAll(shuffled(issued, next), async ({ token, peerId, roomId }) => {
      const who = await shown(at, token)
      if (typeof who === 'string' || who.peerId !== peerId || who.roomId !== roomId) wrong++
      else peers.set(token, (peers.get(token) ?? new Set()).add(who.peerId))
    })
  }
  t.equal(wrong, 0)
  t.equal(peers.size, TICKETS)
  t.ok([...peers.values()].every((seen) => seen.size === 1), 'none for two peers')

  // Every other one comes in by a newer ticket.
  const newer = new Map<string, string>()
  for (const { peerId, roomId } of issued.filter((_, i) => i % 2 === 0)) newer.set(peerId, await processes[1]!.issue({ peerId, roomId }))
  await showAll(shuffled([...newer.values()], next), async (token) => { if (typeof await shown(processes[0]!, token) === 'string') wrong++ })
  await showAll(shuffled(issued, next), async ({ token, peerId }) => {
    const who = await shown(processes[1]!, token)
    if (newer.has(peerId) ? who !== 'TRK_ERR_TICKET_VOID' : typeof who === 'string') wrong++
  })
  t.equal(wrong, 0, 'the older one is void then, and the others are as good as they were')

  // For other rooms, with other keys, without any.
  const others = [office({ audience: 'elsewhere', lifeMs: LIFE_MS }), office({ secret: 'x'.repeat(32), lifeMs: LIFE_MS }), office({ secret: undefined, lifeMs: LIFE_MS })]
  const accepted: string[] = []
  const stranger = createSecretKey(Buffer.alloc(32, 'y'))
  await showAll([...issued.entries()], async ([i, { token }]) => {
    if (typeof await shown(others[i % others.length]!, token) !== 'string') accepted.push('elsewhere')
    const [head, body, signature] = token.split('.') as [string, string, string]
    const claims = JSON.parse(Buffer.from(body, 'base64url').toString()) as Record<string, unknown>
    const moved = Buffer.from(JSON.stringify({ ...claims, roomId: `room-${(i + 1) % ROOMS}` }))
    const header = decodeProtectedHeader(token) as { alg: string, kid: string }
    const none = Buffer.from(JSON.stringify({ ...header, alg: 'none' })).toString('base64url')
    const neighbour = issued[(i + 1) % TICKETS]!.token.split('.') as [string, string, string]
    const forgeries = [
      `${head}.${moved.toString('base64url')}.${signature}`, `${none}.${body}.`, `${none}.${body}.${signature}`, `${head}.${neighbour[1]}.${signature}`, `${head}.${body}.${neighbour[2]}`,
      await new CompactSign(moved).setProtectedHeader(header).sign(stranger)
    ]
    for (const forged of [forgeries[i % 6]!, forgeries[(i + 1) % 6]!]) if (typeof await shown(processes[i % 2]!, forged) !== 'string') accepted.push(forged)
  })
  t.equal(accepted.length, 0)

  const clock = processes[0]!.clock
  clock.advance(LIFE_MS)
  await showAll(shuffled(issued, next), async ({ token }) => { if (await shown(processes[1]!, token) !== 'TRK_ERR_TICKET_EXPIRED') wrong++ })
  t.equal(wrong, 0, 'none after its life')
})

t.test('what a check costs', async (t) => {
  const { checkMicros, hmacMicros } = await compareCosts({ tickets: 200, rounds: 5 })
  t.comment(`a check takes ${checkMicros.toFixed(1)} µs, a plain HMAC-SHA256 of the same bytes ${hmacMicros.toFixed(1)} µs`)
  t.ok(checkMicros > 0 && hmacMicros > 0)
})
