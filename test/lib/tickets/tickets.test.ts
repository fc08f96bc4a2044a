import { SignJWT, UnsecuredJWT, decodeJwt, decodeProtectedHeader } from 'jose'
import fc from 'fast-check'
import t from 'tap'
import { ManualClock } from '../../../lib/testing/index.js'
import { tickets } from '../../../lib/tickets/tickets.js'
import { SECRET, office, offices } from './support.js'

const OTHER = 'another secret of at least 32 bytes, for tests'
const VOID = { code: 'TRK_ERR_TICKET_VOID', statusCode: 401 }
const EXPIRED = { code: 'TRK_ERR_TICKET_EXPIRED', statusCode: 401 }
const BAD = { code: 'TRK_ERR_TICKET', statusCode: 401 }

const id = fc.string({ unit: 'binary', minLength: 1, maxLength: 30 })

t.test('what was said of a client is what its ticket says', async (t) => {
  const one = office()
  const who = fc.record({
    roomId: id, peerId: id, metadata: fc.jsonValue({ maxDepth: 3 }), subject: id, expiresAt: fc.integer({ min: one.clock.now() + 1, max: 2e12 })
  }, { requiredKeys: ['roomId', 'peerId'] })
  await fc.assert(fc.asyncProperty(who, async (who) => {
    const token = await one.issue(who as { roomId: string, peerId: string })
    const plain = (value: unknown): unknown => JSON.parse(JSON.stringify(value)) as unknown
    const wanted = plain({ metadata: undefined, ...who, ...(who.subject === who.peerId ? { subject: undefined } : {}) })
    t.strictSame(plain(await one.show(token)), wanted)
    const { goodUntil, expiresAt, ...said } = await one.auth.check(token)
    t.strictSame(plain({ ...said, ...(expiresAt === undefined ? {} : { expiresAt: expiresAt.getTime() }) }), wanted)
    t.equal(goodUntil.getTime(), one.clock.now() + 300_000)
  }), { numRuns: 100 })
})

t.test('it is a JWT that any other implementation reads', async (t) => {
  const one = office({ audience: 'lobby' })
  const token = await one.issue({ roomId: 'r', peerId: 'p', metadata: { name: 'Ada' } })
  t.match(decodeProtectedHeader(token), { alg: 'HS256', typ: 'trunkline-ticket+jwt', kid: /^[\w-]{12}$/ })
  t.same(decodeJwt(token), { roomId: 'r', peerId: 'p', metadata: { name: 'Ada' }, aud: 'lobby', exp: (one.clock.now() + 300_000) / 1_000, issue: one.clock.now() * 1_000 })
})

t.test('it lets its client in until its life is over, to the millisecond', async (t) => {
  const one = office({ lifeMs: 10_000 })
  const token = await one.issue({ roomId: 'r', peerId: 'p' })
  one.clock.advance(9_999)
  t.match(await one.show(token), { peerId: 'p' })
  one.clock.advance(1)
  await t.rejects(one.show(token), EXPIRED)
  await t.rejects(one.auth.check(token), EXPIRED)
  t.match(await one.auth.check(token, 1), { peerId: 'p' })
  one.clock.advance(9_999)
  t.match(await one.auth.check(token, 1e9), { peerId: 'p' })
  one.clock.advance(1)
  await t.rejects(one.auth.check(token, 1e9), EXPIRED, 'no longer than its life once more')
  await t.rejects(one.auth.check(token, NaN), { code: 'TRK_ERR_OPTION' })
})

t.test('a ticket lives no longer than where it is shown, and so none outlives what makes it void', async (t) => {
  const [long, short] = [offices(1, { lifeMs: 60_000 })[0]!, office({ lifeMs: 10_000 })]
  const token = await long.issue({ roomId: 'r', peerId: 'p' })
  short.clock.advance(9_999)
  t.match(await short.show(token), { peerId: 'p' })
  await short.desk.void('p')
  for (let i = 0; i < 70; i++) {
    await t.rejects(short.show(token))
    short.clock.advance(1_000)
  }
})

t.test('when a peer is to end, its ticket lets nobody in, and cannot be renewed', async (t) => {
  const one = office()
  const token = await one.issue({ roomId: 'r', peerId: 'p', expiresAt: one.clock.now() + 5_000 })
  t.match(await one.auth.check(token), { expiresAt: new Date(one.clock.now() + 5_000) })
  one.clock.advance(5_000)
  await t.rejects(one.show(token), EXPIRED)
  await t.rejects(one.auth.check(token, 1e6), EXPIRED)
})

