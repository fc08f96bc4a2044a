import { createHash, timingSafeEqual } from 'node:crypto'
import type { FastifyInstance, FastifyRequest, FastifyServerOptions, FastifyReply } from 'fastify'
import { ControlError, type Control } from './control.js'
import { sendFile } from './file-reply.js'
import { MAX_ORIGINS, type SubscribeMode } from './room.js'
import { MAX_PEERS } from './rooms.js'

/** Bytes of a request. */
export const BODY_BYTES = 64 * 1024

/** For the Fastify that it is registered on. */
export const REST_OPTIONS: FastifyServerOptions = {
  bodyLimit: BODY_BYTES,
  forceCloseConnections: true,
  // What is no path: asked for without a token too, and answered like the rest.
  frameworkErrors: (error, _request, reply) => { void (reply as FastifyReply).code(error.statusCode ?? 400).send({ errors: error.message }) },
  // An id's 128 bytes, each written as %XX.
  routerOptions: { maxParamLength: 3 * 128 },
  ajv: { customOptions: { coerceTypes: false, removeAdditional: false } }
}

const id = { type: 'string', minLength: 1, maxLength: 128 }

const CREATE_ROOM = {
  type: 'object',
  properties: { roomId: id, maxPeers: { type: ['integer', 'null'], minimum: 1, maximum: MAX_PEERS }, subscribeMode: { enum: ['auto', 'manual'] } }
}
const ADD_PEER = {
  type: 'object',
  required: ['type'],
  properties: {
    type: { const: 'webrtc' },
    options: { type: 'object', properties: { peerId: id, metadata: {}, dialect: { enum: ['trunkline', 'fishjam'] } } }
  }
}
const SUBSCRIBE = {
  type: 'object', required: ['origins'], properties: { origins: { type: 'array', maxItems: MAX_ORIGINS, items: id } }
}
const ADD_COMPONENT = {
  type: 'object', required: ['type'], properties: { type: { const: 'recording' }, options: { type: 'object' } }
}

interface Params {
  roomId: string
  peerId: string
  componentId: string
  recordingId: string
  file: string
}

/** The API by which a backend has its way with rooms, in the shape of Fishjam's classic one. Register it on a Fastify of its own. */
export function addRest (app: FastifyInstance, control: Control, token: string): void {
  app.setErrorHandler<Error & { statusCode?: number }>(async (error, _request, reply) => {
    const { statusCode = 500, message } = error
    const isOurs = error instanceof ControlError || statusCode < 500
    if (!isOurs) app.log.error({ err: error }, 'a request has failed')
    return await reply.code(statusCode).send({ errors: isOurs ? message : 'internal error' })
  })
  app.setNotFoundHandler(async (_request, reply) => await reply.code(404).send({ errors: 'route not found' }))

  app.get('/health', async () => ({ data: { status: 'UP' } }))

  app.register(async (app) => {
    const isLetIn = bearer(token)
    app.addHook('onRequest', async (request, reply) => {
      if (!isLetIn(request)) return await reply.code(401).header('www-authenticate', 'Bearer').send({ errors: 'invalid token' })
    })
    addRooms(app, control)
    addRecordings(app, control)
  })
}

function addRooms (app: FastifyInstance, control: Control): void {
  app.post<{ Body: { roomId?: string, maxPeers?: number | null, subscribeMode?: SubscribeMode } | null }>('/room', { schema: { body: optional(CREATE_ROOM) } }, async ({ body }, reply) =>
    await reply.code(201).send({ data: { room: control.createRoom(body ?? {}) } }))

  app.get('/room', async () => ({ data: control.listRooms() }))

  app.get<{ Params: Params }>('/room/:roomId', async ({ params }) => ({ data: control.room(params.roomId) }))

  app.delete<{ Params: Params }>('/room/:roomId', async ({ params }, reply) => {
    control.deleteRoom(params.roomId)
    return await reply.code(204).send()
  })

  app.post<{ Params: Params, Body: { options?: { peerId?: string, metadata?: unknown, dialect?: 'trunkline' | 'fishjam' } } }>('/room/:roomId/peer', { schema: { body: ADD_PEER } }, async ({ params, body }, reply) => {
    const { peer, token, url } = await control.addPeer(params.roomId, body.options ?? {})
    return await reply.code(201).header('cache-control', 'no-store').send({ data: { peer, token, peer_websocket_url: url } })
  })

  app.delete<{ Params: Params }>('/room/:roomId/peer/:peerId', async ({ params }, reply) => {
    control.removePeer(params.roomId, params.peerId)
    return await reply.code(204).send()
  })

  app.post<{ Params: Params, Body: { origins: string[] } }>('/room/:roomId/peer/:peerId/subscribe', { schema: { body: SUBSCRIBE } }, async ({ params, body }, reply) => {
    control.subscribe(params.roomId, params.peerId, body.origins)
    return await reply.code(204).send()
  })
}

function addRecordings (app: FastifyInstance, control: Control): void {
  app.post<{ Params: Params }>('/room/:roomId/component', { schema: { body: ADD_COMPONENT } }, async ({ params }, reply) => {
    const { component, isNew } = await control.record(params.roomId)
    return await reply.code(isNew ? 201 : 200).send({ data: component })
  })

  app.delete<{ Params: Params }>('/room/:roomId/component/:componentId', async ({ params }) =>
    ({ data: { recordings: control.stopRecording(params.roomId, params.componentId) } }))

  app.get('/recording', async () => ({ data: control.listRecordings() }))

  app.get<{ Params: Params }>('/recording/:recordingId/:file', async ({ params, headers }, reply) =>
    await sendFile(reply, control.file(params.recordingId, params.file), headers.range))

  app.delete<{ Params: Params }>('/recording/:recordingId', async ({ params }, reply) => {
    await control.deleteRecording(params.recordingId)
    return await reply.code(204).send()
  })
}

/** A body that may be left out. */
function optional (schema: object): object {
  return { anyOf: [schema, { type: 'null' }] }
}

/** Whether a request brings the token: compared in a time that says nothing of it. */
function bearer (token: string): (request: FastifyRequest) => boolean {
  const digest = (text: string): Buffer => createHash('sha256').update(text).digest()
  const expected = digest(token)
  return ({ headers }) => {
    const [, shown] = /^Bearer ([^\s]+)$/i.exec(headers.authorization ?? '') ?? []
    return timingSafeEqual(digest(shown ?? ''), expected) && shown !== undefined
  }
}
