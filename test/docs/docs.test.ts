import { spawn } from 'node:child_process'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import type { IncomingMessage } from 'node:http'
import type { Socket } from 'node:net'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { WebSocket } from 'ws'
import { Link } from '../../lib/client/index.js'
import type { SocketConstructor } from '../../lib/client/index.js'
import type { Admittance } from '../../lib/relay/control.js'
import { FakeClient, FakeJanus, fakeFrame } from '../../lib/testing/index.js'
import { janusOptionNames } from '../../lib/media-servers/janus/options.js'
import { CloseCode, mayReconnect } from '../../lib/close-codes.js'
import { readMessage } from '../../lib/session/messages.js'
import { messageOf } from '../../lib/trunk/codec.js'
import { protobufCodec } from '../../lib/trunk/frames.js'
import { jsonCodec } from '../../lib/trunk/json-frames.js'
import { KINDS, wireName } from '../../lib/trunk/schema.js'
import type { Message } from '../../lib/trunk/schema.js'
import { trunklineServer } from '../../lib/media-servers/trunkline.js'
import { startEndpoint } from '../endpoint-server.js'
import { startProcess } from '../examples/media-server/process.js'
import { FakeVideoRoom } from '../janus/support/fake-videoroom.js'
import { calls, startApp, startMediaServer } from '../support.js'
import { root, withTable } from './options-table.js'

t.setTimeout(120_000)

const readme = await readFile(new URL('README.md', root), 'utf8')
const protocol = await readFile(new URL('PROTOCOL.md', root), 'utf8')

/** What stands between fences of this language, in order. */
function blocks (text: string, language: string): string[] {
  return [...text.matchAll(new RegExp(`^\`\`\`${language}\\n(.*?)^\`\`\``, 'gms'))].map(([, code]) => code!)
}

/** Runs a snippet in a process of its own, as a file in the package's own folder, so that it finds the package by its name. */
async function run (t: Tap, code: string, env: Record<string, string> = {}): Promise<{ line: (wanted: RegExp) => Promise<string>, exited: Promise<number | null> }> {
  const folder = await mkdtemp(join(fileURLToPath(root), 'dist', 'snippet-'))
  const file = join(folder, 'snippet.mjs')
  await writeFile(file, code)
  const child = spawn(process.execPath, [file], { env: { ...process.env, PORT: '0', ...env }, stdio: ['ignore', 'pipe', 'inherit'] })
  const exited = new Promise<number | null>((resolve) => child.on('exit', resolve))
  t.teardown(async () => {
    child.kill()
    await exited
    await rm(folder, { recursive: true })
  })
  const lines: string[] = []
  let heard = (): void => {}
  createInterface(child.stdout).on('line', (line) => {
    lines.push(line)
    heard()
  })
  return {
    exited,
    async line (wanted) {
      for (;;) {
        const found = lines.find((line) => wanted.test(line))
        if (found !== undefined) return found
        await new Promise<void>((resolve) => { heard = resolve })
      }
    }
  }
}

interface Tap { teardown (fn: () => unknown): void }

const snippets = blocks(readme, 'js')
const snippet = (holding: string): string => {
  const found = snippets.find((code) => code.includes(holding))
  if (found === undefined) throw new Error(`no snippet with ${holding}`)
  return found
}

t.test('README: the usage lets in who should be, and relays', async (t) => {
  const server = await startMediaServer(t, { echo: true })
  const { line } = await run(t, snippet('let me in\') throw'), { MEDIA_URL: server.url, MEDIA_TOKEN: 'secret' })
  const [, port] = /127\.0\.0\.1:(\d+)|\[::1\]:(\d+)/.exec(await line(/Server listening/))!
  const base = `ws://localhost:${port!}/signaling?token=`
  await t.rejects(FakeClient.connect(base + 'wrong'), { message: /401/ })
  const client = await FakeClient.connect(base + 'let%20me%20in')
  t.teardown(() => client.cut())
  client.send('x')
  t.equal(await client.receiveText(), 'x')
  t.match(await line(/is here/), /"peerId":"[0-9a-f-]{36}","roomId":"lobby"/)
})