t.test('a newer ticket makes older ones of its peer void when it is used, in every process', async (t) => {
  const [a, b] = offices(2) as [ReturnType<typeof office>, ReturnType<typeof office>]
  const first = await a.issue({ roomId: 'r', peerId: 'p' })
  const second = await a.issue({ roomId: 'r', peerId: 'p' })
  const other = await a.issue({ roomId: 'r', peerId: 'q' })
  await b.show(first)
  await a.show(first)
  await b.show(second)
  await t.rejects(a.show(first), VOID)
  await t.rejects(b.auth.check(first), VOID)
  t.match(await a.show(second), { peerId: 'p' })
  t.match(await a.show(other), { peerId: 'q' })
})

t.test('check claims nothing', async (t) => {
  const one = office()
  const first = await one.issue({ roomId: 'r', peerId: 'p' })
  const second = await one.issue({ roomId: 'r', peerId: 'p' })
  await one.auth.check(second)
  t.match(await one.show(first), { peerId: 'p' })
})

t.test('what is void stays void for as long as it could be checked, and what is issued afterwards is not', async (t) => {
  const [a, b] = offices(2, { lifeMs: 10_000 }) as [ReturnType<typeof office>, ReturnType<typeof office>]
  const before = await a.issue({ roomId: 'r', peerId: 'p' })
  await b.desk.void('p')
  const after = await b.issue({ roomId: 'r', peerId: 'p' })
  await t.rejects(a.show(before), VOID)
  a.clock.advance(9_000)
  await t.rejects(a.auth.check(before, 10_000), VOID)
  t.match(await a.show(after), { peerId: 'p' })
  a.clock.advance(10_999)
  await t.rejects(a.auth.check(before, 10_000), VOID, 'in its grace')
  a.clock.advance(1)
  await t.rejects(a.auth.check(before, 10_000), EXPIRED)
})

t.test('numbers grow where the clock goes back, and after those of a process whose clock is ahead', async (t) => {
  let offset = 0
  const clock = new ManualClock()
  const one = office({ clock: Object.assign(new ManualClock(), { now: () => clock.now() + offset }) })
  const issue = async (): Promise<number> => decodeJwt(await one.issue({ roomId: 'r', peerId: 'p' })).issue as number
  const numbers = [await issue(), await issue()]
  offset = -60_000
  numbers.push(await issue())
  t.same(numbers, [...new Set(numbers)].sort((a, b) => a - b))

  const ahead = office({ clock: new ManualClock(clock.now() + 20_000) })
  const token = await ahead.issue({ roomId: 'r', peerId: 'q' })
  await one.show(token)
  await one.desk.void('q')
  await t.rejects(one.show(token), VOID)
})

t.test('secrets are replaced one after the other', async (t) => {
  const [before, between, after] = [office({ secret: SECRET }), office({ secret: [Buffer.from(OTHER), SECRET] }), office({ secret: OTHER })]
  const old = await before.issue({ roomId: 'r', peerId: 'p' })
  const fresh = await between.issue({ roomId: 'r', peerId: 'p' })
  t.match(await between.show(old), { peerId: 'p' })
  t.match(await between.show(fresh), { peerId: 'p' })
  t.match(await after.show(fresh), { peerId: 'p' })
  await t.rejects(after.show(old), BAD)
  await t.rejects(before.show(fresh), BAD)
  await t.rejects(office({ secret: undefined }).show(old), BAD, 'a random one')
})

t.test('of another registration', async (t) => {
  const [a, b] = [office({ audience: 'a' }), office({ audience: 'b' })]
  await t.rejects(b.show(await a.issue({ roomId: 'r', peerId: 'p' })), { ...BAD, message: /another registration/ })
})

