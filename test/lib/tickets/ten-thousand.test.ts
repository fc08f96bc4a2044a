import { createHmac, createSecretKey } from 'node:crypto'
import fc from 'fast-check'
import { CompactSign, decodeProtectedHeader } from 'jose'
import t from 'tap'
import { compareCosts } from '../../bench/tickets/costs.js'
import { SECRET, office, offices } from './support.js'
import type { Office } from './support.js'

const TICKETS = 10_000
const ROOMS = 100
/** Tickets of which each byte is changed. */
const WHOLLY_CHANGED = 40
const LIFE_MS = 300_000

interface Issued {
  token: string
  peerId: string
  roomId: string
}

const CHARACTERS = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_'

/** In an order that the seed says. */
function shuffled<Item> (items: Item[], random: () => number): Item[] {
  const mixed = [...items]
  for (let i = mixed.length - 1; i > 0; i--) {
    const j = Math.floor(random() * (i + 1))
    ;[mixed[i], mixed[j]] = [mixed[j]!, mixed[i]!]
  }
  return mixed
}

/** The identity, or the error's code. */
async function shown (at: Office, token: string): Promise<{ peerId: string, roomId: string } | string> {
  return await at.show(token).then(({ peerId, roomId }) => ({ peerId: peerId!, roomId }), (error: { code: string }) => error.code)
}

/** So many at once. */
const AT_ONCE = 100

async function showAll<Item> (items: Item[], show: (item: Item) => Promise<void>): Promise<void> {
  for (let i = 0; i < items.length; i += AT_ONCE) await Promise.all(items.slice(i, i + AT_ONCE).map(show))
}

async function issueAll (at: Office): Promise<Issued[]> {
  const all: Issued[] = []
  for (let i = 0; i < TICKETS; i++) {
    const who = { peerId: `peer-${i}`, roomId: `room-${i % ROOMS}` }
    all.push({ ...who, token: await at.issue({ ...who, metadata: { userId: i, name: `user ${i}` } }) })
  }
  return all
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

t.test('no byte of a ticket can be changed: each one of some, some of all', async (t) => {
  const one = office({ lifeMs: LIFE_MS })
  const issued = await issueAll(one)
  const accepted: string[] = []
  let tried = 0
  const tryIt = async (token: string): Promise<void> => {
    tried++
    if (typeof await shown(one, token) !== 'string') accepted.push(token)
  }
  const changed = (token: string, at: number, character: string): string => token.slice(0, at) + character + token.slice(at + 1)
  await showAll([...issued.entries()], async ([i, { token }]) => {
    if (i < WHOLLY_CHANGED) for (let at = 0; at < token.length; at++) await tryIt(changed(token, at, token[at] === 'A' ? 'B' : 'A'))
    const at = (i * 7919) % token.length
    const character = CHARACTERS[(CHARACTERS.indexOf(token[at]!) + 1 + i % 63) % 64]!
    if (character !== token[at]) await tryIt(changed(token, at, character))
    // The last characters of a part have spare bits.
    for (const end of [token.indexOf('.') - 1, token.lastIndexOf('.') - 1, token.length - 1]) {
      await tryIt(changed(token, end, CHARACTERS[CHARACTERS.indexOf(token[end]!) ^ 1]!))
    }
  })
  t.comment(`${tried} changed tickets`)
  t.equal(accepted.length, 0)
  // What was changed above is good as it is.
  t.match(await shown(one, issued[0]!.token), { peerId: 'peer-0' })
  // And an independent implementation signs alike.
  const [head, body, signature] = issued[0]!.token.split('.')
  t.equal(createHmac('sha256', SECRET).update(`${head}.${body}`).digest('base64url'), signature)
})

t.test('what a check costs', async (t) => {
  const { checkMicros, hmacMicros } = await compareCosts({ tickets: 200, rounds: 5 })
  t.comment(`a check takes ${checkMicros.toFixed(1)} µs, a plain HMAC-SHA256 of the same bytes ${hmacMicros.toFixed(1)} µs`)
  t.ok(checkMicros > 0 && hmacMicros > 0)
})
