import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { isDeepStrictEqual } from 'node:util'
import type { MediaServerControl, Room } from '../relay/control.js'
import type { Recording } from '../relay/media-server.js'

/** A driver's control API, and what it takes to try it. */
export interface ControlSubject {
  control: MediaServerControl
  /** Has a relayed peer come into a room that there is, as the driver's own clients do; resolves when it is there. */
  join (roomId: string): Promise<ControlPeer>
  /** An id that no room has, each time another. Default: a UUID. */
  freshId? (): string
  /** What rooms may be called though it looks odd. Default: `oddIds`; empty where rooms are numbers. */
  oddIds?: readonly string[]
  /** Whether `maxPeers` is told again. Default: it is. */
  tellsMaxPeers?: boolean
  /** As which kind of client peers are added. Default: `trunkline`. */
  dialect?: string
}

export interface ControlPeer {
  peerId: string
  leave (): Promise<void>
  /** Resolves when somebody else has ended it. None: its end is only looked for in its room. */
  ended?: Promise<unknown>
}

export interface ControlCheck {
  name: string
  /** Of which driver it asks something: of another one it passes, and asks nothing. */
  needs?: 'startRecording' | 'addPeer' | 'subscribe'
  /** Rejects with what is wrong. One subject does for all of them, also at the same time. */
  run (subject: ControlSubject): Promise<void>
}

/** Of each two, one is what a careless hand makes of the other. */
export const oddIds: readonly string[] = [
  'a/b', 'a%2Fb', '/a', 'a/', 'a//b', '../a', 'a?b=c', 'a#b', '%', '%zz', 'a b', 'a+b', ' ', '...', '"\\', '\u0000\n', 'Ä', 'A\u0308', 'комната', '🎥', '__proto__', 'x'.repeat(128), '🎥'.repeat(32)
]

const notIds: readonly unknown[] = ['', 'x'.repeat(129), '🎥'.repeat(33), 'a\ud800', undefined, null, 7, {}, ['a']]

