import t from 'tap'
import { ManualClock, fakeFrame } from '../../lib/testing/index.js'
import type { HookFunctions, MediaEvent } from '../../plugins/trunkline.js'
import { calls, startApp, startMediaServer } from '../support.js'

/** Answers after a few turns of the event loop, so that a later event could overtake. */
async function turns (n: number): Promise<void> {
  for (let i = 0; i < n; i++) await new Promise((resolve) => setImmediate(resolve))
}

t.test('forwarding hooks see each event and decide what becomes of it', async (t) => {
  const server = await startMediaServer(t, { echo: true })
  const seen: string[] = []
  const decide = (event: MediaEvent): void | false | string | Buffer => {
    const text = event.text()
    if (text.includes('drop')) return false
    if (text.includes('to text')) return 'replaced'
    if (text.includes('bytes')) return Buffer.from('replaced bytes')
  }
  const { join } = await startApp(t, server.options, {
    hooks: {
      onUplink: (event, peer) => {
        seen.push(`${peer.id} up ${String(event.binary)} ${event.text()}`)
        return decide(event)
      },
      onDownlink: (event, peer) => { seen.push(`${peer.id} down ${String(event.binary)} ${event.text()}`) }
    }
  })
  const client = await join({ roomId: 'r', peerId: 'p' })
  for (const event of ['pass', 'drop', 'bytes', Buffer.from('bytes'), Buffer.from('to text')]) client.send(event)
  const got = []
  for (let i = 0; i < 4; i++) got.push(await client.receive())
  t.same(got.map(({ data, binary }) => [data.toString(), binary]), [['pass', false], ['replaced bytes', false], ['replaced bytes', true], ['replaced', false]])
  await server.receive('skip', ({ peerId }) => peerId === 'p')
  t.same(seen.filter((line) => line.includes('up')), ['p up false pass', 'p up false drop', 'p up false bytes', 'p up true bytes', 'p up true to text'])
  t.same(seen.filter((line) => line.includes('down')), ['p down false pass', 'p down false replaced bytes', 'p down true replaced bytes', 'p down false replaced'])
})

t.test('several hooks run in the order in which they were added, each on what the one before left', async (t) => {
  const server = await startMediaServer(t, { echo: true })
  const { app, join } = await startApp(t, server.options, { hooks: { onUplink: (event) => event.text() + '1' } })
  app.trunkline.addHook('onUplink', async (event) => {
    await turns(2)
    return event.text() + '2'
  })
  app.trunkline.addHook('onUplink', (event) => event.text() === 'stop12' ? false : undefined)
  app.trunkline.addHook('onUplink', async (event) => event.text() + '3')
  const client = await join()
  client.send('stop')
  client.send('go')
  t.equal(await client.receiveText(), 'go123')
})

t.test('a peer\'s events keep their order through asynchronous hooks, and other peers do not wait', async (t) => {
  const server = await startMediaServer(t, { echo: true })
  let release = (): void => {}
  const held = new Promise<void>((resolve) => { release = resolve })
  const { join } = await startApp(t, server.options, {
    hooks: {
      onUplink: async (event, peer) => {
        if (peer.id === 'slow' && event.text() === '0') await held
        else await turns(Number(event.text()) % 3)
      },
      onDownlink: async (event) => await turns(2 - Number(event.text()) % 3)
    }
  })
  const [slow, quick] = [await join({ roomId: 'r', peerId: 'slow' }), await join({ roomId: 'r', peerId: 'quick' })]
  for (let i = 0; i < 30; i++) {
    slow.send(String(i))
    quick.send(String(i))
  }
  for (let i = 0; i < 30; i++) t.equal(await quick.receiveText(), String(i))
  t.equal(slow.pending, 0)
  release()
  for (let i = 0; i < 30; i++) t.equal(await slow.receiveText(), String(i))
})

t.test('a client whose hook is slow is not read on and on', async (t) => {
  const server = await startMediaServer(t, { echo: true })
  let release = (): void => {}
  const held = new Promise<void>((resolve) => { release = resolve })
  let calls = 0
  const { join } = await startApp(t, server.options, { hooks: { onUplink: async () => { if (calls++ === 0) await held } }, limits: { uplinkQueueBytes: 10_000, downlinkBytes: 100_000_000, messageBurst: 20_000 } })
  const client = await join()
  const event = Buffer.alloc(1000, 1)
  for (let i = 0; i < 20_000; i++) client.send(event)
  // 20 MB are more than the kernel's buffers of both sides hold: they stay with the client while it is not read.
  await turns(200)
  t.ok(client.socket.bufferedAmount > 1_000_000)
  release()
  for (let i = 0; i < 20_000; i++) await client.receive()
  t.equal(calls, 20_000)
})

