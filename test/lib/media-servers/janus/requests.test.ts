import fc from 'fast-check'
import t from 'tap'
import { JanusHandle } from '../../../../lib/media-servers/janus/handle.js'
import type { Fault, JanusMessage, Verb } from '../../../../lib/media-servers/janus/messages.js'
import { JanusRequest } from '../../../../lib/media-servers/janus/request.js'
import type { Requester } from '../../../../lib/media-servers/janus/request.js'
import { Requests } from '../../../../lib/media-servers/janus/requests.js'
import { ManualClock } from '../../../../lib/testing/index.js'
import { holds } from '../../../support.js'

const REQUEST_MS = 10_000

/** One asker whose requests are numbered, with a list of what became of each. */
class Asker implements Requester {
  isOver = false
  readonly ends: string[] = []
  readonly handle: JanusHandle
  #asked = 0
  readonly #owner: string

  constructor (owner: string, requests: Requests) {
    this.#owner = owner
    this.handle = new JanusHandle(1, '', (request) => requests.push(request))
  }

  ask (verb: Verb, body: object = { request: 'configure' }): void {
    this.handle.push(new JanusRequest(this, this.#owner, verb, `${this.#asked++}`, 1, 1, verb === 'message' ? { body } : {}))
  }

  answered (request: JanusRequest, { janus }: JanusMessage): void {
    this.handle.settled(request)
    this.ends.push(`${request.transaction} ${janus}`)
  }

  failed (request: JanusRequest, _fault: Fault): void {
    this.handle.settled(request)
    this.ends.push(`${request.transaction} failed`)
  }
}

interface Stage {
  clock: ManualClock
  requests: Requests
  /** Sent, by number, and not answered yet by anybody. */
  sent: Map<number, JanusRequest>
  order: string[]
}

function stage (windowBytes = 1_000_000): Stage {
  const clock = new ManualClock()
  const sent = new Map<number, JanusRequest>()
  const order: string[] = []
  const requests: Requests = new Requests({ windowBytes, requestMs: REQUEST_MS, clock }, {
    send (request, number) {
      sent.set(number, request)
      order.push(`${request.owner}${request.transaction}`)
    },
    drained () {}
  })
  return { clock, requests, sent, order }
}

type Step =
  | { do: 'ask', who: number, verb: Verb, safe: boolean }
  | { do: 'answer', which: number, how: 'ack' | 'success' | 'event' | 'error' }
  | { do: 'lose' | 'return' }
  | { do: 'wait', ms: number }

const steps = fc.array(fc.oneof(
  { weight: 5, arbitrary: fc.record({ do: fc.constant('ask' as const), who: fc.nat(2), verb: fc.constantFrom<Verb>('message', 'message', 'trickle', 'hangup'), safe: fc.boolean() }) },
  { weight: 5, arbitrary: fc.record({ do: fc.constant('answer' as const), which: fc.nat(100), how: fc.constantFrom('ack' as const, 'success' as const, 'event' as const, 'error' as const) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constantFrom('lose' as const, 'return' as const) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('wait' as const), ms: fc.integer({ min: 1, max: 15_000 }) }) }
), { maxLength: 120 })

t.test('whatever is answered, lost or late: each request ends, nothing overtakes a message, and what is not answered is bounded', async (t) => {
  holds(t, fc.property(steps, fc.constantFrom(400, 2_000, 1_000_000), (all: Step[], windowBytes) => {
    const { clock, requests, sent, order } = stage(windowBytes)
    const askers = ['a', 'b', 'c'].map((owner) => new Asker(owner, requests))
    const asked = [0, 0, 0]
    const known: number[] = []
    let isUp = true
    requests.open()
    const check = (): boolean => requests.unansweredBytes <= Math.max(windowBytes, 1_000) && requests.unansweredBytes >= 0
    for (const step of all) {
      if (step.do === 'ask') {
        asked[step.who]!++
        askers[step.who]!.ask(step.verb, { request: step.safe ? 'exists' : 'configure' })
      } else if (step.do === 'answer') {
        known.push(...[...sent.keys()].filter((number) => !known.includes(number)))
        const number = known[step.which % Math.max(1, known.length)]
        const answer = { janus: step.how }
        const request = number === undefined || !isUp ? null : requests.answered(number, answer)
        request?.requester.answered(request, answer, JSON.stringify(answer))
      } else if (step.do === 'lose' && isUp) {
        isUp = false
        known.length = 0
        sent.clear()
        requests.interrupt()
      } else if (step.do === 'return' && !isUp) {
        isUp = true
        requests.open()
      } else if (step.do === 'wait') {
        clock.advance(step.ms)
      }
      if (!check()) return false
    }
    if (!isUp) requests.open()
    // Nobody answers any more: whatever is left is late, one after the other.
    for (let rounds = 0; rounds < 300 && (requests.waitingBytes > 0 || requests.unansweredBytes > 0 || askers.some(({ handle }) => handle.bytes > 0)); rounds++) clock.advance(REQUEST_MS + 1_000)
    clock.advance(REQUEST_MS + 1_000)
    return askers.every(({ ends, handle }, who) => {
      // Each has ended, and in the end one way only: an ack, an answer, or a failure.
      const first = new Map<string, string>()
      for (const end of ends) {
        const [n = '', how = ''] = end.split(' ')
        if (!first.has(n)) first.set(n, how)
        else if (how === 'failed' && first.get(n) !== 'ack') return false
      }
      // In the order in which they were asked, apart from what was said again.
      const name = 'abc'[who]!
      const firstSent = order.filter((each) => each.startsWith(name)).map((each) => Number(each.slice(1))).filter((n, i, list) => list.indexOf(n) === i)
      return handle.bytes === 0 && first.size === asked[who] && firstSent.every((n, i) => i === 0 || n > firstSent[i - 1]!)
    }) && clock.timers === 0
  }), { numRuns: 500 })
})

t.test('each owner has its share', async (t) => {
  const { requests, order, sent } = stage(2_000)
  const [greedy, modest] = [new Asker('g', requests), new Asker('m', requests)]
  for (let n = 0; n < 1_000; n++) greedy.ask('trickle')
  modest.ask('trickle')
  requests.open()
  for (let answered = 0; !order.includes('m0') && answered < 100; answered++) {
    const [number, request] = sent.entries().next().value!
    sent.delete(number)
    requests.answered(number, { janus: 'ack' })
    t.equal(request.owner, 'g')
  }
  t.ok(order.includes('m0'), 'long before the other has said it all')
})

t.test('nothing is said for whom nobody is there any more, but that its session ends', async (t) => {
  const { requests, order } = stage()
  const asker = new Asker('a', requests)
  asker.ask('trickle')
  asker.ask('destroy')
  asker.isOver = true
  requests.open()
  t.same(order, ['a1'])
})
