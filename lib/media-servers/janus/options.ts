import Type from 'typebox'
import Value from 'typebox/value'
import { OptionError } from '../../errors.js'
import { checkAddress, checkData } from '../../options.js'
import type { Dial } from '../../trunk/dialer.js'

/** What `janus()` takes. */
export interface JanusOptions {
  /** Of the WebSocket of the Janus API: `ws://` or `wss://`. */
  url: string
  /** `api_secret` of Janus's configuration; a function is asked anew at each connection. */
  apiSecret?: string | (() => string | Promise<string>) | undefined
  /** A token, where Janus has `token_auth` instead; a function is asked anew at each connection. */
  token?: string | (() => string | Promise<string>) | undefined
  /** Plugins that clients may attach to, default `['janus.plugin.videoroom']`. The first is that of plain clients. */
  plugins?: string[]
  /** Handles of one client at most, default 32. */
  handles?: number
  /** How long Janus may take to answer a request, default 10 000 ms. Beyond: the client gets an error 490. */
  requestMs?: number
  /** How long Janus hears nothing of a session at most; default 20 000 ms, or a third of Janus's own timeouts. */
  keepaliveMs?: number
  /** Bytes of one request at most, default 128 KiB. Beyond: the client is closed with 1009. */
  messageBytes?: number
  /** Characters of the `body` of one message at most, default 16 384: plugins tell all of a room what one has said, a name for one. Beyond: an error 467. */
  bodyLength?: number
  /** Bytes of one message of Janus at most, default 16 MiB: what is in a room may come in one. Beyond: the connection is made anew. */
  receivedBytes?: number
  /** VideoRoom's name for a room of the app; default: a number where it is all digits, else as it is. */
  room?: (roomId: string) => number | string
  /** `secret` of the rooms, of those too that the app has made; a function is asked anew each time. */
  roomSecret?: string | ((roomId: string) => string | Promise<string>) | undefined
  /** `admin_key` of VideoRoom's configuration: to make rooms, and to be told of private ones. A function is asked anew each time. */
  adminKey?: string | (() => string | Promise<string>) | undefined
  /** VideoRoom's own settings of a room that the app has made, such as `bitrate` or `rec_dir`. What the driver itself says of it counts for more. */
  newRoom?: ((roomId: string) => Record<string, unknown>) | undefined
  /** `token_auth_secret` of Janus's configuration, for clients that connect to Janus itself; a function is asked anew for each. */
  tokenSecret?: string | (() => string | Promise<string>) | undefined
  /** Of Janus's WebSocket, as those clients reach it: `ws://` or `wss://`. */
  publicUrl?: string | undefined
  /** How long their tokens are good, default 4 hours: Janus asks for it with each request, so that no client stays longer. */
  tokenMs?: number
  /**
   * Of the WebSocket of Janus's Admin API: `ws://` or `wss://`. By it the driver sees what Janus really records, each file of it,
   * while a room is recorded; without it that cannot be checked.
   */
  adminUrl?: string | undefined
  /** `admin_secret` of Janus's configuration; a function is asked anew at each connection. */
  adminSecret?: string | (() => string | Promise<string>) | undefined
  /** Between two looks at what is recorded, default 1000 ms. */
  recordingPollMs?: number
  /**
   * The route to which Janus's WebSocket event handler connects, and the key that it shows there: `backend` of
   * `janus.eventhandler.wsevh.jcfg` is `ws://host:port/path?key=...`.
   */
  events?: { path: string, key: string } | undefined
  /** Certificate authorities for `wss://` beside the system's own, in PEM. */
  ca?: string | Buffer | Array<string | Buffer> | undefined
  /** Further headers of the upgrade. */
  headers?: Record<string, string>
  /** Backoff with full jitter, default `{ baseMs: 250, maxMs: 5000 }`. */
  retry?: { baseMs?: number, maxMs?: number }
  /** @internal For tests. */
  dial?: Dial
  /** @internal For tests. */
  random?: () => number
}

