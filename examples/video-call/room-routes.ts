import { randomUUID } from 'node:crypto'
import { basename, dirname } from 'node:path'
import type { FastifyInstance, FastifyRequest } from 'fastify'
import type { Admittance, AdmitOptions, Identity, Trunkline } from 'trunkline'
import type { RecordedFiles } from './recorded-files.js'
import { signToken, verifyToken } from './token.js'
import type { Claims } from './token.js'

/** How somebody's signaling travels: by way of this backend, or directly to the media server. */
export type Mode = 'relay' | 'direct'

export interface RoomRoutesOptions {
  /** Signs the passes. */
  secret: string
  /** How long a pass is good for, in milliseconds. */
  passMs: number
  /** Lets somebody in, by either way. */
  admit: Record<Mode, (who: Identity<unknown>, how: AdmitOptions<FastifyRequest>) => Promise<Admittance>>
  trunkline: Trunkline
  files: RecordedFiles
}

/** What a client needs to come in, and to ask for anything later. */
interface Ticket extends Admittance {
  /** Of the app itself: who its holder is, and in which room. */
  pass: string
}

/** What a pass says of its holder. */
interface Pass extends Claims {
  mode: Mode
}

interface RoomParams {
  roomId: string
}

/** How long after its end a pass still gets a new ticket: a laptop that was closed overnight comes back to its call. */
const RENEWAL_MS = 24 * 60 * 60 * 1000

const admissionSchema = {
  params: {
    type: 'object',
    properties: { roomId: { type: 'string', pattern: '^[A-Za-z0-9_-]{1,64}$' } }
  },
  body: {
    type: 'object',
    required: ['name'],
    properties: {
      // A name of nothing but blanks is none.
      name: { type: 'string', minLength: 1, maxLength: 64, pattern: '\\S' },
      mode: { enum: ['relay', 'direct'] }
    }
  }
}

/** Rooms, as the page asks for them: coming in, recording, and what was recorded. What Trunkline rejects with is answered as it is. */
export function addRoomRoutes (app: FastifyInstance, { secret, passMs, admit, trunkline, files }: RoomRoutesOptions): void {
  /** Nothing but the pass says who is asking: the address only has to agree with it. */
  const holderOf = (request: FastifyRequest, now = Date.now()): Pass => {
    const [, shown = ''] = /^Bearer (\S+)$/i.exec(request.headers.authorization ?? '') ?? []
    const pass = verifyToken(shown, secret, now) as Pass
    const { roomId, peerId = pass.peerId } = request.params as RoomParams & { peerId?: string }
    if (pass.roomId !== roomId || pass.peerId !== peerId) throw Object.assign(new Error('the pass is of another peer, or for another room'), { statusCode: 403 })
    return pass
  }

  const ticket = async (request: FastifyRequest, { peerId, roomId, name, mode }: Omit<Pass, 'expiresAt'>): Promise<Ticket> => {
    const pass: Pass = { peerId, roomId, name, mode, expiresAt: Date.now() + passMs }
    const admittance = await admit[mode]({ peerId, roomId, metadata: { name }, expiresAt: pass.expiresAt }, { request })
    return { ...admittance, pass: signToken(pass, secret) }
  }

  app.post<{ Params: RoomParams, Body: { name: string, mode?: Mode } }>('/rooms/:roomId/peers', { schema: admissionSchema }, async (request, reply) => {
    const { params: { roomId }, body: { name, mode = 'relay' } } = request
    reply.header('cache-control', 'no-store')
    return await ticket(request, { peerId: randomUUID(), roomId, name: name.trim(), mode })
  })

  app.post<{ Params: RoomParams & { peerId: string } }>('/rooms/:roomId/peers/:peerId/token', async (request, reply) => {
    reply.header('cache-control', 'no-store')
    return await ticket(request, holderOf(request, Date.now() - RENEWAL_MS))
  })

  app.post<{ Params: RoomParams }>('/rooms/:roomId/recording', async (request, reply) => {
    await trunkline.startRecording(holderOf(request).roomId)
    return await reply.code(204).send()
  })

  app.delete<{ Params: RoomParams }>('/rooms/:roomId/recording', async (request, reply) => {
    await trunkline.stopRecording(holderOf(request).roomId)
    return await reply.code(204).send()
  })

  app.get<{ Params: RoomParams }>('/rooms/:roomId/recordings', async (request, reply) => {
    reply.header('cache-control', 'no-store')
    return await files.inRoom(holderOf(request).roomId)
  })

  // The id is a secret of the room: nobody else has heard of it.
  app.get<{ Params: { recordingId: string } }>('/recordings/:recordingId.webm', async ({ params }, reply) => {
    const path = files.path(params.recordingId)
    if (path === undefined) return reply.callNotFound()
    return await reply.header('cache-control', 'private').sendFile(basename(path), dirname(path), { cacheControl: false })
  })
}
