import t from 'tap'
import type { Test } from 'tap'
import { janus } from '../../lib/media-servers/janus.js'
import type { JanusAdmittance, JanusOptions } from '../../lib/media-servers/janus.js'
import type { MediaServerControl, Room, RoomPeer } from '../../lib/relay/control.js'
import type { Recording } from '../../lib/relay/media-server.js'
import { controlChecks, oddIds } from '../../lib/testing/index.js'
import { withoutJanus } from '../setup/janus.js'
import { Queue, startApp, trunkState } from '../support.js'
import type { TestApp } from '../support.js'
import { ROOM, VIDEOROOM_ADMIN_KEY } from './support/janus-config.js'
import type { ConfigFiles } from './support/janus-config.js'
import { JanusServer } from './support/janus-server.js'
import { JanusSpeaker } from './support/janus-speaker.js'
import type { Ids } from './support/janus-speaker.js'
import { Publisher } from './support/publisher.js'

const VIDEOROOM = 'janus.plugin.videoroom'
const TOKEN_SECRET = 'a secret to sign with'
const skip = withoutJanus()

interface Stage extends TestApp {
  control: MediaServerControl
  told: Queue<Recording>
  /** A relayed peer, in its room of VideoRoom. */
  enter (roomId: string, peerId: string, room?: number | string): Promise<Publisher>
}

async function start (t: Test, server: JanusServer, options: Partial<JanusOptions> = {}): Promise<Stage> {
  const driver = janus({ url: server.url, apiSecret: server.apiSecret, adminKey: () => VIDEOROOM_ADMIN_KEY, roomSecret: ROOM.secret, retry: { baseMs: 50, maxMs: 250 }, ...options })
  let control!: MediaServerControl
  const told = new Queue<Recording>()
  const stage = await startApp(t, {
    name: driver.name,
    create (context) {
      const mediaServer = driver.create(context)
      control = mediaServer.control!
      return mediaServer
    }
  }, { hooks: { onRecording: (recording) => told.push(recording) } })
  await trunkState(stage.app, 'up')
  return {
    ...stage,
    control,
    told,
    async enter (roomId, peerId, room = options.room?.(roomId) ?? Number(roomId)) {
      const publisher = new Publisher(await stage.join({ roomId, peerId, metadata: { name: peerId } }))
      await publisher.attach(VIDEOROOM)
      const { plugindata } = await publisher.message({ request: 'join', ptype: 'publisher', room })
      if (plugindata.data.videoroom !== 'joined') throw new Error(JSON.stringify(plugindata))
      return publisher
    }
  }
}

async function startServer (t: Test, config: ConfigFiles = {}): Promise<JanusServer> {
  const server = await JanusServer.start({ config })
  t.teardown(() => server.stop())
  return server
}

const strings: ConfigFiles = { 'janus.plugin.videoroom': { general: { string_ids: true } } }
const signed: ConfigFiles = { janus: { general: { token_auth: true, token_auth_secret: TOKEN_SECRET } } }

/** What a client of Janus itself is told that has this token, whether or not it gets in. */
class DirectClient {
  readonly speaker: JanusSpeaker
  readonly #token: string
  ids: Ids | null = null

  private constructor (speaker: JanusSpeaker, token: string) {
    this.speaker = speaker
    this.#token = token
  }

  static async connect (t: Test, { url, token }: { url: string, token: string }): Promise<DirectClient> {
    return new DirectClient(await JanusSpeaker.connect(t, { url, apiSecret: null }), token)
  }