t.test('onPeerJoin comes before the first event, onPeerLeave after the last hook, each once', async (t) => {
  const server = await startMediaServer(t, { onOpen: (open, trunk) => trunk.send(server.answer(open), fakeFrame('text', Buffer.from('early'), open.peerId, server.answer(open).epoch - 1)) })
  server.onOpen = (open, trunk) => {
    const answer = server.answer(open)
    trunk.send(answer, fakeFrame('text', Buffer.from('early'), open.peerId, answer.epoch))
  }
  const order: string[] = []
  const { fn: left, seen } = calls(1)
  const started = calls(1)
  const { join } = await startApp(t, server.options, {
    hooks: {
      onPeerJoin: async () => {
        order.push('join')
        await turns(5)
        order.push('joined')
      },
      onUplink: async () => {
        order.push('up')
        started.fn()
        await turns(10)
        order.push('up done')
      },
      onDownlink: () => { order.push('down') },
      onPeerLeave: (peer, reason) => {
        order.push('leave')
        left(peer.id, reason)
      }
    }
  })
  const client = await join({ roomId: 'r', peerId: 'p' })
  client.send('x')
  await started.seen
  await client.cut()
  t.match(await seen, [['p', { code: 1006, cause: 'link lost' }]])
  t.same(order, ['join', 'joined', 'down', 'up', 'up done', 'leave'].sort((a, b) => order.indexOf(a) - order.indexOf(b)))
  t.equal(order[0], 'join')
  t.equal(order[1], 'joined')
  t.equal(order.at(-1), 'leave')
  t.equal(order.length, 6)
})

t.test('a hook that throws, rejects or answers nonsense ends its own peer with 1011, and nobody else', async (t) => {
  const server = await startMediaServer(t, { echo: true })
  const fail: HookFunctions<unknown>['onUplink'] = (_event, { id }) => {
    if (id === 'throws') throw new Error('thrown')
    return id === 'nonsense' ? 1 as unknown as string : undefined
  }
  const { app, join, log } = await startApp(t, server.options, {
    hooks: {
      onUplink: fail,
      onDownlink: async (_event, { id }) => { if (id === 'rejects') throw new Error('rejected') },
      onPeerJoin: async ({ id }) => { if (id === 'joins badly') throw new Error('join') }
    }
  })
  const well = await join({ roomId: 'r', peerId: 'well' })
  const left = calls(4)
  app.trunkline.addHook('onPeerLeave', (peer, reason) => left.fn(peer.id, reason.cause))
  for (const peerId of ['throws', 'rejects', 'nonsense', 'joins badly']) {
    const client = await join({ roomId: 'r', peerId })
    if (peerId !== 'joins badly') client.send('x')
    t.same(await client.closed, { code: 1011, reason: 'internal error' }, peerId)
    await server.receive('close', (frame) => frame.peerId === peerId)
  }
  well.send('still here')
  t.equal(await well.receiveText(), 'still here')
  t.same(await left.seen, ['throws', 'rejects', 'nonsense', 'joins badly'].map((id) => [id, 'hook failed']))
  t.equal(log.filter(({ msg, peerId }) => msg === 'a hook failed: the peer ends' && peerId !== undefined).length, 4)
})

t.test('a hook that hangs is given up after its time', async (t) => {
  const server = await startMediaServer(t)
  const clock = new ManualClock()
  const started = calls(1)
  const { app, join, log } = await startApp(t, server.options, {
    clock,
    hooks: {
      onUplink: async () => {
        started.fn()
        await new Promise(() => {})
      }
    }
  })
  const left = calls(1)
  app.trunkline.addHook('onPeerLeave', left.fn)
  const client = await join()
  client.send('x')
  await started.seen
  clock.advance(4_999)
  t.equal(app.trunkline.peers.size, 1)
  clock.advance(1)
  t.equal((await client.closed).code, 1011)
  await left.seen
  t.match(log.find(({ msg }) => msg === 'a hook failed: the peer ends'), { err: { code: 'TRK_ERR_HOOK_TIMEOUT' } })
})

t.test('a hook may end the very peer that it is called for', async (t) => {
  const server = await startMediaServer(t)
  const { app, join } = await startApp(t, server.options)
  const left = calls(2)
  app.trunkline.addHook('onPeerLeave', (peer, { cause }) => left.fn(peer.id, cause))
  app.trunkline.addHook('onPeerJoin', ({ id }) => { if (id === 'at join') app.trunkline.kick(id) })
  app.trunkline.addHook('onUplink', (_event, { id }) => { app.trunkline.kick(id) })
  t.equal((await (await join({ roomId: 'r', peerId: 'at join' })).closed).code, 4410)
  const client = await join({ roomId: 'r', peerId: 'later' })
  client.send('x')
  t.equal((await client.closed).code, 4410)
  t.same(await left.seen, [['at join', 'kicked'], ['later', 'kicked']])
})

t.test('onTrunk tells each state', async (t) => {
  const server = await startMediaServer(t)
  const states: string[] = []
  const down = calls(1)
  const up = calls(2)
  const { app } = await startApp(t, { ...server.options, retry: { baseMs: 1, maxMs: 1 } }, {
    hooks: {
      onTrunk: (state) => {
        states.push(state.state)
        if (state.state === 'down') down.fn(state)
        if (state.state === 'up') up.fn()
      }
    }
  })
  await server.nextTrunk()
  while (app.trunkline.trunk.state !== 'up') await turns(1)
  server.cut()
  t.match(await down.seen, [[{ cause: { code: 1006 }, retryMs: 0 }]])
  await up.seen
  await app.close()
  t.same(states, ['connecting', 'up', 'down', 'connecting', 'up', 'closed'])
})

