import { spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { accessSync, constants } from 'node:fs'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { connect, createServer } from 'node:net'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'

export interface JanusProcess {
  /** Of its WebSocket, on loopback; the same after a restart. */
  readonly url: string
  readonly apiSecret: string
  stop (): Promise<void>
}

const START_MS = 10_000
const PROBE_MS = 50
const RESTART_MS = 1_000
const STOP_MS = 2_500
/** Of what it says, to be shown should it die. */
const KEPT_LINES = 20

/** Where Janus is; null: not on this machine. */
export function findJanus (): string | null {
  const { JANUS, PATH = '' } = process.env
  if (JANUS !== undefined && JANUS !== '') return JANUS
  return PATH.split(delimiter).map((folder) => join(folder, 'janus')).find(isExecutable) ?? null
}

/**
 * Runs Janus with a configuration of its own, on loopback, and starts it again whenever it dies.
 * @param room the one VideoRoom that there is
 * @throws when it does not come up
 */
export async function startJanus (program: string, room: string, report: (message: string) => void): Promise<JanusProcess> {
  const folder = await mkdtemp(join(tmpdir(), 'trunkline-janus-'))
  const port = await freePort()
  const apiSecret = randomBytes(24).toString('base64url')
  for (const [name, text] of Object.entries(configuration(folder, port, apiSecret, room))) await writeFile(join(folder, name), text)

  let lines: string[] = []
  // While it starts, who waits for that hears of it.
  let isRunning = false
  let timer: NodeJS.Timeout | undefined
  let child = launch()
  process.once('exit', () => child.kill('SIGKILL'))
  try {
    await listening(port, () => child.exitCode ?? child.signalCode)
    isRunning = true
  } catch (error) {
    child.kill('SIGKILL')
    await rm(folder, { recursive: true, force: true })
    throw new Error(`${(error as Error).message}\n${lines.join('\n')}`)
  }

  function launch (): ChildProcess {
    lines = []
    const started = spawn(program, ['-F', folder], { stdio: ['ignore', 'pipe', 'pipe'] })
    for (const stream of [started.stdout, started.stderr]) stream.on('data', (data: Buffer) => { lines = [...lines, ...data.toString().trimEnd().split('\n')].slice(-KEPT_LINES) })
    started.once('error', ({ message }) => report(`Janus cannot be run: ${message}`))
    started.once('exit', (code, signal) => {
      if (!isRunning) return
      report(`Janus has died (${signal ?? `exit code ${code}`}) and is started again`)
      timer = setTimeout(() => { child = launch() }, RESTART_MS)
    })
    return started
  }

  return {
    url: `ws://127.0.0.1:${port}`,
    apiSecret,
    async stop () {
      isRunning = false
      clearTimeout(timer)
      if (child.exitCode === null && child.signalCode === null) {
        const exited = once(child, 'exit')
        child.kill('SIGTERM')
        const deadline = setTimeout(() => child.kill('SIGKILL'), STOP_MS)
        await exited
        clearTimeout(deadline)
      }
      await rm(folder, { recursive: true, force: true })
    }
  }
}

/** Files of the configuration, by name. What is not said here is as Janus has it. */
function configuration (folder: string, port: number, apiSecret: string, room: string): Record<string, string> {
  return {
    // Sessions can be claimed for a minute: without that they end with the connection.
    'janus.jcfg': `general: {
  configs_folder = "${folder}"
  api_secret = "${apiSecret}"
  session_timeout = 60
  reclaim_session_timeout = 60
  event_loops = 2
  debug_level = 3
  debug_colors = false
}
nat: { ignore_mdns = true }
transports: { disable = "libjanus_http.so,libjanus_mqtt.so,libjanus_nanomsg.so,libjanus_pfunix.so,libjanus_rabbitmq.so" }
plugins: { disable = "libjanus_audiobridge.so,libjanus_duktape.so,libjanus_echotest.so,libjanus_lua.so,libjanus_nosip.so,libjanus_recordplay.so,libjanus_sip.so,libjanus_streaming.so,libjanus_textroom.so,libjanus_videocall.so,libjanus_voicemail.so" }
`,
    'janus.transport.websockets.jcfg': `general: {
  json = "compact"
  ws = true
  ws_port = ${port}
  ws_ip = "127.0.0.1"
  wss = false
}
`,
    // Nobody but who has the key makes rooms, and clients have no key.
    'janus.plugin.videoroom.jcfg': `general: {
  admin_key = "${randomBytes(24).toString('base64url')}"
  string_ids = true
}
room-${room}: {
  description = "${room}"
  publishers = 16
  bitrate = 512000
  fir_freq = 10
  audiocodec = "opus"
  videocodec = "vp8"
}
`
  }
}

async function freePort (): Promise<number> {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  await new Promise((resolve) => server.close(resolve))
  return port
}

/** Resolves when somebody listens there. @throws when it has ended first, or takes too long */
async function listening (port: number, ended: () => unknown): Promise<void> {
  const deadline = Date.now() + START_MS
  while (!await answers(port)) {
    if (ended() !== null) throw new Error('Janus did not start:')
    if (Date.now() > deadline) throw new Error(`Janus does not listen after ${START_MS} ms:`)
    await new Promise((resolve) => setTimeout(resolve, PROBE_MS))
  }
}

async function answers (port: number): Promise<boolean> {
  return await new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1')
    socket.once('connect', () => { socket.destroy(); resolve(true) })
    socket.once('error', () => resolve(false))
  })
}

function isExecutable (path: string): boolean {
  try {
    accessSync(path, constants.X_OK)
    return true
  } catch {
    return false
  }
}