t.test('whatever else carries the right signature, or none, lets nobody in', async (t) => {
  const one = office()
  const token = await one.issue({ roomId: 'r', peerId: 'p' })
  const header = decodeProtectedHeader(token) as { alg: string, typ: string, kid: string }
  const claims = decodeJwt(token)
  const key = Buffer.from(SECRET)
  const signed = async (changed: object, said: object = claims): Promise<string> => await new SignJWT(said as Record<string, unknown>).setProtectedHeader({ ...header, ...changed }).sign(key)
  t.match(await one.show(await signed({})), { peerId: 'p' }, 'as it should be')
  const [head, body, signature] = token.split('.') as [string, string, string]
  const none = Buffer.from(JSON.stringify({ ...header, alg: 'none' })).toString('base64url')
  const shown: Record<string, string> = {
    'alg HS512': await signed({ alg: 'HS512' }),
    'alg HS384': await signed({ alg: 'HS384' }),
    'alg none': `${none}.${body}.`,
    'alg none, signed': `${none}.${body}.${signature}`,
    'alg None': `${Buffer.from(JSON.stringify({ ...header, alg: 'None' })).toString('base64url')}.${body}.${signature}`,
    'alg RS256': `${Buffer.from(JSON.stringify({ ...header, alg: 'RS256' })).toString('base64url')}.${body}.${signature}`,
    unsecured: new UnsecuredJWT(claims).encode(),
    'another type': await signed({ typ: 'JWT' }),
    'another key': await signed({ kid: 'x' }),
    'no signature': `${head}.${body}.`,
    'two parts': `${head}.${body}`,
    'four parts': `${token}.${signature}`,
    'a space': ` ${token}`,
    'a line': `${token}\n`,
    padded: `${token}=`,
    'plain base64': `${head}.${body.replaceAll('-', '+').replaceAll('_', '/')}+.${signature}`,
    nothing: '',
    dots: '..',
    'no claims': await signed({}, {}),
    'too many claims': await signed({}, { ...claims, admin: true }),
    'a number for a room': await signed({}, { ...claims, roomId: 1 }),
    'an empty peer': await signed({}, { ...claims, peerId: '' }),
    'no expiry': await signed({}, { ...claims, exp: undefined }),
    'no number': await signed({}, { ...claims, issue: 0 }),
    'a fraction': await signed({}, { ...claims, issue: 1.5 }),
    'several audiences': await signed({}, { ...claims, aud: ['trunkline', 'x'] }),
    'too long': 'a'.repeat(8 * 1024 + 1)
  }
  for (const [name, each] of Object.entries(shown)) {
    const error = await one.show(each).then(() => null, (error: Error) => error)
    t.match(error, BAD, name)
    t.notOk(/eyJ|Ada|HS512/.test(String(error?.stack)), 'it says nothing of what was shown')
    t.equal(error?.cause, undefined)
  }
})

t.test('metadata has room for a ticket of 4 KiB', async (t) => {
  const one = office()
  const bytes = (await one.issue({ roomId: 'r', peerId: 'p', metadata: '' })).length
  const most = Math.floor((4096 - bytes) * 3 / 4)
  const token = await one.issue({ roomId: 'r', peerId: 'p', metadata: 'x'.repeat(most) })
  t.ok(token.length <= 4096 && token.length > 4090)
  t.match(await one.show(token), { metadata: 'x'.repeat(most) })
  await t.rejects(one.issue({ roomId: 'r', peerId: 'p', metadata: 'x'.repeat(most + 4) }), { code: 'TRK_ERR_ADMIT', message: /\d+ bytes, more than 4096/ })
})

t.test('a store that rejects, or answers nonsense, is a fault, and not the client\'s', async (t) => {
  for (const claim of [() => { throw new Error('gone') }, async () => await Promise.reject(new Error('gone')), () => NaN, () => '1' as never, () => undefined as never, () => 5, () => 1.5]) {
    const one = office({ store: { claim } })
    const token = await one.issue({ roomId: 'r', peerId: 'p' })
    const fault = { code: 'TRK_ERR_TICKET_STORE', statusCode: 503 }
    await t.rejects(one.show(token), fault)
    await t.rejects(one.desk.void('p'), fault)
  }
})

t.test('options that cannot be', async (t) => {
  const refused = (options: object, message: RegExp, code = 'TRK_ERR_OPTION'): void => {
    t.throws(() => tickets(options), { code, message })
  }
  for (const secret of ['short', '', 5, [], ['x'.repeat(32), 'short'], null, Buffer.alloc(31), [[]]]) refused({ secret }, /'tickets.secret' must be/)
  refused({ lifeMs: 999 }, /'tickets.lifeMs'/)
  refused({ lifeMs: 86_400_001 }, /'tickets.lifeMs'/)
  refused({ lifeMs: '5' }, /'tickets.lifeMs'/)
  refused({ audience: '' }, /'tickets.audience'/)
  refused({ store: {} }, /'tickets.store' must have the function claim/)
  refused({ clock: {} }, /'tickets.clock'/)
  refused({ secrets: 'x' }, /did you mean 'tickets.secret'/, 'TRK_ERR_OPTION_UNKNOWN')
  t.equal(typeof tickets({ secret: undefined, lifeMs: undefined }), 'function')
  t.equal(typeof tickets({ secret: Buffer.alloc(32) }), 'function')
})