const JanusSchema = Type.Object({
  url: Type.String({ pattern: '^wss?://', wanted: 'must be a URL that begins with ws:// or wss://' }),
  apiSecret: Type.Optional(Type.Unknown()),
  token: Type.Optional(Type.Unknown()),
  plugins: Type.Array(Type.String({ pattern: '^[\\w.-]+$' }), { minItems: 1, default: ['janus.plugin.videoroom'], wanted: "must be an array of names such as 'janus.plugin.videoroom'" }),
  handles: Type.Integer({ minimum: 1, default: 32 }),
  requestMs: Type.Integer({ minimum: 1, maximum: 2 ** 31 - 1, default: 10_000 }),
  keepaliveMs: Type.Optional(Type.Integer({ minimum: 100, maximum: 2 ** 31 - 1 })),
  messageBytes: Type.Integer({ minimum: 1024, maximum: 2 ** 30, default: 128 * 1024 }),
  bodyLength: Type.Integer({ minimum: 256, maximum: 2 ** 30, default: 16 * 1024 }),
  receivedBytes: Type.Integer({ minimum: 1024, maximum: 2 ** 30, default: 16 * 1024 * 1024 }),
  room: Type.Optional(Type.Unknown()),
  roomSecret: Type.Optional(Type.Unknown()),
  adminKey: Type.Optional(Type.Unknown()),
  newRoom: Type.Optional(Type.Unknown()),
  tokenSecret: Type.Optional(Type.Unknown()),
  publicUrl: Type.Optional(Type.String({ pattern: '^wss?://', wanted: 'must be a URL that begins with ws:// or wss://' })),
  tokenMs: Type.Integer({ minimum: 1_000, maximum: 2 ** 40, default: 4 * 60 * 60 * 1_000 }),
  adminUrl: Type.Optional(Type.String({ pattern: '^wss?://', wanted: 'must be a URL that begins with ws:// or wss://' })),
  adminSecret: Type.Optional(Type.Unknown()),
  recordingPollMs: Type.Integer({ minimum: 100, maximum: 2 ** 31 - 1, default: 1_000 }),
  events: Type.Optional(Type.Object({
    path: Type.String({ pattern: '^/[^?#]*$', wanted: "must begin with '/', and have neither query nor fragment" }),
    key: Type.String({ minLength: 16, wanted: 'must be a secret of at least 16 characters' })
  }, { additionalProperties: false })),
  ca: Type.Optional(Type.Unknown()),
  headers: Type.Record(Type.String(), Type.String(), { default: {} }),
  retry: Type.Object({
    baseMs: Type.Integer({ minimum: 1, default: 250 }), maxMs: Type.Integer({ minimum: 1, default: 5_000 })
  }, { additionalProperties: false, default: {} }),
  dial: Type.Optional(Type.Unknown()),
  random: Type.Optional(Type.Unknown())
}, { additionalProperties: false })

/** @internal For tests. */
export const janusOptionNames = Object.keys(JanusSchema.properties).filter((name) => name !== 'dial' && name !== 'random')

type Defaulted = 'plugins' | 'handles' | 'requestMs' | 'messageBytes' | 'bodyLength' | 'receivedBytes' | 'recordingPollMs' | 'tokenMs' | 'headers'

export type CheckedJanusOptions = Omit<JanusOptions, 'retry' | 'room' | 'roomSecret' | 'adminKey' | 'newRoom' | 'tokenSecret' | 'adminSecret'> & Required<Pick<JanusOptions, Defaulted>> & {
  retry: { baseMs: number, maxMs: number }
  room: (roomId: string) => number | string
  /** Empty: it has none. */
  roomSecret: (roomId: string) => string | Promise<string>
  /** Empty: there is none. */
  adminKey: () => string | Promise<string>
  newRoom: (roomId: string) => Record<string, unknown>
  /** Null: nobody connects to Janus itself. */
  tokenSecret: (() => string | Promise<string>) | null
  /** Empty: there is none. */
  adminSecret: () => string | Promise<string>
}

/**
 * The options with every default in place.
 * @throws UnknownOptionError with the nearest option that there is
 * @throws OptionError a value that cannot be
 */
export function checkJanusOptions (options: JanusOptions): CheckedJanusOptions {
  if (typeof options !== 'object' || options === null) throw new OptionError('mediaServer', "must be janus({ url: 'ws://...', apiSecret })")
  const given = Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined))
  const checked = Value.Default(JanusSchema, given) as Record<string, unknown>
  checkData(checked, JanusSchema, 'mediaServer.')
  checkAddress(checked as unknown as JanusOptions, ['apiSecret', 'token', 'roomSecret', 'adminKey', 'tokenSecret', 'adminSecret'])
  if (checked.apiSecret !== undefined && checked.token !== undefined) throw new OptionError('mediaServer.token', 'is of no use beside apiSecret: give one of them')
  if (checked.room !== undefined && typeof checked.room !== 'function') throw new OptionError('mediaServer.room', 'must be a function that answers a number or a string')
  if (checked.newRoom !== undefined && typeof checked.newRoom !== 'function') throw new OptionError('mediaServer.newRoom', "must be a function that answers VideoRoom's settings of a room")
  if (checked.publicUrl !== undefined && !URL.canParse(checked.publicUrl as string)) throw new OptionError('mediaServer.publicUrl', 'must be a URL that begins with ws:// or wss://')
  if (checked.adminUrl !== undefined && !URL.canParse(checked.adminUrl as string)) throw new OptionError('mediaServer.adminUrl', 'must be a URL that begins with ws:// or wss://')
  if (checked.adminSecret !== undefined && checked.adminUrl === undefined) throw new OptionError('mediaServer.adminSecret', 'is of no use without adminUrl')
  return {
    ...checked,
    room: checked.room ?? roomOf,
    newRoom: checked.newRoom ?? (() => ({})),
    roomSecret: answering(checked.roomSecret),
    adminKey: answering(checked.adminKey),
    adminSecret: answering(checked.adminSecret),
    tokenSecret: checked.tokenSecret === undefined ? null : answering(checked.tokenSecret)
  } as unknown as CheckedJanusOptions
}

function answering (secret: unknown = ''): unknown {
  return typeof secret === 'function' ? secret : () => secret
}

/** VideoRoom's own rooms are numbers, unless it is configured to have strings. */
function roomOf (roomId: string): number | string {
  const number = Number(roomId)
  return /^\d+$/.test(roomId) && Number.isSafeInteger(number) ? number : roomId
}
