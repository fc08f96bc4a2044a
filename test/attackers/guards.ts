/** Text of a built file, and what takes its place. */
export interface Edit { file: string, find: string, put: string }

/** An attack, and the guard without which it succeeds. */
export interface Guard {
  attack: string
  /** Where the attack is, below dist/test. */
  test: string
  edits: Edit[]
  /** Without the guard what the attack waits for never comes: its time runs out. */
  waits?: boolean
}

const ENTRY = 'plugins/attackers'
const ROUTE = 'plugins/client-route.js'
const REQUEST_LOG = 'plugins/request-log.js'
const WEBSOCKET = 'plugins/websocket.js'
const SOCKET = 'lib/dialects/client-socket.js'
const LINK = 'lib/dialects/session-link.js'
const FISHJAM = 'lib/dialects/fishjam.js'
const UPGRADE = 'lib/upgrade.js'

const one = (test: string, attack: string, file: string, find: string, put: string): Guard => ({ attack, test, edits: [{ file, find, put }] })
const waits = (guard: Guard): Guard => ({ ...guard, waits: true })

const NO_SIZE = { file: SOCKET, find: 'if (data.length > this.#messageBytes) {', put: 'if (false) {' }
/** The bound of ws, which looks at what is announced. */
const NO_PAYLOAD = { file: WEBSOCKET, find: 'maxPayload: limits.messageBytes,', put: 'maxPayload: 0,' }
const NO_WIRE_COUNT = { file: SOCKET, find: 'raw.bytesRead - start > this.#limits.preAuthBytes + FRAMING_BYTES', put: 'false' }

