import createError from '@fastify/error'

/** Every coded error of this package. Each message says what to do about it. */

// Options, at start

export const OptionError = createError<[string, string]>('TRK_ERR_OPTION', "option '%s' %s", 500, TypeError)

export const UnknownOptionError = createError<[string, string]>('TRK_ERR_OPTION_UNKNOWN', "unknown option '%s': %s", 500, TypeError)

export const AuthenticateMissingError = createError<[]>(
  'TRK_ERR_AUTHENTICATE_MISSING',
  "option 'authenticate' is required, since nobody gets in by default: give a function (request, credentials) that answers { roomId, metadata } or throws",
  500, TypeError)

// Registration

export const NamespaceTakenError = createError<[string]>(
  'TRK_ERR_NAMESPACE_TAKEN', "app.%s is taken: give this registration another 'namespace', another 'path', and 'dialects' whose routes are free", 500)

export const RouteTakenError = createError<[string, string]>(
  'TRK_ERR_ROUTE_TAKEN', "the route GET %s, for clients of the dialect '%s', is taken: give this registration another 'path', leave that dialect out of 'dialects', or name its path there: { name, path }", 500)

export const NotAtRootError = createError<[]>(
  'TRK_ERR_NOT_AT_ROOT',
  'trunkline is being registered in a child scope, where @fastify/websocket cannot be brought along without breaking the upgrades of the rest of the app: register trunkline on the root instance, or register @fastify/websocket there first', 500)

export const PayloadTooLargeError = createError<[number, number]>(
  'TRK_ERR_MAX_PAYLOAD',
  '@fastify/websocket is registered with a maxPayload of %d bytes, more than limits.messageBytes: register it with { options: { maxPayload: %d } }, or leave it to trunkline to register, or set limits: { allowLargerPayload: true } if other routes need it', 500)

export const CompressionError = createError<[]>(
  'TRK_ERR_COMPRESSION',
  '@fastify/websocket is registered with perMessageDeflate, which lets a small message grow beyond every bound: register it without, or leave it to trunkline to register, or set limits: { allowLargerPayload: true } if other routes need it', 500)

export const Http2Error = createError<[]>(
  'TRK_ERR_HTTP2',
  "Fastify's WebSockets need HTTP/1.1, and this app speaks HTTP/2 alone: leave out http2, or set https: { allowHTTP1: true } beside it", 500)

export const ProxyOrderError = createError<[]>(
  'TRK_ERR_PROXY_ORDER',
  '@fastify/http-proxy with websocket: true is registered after @fastify/websocket, and the first upgrade that it proxies would end the process: leave @fastify/websocket to trunkline to register, or register the proxy before it, or on another Fastify instance', 500)

export const ProxyPrefixError = createError<[string, string]>(
  'TRK_ERR_PROXY_PREFIX',
  "@fastify/http-proxy with websocket: true takes all upgrades below its prefix '%s', those of trunkline's clients at %s too: give the proxy another prefix, or trunkline another 'path' and 'dialects' with theirs, or register the proxy on another Fastify instance", 500)

// Hooks

export const HookNameError = createError<[string, string]>('TRK_ERR_HOOK_NAME', "there is no hook '%s': %s", 500, TypeError)

export const HookFunctionError = createError<[string, string]>('TRK_ERR_HOOK_FUNCTION', "hook '%s' must be a function, not %s", 500, TypeError)

export const HookTimeoutError = createError<[string, number]>(
  'TRK_ERR_HOOK_TIMEOUT', "hook '%s' took longer than limits.hookMs (%d ms): do slow work elsewhere, or raise the limit", 500)

export const HookResultError = createError<[string, string]>(
  'TRK_ERR_HOOK_RESULT', "hook '%s' returned %s: return nothing to pass the event on, false to drop it, a string or a Buffer to replace it", 500, TypeError)

// The media server's side

export const NoticeError = createError<[string]>('TRK_ERR_NOTICE', 'a notification that cannot be told: %s', 500, TypeError)

export const TrunkDownError = createError<[]>('TRK_ERR_TRUNK_DOWN', 'the media server cannot be reached now: wait for onTrunk to say up, and try again', 503)

export const JanusRefusedError = createError<[string, number]>('TRK_ERR_JANUS', 'Janus refuses: %s (%d)', 502)

// Recordings

export const RecordingUnsupportedError = createError<[string]>(
  'TRK_ERR_RECORDING_UNSUPPORTED', "the driver '%s' cannot have rooms recorded: have the media server itself do it, and tell it of each recording (onRecording), or use a driver that can, such as janus()", 501)

export const RecordingFailedError = createError<[string, string]>('TRK_ERR_RECORDING', "the room '%s' is not recorded: %s", 502)

// Peers

export const IdentityError = createError<[string]>(
  'TRK_ERR_IDENTITY', "'authenticate' answered an identity that cannot be used: %s", 500, TypeError)

/** The bytes are no valid message. Where it broke is in the message. */
export const MalformedError = createError<[string]>('TRK_ERR_MALFORMED', 'not a valid message: %s', 400)