/** What every driver's control API is to do: run by its own tests, each with a subject, whatever runs them. */
export const controlChecks: readonly ControlCheck[] = [
  {
    name: 'a room is as it was asked for until it is deleted, in the list too',
    async run (subject) {
      const { control, tellsMaxPeers = true } = subject
      await withRooms(subject, async (roomId, other) => {
        const room: Room = { id: roomId, maxPeers: 5, isRecorded: false, peers: [] }
        const shown = (given: Room): Room => tellsMaxPeers ? given : { ...given, maxPeers: 5 }
        assert.deepEqual(shown(await control.createRoom({ roomId, maxPeers: 5 })), room)
        assert.equal((await control.createRoom({ roomId: other })).id, other)
        assert.deepEqual(shown(await control.getRoom(roomId)), room)
        assert.deepEqual((await control.listRooms()).filter(({ id }) => id === roomId).map(shown), [room])
        await control.deleteRoom(roomId)
        await rejects(control.getRoom(roomId), 'TRK_ERR_ROOM_NOT_FOUND')
        const ids = (await control.listRooms()).map(({ id }) => id)
        assert.deepEqual([ids.includes(roomId), ids.includes(other)], [false, true])
      })
    }
  },
  {
    name: 'of several who make one room at once, one does; what is in it stays',
    async run (subject) {
      const { control } = subject
      await withRooms(subject, async (roomId) => {
        const made = await Promise.allSettled(Array.from({ length: 4 }, async () => await control.createRoom({ roomId })))
        const refused = made.filter((result) => result.status === 'rejected').map(({ reason }) => (reason as { code?: unknown }).code)
        assert.deepEqual(refused, Array(3).fill('TRK_ERR_ROOM_EXISTS'))
        const { peerId } = await subject.join(roomId)
        await rejects(control.createRoom({ roomId }), 'TRK_ERR_ROOM_EXISTS')
        await eventually(control, roomId, [peerId])
      })
    }
  },
  {
    name: 'of a room that there is not, everything says so',
    async run ({ control, freshId = randomUUID, dialect = 'trunkline' }) {
      const roomId = freshId()
      const asked = [
        control.getRoom(roomId), control.deleteRoom(roomId), control.removePeer(roomId, 'nobody'), control.startRecording?.(roomId), control.stopRecording?.(roomId),
        control.subscribe?.(roomId, 'nobody', []), control.addPeer?.({ roomId, peerId: 'nobody', metadata: null, dialect })
      ]
      await Promise.all(asked.map(async (promise) => { if (promise !== undefined) await rejects(promise, 'TRK_ERR_ROOM_NOT_FOUND') }))
      assert.equal((await control.listRooms()).some(({ id }) => id === roomId), false, 'none of it has made the room')
    }
  },
  {
    name: 'who has come is listed in its room alone, and no longer once it has left',
    async run (subject) {
      const { control } = subject
      await withTwo(subject, async (roomId, other, stays, goes) => {
        const { peers } = (await control.listRooms()).find(({ id }) => id === roomId)!
        assert.deepEqual(peers.map(({ id, status }) => `${id} ${status}`).sort(), [stays, goes].map(({ peerId }) => `${peerId} connected`).sort())
        await goes.leave()
        await eventually(control, roomId, [stays.peerId])
        await eventually(control, other, [])
      })
    }
  },
  {
    name: 'a peer that is removed is over, and no other',
    async run (subject) {
      const { control } = subject
      await withTwo(subject, async (roomId, other, stays, goes) => {
        await rejects(control.removePeer(roomId, 'nobody'), 'TRK_ERR_PEER_NOT_FOUND')
        await rejects(control.removePeer(other, goes.peerId), 'TRK_ERR_PEER_NOT_FOUND')
        await control.removePeer(roomId, goes.peerId)
        await goes.ended
        await eventually(control, roomId, [stays.peerId])
        await rejects(control.removePeer(roomId, goes.peerId), 'TRK_ERR_PEER_NOT_FOUND')
      })
    }
  },
  {
    name: 'what cannot name a room or a peer is refused before it is asked for',
    async run ({ control, freshId = randomUUID }) {
      const id = freshId()
      for (const none of notIds as readonly string[]) {
        const asked = [
          control.createRoom({ roomId: none }), control.getRoom(none), control.deleteRoom(none), control.removePeer(none, id), control.removePeer(id, none),
          control.startRecording?.(none), control.stopRecording?.(none), control.subscribe?.(none, id, []), control.subscribe?.(id, none, []), control.subscribe?.(id, id, [none]),
          control.addPeer?.({ roomId: none, peerId: id, metadata: null, dialect: 'trunkline' }), control.addPeer?.({ roomId: id, peerId: none, metadata: null, dialect: 'trunkline' })
        ]
        await Promise.all(asked.map(async (promise) => { if (promise !== undefined) await rejects(promise, 'TRK_ERR_CONTROL_ARGUMENT') }))
      }
      for (const maxPeers of [0, -1, 1.5, NaN, '5' as never]) await rejects(control.createRoom({ roomId: id, maxPeers }), 'TRK_ERR_CONTROL_ARGUMENT')
    }
  },
  {
    name: 'rooms and peers may have odd names, and are not taken for each other',
    async run (subject) {
      const { control, oddIds: ids = oddIds } = subject
      try {
        for (const roomId of ids) assert.equal((await control.createRoom({ roomId })).id, roomId)
        for (const id of ids) {
          assert.deepEqual(await control.getRoom(id), { ...await control.getRoom(id), id, peers: [] })
          await rejects(control.removePeer(id, id), 'TRK_ERR_PEER_NOT_FOUND')
        }
        const left = new Set(ids)
        for (const roomId of ids) {
          await control.deleteRoom(roomId)
          left.delete(roomId)
          assert.deepEqual(new Set((await control.listRooms()).map(({ id }) => id).filter((id) => ids.includes(id))), left)
        }
      } finally {
        for (const roomId of ids) await control.deleteRoom(roomId).catch(() => {})
      }
    }
  },
  {
    name: 'a room is recorded from start to stop, however often either is said, and anew',
    needs: 'startRecording',
    async run (subject) {
      const { control } = subject
      if (control.startRecording === undefined || control.stopRecording === undefined) return
      await withRooms(subject, async (roomId, other) => {
        const areRecorded = async (): Promise<boolean[]> => [(await control.getRoom(roomId)).isRecorded, (await control.getRoom(other)).isRecorded]
        await control.createRoom({ roomId })
        await control.createRoom({ roomId: other })
        await subject.join(roomId)
        assert.deepEqual(await control.stopRecording!(roomId), [], 'nothing was recorded')
        for (let n = 0; n < 2; n++) {
          const first = checked(await control.startRecording!(roomId), roomId)
          const again = checked(await control.startRecording!(roomId), roomId)
          assert.deepEqual(first.filter((id) => !again.includes(id)), [], 'what was begun goes on')
          assert.deepEqual(await areRecorded(), [true, false])
          const stopped = checked(await control.stopRecording!(roomId), roomId)
          assert.deepEqual(first.filter((id) => !stopped.includes(id)), [], 'what was begun is told of at the end')
          await control.stopRecording!(roomId)
          assert.deepEqual(await areRecorded(), [false, false])
        }
      })
    }
  },
  {
    name: 'a room that is deleted takes with it who is in it and what is recorded of it; another one of its name begins anew',
    async run (subject) {
      const { control } = subject
      await withRooms(subject, async (roomId) => {
        await control.createRoom({ roomId })
        const { peerId, ended } = await subject.join(roomId)
        await eventually(control, roomId, [peerId])
        await control.startRecording?.(roomId)
        await control.deleteRoom(roomId)
        await ended
        await rejects(control.removePeer(roomId, peerId), 'TRK_ERR_ROOM_NOT_FOUND')
        const { isRecorded, peers } = await control.createRoom({ roomId })
        assert.deepEqual({ isRecorded, peers }, { isRecorded: false, peers: [] })
      })
    }
  },
  {
    name: 'a peer that is added is expected with its metadata, counts for maxPeers, and can be removed',
    needs: 'addPeer',
    async run (subject) {
      const { control, dialect = 'trunkline' } = subject
      if (control.addPeer === undefined) return
      await withRooms(subject, async (roomId) => {
        await control.createRoom({ roomId, maxPeers: 1 })
        const request = { roomId, peerId: 'p/1 🎥', metadata: { name: 'Ä', deep: [1, null] }, dialect }
        const { peerId, url, token } = await control.addPeer!(request)
        assert.equal(peerId, request.peerId)
        assert.match(url, /^(wss?|https?):\/\//)
        assert.notEqual(token, '')
        assert.deepEqual((await control.getRoom(roomId)).peers, [{ id: peerId, status: 'disconnected', metadata: request.metadata }])
        await rejects(control.addPeer!({ ...request, peerId: 'p2' }), 'TRK_ERR_ROOM_FULL')
        await control.removePeer(roomId, peerId)
        await rejects(control.removePeer(roomId, peerId), 'TRK_ERR_PEER_NOT_FOUND')
        assert.equal((await control.addPeer!({ ...request, peerId: 'p2' })).peerId, 'p2')
      })
    }
  },
  {
    name: 'nobody is added to a room that has relayed peers',
    needs: 'addPeer',
    async run (subject) {
      const { control, dialect = 'trunkline' } = subject
      if (control.addPeer === undefined) return
      await withRooms(subject, async (roomId) => {
        await control.createRoom({ roomId })
        const { peerId } = await subject.join(roomId)
        await rejects(control.addPeer!({ roomId, peerId: 'direct', metadata: null, dialect }), 'TRK_ERR_ROOM_MODE')
        await eventually(control, roomId, [peerId])
      })
    }
  },
  {
    name: 'a peer of a room where that is not automatic is subscribed to others',
    needs: 'subscribe',
    async run (subject) {
      const { control } = subject
      if (control.subscribe === undefined) return
      await withRooms(subject, async (roomId) => {
        await control.createRoom({ roomId, subscribeMode: 'manual' })
        const [peer, other] = [await subject.join(roomId), await subject.join(roomId)]
        await eventually(control, roomId, [peer.peerId, other.peerId])
        for (let n = 0; n < 2; n++) await control.subscribe!(roomId, peer.peerId, [other.peerId])
        await rejects(control.subscribe!(roomId, 'nobody', [other.peerId]), 'TRK_ERR_PEER_NOT_FOUND')
      })
    }
  }
]

/** Whatever becomes of it, none of the rooms is left. */
async function withRooms ({ control, freshId = randomUUID }: ControlSubject, fn: (roomId: string, other: string) => Promise<void>): Promise<void> {
  const [roomId, other] = [freshId(), freshId()]
  try {
    await fn(roomId, other)
  } finally {
    for (const id of [roomId, other]) await control.deleteRoom(id).catch(() => {})
  }
}

/** Two peers in a room, and another room with nobody. */
async function withTwo (subject: ControlSubject, fn: (roomId: string, other: string, stays: ControlPeer, goes: ControlPeer) => Promise<void>): Promise<void> {
  const { control } = subject
  await withRooms(subject, async (roomId, other) => {
    await control.createRoom({ roomId })
    await control.createRoom({ roomId: other })
    const [stays, goes] = [await subject.join(roomId), await subject.join(roomId)]
    await eventually(control, roomId, [stays.peerId, goes.peerId])
    await fn(roomId, other, stays, goes)
  })
}

/** By the code alone: the driver may have this package's errors from another copy of it. */
async function rejects (promise: Promise<unknown>, code: string): Promise<void> {
  await assert.rejects(promise, (error: { code?: unknown }) => {
    assert.equal(error.code, code, String(error))
    return true
  })
}

/** How often a room is looked at, and for how many milliseconds it is left alone in between. */
const LOOKS = 100
const PAUSE_MS = 20

/** Who comes and goes does so over another connection than what is asked here: a room may be a little late to tell. */
async function eventually (control: MediaServerControl, roomId: string, peerIds: string[]): Promise<void> {
  const wanted = peerIds.toSorted()
  let seen: string[] = []
  for (let n = 0; n < LOOKS; n++) {
    seen = (await control.getRoom(roomId)).peers.map(({ id }) => id).sort()
    if (isDeepStrictEqual(seen, wanted)) return
    await new Promise((resolve) => { setTimeout(resolve, PAUSE_MS) })
  }
  assert.deepEqual(seen, wanted, `the peers of the room ${roomId}`)
}

/** The ids of recordings of which there can be such. */
function checked (recordings: Recording[], roomId: string): string[] {
  for (const recording of recordings) {
    assert.equal(recording.roomId, roomId)
    assert.match(recording.status, /^(active|finished|available|failed)$/)
    assert.equal(typeof recording.recordingId === 'string' && recording.recordingId !== '', true, 'a recording has an id')
    assert.equal(recording.startedAt === null || recording.startedAt instanceof Date, true, 'startedAt is a Date, or null')
  }
  return recordings.map(({ recordingId }) => recordingId)
}
