import t from 'tap'
import { Fault } from '../../../../lib/media-servers/janus/messages.js'
import { JanusPeer } from '../../../../lib/media-servers/janus/peer.js'
import { JanusRequest } from '../../../../lib/media-servers/janus/request.js'
import type { Requester } from '../../../../lib/media-servers/janus/request.js'
import { Requests } from '../../../../lib/media-servers/janus/requests.js'
import { ManualClock } from '../../../../lib/testing/index.js'

const receiver = { opened () {}, refused () {}, event () {}, skip () {}, ack () {}, relieved () {}, closed () {} }

function stage (): { requests: Requests, peer: JanusPeer, ended: number[], sent: string[] } {
  const sent: string[] = []
  const requests = new Requests({ windowBytes: 1_000_000, requestMs: 1_000, clock: new ManualClock() }, { send ({ verb }) { sent.push(verb) }, drained () {} })
  const ended: number[] = []
  const peer = new JanusPeer({ peerId: 'p', roomId: 'room', metadata: 'null' }, receiver, {
    options: { plugins: ['p'], handles: 1, messageBytes: 1_000, bodyLength: 1_000, queueBytes: 1_000, hardBytes: 10_000 },
    requests,
    began () {},
    ended () { ended.push(1) },
    heard () {},
    keepAlive () {},
    now: () => 0
  })
  return { requests, peer, ended, sent }
}

t.test('one that leaves before its session was even asked for is forgotten', async (t) => {
  const { requests, peer, ended, sent } = stage()
  peer.send(Buffer.from('{"janus":"create","transaction":"c"}'))
  peer.close()
  t.equal(ended.length, 0)
  requests.open()
  t.same(sent, [])
  t.equal(ended.length, 1)
})

t.test('what is lost with the trunk twice is not said a third time', async (t) => {
  const { requests, sent } = stage()
  const faults: Fault[] = []
  const requester: Requester = { isOver: false, answered () {}, failed: (_request, fault) => { faults.push(fault) } }
  requests.open()
  requests.push(new JanusRequest(requester, 'p', 'message', null, 1, 2, { body: { request: 'listparticipants' } }))
  for (let n = 0; n < 3; n++) {
    requests.interrupt()
    requests.open()
  }
  t.same(sent, ['message', 'message'])
  t.match(faults, [{ code: 490 }])
})

t.test('what waits when all ends is not left without an answer', async (t) => {
  const { requests } = stage()
  const faults: Fault[] = []
  const requester: Requester = { isOver: false, answered () {}, failed: (_request, fault) => { faults.push(fault) } }
  requests.push(new JanusRequest(requester, '', 'destroy', null, 1, null, {}))
  requests.stop()
  t.match(faults, [{ reason: 'the backend is closing' }])
  t.equal(requests.waitingBytes, 0)
})