t.test('README: the hooks stop what they should', async (t) => {
  const server = await startMediaServer(t, { echo: true })
  const { line } = await run(t, snippet('mayTalk'), { MEDIA_URL: server.url, MEDIA_TOKEN: 'secret' })
  const [, port] = /:(\d+)"/.exec(await line(/Server listening/))!
  const client = await FakeClient.connect(`ws://localhost:${port!}/signaling?token=listener`)
  client.send('renegotiateTracks')
  client.send('something else')
  t.equal(await client.receiveText(), 'something else')
  await client.close()
  await line(/"cause":"client".*"left"/)
})

t.test('README: a room of Janus is recorded', async (t) => {
  const server = await FakeVideoRoom.listen()
  t.teardown(() => server.close())
  const { line } = await run(t, snippet('adminSecret'), {
    JANUS_URL: server.janus.url, JANUS_SECRET: 'secret', ROOM_SECRET: 'room secret', JANUS_ADMIN_URL: server.adminUrl, JANUS_ADMIN_SECRET: 'admin secret'
  })
  const [, port] = /:(\d+)"/.exec(await line(/Server listening/))!
  await line(/the trunk is up/)
  const client = await FakeClient.connect(`ws://localhost:${port!}/signaling?token=alice`)
  t.teardown(() => client.cut())
  client.send(JSON.stringify({ body: { request: 'join' } }))
  await client.receiveText()
  server.publish([...server.janus.sessions.values()].flatMap((handles) => [...handles.keys()])[0]!)
  const ask = async (method: string): Promise<unknown> => await (await fetch(`http://localhost:${port!}/rooms/1234/recording`, { method })).json()
  t.match(await ask('POST'), [{ roomId: '1234', status: 'active', file: /^\/recordings\/videoroom-1234-/ }])
  await line(/"status":"active".*"recording"/)
  t.match(await ask('DELETE'), [{ status: 'available' }])
  await line(/"status":"available".*"recording"/)
})

t.test('README: who is let in by a ticket is recorded, and says something to the others', async (t) => {
  const { listening, token } = await startProcess(t, { RECORDINGS_DIR: t.testdir() })
  const { line } = await run(t, snippet('tickets({ secret'), { MEDIA_URL: listening, MEDIA_TOKEN: token, TICKET_SECRET: 'x'.repeat(32) })
  const [, port] = /:(\d+)"/.exec(await line(/Server listening/))!
  const base = `http://localhost:${port!}/rooms/lobby`
  const links = await Promise.all(['Ada', 'Grace'].map(async (name) => {
    const { url, token } = await (await fetch(`${base}/peers`, { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify({ name }) })).json() as Admittance
    t.equal(url, `ws://localhost:${port!}/signaling`)
    const link = new Link({ url, token, WebSocket: WebSocket as unknown as SocketConstructor })
    t.teardown(() => link.destroy())
    const joined = new Promise((resolve) => { link.on('joined', resolve) })
    link.join()
    await joined
    return link
  }))
  const heard = new Promise((resolve) => { links[1]!.on('message', resolve) })
  links[0]!.sendMessage({ text: 'hello' })
  t.same(await heard, { from: 'Ada', text: 'hello' })
  t.same(await (await fetch(`${base}/recording`, { method: 'POST' })).json(), [], 'nobody publishes yet')
  t.same(await (await fetch(`${base}/recording`, { method: 'DELETE' })).json(), [])
  t.match(await (await fetch(`http://localhost:${port!}/rooms/none/recording`, { method: 'POST' })).json(), { statusCode: 404, code: 'TRK_ERR_ROOM_NOT_FOUND' })
})

