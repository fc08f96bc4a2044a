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

export const JanusRoomError = createError<[string, string]>(
  'TRK_ERR_JANUS_ROOM', "VideoRoom cannot have the room '%s' (%s): have mediaServer.room answer what it can: numbers, unless it has string_ids = true", 400)

// The control API

export const RoomNotFoundError = createError<[string]>('TRK_ERR_ROOM_NOT_FOUND', "there is no room '%s' at the media server: create it by rooms.create", 404)

export const RoomExistsError = createError<[string]>('TRK_ERR_ROOM_EXISTS', "there is a room '%s' at the media server already: take it as it is, or delete it by rooms.delete", 409)

export const PeerNotFoundError = createError<[string, string]>('TRK_ERR_PEER_NOT_FOUND', "there is no peer '%s' in the room '%s': it may have left", 404)

export const RoomFullError = createError<[string]>('TRK_ERR_ROOM_FULL', "the room '%s' takes no more peers: try again when somebody has left", 503)

export const RoomModeError = createError<[string, string, string]>(
  'TRK_ERR_ROOM_MODE', "the room '%s' has clients that %s, and none that %s may come in: use another room, or wait until it is empty", 409)

export const ControlUnsupportedError = createError<[string, string]>(
  'TRK_ERR_CONTROL_UNSUPPORTED', "the driver '%s' cannot %s: use another one, or what the media server itself offers", 501)

/** Nothing has been asked of the media server. */
export const ControlArgumentError = createError<[string, string]>('TRK_ERR_CONTROL_ARGUMENT', "'%s' cannot be asked of the media server: it must be %s", 500, TypeError)

export const ControlUnauthorizedError = createError<[string, string]>(
  'TRK_ERR_CONTROL_UNAUTHORIZED', '%s: the media server does not accept the token of its control API (%s): check mediaServer.apiToken', 502)

export const ControlUnreachableError = createError<[string, string]>(
  'TRK_ERR_CONTROL_UNREACHABLE', "%s: the media server's control API cannot be reached (%s): check mediaServer.apiUrl, or try again later", 503)

export const ControlTimeoutError = createError<[string, number]>(
  'TRK_ERR_CONTROL_TIMEOUT', "%s: the media server's control API has not answered within %d ms: it may have been done, so look before you try again", 504)

export const ControlAnswerError = createError<[string, string]>(
  'TRK_ERR_CONTROL_ANSWER', "%s: what answers is not the media server's control API (%s): check mediaServer.apiUrl", 502)

export const ControlRefusedError = createError<[string, number, string]>(
  'TRK_ERR_CONTROL_REFUSED', '%s: the media server answers %d: %s', 502)

// Recordings

export const RecordingUnsupportedError = createError<[string]>(
  'TRK_ERR_RECORDING_UNSUPPORTED', "the driver '%s' cannot have rooms recorded: have the media server itself do it, and tell it of each recording (onRecording), or use a driver that can, such as janus()", 501)

export const RecordingFailedError = createError<[string, string]>('TRK_ERR_RECORDING', "the room '%s' is not recorded: %s", 502)

// Who comes in

export const AdmitError = createError<[string]>('TRK_ERR_ADMIT', 'admit() cannot let the client in: %s', 500, TypeError)

export const AdmitGoneError = createError<[]>('TRK_ERR_ADMIT_GONE', 'the client was gone before it was let in: nothing is left of it', 499)

export const ModeError = createError<[string]>('TRK_ERR_MODE', "in this registration clients come by way of the backend: %s is for one with mode: 'direct', here use admit()", 500, TypeError)

export const TicketError = createError<[string]>('TRK_ERR_TICKET', 'not a ticket that lets anybody in: %s', 401)

/** A client is told "expired token" by the code. */
export const TicketExpiredError = createError<[]>('TRK_ERR_TICKET_EXPIRED', 'the ticket has expired: ask admit() for another', 401)

export const TicketVoidError = createError<[]>('TRK_ERR_TICKET_VOID', 'the ticket is void: its peer was removed, or has been let in by a newer one', 401)

export const TicketStoreError = createError<[string, { cause: unknown }?]>('TRK_ERR_TICKET_STORE', 'the store of the tickets %s: see that it works, clients come back until it does', 503)

export const AdmitBusyError = createError<[number]>(
  'TRK_ERR_ADMIT_BUSY', 'the media server is being asked to let in %d clients, and no more may wait: try again later', 503)

// App messages

export const MessageError = createError<[string]>('TRK_ERR_MESSAGE', 'a message that cannot be sent: %s', 500, TypeError)

// Peers

export const IdentityError = createError<[string]>(
  'TRK_ERR_IDENTITY', "'authenticate' answered an identity that cannot be used: %s", 500, TypeError)

/** The bytes are no valid message. Where it broke is in the message. */
export const MalformedError = createError<[string]>('TRK_ERR_MALFORMED', 'not a valid message: %s', 400)
