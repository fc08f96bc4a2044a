import t from 'tap'
import { Admittances } from '../../../lib/relay/admittance.js'
import type { AskingRequest } from '../../../lib/relay/admittance.js'
import { AppControl } from '../../../lib/relay/app-control.js'
import type { Admittance, MediaServerControl, PeerRequest } from '../../../lib/relay/control.js'
import type { Logger } from '../../../lib/logger.js'
import { silentLogger } from '../../../lib/logger.js'
import { ManualClock } from '../../../lib/testing/index.js'

const settled = async (): Promise<void> => { await new Promise((resolve) => setImmediate(resolve)) }

/** A media server that answers when it is told to. */
class Asked {
  readonly requests: PeerRequest[] = []
  readonly answers: Array<{ resolve: () => void, reject: (error: Error) => void }> = []
  readonly removed: string[] = []
  readonly errors: object[] = []
  readonly admittances: Admittances<unknown>
  failRemoving = false
  /** Whom the media server tells of, in each room. */
  present: string[] = []

  constructor (mode: 'relay' | 'direct' = 'direct') {
    const control: Partial<MediaServerControl> = {
      getRoom: async (id) => ({ id, maxPeers: null, isRecorded: false, peers: this.present.map((id) => ({ id, status: 'disconnected' as const, metadata: null })) }),
      addPeer: async (request) => {
        this.requests.push(request)
        const { peerId } = request
        return await new Promise<Admittance>((resolve, reject) => {
          this.answers.push({ resolve: () => resolve({ peerId, url: 'ws://media', token: `of ${peerId}` }), reject })
        })
      },
      removePeer: async (roomId, peerId) => {
        this.removed.push(`${roomId} ${peerId}`)
        if (this.failRemoving) throw new Error('not removed')
      }
    }
    const log: Logger = { ...silentLogger, error: ((fields: object) => { this.errors.push(fields) }) as Logger['error'] }
    this.admittances = new Admittances({
      mode,
      control: new AppControl({ name: 'x', control: control as MediaServerControl, mode, kick: () => false, log: silentLogger }),
      driver: 'x',
      issue: null,
      publicUrl: undefined,
      paths: new Map([['fishjam', ''], ['trunkline', '/signaling']]),
      clock: new ManualClock(),
      log
    })
  }
}

t.test('the media server says how a client connects to it', async (t) => {
  const one = new Asked()
  const admitted = one.admittances.admit({ roomId: 'r', metadata: { a: 1 }, subject: 's' })
  await settled()
  const [{ peerId }] = one.requests as [PeerRequest]
  t.match(peerId, /^[0-9a-f-]{36}$/)
  t.same(one.requests, [{ roomId: 'r', peerId, metadata: { a: 1 }, dialect: 'fishjam' }], 'the dialect is the first')
  one.answers[0]!.resolve()
  t.same(await admitted, { peerId, url: 'ws://media', token: `of ${peerId}` })
  const added = one.admittances.addPeer('r', { peerId: 'p', dialect: 'janus' })
  await settled()
  t.same(one.requests[1], { roomId: 'r', peerId: 'p', metadata: null, dialect: 'janus' })
  one.answers[1]!.resolve()
  t.match(await added, { peerId: 'p' })
  t.same(one.removed, [])
})

t.test('for one peer it is asked once at a time, in order, whatever becomes of each', async (t) => {
  const one = new Asked()
  const results: string[] = []
  for (const n of [1, 2, 3]) {
    one.admittances.admit({ roomId: `r${n}`, peerId: 'p' }).then(() => results.push(`${n} in`), (error: Error) => results.push(`${n} ${error.message}`))
  }
  one.admittances.admit({ roomId: 'r4', peerId: 'q' }).then(() => results.push('4 in'), () => {})
  await settled()
  t.same(one.requests.map(({ roomId }) => roomId), ['r1', 'r4'], 'another peer does not wait')
  one.answers[0]!.reject(new Error('failed'))
  await settled()
  t.same(one.requests.map(({ roomId }) => roomId), ['r1', 'r4', 'r2'])
  one.answers[2]!.resolve()
  await settled()
  one.answers[3]!.resolve()
  one.answers[1]!.resolve()
  await settled()
  t.same(results.sort(), ['1 failed', '2 in', '3 in', '4 in'])
})

t.test('a client that goes while the media server is asked is removed there; one that was gone before is not asked about', async (t) => {
  for (const kind of ['signal', 'socket'] as const) {
    const one = new Asked()
    const aborter = new AbortController()
    const socket = { destroyed: false }
    const how = kind === 'signal' ? { signal: aborter.signal } : { request: { protocol: 'http', host: 'h', raw: { socket } } satisfies AskingRequest }
    const gone = { code: 'TRK_ERR_ADMIT_GONE' }
    const [first, waits] = [one.admittances.admit({ roomId: 'r', peerId: 'p' }, how), one.admittances.admit({ roomId: 'r', peerId: 'p' }, how)]
    const refused = [t.rejects(first, gone), t.rejects(waits, gone)]
    await settled()
    aborter.abort()
    socket.destroyed = true
    one.failRemoving = kind === 'socket'
    one.answers[0]!.resolve()
    await Promise.all(refused)
    t.same(one.removed, ['r p'])
    t.equal(one.requests.length, 1, 'who waited is not asked about')
    t.match(one.errors, one.failRemoving ? [{ peerId: 'p', err: { message: 'not removed' } }] : [])
    await t.rejects(one.admittances.admit({ roomId: 'r', peerId: 'p' }, how), gone)
    t.equal(one.requests.length, 1)
  }
})

t.test('a client that was there before, and goes while it asks anew, is not removed', async (t) => {
  const one = new Asked()
  one.present = ['p']
  const aborter = new AbortController()
  const admitted = one.admittances.admit({ roomId: 'r', peerId: 'p' }, { signal: aborter.signal })
  const refused = t.rejects(admitted, { code: 'TRK_ERR_ADMIT_GONE' })
  await settled()
  aborter.abort()
  one.answers[0]!.resolve()
  await refused
  t.same(one.removed, [])
  const stranger = one.admittances.admit({ roomId: 'r' }, { signal: aborter.signal })
  await t.rejects(stranger, { code: 'TRK_ERR_ADMIT_GONE' })
})

t.test('no more than a thousand wait', async (t) => {
  const one = new Asked()
  const waiting = Array.from({ length: 1_000 }, async (_, i) => await one.admittances.admit({ roomId: 'r', peerId: `p${i % 10}` }))
  await t.rejects(one.admittances.admit({ roomId: 'r' }), { code: 'TRK_ERR_ADMIT_BUSY', statusCode: 503 })
  for (let i = 0; i < 1_000; i++) {
    while (one.answers[i] === undefined) await settled()
    one.answers[i]!.resolve()
  }
  await Promise.all(waiting)
  const another = one.admittances.admit({ roomId: 'r' })
  await settled()
  one.answers[1_000]!.resolve()
  t.ok(await another)
})

t.test('what cannot be asked', async (t) => {
  const one = new Asked()
  await t.rejects(one.admittances.admit({ roomId: '' }), { code: 'TRK_ERR_ADMIT', message: /roomId/ })
  await t.rejects(one.admittances.addPeer('r', { peerId: 'x'.repeat(129) }), { code: 'TRK_ERR_ADMIT', message: /peerId/ })
  t.equal(one.requests.length, 0)
  await t.rejects(new Asked('relay').admittances.addPeer('r'), { code: 'TRK_ERR_MODE' })
})
