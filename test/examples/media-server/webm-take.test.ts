import { readFileSync } from 'node:fs'
import t from 'tap'
import { ManualClock } from 'trunkline/testing'
import { RtpHeader, RtpPacket } from 'werift'
import { DiskFile } from '../../../examples/media-server/disk-file.js'
import type { Kind } from '../../../examples/media-server/forwarder.js'
import { WebmTake } from '../../../examples/media-server/webm-take.js'
import { lookAt } from './webm-look.js'

const FRAMES = { key: Buffer.from([0x10, 0x02, 0, 0x9d, 1, 0x2a, 16, 0, 16, 0]), video: Buffer.from([0x10, 0x01, 0, 0]), audio: Buffer.from([0xf8, 0xff, 0xfe]) }

t.test('nothing of a track is left out because it comes later than the other, and nothing drifts', async (t) => {
  const timing = new ManualClock(0)
  const path = `${t.testdir()}/a.webm`
  const file = new DiskFile(Promise.resolve(path), (error) => { t.fail(error.message) })
  const take = new WebmTake(file, timing)
  const listeners = new Map<Kind, (packet: RtpPacket) => void>()
  for (const kind of ['audio', 'video'] as const) {
    take.add({
      kind,
      requestKeyFrame () {},
      onPacket (listener) {
        listeners.set(kind, listener)
        return () => { listeners.delete(kind) }
      }
    })
  }
  take.begin()
  const send = (kind: Kind, n: number, ticks: number, frame: Buffer): void => {
    const header = new RtpHeader({ sequenceNumber: n & 0xffff, timestamp: 4_294_900_000 + n * ticks >>> 0, payloadType: 96, marker: true })
    listeners.get(kind)?.(new RtpPacket(header, frame))
  }
  const SECONDS = 60
  const audio = SECONDS * 50
  const video = SECONDS * 30
  let [heard, seen] = [0, 0]
  for (let ms = 0; ms < SECONDS * 1_000; ms += 5) {
    for (; seen < video && seen * 1000 / 30 <= ms; seen++) send('video', seen, 3_000, seen % 30 === 0 ? FRAMES.key : FRAMES.video)
    // All but the first, from which its place is known, are on their way for longer.
    for (; heard < audio && heard * 20 + (heard === 0 ? 0 : 300) <= ms; heard++) send('audio', heard, 960, FRAMES.audio)
    timing.advance(5)
  }
  for (; heard < audio; heard++) send('audio', heard, 960, FRAMES.audio)
  const { durationMs, patches } = await take.end()
  await file.finish(patches)
  const look = lookAt(readFileSync(path))
  t.equal(look.tracks[0]?.frames, audio + 1, 'and the one that marks the beginning')
  t.equal(look.tracks[0]?.gapMs, 20)
  t.equal(look.tracks[1]?.frames, video)
  t.ok(Math.abs(look.tracks[1]!.lastMs - SECONDS * 1_000) < 50, `${look.tracks[1]!.lastMs} ms`)
  t.ok(Math.abs(durationMs - SECONDS * 1_000) < 50, `${durationMs} ms`)
  t.equal(listeners.size, 0)
  t.equal(timing.timers, 0)
})
