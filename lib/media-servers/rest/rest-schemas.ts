import Type from 'typebox'
import type { Static, TSchema } from 'typebox'
import Value from 'typebox/value'
import { ControlAnswerError } from '../../errors.js'
import type { Room } from '../../relay/control.js'
import type { Recording } from '../../relay/media-server.js'
import type { RestAnswer } from './rest-answer.js'

/** What the REST API answers. Members that are not named here may come along, and are passed over. */

const absent = <T extends TSchema>(schema: T) => Type.Optional(Type.Union([schema, Type.Null()]))
const data = <T extends TSchema>(schema: T) => Type.Object({ data: schema })

const PeerSchema = Type.Object({
  id: Type.String(),
  status: Type.Enum(['connected', 'disconnected']),
  metadata: Type.Optional(Type.Unknown())
})

const RoomSchema = Type.Object({
  id: Type.String(),
  config: Type.Object({ maxPeers: absent(Type.Integer({ minimum: 0 })) }),
  components: Type.Array(Type.Object({ id: Type.String(), type: Type.String() })),
  peers: Type.Array(PeerSchema)
})

const RecordingSchema = Type.Object({
  id: Type.String({ minLength: 1 }),
  roomId: Type.String(),
  status: Type.Enum(['active', 'finished', 'available', 'failed']),
  revision: Type.Integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER }),
  // As far as a Date goes.
  startedAt: absent(Type.Number({ minimum: 0, maximum: 8.64e15 })),
  file: absent(Type.String()),
  durationMs: absent(Type.Number({ minimum: 0 })),
  error: absent(Type.String())
})

export const RoomAnswer = data(RoomSchema)
export const RoomsAnswer = data(Type.Array(RoomSchema))
export const CreatedRoomAnswer = data(Type.Object({ room: RoomSchema }))
export const AddedPeerAnswer = data(Type.Object({ peer: PeerSchema, token: Type.String({ minLength: 1 }), peer_websocket_url: Type.String({ minLength: 1 }) }))
export const ComponentAnswer = data(Type.Object({ id: Type.String(), type: Type.String(), properties: Type.Object({ recordings: Type.Array(RecordingSchema) }) }))
export const RecordingsAnswer = data(Type.Object({ recordings: Type.Array(RecordingSchema) }))

/** @throws ControlAnswerError it is something else */
export function checked<T extends TSchema> ({ asked, status, json }: RestAnswer, schema: T): Static<T> {
  if (json === undefined) throw new ControlAnswerError(asked, `${status}, and not JSON`)
  if (!Value.Check(schema, json)) throw new ControlAnswerError(asked, `${status}, and JSON of another shape`)
  return json
}

export function toRoom ({ id, config, components, peers }: Static<typeof RoomSchema>): Room {
  return {
    id,
    maxPeers: config.maxPeers ?? null,
    isRecorded: components.some(isRecordingComponent),
    peers: peers.map(({ id, status, metadata = null }) => ({ id, status, metadata }))
  }
}

export function isRecordingComponent ({ type }: { type: string }): boolean {
  return type === 'recording'
}

export function toRecording ({ id, roomId, status, revision, startedAt, file, durationMs, error }: Static<typeof RecordingSchema>): Recording {
  return {
    recordingId: id,
    roomId,
    status,
    revision,
    startedAt: typeof startedAt === 'number' ? new Date(startedAt) : null,
    file: file ?? null,
    durationMs: durationMs ?? null,
    error: error ?? null
  }
}