export const guards: Guard[] = [
  one(ENTRY, 'auth flood', 'lib/relay/turnstile.js', 'return this.#running < this.#limits.concurrentAuth && ', 'return '),
  waits(one(ENTRY, 'slow-loris upgrade', 'test/plugins/attackers.test.js', 'headersTimeout: HEADERS_TIMEOUT', 'headersTimeout: 0')),
  waits(one(ENTRY, 'slow-loris after the upgrade, link', LINK, 'clock.after(authMs,', 'clock.after(authMs * 1_000,')),
  waits(one(ENTRY, 'slow-loris after the upgrade, fishjam', FISHJAM, 'clock.after(this.#door.authMs,', 'clock.after(this.#door.authMs * 1_000,')),
  { attack: 'pre-auth flood, link: one message', test: ENTRY, edits: [NO_WIRE_COUNT] },
  { attack: 'pre-auth flood, fishjam: one message', test: ENTRY, edits: [NO_WIRE_COUNT], waits: true },
  waits(one(ENTRY, 'pre-auth flood, link: messages', LINK, 'this.#socket.boundPreAuth();', '')),
  waits(one(ENTRY, 'pre-auth flood, fishjam: messages', FISHJAM, "this.#state = 'authenticating';\n        this.#timer?.cancel();\n        this.#socket.pause();", 'this.#timer?.cancel(); this.#message = () => {}; this.#socket.admitted();')),
  { attack: 'pre-auth flood: behind an upgrade', test: ENTRY, edits: [NO_PAYLOAD] },
  waits(one(ENTRY, 'many unauthenticated links', ROUTE, 'connections.strangers >= limits.unauthenticatedLinks', 'false')),
  one(ENTRY, 'cross-site pages', UPGRADE, "throw new Refusal(CloseCode.forbidden, 403, 'origin not allowed');", ''),
  one(ENTRY, 'cross-site pages', UPGRADE, 'headers.origin === undefined', 'false'),
  one(ENTRY, 'cross-site pages', UPGRADE, 'allowed.includes(origin)', 'allowed.some((one) => origin.startsWith(one))'),
  one(ENTRY, 'cross-site pages', UPGRADE, 'return originHost !== \'\' && originHost ===', 'return origin.includes(host) || originHost ==='),
  one(ENTRY, 'a token in the URL', ROUTE, 'logSerializers: { req: withoutQuery },', ''),
  one(ENTRY, 'a token in the URL', REQUEST_LOG, 'request.url.split(/[?;#]/, 1)[0]', "request.url.split('?', 1)[0]"),

  { attack: 'huge message: one of the largest size', test: 'attackers/frames', edits: [NO_PAYLOAD, NO_SIZE], waits: true },
  { attack: 'huge message: 1099511627776', test: 'attackers/frames', edits: [NO_PAYLOAD], waits: true },
  waits(one('attackers/frames', 'fragment flood', WEBSOCKET, 'perMessageDeflate: false,', 'perMessageDeflate: false, maxFragments: 0,')),
  waits(one('attackers/frames', 'ping flood', WEBSOCKET, 'perMessageDeflate: false,', 'perMessageDeflate: false, maxPendingAutoPongs: 0,')),
  {
    attack: 'empty messages',
    test: 'attackers/frames',
    edits: [
      { file: 'lib/relay/lane.js', find: 'const EVENT_COST = 64;', put: 'const EVENT_COST = 0;' },
      { file: 'lib/session/end.js', find: 'windowEvents: 512', put: 'windowEvents: Infinity' },
      { file: 'lib/session/end.js', find: 'keptEvents: 4096', put: 'keptEvents: Infinity' },
      { file: 'lib/session/end.js', find: 'const EVENT_COST = 64;', put: 'const EVENT_COST = 0;' }
    ]
  },
  one('attackers/frames', 'compression bomb', WEBSOCKET, 'perMessageDeflate: false,', 'perMessageDeflate: true,'),
  waits(one('attackers/frames', 'reset', ROUTE, 'closed: (client) => connections.delete(client),', 'closed: () => {},')),
  waits(one('attackers/frames', 'half open', ROUTE, 'closed: (client) => connections.delete(client),', 'closed: () => {},')),

  one('attackers/sessions', 'session key guessing', 'lib/relay/title.js', 'return sameSecret(key, this.#key)', 'return key.length === this.#key.length || sameSecret(key, this.#key)'),
  one('attackers/sessions', 'session key guessing', 'lib/trunk/sessions.js', 'asked.resumeOnly ? refuse(CloseCode.mediaServerReset', 'false ? refuse(CloseCode.mediaServerReset'),
  one('attackers/sessions', 'forged peer_id, protobuf', 'lib/trunk/frames.js', 'return writeVarint(target, event.length, at);', 'return writeVarint(target, 0, at);'),
  one('attackers/sessions', 'forged peer_id, json', 'lib/trunk/json-frames.js', "case 'binary': return frame.body.toString('base64');", "case 'binary': return frame.body.toString('latin1');"),
  {
    // The media server ends the older session too: either is enough.
    attack: 'takeover war',
    test: 'attackers/sessions',
    edits: [
      { file: 'lib/relay/relay.js', find: "present?.end({ code: CloseCode.replaced, reason: 'replaced by a newer link', cause: 'replaced' }, claim.key !== '');", put: '' },
      { file: 'lib/trunk/sessions.js', find: "present?.over({ code: CloseCode.replaced, reason: 'replaced by a newer session' }, true);", put: '' }
    ],
    waits: true
  },
  waits(one('attackers/sessions', 'prototype pollution', LINK, 'return control;\n}', 'const copy = {}; for (const name in control) copy[name] = control[name]; return copy;\n}')),
  one('attackers/sessions', 'control messages with absurd numbers', LINK, 'maximum: Number.MAX_SAFE_INTEGER', 'maximum: Infinity'),
  waits(one('attackers/sessions', 'acks beyond what was sent', 'lib/session/end.js', "return 'beyond';", "return 'old';")),

  waits(one('attackers/hooks', 'a hook that hangs: onPeerJoin', 'lib/relay/hooks.js', 'this.#clock.after(this.#timeoutMs,', 'this.#clock.after(this.#timeoutMs * 1_000,')),
  waits(one('attackers/hooks', 'a hook that hangs: onUplink', 'lib/relay/hooks.js', 'this.#clock.after(this.#timeoutMs,', 'this.#clock.after(this.#timeoutMs * 1_000,')),
  waits(one('attackers/hooks', 'a hook that hangs: onDownlink', 'lib/relay/hooks.js', 'this.#clock.after(this.#timeoutMs,', 'this.#clock.after(this.#timeoutMs * 1_000,')),
  waits(one('attackers/hooks', 'a hook that hangs: authenticate', 'lib/relay/admission.js', 'this.#clock.after(hookMs,', 'this.#clock.after(hookMs * 1_000,')),
  waits(one('attackers/hooks', 'a hook that hangs: onPeerLeave', 'lib/relay/hooks.js', 'this.#clock.after(this.#timeoutMs,', 'this.#clock.after(this.#timeoutMs * 1_000,')),
  one('attackers/hooks', 'a hook that throws: everything, thrown$', 'lib/logger.js', 'catch {\n        log[level]', 'catch (cause) {\n        throw cause;\n        log[level]'),
  one('attackers/hooks', 'a hook that throws: everything, rejected$', 'lib/logger.js', 'catch {\n        log[level]', 'catch (cause) {\n        throw cause;\n        log[level]'),
  one('attackers/hooks', 'a hook that throws: everything, thrown by a thenable', 'lib/relay/lane.js', 'Promise.resolve(answer).then(', 'answer.then(')
]
