import { randomBytes } from 'node:crypto'
import { ChaosProxy } from 'trunkline/testing'
import { startMediaServer } from '../../../examples/video-call/media-server-process.js'
import type { MediaServerProcess } from '../../../examples/video-call/media-server-process.js'
import { AppProcess } from './app-process.js'

/** A way from browsers to the backend, which harm can be done to. */
export interface Way {
  /** Of the page, and of all that it asks for. */
  readonly url: string
  readonly proxy: ChaosProxy
}

/** The example's backend and media server, each a process of its own, with nothing between the three parties that cannot be harmed. */
export class ChaosStack {
  /** Between the backend and the media server. */
  readonly trunk: ChaosProxy
  readonly mediaServer: MediaServerProcess
  readonly #env: Record<string, string>
  readonly #ways: Way[] = []
  #app: AppProcess

  private constructor (mediaServer: MediaServerProcess, trunk: ChaosProxy, env: Record<string, string>, app: AppProcess) {
    this.mediaServer = mediaServer
    this.trunk = trunk
    this.#env = env
    this.#app = app
  }

  static async start (): Promise<ChaosStack> {
    const mediaServer = await startMediaServer(() => {})
    const { port, pathname } = new URL(mediaServer.url)
    const trunk = await ChaosProxy.listen({ target: { port: Number(port) } })
    const env = {
      // The same after a restart, or nobody could come back with the token that they have.
      SECRET: randomBytes(32).toString('hex'),
      MEDIA_SERVER_URL: `ws://127.0.0.1:${trunk.port}${pathname}`,
      MEDIA_SERVER_TOKEN: mediaServer.token,
      MEDIA_SERVER_DIRECT_URL: mediaServer.direct
    }
    return new ChaosStack(mediaServer, trunk, env, await AppProcess.start(env))
  }

  /** The backend of the moment. */
  get app (): AppProcess {
    return this.#app
  }

  async way (): Promise<Way> {
    const proxy = await ChaosProxy.listen({ target: this.#target })
    const way = { url: `http://127.0.0.1:${proxy.port}`, proxy }
    this.#ways.push(way)
    return way
  }

  /** SIGKILL to the backend, and a new one; all ways lead to it. */
  async restartBackend (): Promise<void> {
    await this.#app.kill()
    this.#app = await AppProcess.start(this.#env)
    for (const { proxy } of this.#ways) proxy.retarget(this.#target)
  }

  /** How the backend ended: in good order, 0. */
  async stop (): Promise<number | null> {
    const code = await this.#app.stop()
    await Promise.all([this.trunk.close(), ...this.#ways.map(({ proxy }) => proxy.close()), this.mediaServer.stop()])
    return code
  }

  get #target (): { port: number } {
    return { port: Number(new URL(this.#app.url).port) }
  }
}
