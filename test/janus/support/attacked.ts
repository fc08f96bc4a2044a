import { Writable } from 'node:stream'
import { setTimeout } from 'node:timers/promises'
import type { Test } from 'tap'
import { janus } from '../../../lib/media-servers/janus.js'
import type { JanusOptions } from '../../../lib/media-servers/janus.js'
import { until } from '../../e2e/support/until.js'
import { JanusClient } from '../../janus-client.js'
import { startApp } from '../../support.js'
import type { TestApp, TestOptions } from '../../support.js'
import { ROOM } from './janus-config.js'
import type { JanusMessage } from './janus-call.js'
import type { JanusServer } from './janus-server.js'

export const VIDEOROOM = 'janus.plugin.videoroom'
/** What a client waits for an answer at most beside an attack, in milliseconds: the machine may have others to serve too. */
const SLOW_MS = 3_000
/** From one request of the victim to its next, in milliseconds. */
const PACE_MS = 5

/** In each client's token, and in nothing that anybody may see. */
export const HUSH = 'hush-of-a-client'

export const tokenOf = (identity: Record<string, unknown>): string => JSON.stringify({ roomId: 'room', hush: HUSH, ...identity })

/** An app in front of a real Janus that can be attacked; what it logs is kept, to the last detail. */
export class Attacked {
  readonly janus: JanusServer
  readonly stage: TestApp
  readonly logged: string[]
  /** What any client has heard. */
  readonly heard: string[] = []

  private constructor (server: JanusServer, stage: TestApp, logged: string[]) {
    this.janus = server
    this.stage = stage
    this.logged = logged
  }

  static async start (t: Test, server: JanusServer, { driver = {}, ...options }: TestOptions & { driver?: Partial<JanusOptions> } = {}): Promise<Attacked> {
    const logged: string[] = []
    const stream = new Writable({
      write (chunk: Buffer, _encoding, done) {
        logged.push(chunk.toString())
        done()
      }
    })
    const stage = await startApp(t, janus({ url: server.url, apiSecret: server.apiSecret, retry: { baseMs: 10, maxMs: 100 }, ...driver }), {
      dialects: ['janus', 'trunkline'], resume: { windowMs: 500 }, fastify: { logger: { level: 'trace', stream } }, ...options
    })
    const attacked = new Attacked(server, stage, logged)
    await until('the trunk is up', () => attacked.trunk.state === 'up', 20_000, 5)
    return attacked
  }

  get trunk (): { state: string } {
    return this.stage.app.trunkline.trunk
  }

  get dropped (): Record<string, number> {
    return this.stage.app.trunkline.stats().trunk.dropped
  }

  /** A bare link, on which nothing was said. */
  async link (t: Test, path?: string): Promise<JanusClient> {
    const client = await JanusClient.connect(t, this.stage, path === undefined ? {} : { path, protocols: [] })
    client.client.socket.on('message', (data) => this.heard.push((data as Buffer).toString()))
    return client
  }

  async speaker (t: Test, identity: Record<string, unknown> = {}): Promise<Speaker> {
    return await Speaker.begin(await this.link(t), identity)
  }

  /** A client that knows nothing of sessions. */
  async plain (t: Test, identity: Record<string, unknown> = {}): Promise<JanusClient> {
    return await this.link(t, `/signaling?token=${encodeURIComponent(tokenOf(identity))}`)
  }
}

/** A client of the Janus API with a session. */
export class Speaker {
  readonly link: JanusClient
  readonly session: number
  #asked = 0

  private constructor (link: JanusClient, session: number) {
    this.link = link
    this.session = session
  }

  static async begin (link: JanusClient, identity: Record<string, unknown> = {}): Promise<Speaker> {
    link.say({ janus: 'create', transaction: 'create', token: tokenOf(identity) })
    return new Speaker(link, (await hear(link)).data.id as number)
  }

  /** The last answer to it. */
  async ask (request: Record<string, unknown>): Promise<JanusMessage> {
    const transaction = `a${++this.#asked}`
    this.link.say({ session_id: this.session, ...request, transaction })
    const isAsync = (request.body as { request?: unknown } | undefined)?.request === 'join'
    return await hear(this.link, (message) => message.transaction === transaction && !(isAsync && message.janus === 'ack'))
  }

  async attach (plugin = VIDEOROOM): Promise<number> {
    return (await this.ask({ janus: 'attach', plugin })).data.id as number
  }

  async message (handle: number, body: unknown, more: Record<string, unknown> = {}): Promise<JanusMessage> {
    return await this.ask({ janus: 'message', handle_id: handle, body, ...more })
  }
}

/** The next message that is wanted; those before it are lost. */
export async function hear (link: JanusClient, wanted: (message: JanusMessage) => boolean = () => true): Promise<JanusMessage> {
  for (;;) {
    const message = await link.hear() as JanusMessage
    if (wanted(message)) return message
  }
}

/** Somebody who does honest work all the time, and must notice nothing. */
export class Victim {
  /** The longest that it has waited for an answer since this was last set, in milliseconds. */
  longestMs = 0
  rounds = 0
  readonly speaker: Speaker
  readonly handle: number
  readonly #working: Promise<void>
  #failure: Error | null = null
  #isDone = false

  private constructor (speaker: Speaker, handle: number) {
    this.speaker = speaker
    this.handle = handle
    this.#working = this.#work().catch((error: Error) => { this.#failure = error })
  }

  static async start (t: Test, attacked: Attacked, identity: Record<string, unknown> = { subject: 'victim' }): Promise<Victim> {
    const speaker = await attacked.speaker(t, identity)
    const handle = await speaker.attach()
    const joined = await speaker.message(handle, { request: 'join', ptype: 'publisher', room: ROOM.id, display: 'victim' })
    if (joined.plugindata?.data?.videoroom !== 'joined') throw new Error(`the victim cannot join: ${JSON.stringify(joined)}`)
    const victim = new Victim(speaker, handle)
    t.teardown(() => victim.end())
    return victim
  }

  /** It has done its work until now, some more of it after this was asked, and each piece of it fast enough. */
  async isWell (t: Test): Promise<void> {
    const { rounds } = this
    await until('the victim works', () => this.#failure !== null || this.rounds >= rounds + 3, 20_000, 5)
    t.equal(this.#failure?.message, undefined, 'the victim has noticed nothing')
    t.ok(this.longestMs < SLOW_MS, `the victim waited ${Math.round(this.longestMs)} ms at most`)
  }

  async end (): Promise<void> {
    this.#isDone = true
    await this.#working
  }

  async #work (): Promise<void> {
    while (!this.#isDone) {
      const begun = performance.now()
      const answer = await this.speaker.message(this.handle, { request: 'exists', room: ROOM.id })
      this.longestMs = Math.max(this.longestMs, performance.now() - begun)
      if (answer.plugindata?.data?.exists !== true) throw new Error(`this is no answer: ${JSON.stringify(answer)}`)
      this.rounds++
      await setTimeout(PACE_MS)
    }
  }
}