t.test('README: the media server takes a trunk', async (t) => {
  const { line } = await run(t, snippet('createEndpoint'), { MEDIA_TOKEN: 'other secret' })
  const [, port] = /listening on (\d+)/.exec(await line(/listening on/))!
  const { join, app } = await startApp(t, trunklineServer({ url: `ws://127.0.0.1:${port!}`, token: 'other secret' }))
  const left = new Promise((resolve) => app.trunkline.addHook('onNotification', resolve))
  t.same(await (await join({ roomId: 'closed' })).closed, { code: 4404, reason: 'no such room' })
  const client = await join()
  client.send('x')
  t.equal(await client.receiveText(), 'echo of x')
  await client.close()
  t.match(await left, { type: 'peerLeft', roomId: 'room', payload: { code: 1000 } })
})

t.test('README: clients of Janus are kept to their rooms and roles', async (t) => {
  const server = await FakeJanus.listen()
  t.teardown(() => server.close())
  const { line } = await run(t, snippet('janus({ url'), { JANUS_URL: server.url, JANUS_SECRET: 'secret' })
  const [, port] = /:(\d+)"/.exec(await line(/Server listening/))!
  const enter = async (token: string): Promise<(body: object) => Promise<unknown>> => {
    const client = await FakeClient.connect(`ws://localhost:${port!}/signaling?token=${token}`)
    t.teardown(() => client.cut())
    return async (body) => {
      client.send(JSON.stringify({ body }))
      return (await server.receive('message')).request.body
    }
  }
  const viewer = await enter('ada:viewer')
  t.same(await viewer({ request: 'join', ptype: 'subscriber', streams: [] }), { request: 'join', ptype: 'subscriber', streams: [], room: 1234 })
  for (const body of [{ request: 'join', ptype: 'publisher' }, { request: 'join', room: 99, ptype: 'subscriber' }, { request: 'kick' }]) t.same(await viewer(body), { request: 'not allowed' })
  const speaker = await enter('bob:speaker')
  t.same(await speaker({ request: 'join', ptype: 'publisher', room: 1234, display: 'Eve' }), { request: 'join', ptype: 'publisher', room: 1234, display: 'bob' })
  t.same(await speaker({ request: 'configure', audio: true, display: 'Eve' }), { request: 'configure', audio: true })
  for (const extra of [{ record: true }, { filename: '/tmp/x' }]) t.same(await speaker({ request: 'configure', ...extra }), { request: 'not allowed' })
})

t.test('README: every option of janus() is in the table', async (t) => {
  const table = readme.slice(readme.indexOf('| option of `janus()`'), readme.indexOf('Requests of one handle'))
  for (const name of janusOptionNames) t.ok(table.includes(`\`${name}\``), name)
})

t.test('README: the client that comes back does', async (t) => {
  const server = await startMediaServer(t, { echo: true })
  const { base, app } = await startApp(t, server.options)
  const { line } = await run(t, `
    import { WebSocket } from 'ws'
    globalThis.WebSocket = WebSocket
    ${snippet('mayReconnect').replace('fullJitter(500, 10_000)', 'fullJitter(5, 10)')}
    connect(${JSON.stringify(`${base}/signaling?token={"roomId":"r","peerId":"p"}`)}, (event) => console.log(String(event)))`)
  for (const code of [4001, 1013]) {
    const { peerId } = await server.receive('open')
    while (app.trunkline.peers.get(peerId)?.state !== 'joined') await new Promise((resolve) => setImmediate(resolve))
    server.onOpen = (open, trunk) => {
      const answer = server.answer(open)
      trunk.send(answer, fakeFrame('text', Buffer.from(`after ${code}`), open.peerId, answer.epoch))
      server.onOpen = 'accept'
    }
    server.send(fakeFrame('close', { code, reason: '', id: 0 }, peerId, server.epoch))
    await line(new RegExp(`after ${code}`))
  }
})

