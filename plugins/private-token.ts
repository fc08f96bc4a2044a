import type { IncomingMessage } from 'node:http'
import type { FastifyInstance, FastifyRequest } from 'fastify'

/**
 * A client may bring its token in the URL, and has to be told the right one: on a path that is not ours Fastify would write
 * the token into its log and into its answer. On our own routes `logSerializers` keeps it out.
 */
export function keepTokensPrivate (app: FastifyInstance): void {
  guardLog(app.log)
  // Fastify's own answer and log line name the URL. Before the handler rather than at the request: a route may answer that it is none, too.
  app.addHook('preHandler', (request, _reply, done) => {
    if (request.is404) hideToken(request.raw)
    done()
  })
  // One that cannot be decoded reaches no route and no hook, and comes back in the answer.
  const listener = (request: IncomingMessage): void => { if (!isDecodable(request.url ?? '')) hideToken(request) }
  app.server.prependListener('upgrade', listener)
  app.addHook('onClose', async () => { app.server.removeListener('upgrade', listener) })
}

/** `token=` or `key=`, whichever of its characters are escaped, and all up to the next parameter. */
const TOKEN = new RegExp(`((?:${escapable('token')}|${escapable('key')})${escapable('=')})[^&]*`, 'gi')

function escapable (name: string): string {
  return [...name].map((char) => `(?:${char}|${escapesOf(char)})`).join('')
}

function escapesOf (char: string): string {
  return [char, char.toUpperCase()].map((each) => `%${each.charCodeAt(0).toString(16)}`).join('|')
}

/** The same text without the value of any parameter whose name ends in `token`, or `key`, which a media server may show. */
export function withoutToken (text: string): string {
  return text.replace(TOKEN, '$1...')
}

interface RawRequest { url?: string | undefined, originalUrl?: string | undefined }

function hideToken (request: RawRequest): void {
  if (request.url !== undefined) request.url = withoutToken(request.url)
  // There with Fastify's option rewriteUrl.
  if (request.originalUrl !== undefined) request.originalUrl = withoutToken(request.originalUrl)
}

function isDecodable (url: string): boolean {
  try {
    decodeURI(url.split('?', 1)[0]!)
    return true
  } catch {
    return false
  }
}

type Serializers = Record<string, ((value: unknown) => unknown) | undefined>

/** Where pino keeps them, for whoever wants to add one. */
const SERIALIZERS = Symbol.for('pino.serializers')

const guarded = new WeakSet<object>()

/**
 * Puts ours in front of the logger's own. A logger made for each request (`setChildLoggerFactory`) would come too late: what
 * was registered before us, the answer to unknown paths first of all, would go on with the one before.
 */
function guardLog (log: object): void {
  const serializers = (log as Record<symbol, Serializers | undefined>)[SERIALIZERS]
  // Another kind of logger writes what it likes. Nor does a second registration add anything.
  if (serializers === undefined || guarded.has(serializers)) return
  guarded.add(serializers)
  const { req, err, path } = serializers
  if (req !== undefined) serializers.req = (request) => req(isTelltale(request) ? disguised(request as FastifyRequest) : request)
  // Of a request that Node cannot parse, at the level trace: the bytes that it came in.
  if (err !== undefined) serializers.err = (error) => err(withoutBytes(error))
  // @fastify/websocket: an upgrade of a route that takes none.
  serializers.path = (value) => {
    const hidden = typeof value === 'string' ? withoutToken(value) : value
    return path === undefined ? hidden : path(hidden)
  }
}

/** Of other requests the log is the app's own affair: an upgrade and a wrong path are where our clients' tokens are. */
function isTelltale (request: unknown): boolean {
  const { headers, is404 } = (request ?? {}) as Partial<FastifyRequest>
  return headers?.upgrade !== undefined || is404 === true
}

/** The request as a serializer may see it, while all others go on seeing it as it is. */
function disguised (request: FastifyRequest): FastifyRequest {
  const view = (of: object, properties: Record<string, unknown>): object =>
    Object.create(of, Object.fromEntries(Object.entries(properties).map(([name, value]) => [name, { value, enumerable: true }]))) as object
  // Not the request's own originalUrl, which remembers what it was first asked for.
  const raw = request.raw ?? request as RawRequest
  const hidden: RawRequest = { url: raw.url, originalUrl: (raw as RawRequest).originalUrl ?? raw.url }
  hideToken(hidden)
  const { query } = request
  return view(request, {
    ...hidden,
    raw: view(raw, { ...hidden }),
    ...(typeof query !== 'object' || query === null ? {} : { query: Object.fromEntries(Object.entries(query).filter(([name]) => !/(token|key)$/i.test(name))) })
  }) as FastifyRequest
}

function withoutBytes (error: unknown): unknown {
  if (!(error instanceof Error) || !Buffer.isBuffer((error as { rawPacket?: unknown }).rawPacket)) return error
  return Object.create(error, { rawPacket: { value: undefined, enumerable: true } })
}
