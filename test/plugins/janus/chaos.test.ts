import t from 'tap'
import type { FakeClient, FakeJanusFault } from '../../../lib/testing/index.js'
import { Random } from '../../sim/random.js'
import { attach, create, hear, say, start } from './support.js'
import type { Message, Stage } from './support.js'

const CLIENTS = 8
const REQUESTS = 30
/** What is lost without a word has to be found out in time. */
const REQUEST_MS = 300

const FAULTS: FakeJanusFault[] = ['answer', 'answer', 'answer', 'answer', 'twice', 'event before ack', 'silent', 'ignore']

interface Verdict {
  wrong: string[]
  answered: number
  failed: number
  /** How often Janus was told to do what may be done once, by transaction. */
  done: Map<string, number>
}

/** One client that asks for one thing after the other, and is answered each time, whatever happens in between. */
async function talk (client: FakeClient, name: string, random: () => number, verdict: Verdict): Promise<void> {
  const sessionId = await create(client)
  const handleId = await attach(client, sessionId)
  const over = new Set<string>()
  const judge = (message: Message): string | null => {
    const { transaction, janus: kind, error } = message
    if (typeof transaction !== 'string') return null
    if (!transaction.startsWith(`${name}-`)) verdict.wrong.push(`${name} hears ${JSON.stringify(message)}`)
    if (kind === 'ack') return null
    const data = message.plugindata?.data
    if (error === undefined && (data?.n !== Number(transaction.split('-')[1]) || data?.name !== name)) verdict.wrong.push(`${name} hears ${JSON.stringify(message)}`)
    // An event that comes when its request was given up tells what has become of it.
    if (over.has(transaction) && kind !== 'event') verdict.wrong.push(`${transaction} is answered twice`)
    over.add(transaction)
    return transaction
  }
  for (let n = 0; n < REQUESTS; n++) {
    const transaction = `${name}-${n}`
    say(client, { janus: 'message', session_id: sessionId, handle_id: handleId, transaction, body: { request: random() < 0.5 ? 'exists' : 'configure', name, n } })
    for (;;) {
      const message = await hear(client)
      if (judge(message) !== transaction) continue
      if (message.janus === 'error') verdict.failed++
      else verdict.answered++
      break
    }
  }
  if (random() < 0.5) await client.cut()
  else await client.close()
}

async function run (stage: Stage, seed: number): Promise<Verdict> {
  const { server, join } = stage
  const { next } = new Random(seed)
  const verdict: Verdict = { wrong: [], answered: 0, failed: 0, done: new Map() }
  const latest = new Map<string, number>()
  const isOver = { now: false }
  let requests = 0
  server.onRequest = ({ janus: verb, body }) => {
    if (isOver.now || verb !== 'message') return 'answer'
    const { request, name, n } = body as { request: string, name: string, n: number }
    const fault = FAULTS[Math.floor(next() * FAULTS.length)] ?? 'answer'
    if (fault !== 'ignore') {
      if (n < (latest.get(name) ?? 0)) verdict.wrong.push(`${name} is ${n} after ${String(latest.get(name))}`)
      latest.set(name, n)
      if (request === 'configure') verdict.done.set(`${name}-${n}`, (verdict.done.get(`${name}-${n}`) ?? 0) + 1)
    }
    if (++requests % 40 === 0) setImmediate(() => server.cut())
    return fault
  }
  const clients = await Promise.all(Array.from({ length: CLIENTS }, (_, n) => join({ roomId: 'room', peerId: `p${n}` })))
  await Promise.all(clients.map((client, n) => talk(client, `p${n}`, next, verdict)))
  isOver.now = true
  return verdict
}

t.test('many clients while answers are lost and doubled, and the trunk is cut: each is answered, none twice, and no order is carried out twice', async (t) => {
  const stage = await start(t, { driver: { requestMs: REQUEST_MS }, limits: { messagesPerSecond: 100_000, messageBurst: 100_000 } })
  const seed = Number(process.env.SEED ?? Math.floor(Math.random() * 2 ** 31))
  t.comment(`SEED=${seed}`)
  const { wrong, answered, failed, done } = await run(stage, seed)
  t.same(wrong, [])
  t.equal(answered + failed, CLIENTS * REQUESTS)
  t.ok(answered > failed, `${answered} answered, ${failed} failed`)
  t.ok(failed > 0)
  t.same([...done].filter(([, times]) => times > 1), [], 'nothing is done twice')
  t.ok(stage.server.accepted > 2, `the trunk was cut ${stage.server.accepted - 1} times`)
  while (stage.server.sessions.size > 1) await stage.server.receive('destroy')
  t.equal(stage.app.trunkline.peers.size, 0)
})
