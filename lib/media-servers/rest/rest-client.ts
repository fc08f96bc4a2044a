import { validateHeaderValue } from 'node:http'
import { Pool } from 'undici'
import { fullJitter } from '../../backoff.js'
import type { Clock, Timer } from '../../clock.js'
import { ControlTimeoutError, ControlUnauthorizedError, ControlUnreachableError } from '../../errors.js'
import type { Logger } from '../../logger.js'
import { Connector } from './connector.js'
import { failureOf } from './failure.js'
import { toAnswer } from './rest-answer.js'
import type { RestAnswer } from './rest-answer.js'
import { Slots } from './slots.js'

export type Method = 'GET' | 'POST' | 'DELETE'

export interface RestClientOptions {
  /** `http://` or `https://`; what is asked is below its path. */
  url: string
  /** Asked for anew at each request; empty: none is sent. */
  token: () => string | Promise<string>
  ca: string | Buffer | Array<string | Buffer> | undefined
  /** For a request, whatever it takes: the token, its turn, the connection, the answer, and being sent again. Milliseconds. */
  requestMs: number
  clock: Clock
  log: Logger
  random?: (() => number) | undefined
}

/** Connections to the media server at most; each has one request at a time. */
const CONNECTIONS = 8
/** Requests that are not answered yet at most, those included that wait for a connection. Beyond: they are refused. */
export const MAX_UNDER_WAY = 256
/** Bytes of an answer at most. */
export const MAX_ANSWER_BYTES = 16 * 1024 * 1024
/** How often what may be sent again is. */
const MAX_REPEATS = 2
/** What a media server that is starting, or the proxy before it, says: it may well be otherwise in a moment. */
const PASSING = new Set([502, 503, 504])

interface Asked {
  /** For errors and the log: without the token. */
  asked: string
  method: Method
  path: string
  headers: Record<string, string>
  body: string | null
  signal: AbortSignal
}

/**
 * Requests to one media server's REST API. Nothing is connected before the first. What only asks or deletes is sent again where that
 * may help; anything else only where the media server cannot have got it.
 */
export class RestClient {
  readonly #options: RestClientOptions
  readonly #prefix: string
  readonly #connector: Connector
  readonly #pool: Pool
  readonly #slots = new Slots(CONNECTIONS)
  readonly #retry
  /** What ends each request that is under way, by what was asked. */
  readonly #underWay = new Map<AbortController, string>()
  #isClosed = false

