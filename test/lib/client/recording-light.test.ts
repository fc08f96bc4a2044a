import t from 'tap'
import { Recordings } from '../../../lib/client/recording-light.js'
import { MESSAGE_BYTES } from '../../../lib/session/messages.js'
import type { RecordingState } from '../../../lib/session/messages.js'
import { admit, joinedMemoryLink, memoryLink } from './memory-socket.js'

const state = (recordingId: string, status: RecordingState['status'] = 'active', revision = 1): RecordingState => ({ recordingId, status, revision, startedAt: null })

t.test('the light: unknown until the backend has said, and again as soon as nobody is there to say', async (t) => {
  const recordings = new Recordings()
  t.same([recordings.light, recordings.list, recordings.hasChanged()], ['unknown', [], false])
  recordings.are([state('r')])
  t.same([recordings.light, recordings.hasChanged(), recordings.hasChanged()], ['on', true, false])
  recordings.are([state('r')])
  t.equal(recordings.hasChanged(), false, 'the same again is no change')
  recordings.lost()
  t.same([recordings.light, recordings.list, recordings.hasChanged()], ['unknown', [state('r')], true])
  recordings.are([state('r', 'failed', 2)])
  t.equal(recordings.light, 'off')
  recordings.reset()
  t.same([recordings.light, recordings.list], ['unknown', []])
})

for (const wrong of [null, undefined, 'on', {}, [null], [1]]) {
  t.test(`of what is no list of recordings nothing is believed: ${JSON.stringify(wrong)}`, async (t) => {
    const recordings = new Recordings()
    recordings.are([state('r')])
    recordings.are(wrong as null)
    t.same([recordings.light, recordings.list], ['unknown', [state('r')]])
  })
}

t.test('a link tells each change of its light, after what has caused it', async (t) => {
  const { link, socket, sockets } = joinedMemoryLink(t)
  const lights: string[] = []
  link.on('recordings', (light, list) => lights.push(`${light} ${list.length}`))
  socket.control({ type: 'recordings', recordings: [state('r')] })
  socket.control({ type: 'trunk', state: 'down' })
  t.equal(link.recordingLight, 'unknown')
  socket.control({ type: 'rejoin', reason: 'trunk' })
  admit(socket, { recordings: [state('r', 'failed', 2)] })
  t.equal(link.recordingLight, 'off')
  t.same(link.recordings, [state('r', 'failed', 2)])
  t.same(lights, ['on 1', 'unknown 1', 'off 1'])
  await link.leave()
  t.same(lights.slice(3), ['unknown 0'])
  t.equal(sockets.length, 1)
})

t.test('messages: JSON of 64 KiB at most, only while joined, and never after the end', async (t) => {
  const { link } = joinedMemoryLink(t)
  t.equal(link.sendMessage({ hello: 1 }), true)
  t.equal(link.sendMessage('x'.repeat(MESSAGE_BYTES - 2)), true)
  for (const wrong of ['x'.repeat(MESSAGE_BYTES - 1), undefined, () => {}, 1n]) t.throws(() => link.sendMessage(wrong), { code: 'TRK_LINK_MESSAGE' })
  link.destroy()
  t.throws(() => link.sendMessage(1), { code: 'TRK_LINK_OVER' })
  const idle = memoryLink(t).link
  t.equal(idle.sendMessage(1), false, 'nobody would hear it')
})

t.test('what the app says is told', async (t) => {
  const { link, socket } = joinedMemoryLink(t)
  const heard: unknown[] = []
  link.on('message', (message) => heard.push(message))
  socket.control({ type: 'message', message: { a: [1] } })
  socket.control({ type: 'message', message: null })
  t.same(heard, [{ a: [1] }, null])
})
