import t from 'tap'
import type { RtpPacket } from 'werift'
import { Forwarder, KEY_FRAME_INTERVAL_MS, startsKeyFrame, type Kind } from '../../../examples/media-server/forwarder.js'

const KEY = [0x10, 0x00]
const DELTA = [0x10, 0x01]
const rtp = (payload: number[]): RtpPacket => ({ payload: Buffer.from(payload) }) as unknown as RtpPacket

function setUp (kind: Kind = 'video') {
  const state = { now: 0, requests: 0, listening: false, emit: (_packet: RtpPacket): void => {} }
  const forwarder = new Forwarder({
    kind,
    onPacket (listener) {
      state.listening = true
      state.emit = listener
      return () => { state.listening = false }
    },
    requestKeyFrame () { state.requests++ }
  }, () => state.now)
  return { state, forwarder }
}

function makeSink () {
  const sink = {
    ready: true,
    log: [] as string[],
    ask: (): void => {},
    start (): void { sink.log.push('start') },
    send (packet: RtpPacket): void { sink.log.push(startsKeyFrame(packet.payload) ? 'key' : 'delta') },
    onKeyFrameRequest (listener: () => void) {
      sink.ask = listener
      return () => { sink.ask = () => {} }
    }
  }
  return sink
}

t.test('video starts with a key frame, and is asked for one while it waits', async (t) => {
  const { state, forwarder } = setUp()
  const sink = makeSink()
  forwarder.subscribe(sink)
  t.equal(state.requests, 1)
  state.emit(rtp(DELTA))
  t.equal(state.requests, 1, 'not at once')
  state.now = KEY_FRAME_INTERVAL_MS
  state.emit(rtp(DELTA))
  t.equal(state.requests, 2, 'but again')
  t.same(sink.log, [])
  state.emit(rtp(KEY))
  state.emit(rtp(DELTA))
  t.same(sink.log, ['start', 'key', 'delta'])
})

t.test('a subscriber whose transport is not ready misses packets, and starts later', async (t) => {
  const { state, forwarder } = setUp()
  const sink = makeSink()
  sink.ready = false
  forwarder.subscribe(sink)
  state.emit(rtp(KEY))
  t.same(sink.log, [])
  sink.ready = true
  state.emit(rtp(KEY))
  t.same(sink.log, ['start', 'key'])
})

t.test('audio starts with any packet and is never asked for key frames', async (t) => {
  const { state, forwarder } = setUp('audio')
  const sink = makeSink()
  forwarder.subscribe(sink)
  sink.ask()
  state.emit(rtp([1]))
  t.same(sink.log, ['start', 'delta'])
  t.equal(state.requests, 0)
})

t.test('requests of subscribers reach the publisher, at most one in an interval', async (t) => {
  const { state, forwarder } = setUp()
  const [one, two] = [makeSink(), makeSink()]
  forwarder.subscribe(one)
  forwarder.subscribe(two)
  state.now = KEY_FRAME_INTERVAL_MS
  one.ask()
  two.ask()
  t.equal(state.requests, 2)
})

t.test('who has unsubscribed gets nothing, and asks for nothing', async (t) => {
  const { state, forwarder } = setUp()
  const [one, two] = [makeSink(), makeSink()]
  const stop = forwarder.subscribe(one)
  forwarder.subscribe(two)
  stop()
  state.now = KEY_FRAME_INTERVAL_MS
  one.ask()
  t.equal(state.requests, 1)
  state.emit(rtp(KEY))
  t.same(one.log, [])
  t.same(two.log, ['start', 'key'])
  forwarder.close()
  t.notOk(state.listening)
})

t.test('key frames are told by their first packet', async (t) => {
  t.ok(startsKeyFrame(Buffer.from([0x90, 0x80, 0x81, 0x02, 0x00])), '15-bit picture id')
  t.ok(startsKeyFrame(Buffer.from([0x90, 0x80, 0x01, 0x00])), '7-bit picture id')
  t.ok(startsKeyFrame(Buffer.from([0x90, 0xe0, 0x81, 0x02, 0x03, 0x04, 0x00])), 'every extension')
  t.notOk(startsKeyFrame(Buffer.from([0x90, 0x80, 0x81, 0x02, 0x01])), 'a delta frame')
  t.notOk(startsKeyFrame(Buffer.from([0x00, 0x00])), 'not the start of a partition')
  t.notOk(startsKeyFrame(Buffer.from([0x11, 0x00])), 'a later partition')
  t.notOk(startsKeyFrame(Buffer.from([0x90, 0x80])), 'cut off')
  t.notOk(startsKeyFrame(Buffer.alloc(0)), 'padding only')
})
