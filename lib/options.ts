import { validateHeaderName, validateHeaderValue } from 'node:http'
import Type from 'typebox'
import type { Static, TSchema } from 'typebox'
import Value from 'typebox/value'
import { AuthenticateMissingError, OptionError, UnknownOptionError } from './errors.js'
import { nearest } from './nearest.js'

const bytes = (fallback: number, description: string): Type.TInteger => Type.Integer({ minimum: 1, default: fallback, description })
const milliseconds = (fallback: number, description: string): Type.TInteger => Type.Integer({ minimum: 1, maximum: 2 ** 31 - 1, default: fallback, description })
const count = (fallback: number, description: string): Type.TInteger => Type.Integer({ minimum: 1, default: fallback, description })

const Limits = Type.Object({
  messageBytes: bytes(128 * 1024, 'One message from a client. Beyond: close 1009.'),
  preAuthBytes: bytes(16 * 1024, 'What a client may send before it is let in, in one message. Beyond: close 1009.'),
  authMs: milliseconds(5_000, 'For the credentials of a client that brings them in its first message. Beyond: close 1013; a Fishjam client is told 1000 `unauthenticated`, after which current ones come back.'),
  unauthenticatedLinks: count(1_000, 'Clients that have connected and have not shown yet who they are. Beyond: close 1013.'),
  authPerSecond: count(1_000, 'How often `authenticate` is begun in a second, a tenth of it at once. The others wait.'),
  concurrentAuth: count(64, 'How often `authenticate` runs at once, those that took too long included until they end, or for twice `hookMs`. The others wait.'),
  waitingAuth: count(1_000, 'How many wait for `authenticate`. Beyond: 503 with `Retry-After`, or close 1013; a client that is in already waits all the same.'),
  hookMs: milliseconds(5_000, 'For each call of a hook. Beyond: close 1011 for that peer; for `authenticate` 503, or close 1013.'),
  openMs: milliseconds(5_000, 'For the media server to accept a peer. Beyond: close 1013.'),
  uplinkQueueBytes: bytes(64 * 1024, 'What waits for hooks or for the trunk, of one peer. Beyond: its socket is not read until there is room.'),
  downlinkQueueBytes: bytes(320 * 1024, 'What waits for `onDownlink`, of one peer. Beyond: close 4008.'),
  downlinkBytes: bytes(320 * 1024, 'What waits unsent for one client. Beyond: close 4008.'),
  trunkWindowBytes: Type.Integer({ minimum: 64 * 1024, default: 256 * 1024, description: 'What may be under way on the trunk, in each direction. The rest waits, by peer, and each gets its share.' }),
  trunkQueueBytes: bytes(16 * 1024 * 1024, 'What waits for the trunk, of all peers. Beyond: nobody is read of whom more than its share of it waits; at four times as much close 1013.'),
  messagesPerSecond: count(200, 'Messages of one client, in the long run. Beyond: its socket is not read for a while.'),
  messageBurst: count(400, 'The same at once.'),
  pausedMs: milliseconds(10_000, 'How long a client may have to be kept waiting for sending too many messages, within a minute; what piled up while it was held up by something else is not its fault. Beyond: close 4429. From 60 000 on: never.'),
  bufferedBytes: bytes(512 * 1024 * 1024, 'What is buffered in this process. Beyond: the largest detached session ends, else whoever has most is closed with 4008.'),
  peers: count(20_000, 'Peers in this process. Beyond: close 1013.'),
  detachedPeers: count(3, 'Sessions of one `subject` that are held without a link. Beyond: the oldest ends, and its client, should it come back, begins anew.'),
  closeMs: milliseconds(1_000, 'For a client to answer a close. Beyond: its socket is cut.'),
  allowLargerPayload: Type.Boolean({ default: false, description: 'Whether an @fastify/websocket that the app has registered itself may take larger messages, or compress. Ours are bounded all the same, but only once they are in memory.' })
}, { additionalProperties: false })

const Heartbeat = Type.Object({
  clientMs: milliseconds(10_000, 'Between pings to a client; after two without a sign of life its link is dead.'),
  trunkMs: milliseconds(5_000, 'The same for the trunk, unless the media server asks for less.')
}, { additionalProperties: false })

const Resume = Type.Object({
  windowMs: milliseconds(30_000, 'How long a session is held whose link is lost, where its client can come back; the media server may hold it shorter.'),
  windowBytes: bytes(256 * 1024, 'What may be unacknowledged in each direction of a session that is held here, for a media server that holds none itself. Beyond: it waits.'),
  windowEvents: count(512, 'Events that may be unacknowledged in each direction, where the end of a session is in this process. Beyond: they wait.')
}, { additionalProperties: false })

