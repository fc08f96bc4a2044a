import type { Socket } from 'node:net'
import { buildConnector, errors } from 'undici'
import type { Clock } from '../../clock.js'

export interface ConnectorOptions {
  ca: string | Buffer | Array<string | Buffer> | undefined
  /** For a connection to be there, TLS included. */
  connectMs: number
  clock: Clock
}

/** Connects as undici does, but by the injected clock, and knows the connections that are not there yet, which undici would wait for. */
export class Connector {
  readonly #options: ConnectorOptions
  readonly #connect: buildConnector.connector
  readonly #connecting = new Set<Socket>()

  constructor (options: ConnectorOptions) {
    this.#options = options
    // Without a timeout: it would be by the system's clock.
    this.#connect = buildConnector({ timeout: 0, ...(options.ca === undefined ? {} : { ca: options.ca }) })
  }

  readonly connect: buildConnector.connector = (target, callback) => {
    const { clock, connectMs } = this.#options
    // What it answers is missing in its types.
    const socket = this.#connect(target, (...result) => {
      timer.cancel()
      this.#connecting.delete(socket)
      callback(...result)
    }) as unknown as Socket
    const timer = clock.after(connectMs, () => socket.destroy(new errors.ConnectTimeoutError(`no connection within ${connectMs} ms`)))
    this.#connecting.add(socket)
  }

  /** Gives up those that are not there yet. */
  close (): void {
    for (const socket of this.#connecting) socket.destroy(new errors.ClientDestroyedError())
  }
}