  /** The code of what is wrong; null: it has a handle. */
  async attach (plugin = VIDEOROOM): Promise<number | null> {
    const session = await this.speaker.ask({ janus: 'create', token: this.#token })
    if (session.janus === 'error') return session.error.code as number
    const handle = await this.speaker.ask({ janus: 'attach', session_id: session.data.id, plugin, token: this.#token })
    if (handle.janus === 'error') return handle.error.code as number
    this.ids = { session_id: session.data.id as number, handle_id: handle.data.id as number }
    return null
  }

  /** The code of what is wrong; null: nothing. */
  async keepAlive (): Promise<number | null> {
    const answer = await this.speaker.ask({ janus: 'keepalive', session_id: this.ids!.session_id, token: this.#token })
    return answer.janus === 'error' ? answer.error.code as number : null
  }

  async join (body: Record<string, unknown>): Promise<Record<string, any>> {
    this.speaker.say({ janus: 'message', ...this.ids, token: this.#token, body: { request: 'join', ptype: 'publisher', ...body }, transaction: 'join' })
    return (await this.speaker.hear(({ janus, transaction }) => transaction === 'join' && janus !== 'ack')).plugindata.data as Record<string, any>
  }
}

t.test('what every driver does', { skip }, async (t) => {
  let fresh = 5_000
  for (const [kind, config, options, freshId] of [
    ['numbers', {}, {}, () => String(++fresh)],
    ['strings', strings, { room: (roomId: string) => roomId }, undefined]
  ] as const) {
    await t.test(kind, async (t) => {
      const server = await startServer(t, { ...config, ...signed })
      const { control, enter } = await start(t, server, { ...options, tokenSecret: TOKEN_SECRET, publicUrl: server.url })
      let peers = 0
      const subject = {
        control,
        dialect: 'janus',
        // Names of which Janus's parser makes nothing, and those that cannot stand in a token.
        oddIds: kind === 'numbers' ? [] : oddIds.filter((id) => !id.includes('\0')),
        ...(freshId === undefined ? {} : { freshId }),
        async join (roomId: string) {
          const peerId = `peer-${++peers}`
          const { client } = await enter(roomId, peerId)
          return { peerId, ended: client.closed, leave: async () => { await client.close() } }
        }
      }
      for (const { name, run } of controlChecks) await t.resolves(run(subject), name)
    })
  }
})

t.test('rooms of VideoRoom', { skip }, async (t) => {
  const server = await startServer(t)

  await t.test('as they are asked for', async (t) => {
    const { app, enter } = await start(t, server, { newRoom: (roomId) => ({ bitrate: 64_000, description: `room ${roomId}`, room: 1, publishers: 2, is_private: roomId === '42' }) })
    const { rooms } = app.trunkline
    t.same(await rooms.create({ roomId: '41' }), { id: '41', maxPeers: 2, isRecorded: false, peers: [] })
    t.match(await rooms.create({ roomId: '42', maxPeers: 7 }), { id: '42', maxPeers: 7 }, 'what the app asks for counts for more')
    const { list } = (await (await enter('41', 'looker')).message({ request: 'list', admin_key: VIDEOROOM_ADMIN_KEY })).plugindata.data
    t.match(list.find(({ room }: { room: number }) => room === 41), { bitrate: 64_000, description: 'room 41', is_private: false })
    t.match(list.find(({ room }: { room: number }) => room === 42), { is_private: true })
    const ids = async (stage: { app: TestApp['app'] }): Promise<string[]> => (await stage.app.trunkline.rooms.list()).map(({ id }) => id).sort()
    t.same(await ids({ app }), ['1234', '41', '42'])
    const keyless = await start(t, server, { adminKey: '' })
    t.same(await ids(keyless), ['1234', '41'], 'what is private is told to nobody without the key')
    await enter('42', 'alice')
    t.match(await keyless.app.trunkline.rooms.get('42'), { id: '42', maxPeers: null, isRecorded: false, peers: [{ id: /^\d+$/, status: 'connected', metadata: null }] }, 'but who is there')
    for (const roomId of ['41', '42']) await rooms.delete(roomId)
  })

  await t.test('as many as come, where nobody says how many', async (t) => {
    const { app, enter } = await start(t, server)
    t.match(await app.trunkline.rooms.create({ roomId: '43' }), { maxPeers: null })
    for (let n = 1; n <= 4; n++) {
      const publisher = await enter('43', `p${n}`)
      t.match(await publisher.message({ request: 'publish' }), { plugindata: { data: { configured: 'ok' } } })
    }
    await app.trunkline.rooms.delete('43')
  })

  await t.test('which option is wrong', async (t) => {
    const refused = async (options: Partial<JanusOptions>, message: RegExp, act: (stage: Stage) => Promise<unknown>): Promise<void> => {
      const stage = await start(t, server, options)
      await t.rejects(act(stage), { code: 'TRK_ERR_JANUS', message })
    }
    await refused({ adminKey: 'wrong' }, /check mediaServer\.adminKey \(433\)/, async ({ control }) => await control.createRoom({ roomId: '44' }))
    await refused({ adminKey: undefined }, /check mediaServer\.adminKey \(429\)/, async ({ control }) => await control.createRoom({ roomId: '44' }))
    await refused({ roomSecret: 'wrong' }, /check mediaServer\.roomSecret \(433\)/, async ({ control }) => { await control.deleteRoom('1234') })
    await refused({ roomSecret: undefined }, /check mediaServer\.roomSecret \(429\)/, async ({ control }) => { await control.deleteRoom('1234') })
    await refused({ newRoom: () => ({ bitrate: 'much' }) }, /bitrate should be a positive integer\) \(430\)/, async ({ control }) => await control.createRoom({ roomId: '44' }))
    await refused({ newRoom: () => ({ description: 'a\0b' }) }, /a NUL character/, async ({ control }) => await control.createRoom({ roomId: '44' }))
    const { control } = await start(t, server)
    await t.rejects(control.createRoom({ roomId: 'lobby' }), { code: 'TRK_ERR_JANUS_ROOM', statusCode: 400, message: /'lobby'.*should be a positive integer.*mediaServer\.room/ })
    await t.rejects(control.getRoom('a\0b'), { code: 'TRK_ERR_JANUS_ROOM', message: /a NUL character/ })
    await t.rejects(control.createRoom({ roomId: '0' }), { code: 'TRK_ERR_JANUS_ROOM' }, 'it would be another one')
    await t.rejects(control.createRoom({ roomId: '44', subscribeMode: 'manual' }), { code: 'TRK_ERR_CONTROL_UNSUPPORTED' })
    t.equal(control.addPeer, undefined)
    t.equal(control.subscribe, undefined)
  })

  await t.test('by the names that the app has for them', async (t) => {
    const numbers: Record<string, number> = { lobby: 51, stage: 52 }
    const options: Partial<JanusOptions> = { room: (roomId) => numbers[roomId] ?? 0 }
    const { app, enter } = await start(t, server, options)
    const { rooms } = app.trunkline
    t.equal((await rooms.create({ roomId: 'lobby' })).id, 'lobby')
    await rooms.create({ roomId: 'stage' })
    t.same((await rooms.list()).map(({ id }) => id).sort(), ['1234', 'lobby', 'stage'])
    const other = await start(t, server, options)
    t.same((await other.app.trunkline.rooms.list()).map(({ id }) => id).sort(), ['1234', '51', '52'], 'that has never said them')
    await enter('lobby', 'alice')
    await (await other.join({ roomId: 'lobby', peerId: 'bob' })).close()
    await other.join({ roomId: 'stage', peerId: 'carol' })
    t.ok((await other.app.trunkline.rooms.list()).some(({ id }) => id === 'stage'), 'by those who are there')
    await other.join({ roomId: 'nowhere', peerId: 'dave' })
    t.equal((await other.app.trunkline.rooms.list()).length, 3, 'one whose room there cannot be is no reason to tell nothing')
    await rooms.delete('lobby')
    await rooms.delete('stage')
  })

  await t.test('and who is in them', async (t) => {
    const { app, enter } = await start(t, server)
    const { app: elsewhere, enter: enterElsewhere } = await start(t, server)
    const { rooms } = app.trunkline
    await rooms.create({ roomId: '61' })
    await rooms.create({ roomId: '62' })
    const [alice] = [await enter('61', 'alice'), await enter('61', 'bob')]
    const stray = await enter('62', 'carol', 61)
    await enterElsewhere('61', 'dave')
    // VideoRoom lists them in no order.
    const inside = async (): Promise<RoomPeer[]> => (await rooms.get('61')).peers.sort((a, b) => a.id < b.id ? 1 : -1)
    const ids = async (): Promise<string[]> => (await inside()).map(({ id }) => id)
    const peers = await inside()
    t.same(peers.map(({ id }) => id).slice(0, 3), ['carol', 'bob', 'alice'], 'by their own ids, wherever the app has them')
    t.same(peers[2], { id: 'alice', status: 'connected', metadata: { name: 'alice' } })
    t.match(peers.slice(3), [{ id: /^\d+$/, metadata: null }], 'who is of another process, by that of VideoRoom')
    t.equal((await rooms.list()).find(({ id }) => id === '61')?.peers.length, 4)
    t.same((await rooms.get('62')).peers.map(({ id }) => id), ['carol'])

    await app.trunkline.removePeer('61', peers[3]!.id)
    t.same(await ids(), ['carol', 'bob', 'alice'])
    const kicked = stray.hear(({ plugindata }) => plugindata?.data.leaving === 'ok')
    await app.trunkline.removePeer('61', 'carol')
    await kicked
    t.same(await ids(), ['bob', 'alice'])
    await app.trunkline.removePeer('61', 'bob')
    t.same((await rooms.get('61')).peers.map(({ id }) => id), ['alice'])
    await t.rejects(app.trunkline.removePeer('61', '77'), { code: 'TRK_ERR_PEER_NOT_FOUND' })
    await t.rejects(app.trunkline.removePeer('99', '77'), { code: 'TRK_ERR_ROOM_NOT_FOUND' })

    await alice.message({ request: 'leave' })
    t.same((await rooms.get('61')).peers.map(({ id }) => id), ['alice'], 'it is still here')
    const destroyed = alice.client.closed
    await rooms.delete('61')
    t.match(await destroyed, { code: 4404, reason: 'room deleted' })
    t.equal(elsewhere.trunkline.peers.size, 1, 'those of another process hear it from VideoRoom alone')
    t.same((await rooms.get('62')).peers.map(({ id }) => id), ['carol'])
    await rooms.delete('62')
  })

  await t.test('and what is recorded of them', async (t) => {
    const { app, enter, told } = await start(t, server, { adminUrl: server.adminUrl, adminSecret: server.adminSecret, recordingPollMs: 100, newRoom: () => ({ rec_dir: server.recordings, is_private: true }) })
    await app.trunkline.rooms.create({ roomId: '71' })
    const alice = await enter('71', 'alice')
    await alice.send(t, { request: 'publish' })
    const [recording] = await app.trunkline.startRecording('71')
    t.equal(recording!.file, `${server.recordings}/${recording!.recordingId}`)
    t.match(await told.next(), { status: 'active' })
    t.match(await app.trunkline.rooms.get('71'), { isRecorded: true })
    await app.trunkline.rooms.delete('71')
    t.match(await told.next(), { ...recording, id: `${recording!.recordingId}/2`, status: 'available', revision: 2 })
    await t.rejects(app.trunkline.stopRecording('71'), { code: 'TRK_ERR_ROOM_NOT_FOUND' })
  })
})

t.test('clients that connect to Janus itself', { skip }, async (t) => {
  const server = await startServer(t, { ...strings, ...signed })
  const direct: Partial<JanusOptions> = { room: (roomId) => roomId, tokenSecret: async () => TOKEN_SECRET, publicUrl: server.url, newRoom: () => ({ signed_tokens: true }) }
  const { control, enter } = await start(t, server, direct)
  const add = async (roomId: string, peerId: string, further: { dialect?: string } = {}): Promise<JanusAdmittance> =>
    await control.addPeer!({ roomId, peerId, metadata: { name: peerId }, dialect: 'janus', ...further }) as JanusAdmittance

  await t.test('get in with a token, into the room that it is for', async (t) => {
    await control.createRoom({ roomId: 'lobby' })
    await control.createRoom({ roomId: 'stage' })
    const admittance = await add('lobby', 'alice')
    t.match(admittance, { peerId: 'alice', url: server.url })
    const alice = await DirectClient.connect(t, admittance)
    t.equal(await alice.attach(), null)
    t.match(await alice.join({ room: 'lobby', id: 'alice' }), { error_code: 433 }, 'the room wants its own')
    t.match(await alice.join({ room: 'stage', id: 'alice', token: admittance.roomToken }), { error_code: 433 }, 'and not that of another')
    t.match(await alice.join({ room: 'lobby', id: 'alice', token: admittance.roomToken }), { videoroom: 'joined' })
    t.same((await control.getRoom('lobby')).peers, [{ id: 'alice', status: 'connected', metadata: { name: 'alice' } }])

    const kicked = alice.speaker.hear(({ plugindata }) => plugindata?.data.leaving === 'ok')
    await control.removePeer('lobby', 'alice')
    await kicked
    t.same((await control.getRoom('lobby')).peers, [])
  })

  await t.test('and no other', async (t) => {
    const admittance = await add('lobby', 'mallory')
    const attach = async (token: string, plugin?: string): Promise<number | null> => await (await DirectClient.connect(t, { url: admittance.url, token })).attach(plugin)
    const [data, signature] = admittance.token.split(':') as [string, string]
    t.equal(await attach(`${data.replace(/^\d/, '9')}:${signature}`), 403)
    t.equal(await attach(`${data},janus.plugin.echotest:${signature}`), 403)
    t.equal(await attach(admittance.roomToken), 403)
    t.equal(await attach(admittance.token, 'janus.plugin.echotest'), 405, 'only what is in plugins')
    t.equal(await attach(''), 403)
    t.equal(await attach(admittance.token), null)
    const forged = (await start(t, server, { ...direct, tokenSecret: 'another' })).control
    t.equal(await attach((await forged.addPeer!({ roomId: 'lobby', peerId: 'm', metadata: null, dialect: 'janus' })).token), 403)
  })

  await t.test('until it expires', async (t) => {
    const { control } = await start(t, server, { ...direct, tokenMs: 1_000 })
    const client = await DirectClient.connect(t, await control.addPeer!({ roomId: 'lobby', peerId: 'brief', metadata: null, dialect: 'janus' }))
    t.equal(await client.attach(), null)
    let answers = 0
    // Nothing tells that it has: it is asked for each time.
    for (; answers < 200_000 && await client.keepAlive() === null; answers++);
    t.ok(answers > 0, 'it was good')
    t.equal(await client.keepAlive(), 403)
  })

  await t.test('where none is relayed, and there is room', async (t) => {
    await control.createRoom({ roomId: 'small', maxPeers: 2 })
    await add('small', 'a')
    await add('small', 'b')
    await add('small', 'b')
    await t.rejects(add('small', 'c'), { code: 'TRK_ERR_ROOM_FULL' })
    const plain = await start(t, server, { ...direct, newRoom: () => ({}) })
    await plain.control.createRoom({ roomId: 'relayed' })
    await plain.enter('relayed', 'alice')
    await t.rejects(plain.control.addPeer!({ roomId: 'relayed', peerId: 'b', metadata: null, dialect: 'janus' }), { code: 'TRK_ERR_ROOM_MODE' })
    await t.rejects(add('a,b', 'c'), { code: 'TRK_ERR_JANUS_ROOM' }, 'it would be two')
    await t.rejects(add('nowhere', 'c'), { code: 'TRK_ERR_ROOM_NOT_FOUND' })
    await t.rejects(add('lobby', 'c', { dialect: 'trunkline' }), { code: 'TRK_ERR_CONTROL_UNSUPPORTED' })
    await t.rejects(enter('lobby', 'relayed'), { message: /433/ }, 'who is relayed has no token for the room')
  })

  await t.test('where rooms are numbers, by what they are called', async (t) => {
    const server = await startServer(t, signed)
    const { control } = await start(t, server, { tokenSecret: TOKEN_SECRET, publicUrl: server.url })
    await control.createRoom({ roomId: '81' })
    const [admittance] = [await control.addPeer!({ roomId: '81', peerId: 'alice', metadata: 1, dialect: 'janus' }), await control.addPeer!({ roomId: '81', peerId: '7', metadata: 2, dialect: 'janus' })]
    const named = async (): Promise<Room['peers']> => (await control.getRoom('81')).peers
    t.same(await named(), [{ id: 'alice', status: 'disconnected', metadata: 1 }, { id: '7', status: 'disconnected', metadata: 2 }])
    for (const body of [{ display: 'alice' }, { id: 7 }]) {
      const client = await DirectClient.connect(t, admittance)
      await client.attach()
      t.match(await client.join({ room: 81, ...body }), { videoroom: 'joined' })
    }
    t.same(await named(), [{ id: 'alice', status: 'connected', metadata: 1 }, { id: '7', status: 'connected', metadata: 2 }])
    await control.removePeer('81', 'alice')
    t.same((await named()).map(({ id }) => id), ['7'])
    await t.rejects(control.removePeer('81', 'alice'), { code: 'TRK_ERR_PEER_NOT_FOUND' })
  })
})