  constructor (options: RestClientOptions) {
    this.#options = options
    const { url, ca, requestMs, clock, random } = options
    const { origin, pathname } = new URL(url)
    this.#prefix = pathname.replace(/\/+$/, '')
    // A quarter, so that the other tries are left.
    this.#connector = new Connector({ ca, connectMs: Math.ceil(requestMs / 4), clock })
    this.#pool = new Pool(origin, {
      connections: CONNECTIONS,
      pipelining: 1,
      connect: this.#connector.connect,
      // By our own clock, and for all of a request.
      headersTimeout: 0,
      bodyTimeout: 0,
      maxResponseSize: MAX_ANSWER_BYTES
    })
    this.#retry = fullJitter(200, 1_000, random)
  }

  /**
   * @param segments of the path, as they are
   * @throws ControlTimeoutError
   * @throws ControlUnauthorizedError there is no token that could be sent
   * @throws ControlUnreachableError
   * @throws ControlAnswerError what answers does not speak HTTP, or says too much
   */
  async request (method: Method, segments: string[], body?: unknown): Promise<RestAnswer> {
    const { clock, requestMs } = this.#options
    const path = `/${segments.map(encodeURIComponent).join('/')}`
    const asked = `${method} ${path}`
    if (this.#isClosed) throw closing(asked)
    if (this.#underWay.size >= MAX_UNDER_WAY) throw new ControlUnreachableError(asked, `${MAX_UNDER_WAY} requests wait for it already`)
    const end = new AbortController()
    const { signal } = end
    const timer = clock.after(requestMs, () => end.abort(new ControlTimeoutError(asked, requestMs)))
    this.#underWay.set(end, asked)
    try {
      // undici itself hears of it late where there is no connection yet, and the function of the token not at all.
      return await unless(signal, this.#ask(asked, method, path, body, signal, clock.now() + requestMs))
    } finally {
      timer.cancel()
      this.#underWay.delete(end)
    }
  }

  /** Whatever is under way is rejected; nothing is asked any more. */
  async close (): Promise<void> {
    this.#isClosed = true
    for (const [end, asked] of this.#underWay) end.abort(closing(asked))
    this.#connector.close()
    await this.#pool.destroy()
  }

  async #ask (asked: string, method: Method, path: string, body: unknown, signal: AbortSignal, endsAt: number): Promise<RestAnswer> {
    const { clock, log } = this.#options
    const token = await this.#token(asked)
    const request: Asked = {
      asked,
      method,
      path: this.#prefix + path,
      headers: { accept: 'application/json', ...(token === '' ? {} : { authorization: `Bearer ${token}` }), ...(body === undefined ? {} : { 'content-type': 'application/json' }) },
      body: body === undefined ? null : JSON.stringify(body),
      signal
    }
    // Whether an earlier sending may have been carried out.
    let isRepeated = false
    for (let sendings = 1; ; sendings++) {
      const outcome = await this.#send(request)
      const isAnswer = 'status' in outcome
      const isUnsent = !isAnswer && outcome.isUnsent
      const isPassing = isAnswer ? PASSING.has(outcome.status) : outcome.isPassing
      const waitMs = this.#retry.delayMs(sendings - 1)
      if (!isPassing || (method === 'POST' && !isUnsent) || sendings > MAX_REPEATS || clock.now() + waitMs >= endsAt) {
        if (isAnswer) return toAnswer({ asked, isRepeated, ...outcome }, token)
        throw outcome.error
      }
      log.debug({ asked, cause: isAnswer ? outcome.status : outcome.error.message, waitMs }, 'the control API of the media server is asked again')
      isRepeated ||= !isUnsent
      await this.#pause(waitMs, signal)
    }
  }

  async #send ({ asked, method, path, headers, body, signal }: Asked): Promise<{ status: number, bytes: Uint8Array } | ReturnType<typeof failureOf>> {
    await this.#slots.take(signal)
    try {
      const { statusCode: status, body: stream } = await this.#pool.request({ method, path, headers, body, signal })
      return { status, bytes: await stream.bytes() }
    } catch (error) {
      signal.throwIfAborted()
      return failureOf(asked, error)
    } finally {
      this.#slots.give()
    }
  }

  /** Nothing of what the app's function throws is passed on: it may hold what it has asked with. */
  async #token (asked: string): Promise<string> {
    let token: unknown
    try {
      token = await this.#options.token()
    } catch (error) {
      throw new ControlUnauthorizedError(asked, `there is none: its function has thrown ${error instanceof Error ? `a ${error.constructor.name}` : `a ${typeof error}`}`)
    }
    if (typeof token !== 'string') throw new ControlUnauthorizedError(asked, `there is none: its function has answered a ${typeof token}`)
    try {
      validateHeaderValue('authorization', token)
    } catch {
      throw new ControlUnauthorizedError(asked, 'it has characters that no header may have')
    }
    return token
  }

  async #pause (ms: number, signal: AbortSignal): Promise<void> {
    let timer: Timer | null = null
    try {
      await unless(signal, new Promise<void>((resolve) => { timer = this.#options.clock.after(ms, resolve) }))
    } finally {
      timer!.cancel()
    }
  }
}

function closing (asked: string): Error {
  return new ControlUnreachableError(asked, 'this backend is closing')
}

/** What a promise resolves with, unless the signal comes first: then its reason is what this rejects with. */
async function unless<T> (signal: AbortSignal, promise: Promise<T>): Promise<T> {
  return await new Promise<T>((resolve, reject) => {
    const cut = (): void => {
      const reason = signal.reason as Error
      reject(reason)
    }
    if (signal.aborted) cut()
    else signal.addEventListener('abort', cut, { once: true })
    promise.then(resolve, reject).finally(() => signal.removeEventListener('abort', cut))
  })
}
