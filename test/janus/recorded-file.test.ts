import { spawnSync } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import Fastify from 'fastify'
import t from 'tap'
import type { Recording } from '../../plugins/trunkline.js'
import { withoutChromium } from '../setup/chromium.js'
import { janus, withoutJanus } from '../setup/janus.js'
import { launchBrowser } from '../e2e/support/browser.js'
import { until } from '../e2e/support/until.js'
import { Queue } from '../support.js'
import { startJanusApp } from './support/janus-app.js'
import { JanusCaller } from './support/janus-caller.js'
import { ROOM } from './support/janus-config.js'
import { JanusServer } from './support/janus-server.js'

/** So many frames are in the recording at least. */
const FRAMES = 30
const COLOUR = [200, 40, 40] as const

t.test('what the app has recorded is told, and the file that is named plays', { skip: withoutChromium() || withoutJanus() }, async (t) => {
  const server = await JanusServer.start()
  t.teardown(() => server.stop())
  const told = new Queue<Recording>()
  const { app, ...stage } = await startJanusApp(t, server, {
    driver: { adminUrl: server.adminUrl, adminSecret: server.adminSecret, roomSecret: ROOM.secret, room: () => ROOM.id, recordingPollMs: 100 },
    options: { hooks: { onRecording: (recording) => told.push(recording) } }
  })
  const browser = await launchBrowser({ camera: [...COLOUR] })
  t.teardown(() => browser.close())
  await until('the trunk is up', () => app.trunkline.trunk.state === 'up')
  const ann = await JanusCaller.open(browser, stage, 'ann')
  const bob = await JanusCaller.open(browser, stage, 'bob')
  // Before she publishes: Janus writes what comes, and a file that begins between two key frames may not be played at all.
  await app.trunkline.startRecording('room')
  await ann.publish()
  await bob.subscribe()
  await bob.sees()
  const isVideo = ({ file }: Recording): boolean => /-video-\d+\.mjr$/.test(file ?? '')
  const active = [await told.next(), await told.next()]
  t.same(active.map(({ status, roomId }) => [status, roomId]), [['active', 'room'], ['active', 'room']], 'sound and picture')
  const before = await bob.frames()
  await until('it goes on for a while', async () => await bob.frames() - before > FRAMES)
  await app.trunkline.stopRecording('room')
  const finished = [await told.next(), await told.next()]
  t.same(finished.map(({ status }) => status), ['available', 'available'])
  t.same(finished.map(({ recordingId }) => recordingId).sort(), active.map(({ recordingId }) => recordingId).sort())
  const { file } = finished.find(isVideo)!

  const webm = join(server.folder, 'recorded.webm')
  const { status, stdout, stderr } = spawnSync(janus()!.ppRec, [file!, webm], { encoding: 'utf8' })
  t.equal(status, 0, `janus-pp-rec reads it: ${stderr}${stdout}`.slice(-2_000))
  const media = Fastify()
  t.teardown(() => media.close())
  const bytes = await readFile(webm)
  media.get('/', async (_request, reply) => reply.type('text/html').send('<!doctype html><video src="/recorded.webm" muted></video>'))
  media.get('/recorded.webm', async (_request, reply) => reply.type('video/webm').send(bytes))
  const page = await browser.newPage()
  await page.goto(await media.listen({ port: 0, host: '127.0.0.1' }))
  const played = await page.evaluate<{ width: number, frames: number, pixel: number[], error: string | null }>(`(async () => {
    const video = document.querySelector('video')
    await video.play()
    await new Promise((resolve) => { video.onended = video.onerror = resolve })
    const canvas = Object.assign(document.createElement('canvas'), { width: 1, height: 1 })
    const context = canvas.getContext('2d')
    context.drawImage(video, 0, 0, 1, 1)
    return { width: video.videoWidth, frames: video.getVideoPlaybackQuality().totalVideoFrames, pixel: [...context.getImageData(0, 0, 1, 1).data], error: video.error?.message ?? null }
  })()`)
  t.equal(played.error, null)
  t.ok(played.frames >= FRAMES / 2, `${played.frames} frames`)
  t.ok(played.width > 0)
  for (const [channel, value] of COLOUR.entries()) t.ok(Math.abs(played.pixel[channel]! - value) < 40, `the camera's colour: ${played.pixel.join()}`)
})
