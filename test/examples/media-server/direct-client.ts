import type { Test } from 'tap'
import { WebSocket } from 'ws'
import { Link } from '../../../lib/client/index.js'
import type { RecordingLight, SocketConstructor } from '../../../lib/client/index.js'
import { Inbox } from '../../../lib/testing/index.js'
import { RtpPublisher } from './rtp-publisher.js'

/** What a link is told when it is over for good. */
export interface Failure {
  code: number
  reason: string
}

/** A client with a session that connects to where it was told, and can publish. */
export class DirectClient {
  readonly link: Link
  readonly publisher: RtpPublisher
  readonly failed: Promise<Failure>
  readonly #lights = new Inbox<RecordingLight>()

  private constructor (t: Test, { url, token, peerId }: { url: string, token: string, peerId: string }) {
    const link = this.link = new Link({ url, token, WebSocket: WebSocket as unknown as SocketConstructor, reconnect: { delayMs: () => 5 } })
    t.teardown(() => link.destroy())
    this.failed = new Promise((resolve) => { link.on('failed', resolve) })
    link.on('recordings', (light) => { this.#lights.push(light) })
    this.publisher = new RtpPublisher(t, peerId, {
      send: (data) => link.send(data), onEvent: (listener) => { link.on('mediaEvent', (event) => { listener(event as Uint8Array) }) }
    })
  }

  /** Resolves when it is in; rejects with the code where it is refused. */
  static async join (t: Test, admittance: { url: string, token: string, peerId: string }): Promise<DirectClient & { session: { peerId: string, roomId: string } }> {
    const client = new DirectClient(t, admittance)
    const joined = new Promise<{ peerId: string, roomId: string }>((resolve) => { client.link.on('joined', resolve) })
    client.link.join()
    const session = await Promise.race([joined, client.failed.then(({ code, reason }) => { throw new Error(`${code} ${reason}`) })])
    return Object.assign(client, { session })
  }

  /** Resolves when its light is, or comes to be, this one. */
  async light (wanted: RecordingLight): Promise<void> {
    if (this.link.recordingLight !== wanted) await this.#lights.take((light) => light === wanted)
  }
}