const Token = Type.Object({
  refreshMs: milliseconds(30_000, 'How long before its `expiresAt` a client with a session is asked for a new token; half of its life where that is less.'),
  graceMs: milliseconds(10_000, 'How long after it such a client may still take. Beyond: close 4401. Other clients cannot be asked, and end in time.')
}, { additionalProperties: false })

const Drain = Type.Object({
  deadlineMs: milliseconds(8_000, 'For all clients to be gone, and all hooks to end, when the app drains or closes. Beyond: they are cut, and abandoned. A second more must be less than the `pluginTimeout` of Fastify, by default 10 s.'),
  spreadMs: milliseconds(5_000, 'The longest over which clients are closed when the app drains or closes; few are closed faster, `limits.authPerSecond` of them in a second.'),
  maxConnectionAgeMs: Type.Optional(Type.Integer({ minimum: 1, maximum: 2 ** 31 - 1, description: 'After which, less up to a tenth, each link is closed with 1012, so that its client comes back, perhaps elsewhere; with its session where it has one. Default: never.' }))
}, { additionalProperties: false })

const DIALECT_WANTED = "must be 'trunkline', 'fishjam', 'janus', or { name, path }"

const DialectOption = Type.Union([
  Type.Enum(['trunkline', 'fishjam', 'janus']),
  Type.Object({ name: Type.Enum(['trunkline', 'fishjam', 'janus']), path: Type.String({ pattern: '^/[^?#]*$' }) }, { additionalProperties: false })
], { wanted: DIALECT_WANTED })

/** The part of the options that is data. What is a function is checked by hand below. */
export const OptionsSchema = Type.Object({
  path: Type.String({ pattern: '^/[^?#]*$', default: '/signaling', wanted: "must begin with '/', and have neither query nor fragment", description: 'Where clients connect.' }),
  mode: Type.Enum(['relay', 'direct'], { default: 'relay', wanted: "must be 'relay' or 'direct'", description: 'Whether clients come by way of this backend, or connect to the media server themselves with what `admit()` answers: the same client code either way.' }),
  publicUrl: Type.Optional(Type.String({ pattern: '^(wss?|https?)://', wanted: "must be a URL such as 'wss://api.example', with the prefix that a proxy takes off, if any", description: 'Where clients reach this backend, for the `url` that `admit()` answers. Default: as the request says that was given to `admit()`; without one, the path alone.' })),
  dialects: Type.Array(DialectOption, { minItems: 1, wanted: `must be an array, and each entry ${DIALECT_WANTED}`, default: ['trunkline', 'fishjam'], description: 'Which kinds of client are served: `trunkline` at `path`, `fishjam` at `/socket/peer/websocket`, `janus` (janus.js, for a Janus) at `/janus`, or another path by `{ name, path }`.' }),
  origins: Type.Union([Type.Literal('*'), Type.Array(Type.String())], { default: [], wanted: "must be '*', or an array of origins such as 'https://app.example'", description: 'Origins (`https://app.example`) allowed beside the host\'s own; `*` for all. A client without an Origin is no browser, and is let through to `authenticate`.' }),
  cookie: Type.Optional(Type.String({ minLength: 1, description: 'The cookie that may carry the token. A client that uses it must send an allowed Origin.' })),
  duplicate: Type.Enum(['replace', 'refuse'], { default: 'replace', wanted: "must be 'replace' or 'refuse'", description: 'What a second link under a live `peerId` does: the older one is closed (4409), or the newer one is refused.' }),
  trunkDownMs: milliseconds(30_000, 'How long peers, and those who want to join, wait for a lost trunk. Beyond: close 4000, or 1013.'),
  trunkHoldMs: Type.Integer({ minimum: 0, maximum: 1, default: 0, wanted: 'must be 0 or 1', description: 'How long what clients say may be held, so that more of it leaves for the media server at once. 1 makes fewer and larger messages where thousands of events come in a second, which is less work for both sides, and adds about half a millisecond; what comes after a silence is not held. 0: what comes in one turn of the event loop leaves together.' }),
  namespace: Type.String({ pattern: '^[A-Za-z_$][A-Za-z0-9_$]*$', default: 'trunkline', wanted: 'must be a name that a property can have: letters, digits, _ and $', description: 'The name of the decorator: `app.trunkline`. Another one lets an app register twice.' }),
  limits: Type.Object(Limits.properties, { additionalProperties: false, default: {}, description: 'Bounds, below.' }),
  heartbeat: Type.Object(Heartbeat.properties, { additionalProperties: false, default: {}, description: '`{ clientMs, trunkMs }`, below.' }),
  resume: Type.Object(Resume.properties, { additionalProperties: false, default: {}, description: '`{ windowMs, windowBytes, windowEvents }`, below.' }),
  drain: Type.Object(Drain.properties, { additionalProperties: false, default: {}, description: '`{ deadlineMs, spreadMs, maxConnectionAgeMs }`, below.' }),
  token: Type.Object(Token.properties, { additionalProperties: false, default: {}, description: '`{ refreshMs, graceMs }`, below.' })
}, { additionalProperties: false })