t.test('README: the client with a session goes on after its link was cut', async (t) => {
  const server = await startEndpoint(t)
  const { base, app } = await startApp(t, server.options)
  const sockets = new Set<Socket>()
  app.server.on('upgrade', ({ socket }: IncomingMessage) => sockets.add(socket))
  const { line } = await run(t, `
    import { WebSocket } from 'ws'
    globalThis.WebSocket = WebSocket
    ${snippet('new Link').replace('new Link({ url', 'new Link({ reconnect: { delayMs: () => 5 }, url')}
    const link = connect({ url: ${JSON.stringify(`${base}/signaling`)}, token: '{"roomId":"r"}', onEvent: (event) => { console.log(event); link.send('heard ' + event) } })
    link.on('state', (state) => console.log(state))`)
  const peer = await server.peers.take()
  const heard = calls<[Buffer]>(2)
  peer.on('mediaEvent', heard.fn)
  peer.send('one')
  await line(/^one$/)
  const detached = new Promise<void>((resolve) => peer.once('detach', resolve))
  for (const socket of sockets) socket.destroy()
  await detached
  peer.send('two')
  await line(/^two$/)
  t.same((await heard.seen).map(([data]) => data.toString()), ['heard one', 'heard two'])
})

t.test('README: the test of an app passes', async (t) => {
  const { exited } = await run(t, snippet('trunkline/testing'))
  t.equal(await exited, 0)
})

t.test('README: the table of options is the one that the schema makes', async (t) => {
  t.equal(readme, withTable(readme), 'npm run docs writes it')
})

t.test('README and PROTOCOL name no snippet that is not run', async (t) => {
  // The one for browsers apart, which the browser tests stand in for.
  t.equal(snippets.length, 10)
})

t.test('PROTOCOL: each pair of examples is the same batch', async (t) => {
  const pairs = [...protocol.matchAll(/^```json\n(.*?)^```\n```hex\n(.*?)^```/gms)]
  t.ok(pairs.length >= 4)
  for (const [, json, hex] of pairs) {
    const bytes = Buffer.from(hex!.replace(/\s/g, ''), 'hex')
    const frames = protobufCodec.decode(bytes)
    t.ok(frames.length > 0)
    t.same(jsonCodec.decode(Buffer.from(json!)), frames)
    t.same(messageOf(protobufCodec, frames), bytes, 'and is written like that')
  }
})

t.test('PROTOCOL: the messages of the client link are read as they are described', async (t) => {
  const lines = [...protocol.matchAll(/^```hex\n(00 7b.*?)^```/gms)][0]![1]!.trim().split('\n')
  const read = lines.map((line) => readMessage(Buffer.from(line.split('   ')[0]!.replace(/\s/g, ''), 'hex')))
  t.match(read, [{ kind: 0, control: { type: 'leave' } }, { kind: 1 }, { kind: 2, received: 300 }, { kind: 3 }])
  t.same(Buffer.from((read[1] as { data: Uint8Array }).data), Buffer.from([0, 0xff]))
})

t.test('PROTOCOL: the definition is the one in use', async (t) => {
  const [proto = ''] = blocks(protocol, 'proto')
  const definition = proto.replace(/\s+/g, ' ')
  const fields = (message: Message): void => {
    for (const [name, { number, type, message: inner }] of Object.entries(message)) {
      const types = { string: 'string', bool: 'bool', uint: '(?:uint32|uint64)', nested: 'Recording', repeated: 'repeated Recording' }
      t.match(definition, new RegExp(`${types[type]} ${wireName(name)} = ${number};`))
      if (inner !== undefined) fields(inner)
    }
  }
  for (const [kind, { number, value }] of Object.entries(KINDS)) {
    t.match(definition, new RegExp(`\\w+ ${kind} = ${number};`), kind)
    t.match(protocol, new RegExp(`^\\| .*\`${kind}\``, 'm'), kind)
    if (typeof value === 'object') fields(value)
  }
})

t.test('PROTOCOL: the close codes are those in use', async (t) => {
  const table = protocol.slice(protocol.indexOf('## Close codes'))
  const codes = [...table.matchAll(/^\| (\d{4}) \|/gm)].map(([, code]) => Number(code))
  t.same(codes, Object.values(CloseCode).sort((a, b) => a - b))
  t.ok(codes.filter(mayReconnect).every((code) => [1001, 1012, 1013].includes(code) || (code >= 4000 && code < 4400)))
})