t.test('notifications reach the app in order, are acknowledged when it has handled them, and come again if it has not', async (t) => {
  const server = await startMediaServer(t)
  const told: string[] = []
  const { app } = await startApp(t, server.options)
  await server.nextTrunk()
  while (app.trunkline.trunk.state !== 'up') await turns(1)
  app.trunkline.addHook('onNotification', async ({ type, roomId, payload, at, id }) => {
    if (type === 'slow') await turns(5)
    told.push(`${id} ${type} ${roomId} ${JSON.stringify(payload)} ${at.getTime()}`)
    if (type === 'bad') throw new Error('not now')
  })
  app.trunkline.addHook('onRecording', async (recording, room) => {
    told.push(`${recording.recordingId} ${recording.status} ${recording.revision} ${room.id} ${room.peers.length} ${String(recording.startedAt?.getTime())} ${String(recording.file)}`)
  })
  const notification = (id: string, type: string, payload = '{"a":1}'): ReturnType<typeof fakeFrame> =>
    fakeFrame('notification', { id, roomId: 'r', peerId: '', type, payload, atMs: 5, recording: null })
  const recording = { recordingId: 'rec', roomId: '', status: 'active', revision: 3, startedAtMs: 7, file: '', durationMs: 0, error: '' }
  server.send(
    notification('1', 'slow'), notification('2', 'quick'), notification('3', 'bad'), notification('4', 'no JSON', '{'),
    fakeFrame('notification', { id: '5', roomId: 'r', peerId: '', type: 'recording', payload: '', atMs: 6, recording }),
    fakeFrame('notification', { id: '6', roomId: 'r', peerId: '', type: 'recording', payload: '', atMs: 6, recording: { ...recording, status: 'unheard of' } })
  )
  const done: string[] = []
  for (let i = 0; i < 5; i++) done.push((await server.receive('done')).body)
  t.same(done.sort(), ['1', '2', '4', '5', '6'], 'all but the one that was not handled; those that nobody can read are not kept either')
  t.same(told.filter((line) => !line.startsWith('rec')), ['1 slow r {"a":1} 5', '2 quick r {"a":1} 5', '3 bad r {"a":1} 5'])
  t.same(told.filter((line) => line.startsWith('rec')), ['rec active 3 r 0 7 null'], 'what becomes of recordings waits for nobody else')
})

t.test('onPeerLeave runs for everybody who asked, whatever the one before did', async (t) => {
  const server = await startMediaServer(t)
  const { app, join } = await startApp(t, server.options, { hooks: { onPeerLeave: () => { throw new Error('mine') } } })
  const left = calls(1)
  app.trunkline.addHook('onPeerLeave', left.fn)
  const client = await join()
  client.send('x')
  await server.receive('text')
  await client.close()
  t.equal((await left.seen).length, 1)
})

t.test('who replaces a peer joins after it has left', async (t) => {
  const server = await startMediaServer(t)
  const order: string[] = []
  const busy = calls(1)
  const second = calls(2)
  const { join } = await startApp(t, server.options, {
    hooks: {
      onPeerJoin: ({ metadata }) => {
        order.push(`join ${String(metadata)}`)
        second.fn()
      },
      onUplink: async () => {
        busy.fn()
        await turns(20)
      },
      onPeerLeave: async ({ metadata }) => {
        await turns(5)
        order.push(`leave ${String(metadata)}`)
      }
    }
  })
  const old = await join({ roomId: 'r', peerId: 'p', metadata: 'old' })
  old.send('x')
  await busy.seen
  await join({ roomId: 'r', peerId: 'p', metadata: 'new' })
  await second.seen
  t.same(order, ['join old', 'leave old', 'join new'])
})

t.test('who comes and goes faster than the hooks run does not pile them up', async (t) => {
  const server = await startMediaServer(t)
  let release = (): void => {}
  const held = new Promise<void>((resolve) => { release = resolve })
  const order: string[] = []
  const last = calls(1)
  const { join } = await startApp(t, server.options, {
    hooks: {
      onPeerJoin: async ({ metadata }) => {
        order.push(`join ${String(metadata)}`)
        if (metadata === 0) await held
        if (metadata === 9) last.fn()
      },
      onPeerLeave: ({ metadata }) => { order.push(`leave ${String(metadata)}`) }
    }
  })
  for (let i = 0; i < 10; i++) {
    await join({ roomId: 'r', peerId: 'p', metadata: i })
    await server.receive('open', ({ body }) => body.metadata === String(i))
    await turns(3)
  }
  release()
  await last.seen
  t.same(order, ['join 0', 'leave 0', 'join 9'])
})