export type Settings = Static<typeof OptionsSchema>
export type LimitOptions = Static<typeof Limits>
export type HeartbeatOptions = Static<typeof Heartbeat>
export type ResumeOptions = Static<typeof Resume>
export type DrainOptions = Static<typeof Drain>
export type TokenOptions = Static<typeof Token>
export type DialectOptions = Static<typeof DialectOption>

/** Of the reference driver, when `mediaServer` is no driver. */
const ServerSchema = Type.Object({
  url: Type.String({ pattern: '^wss?://', wanted: 'must be a URL that begins with ws:// or wss://' }),
  token: Type.Optional(Type.Unknown()),
  ca: Type.Optional(Type.Unknown()),
  headers: Type.Optional(Type.Record(Type.String(), Type.String())),
  encoding: Type.Optional(Type.Enum(['protobuf', 'json'], { wanted: "must be 'protobuf' or 'json'" })),
  messageBytes: Type.Optional(Type.Integer({ minimum: 1024, maximum: 2 ** 30 })),
  apiUrl: Type.Optional(Type.String({ pattern: '^https?://', wanted: 'must be a URL that begins with http:// or https://' })),
  apiToken: Type.Optional(Type.Unknown()),
  requestMs: Type.Optional(Type.Integer({ minimum: 1, maximum: 2 ** 31 - 1 })),
  retry: Type.Optional(Type.Object({
    baseMs: Type.Optional(Type.Integer({ minimum: 1 })), maxMs: Type.Optional(Type.Integer({ minimum: 1 }))
  }, { additionalProperties: false }))
}, { additionalProperties: false })

/** Options that are functions, or hold some. */
const BY_HAND = ['authenticate', 'mediaServer', 'hooks', 'clock']

/**
 * The settings, with every default in place.
 * @throws AuthenticateMissingError clients are to come by way of this backend
 * @throws UnknownOptionError with the nearest option that there is
 * @throws OptionError a value that cannot be
 */
export function checkOptions (options: Record<string, unknown>): Settings {
  const data = Object.fromEntries(Object.entries(options).filter(([name, value]) => !BY_HAND.includes(name) && value !== undefined))
  // First of all, since a name that is misspelled is often that of an option that is then missing.
  refuseUnknown(data, OptionsSchema, '', BY_HAND)
  if (options.authenticate === undefined && options.mode !== 'direct') throw new AuthenticateMissingError()
  if (options.authenticate !== undefined && typeof options.authenticate !== 'function') throw new OptionError('authenticate', 'must be a function')
  checkMediaServer(options.mediaServer)
  const { hooks, clock } = options
  if (clock !== undefined && typeof (clock as { after?: unknown } | null)?.after !== 'function') throw new OptionError('clock', 'must have the functions now, after and every')
  if (hooks !== undefined && (typeof hooks !== 'object' || hooks === null || Array.isArray(hooks))) throw new OptionError('hooks', 'must be an object of functions, by the names of the hooks')
  refuseFunctions(data, '')
  const settings = Value.Default(OptionsSchema, structuredClone(data))
  refuseInvalid(settings, OptionsSchema, '')
  checkOrigins((settings as Settings).origins)
  checkPublicUrl((settings as Settings).publicUrl)
  return settings as Settings
}

/** Nothing of what is data here may be a function, and none could be copied. */
function refuseFunctions (value: unknown, name: string): void {
  if (typeof value === 'function' || typeof value === 'symbol') throw new OptionError(name, `must be data, not a ${typeof value}`)
  if (typeof value !== 'object' || value === null) return
  for (const [key, inner] of Object.entries(value)) refuseFunctions(inner, name === '' ? key : `${name}.${key}`)
}

