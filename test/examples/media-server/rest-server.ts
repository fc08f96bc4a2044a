import type { AddressInfo } from 'node:net'
import Fastify from 'fastify'
import type { Test } from 'tap'
import { ManualClock } from 'trunkline/testing'
import { Control } from '../../../examples/media-server/control.js'
import type { DirectDoor } from '../../../examples/media-server/direct-door.js'
import type { Recording } from '../../../examples/media-server/recording.js'
import { Recordings, type RecordingsOptions } from '../../../examples/media-server/recordings.js'
import { addRest, REST_OPTIONS } from '../../../examples/media-server/rest.js'
import { Rooms, type RoomNotice } from '../../../examples/media-server/rooms.js'
import { Sfu } from '../../../examples/media-server/sfu.js'
import { FakeConnection } from './fake-client.js'
import { FakePeer } from './fake-peer.js'

export const TOKEN = 'secret'

export interface Answer {
  status: number
  // What the API answers is what these tests are about.
  body: any
  headers: Headers
}

/** The media server with its API on a real port, real files, and no media. */
export async function startRest (t: Test, options: Partial<RecordingsOptions> = {}) {
  const timing = new ManualClock(0)
  const notices: RoomNotice[] = []
  const changes: Recording[] = []
  const rooms = new Rooms((notice) => { notices.push(notice) }, timing)
  const recordings = new Recordings({ directory: t.testdir(), timing, onChange: (change) => { changes.push(change) }, ...options })
  const connections: FakeConnection[] = []
  const sfu = new Sfu({
    rooms,
    timing,
    connect () {
      const connection = new FakeConnection()
      connections.push(connection)
      return connection
    }
  })
  const door: DirectDoor = { admit: async ({ peerId }) => ({ token: `token of ${peerId}`, url: 'ws://direct' }), remove () {} }
  const app = Fastify(REST_OPTIONS)
  addRest(app, new Control({ rooms, sfu, recordings, timing, door: () => door }), TOKEN)
  await app.listen({ port: 0, host: '127.0.0.1' })
  const url = `http://127.0.0.1:${(app.server.address() as AddressInfo).port}`
  t.teardown(async () => {
    sfu.close()
    await recordings.close()
    await app.close()
  })

  const ask = async (method: string, path: string, body?: unknown, headers: Record<string, string> = { authorization: `Bearer ${TOKEN}` }): Promise<Answer> => {
    const response = await fetch(url + path, { method, headers: { ...headers, ...body === undefined ? {} : { 'content-type': 'application/json' } }, ...body === undefined ? {} : { body: typeof body === 'string' ? body : JSON.stringify(body) } })
    const text = await response.text()
    return { status: response.status, headers: response.headers, body: text.startsWith('{') ? JSON.parse(text) : text }
  }
  const come = (id: string, roomId = 'room', way: 'relayed' | 'direct' = 'relayed'): FakePeer => {
    const peer = new FakePeer(id, roomId, { name: id })
    sfu.accept(peer, way)
    peer.say({ type: 'connect', metadataJson: '{}' })
    return peer
  }
  return { timing, notices, changes, rooms, recordings, sfu, connections, ask, come }
}
