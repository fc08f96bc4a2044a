import { spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { processTree, tcpSockets } from './proc.js'
import { until } from './until.js'

export interface Health {
  trunk: 'up' | 'down' | 'connecting' | 'closed'
  trunks: number
  peers: number
  rooms: number
  links: number
  uplink: number
  downlink: number
  /** The registration for clients that connect to the media server themselves. */
  direct: { trunk: Health['trunk'], trunks: number, links: number }
}

export interface Ticket {
  peerId: string
  url: string
  token: string
  /** Of the app itself. */
  pass: string
}

const MEDIA_SERVER = 'examples/media-server/main.js'
const STOP_MS = 12_000

/** The example, as `npm start` runs it: a process, and the media server that it starts. */
export class AppProcess {
  readonly url: string
  readonly pid: number
  readonly #child: ChildProcess

  private constructor (child: ChildProcess, url: string) {
    this.#child = child
    this.pid = child.pid!
    this.url = url
  }

  static async start (env: Record<string, string> = {}): Promise<AppProcess> {
    const script = fileURLToPath(new URL('../../../examples/video-call/main.js', import.meta.url))
    const child = spawn(process.execPath, [script], {
      env: { ...process.env, PORT: '0', HOST: '127.0.0.1', MEDIA_ADDRESS: '127.0.0.1', EXIT_WITH_PARENT: '1', ...env },
      stdio: ['pipe', 'pipe', 'inherit']
    })
    const url = await new Promise<string>((resolve, reject) => {
      createInterface({ input: child.stdout }).once('line', resolve)
      child.once('error', reject)
      child.once('exit', (code, signal) => reject(new Error(`the app has ended before it listened: ${signal ?? code}`)))
    })
    return new AppProcess(child, url)
  }

  /** The media server of the moment, once this process is connected to it: that tells its two ports apart. */
  async mediaServer (): Promise<{ pid: number, port: number, directPort: number }> {
    return await until('the media server listens', () => {
      const found = processTree(this.pid).find(({ command }) => command.includes(MEDIA_SERVER))
      if (found === undefined) return null
      const listening = tcpSockets(found.pid).filter(({ state }) => state === 'listening').map(({ localPort }) => localPort)
      const port = tcpSockets(this.pid).find(({ state, remotePort }) => state === 'established' && listening.includes(remotePort))?.remotePort
      const directPort = listening.find((each) => each !== port)
      return port === undefined || directPort === undefined ? null : { pid: found.pid, port, directPort }
    })
  }

  async health (): Promise<Health> {
    const response = await fetch(`${this.url}/health`)
    return await response.json() as Health
  }

  async admit (room: string, name: string, mode: 'relay' | 'direct' = 'relay'): Promise<Ticket> {
    const response = await fetch(`${this.url}/rooms/${room}/peers`, {
      method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify({ name, mode })
    })
    if (!response.ok) throw new Error(`${response.status} ${await response.text()}`)
    return await response.json() as Ticket
  }

  /** SIGKILL: it has no time to say goodbye to anybody. */
  async kill (): Promise<void> {
    const exited = once(this.#child, 'exit')
    this.#child.kill('SIGKILL')
    await exited
  }

  /** How it ended: in good order, 0. */
  async stop (): Promise<number | null> {
    if (this.#child.exitCode === null && this.#child.signalCode === null) {
      const exited = once(this.#child, 'exit')
      this.#child.kill('SIGTERM')
      const deadline = setTimeout(() => this.#child.kill('SIGKILL'), STOP_MS)
      await exited
      clearTimeout(deadline)
    }
    return this.#child.exitCode
  }
}