/** One that is not written as browsers write it would never match, and nobody would know why. */
function checkOrigins (origins: Settings['origins']): void {
  if (origins === '*') return
  for (const origin of origins) {
    if (origin === '*') throw new OptionError('origins', "must be '*' itself to allow all, not an array that holds it")
    // What sandboxed frames and files send.
    if (origin === 'null') continue
    const known = URL.canParse(origin) ? new URL(origin).origin : null
    // Schemes of apps and extensions have no origin that URL knows: for those, a scheme and a host is what they look like.
    const written = known === 'null' ? (/^[a-z][a-z0-9+.-]*:\/\/[^/*?#]*/.exec(origin)?.[0] ?? null) : known
    if (written !== origin || origin.includes('*')) {
      throw new OptionError('origins', `has '${origin}', which no browser sends: ${written === null ? "write it with its scheme, as 'https://app.example'" : origin.includes('*') ? 'name each one, there are no patterns' : `write '${written}'`}`)
    }
  }
}

/** Paths are appended to it, and clients are told it. */
function checkPublicUrl (publicUrl: string | undefined): void {
  if (publicUrl === undefined) return
  if (!URL.canParse(publicUrl) || /[?#@\s]/.test(publicUrl)) throw new OptionError('publicUrl', "must be a URL such as 'wss://api.example', without a query, a fragment or a name")
}

function checkMediaServer (mediaServer: unknown): void {
  if (typeof mediaServer !== 'object' || mediaServer === null) throw new OptionError('mediaServer', "must be { url: 'ws://...', token }, or a driver")
  if (typeof (mediaServer as { create?: unknown }).create === 'function') return
  checkData(mediaServer as Record<string, unknown>, ServerSchema, 'mediaServer.')
  checkAddress(mediaServer as Address, ['token', 'apiToken'])
  checkApiUrl(mediaServer as { apiUrl?: string })
}

/** Where a media server is, and what lets us in. */
interface Address {
  url: string
  headers?: Record<string, string>
}

/** Nothing of it may get lost: what a query or a password in it were to say is said by nobody. */
function checkApiUrl ({ apiUrl }: { apiUrl?: string }): void {
  if (apiUrl === undefined) return
  const url = URL.canParse(apiUrl) ? new URL(apiUrl) : null
  if (url === null || url.search !== '' || url.hash !== '' || url.username !== '' || url.password !== '') {
    throw new OptionError('mediaServer.apiUrl', "must be a URL such as 'http://host:port/', without a query, and without a password: that is mediaServer.apiToken")
  }
}

/** What the schema of a driver cannot say. @param secrets names of options that are a secret, or a function that answers one */
export function checkAddress (address: Address, secrets: string[]): void {
  const { url, headers = {} } = address
  if (!URL.canParse(url) || new URL(url).hash !== '') throw new OptionError('mediaServer.url', `must be a URL such as 'ws://host:port/path', not '${url}'`)
  for (const [name, value] of Object.entries(headers)) {
    try {
      validateHeaderName(name)
      validateHeaderValue(name, value)
    } catch (error) {
      throw new OptionError('mediaServer.headers', `cannot be sent: ${(error as Error).message}`)
    }
  }
  for (const name of secrets) {
    const secret = (address as unknown as Record<string, unknown>)[name]
    if (secret !== undefined && typeof secret !== 'string' && typeof secret !== 'function') throw new OptionError(`mediaServer.${name}`, 'must be a string, or a function that answers one')
  }
}

/**
 * Checks options that are data.
 * @throws UnknownOptionError with the nearest option that there is
 * @throws OptionError a value that cannot be
 */
export function checkData (given: Record<string, unknown>, schema: Type.TObject, prefix: string): void {
  refuseUnknown(given, schema, prefix)
  refuseInvalid(given, schema, prefix)
}

function refuseUnknown (given: Record<string, unknown>, schema: Type.TObject, prefix: string, further: string[] = []): void {
  for (const [name, value] of Object.entries(given)) {
    const property: TSchema | undefined = Object.hasOwn(schema.properties, name) ? schema.properties[name] : undefined
    if (property === undefined) {
      if (prefix === '' && name === 'prefix') throw new UnknownOptionError(name, "give the whole route as 'path', or register in a child scope that has the prefix (README, Recipes)")
      const known = [...Object.keys(schema.properties), ...further]
      const close = nearest(name, known)
      throw new UnknownOptionError(prefix + name, close === null ? `there are ${known.map((option) => prefix + option).join(', ')}` : `did you mean '${prefix}${close}'?`)
    }
    if (Type.IsObject(property) && typeof value === 'object' && value !== null) refuseUnknown(value as Record<string, unknown>, property, `${prefix}${name}.`)
  }
}

function refuseInvalid (value: unknown, schema: TSchema, prefix: string): void {
  const [error] = Value.Errors(schema, value)
  if (error === undefined) return
  // An error of a required property points at its object.
  const missing = error.keyword === 'required' ? (error.params as { requiredProperties: string[] }).requiredProperties[0] ?? '' : ''
  const name = prefix + [...error.instancePath.split('/').slice(1), missing].filter((part) => part !== '').join('.')
  throw new OptionError(name.replace(/\.$/, ''), missing === '' ? wanted(schema, error.instancePath) ?? error.message : 'is required')
}

/** What the innermost schema on the way to a value says in our own words. */
function wanted (schema: TSchema, path: string): string | null {
  let said: string | null = null
  let here: Record<string, unknown> | undefined = schema as Record<string, unknown>
  for (const part of path.split('/').slice(1)) {
    here = ((here.properties as Record<string, unknown> | undefined)?.[part] ?? here.items) as Record<string, unknown> | undefined
    if (here === undefined) break
    if (typeof here.wanted === 'string') said = here.wanted
  }
  return said
}
