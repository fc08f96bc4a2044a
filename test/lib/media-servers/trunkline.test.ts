import t from 'tap'
import { systemClock } from '../../../lib/clock.js'
import { silentLogger } from '../../../lib/logger.js'
import { trunklineServer } from '../../../lib/media-servers/trunkline.js'
import type { AttachmentReceiver, OpenRequest } from '../../../lib/relay/media-server.js'
import { startMediaServer } from '../../support.js'

const UNANSWERED = 65_536

t.test('of more askings than the bound that nobody answers, the oldest are nobody\'s; the others are answered', async (t) => {
  const server = await startMediaServer(t, { onOpen: 'ignore' })
  const driver = trunklineServer(server.options).create({ clock: systemClock, log: silentLogger, received () {}, backendId: 'b', heartbeatMs: 5_000, resumeMs: 0, windowBytes: 1, windowEvents: 1, peerQueueBytes: 64 * 1024, trunkWindowBytes: 256 * 1024, trunkQueueBytes: 64 * 1024 * 1024, trunkHoldMs: 0 })
  t.teardown(() => driver.stop())
  await new Promise<void>((resolve) => driver.start({ state: ({ state }) => { if (state === 'up') resolve() }, notification () {}, recording () {}, recordings () {} }))
  const opened: number[] = []
  const request = (n: number): OpenRequest => ({ peerId: `p${n}`, roomId: 'r', metadata: '', key: '', received: 0, asker: '', turn: 0, resumeOnly: false, resumable: false })
  let answered = (): void => {}
  const receiver = (n: number): AttachmentReceiver => ({ opened: () => { opened.push(n); answered() }, refused () {}, event () {}, skip () {}, ack () {}, relieved () {}, closed () {} })
  for (let n = 0; n <= UNANSWERED; n++) driver.open(request(n), receiver(n))
  const all = new Promise<void>((resolve) => { answered = resolve })
  for (const n of [0, 1]) server.send(server.answer(await server.receive('open', ({ peerId }) => peerId === `p${n}`)))
  await all
  t.same(opened, [1])
  t.same(driver.stats().dropped, { 'late answer': 1 })
})
