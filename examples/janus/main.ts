import type { AddressInfo } from 'node:net'
import { janus } from 'trunkline'
import { explain, pageUrl } from '../listening.js'
import { buildApp } from './app.js'
import { findJanus, startJanus } from './janus-process.js'
import type { JanusProcess } from './janus-process.js'

/** The process: Janus beside it, unless there is one already, and an orderly end. */

const { PORT = '3000', HOST = '127.0.0.1', LOG_LEVEL = 'warn', JANUS_URL, JANUS_SECRET = '', ROOM = 'demo', EXIT_WITH_PARENT } = process.env

const CLOSE_MS = 8_000

let child: JanusProcess | null = null
let close = async (): Promise<void> => { await child?.stop() }
let isClosing = false

for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => { void end(0) })
if (EXIT_WITH_PARENT === '1') process.stdin.on('close', () => { void end(0) }).resume()

try {
  await run()
} catch (error) {
  process.stderr.write(`${explain(error, HOST, PORT)}\n`)
  await end(1)
}

async function run (): Promise<void> {
  let report = (message: string): void => { process.stderr.write(`${message}\n`) }
  if (JANUS_URL === undefined) {
    const program = findJanus()
    if (program === null) throw new Error('There is no Janus here. Install it:\n\n  sudo apt-get install -y --no-install-recommends janus\n\nor set JANUS to its path, or JANUS_URL and JANUS_SECRET to those of one that runs already.')
    child = await startJanus(program, ROOM, (message) => report(message))
  }
  const app = await buildApp({
    mediaServer: janus(child === null ? { url: JANUS_URL!, apiSecret: JANUS_SECRET } : { url: child.url, apiSecret: child.apiSecret }),
    roomId: ROOM,
    logger: { level: LOG_LEVEL }
  })
  report = (message) => app.log.warn(message)
  close = async () => {
    await app.close()
    await child?.stop()
  }
  await app.listen({ port: Number(PORT), host: HOST })
  process.stdout.write(`${pageUrl(HOST, (app.server.address() as AddressInfo).port)}\n`)
}

async function end (code: number): Promise<void> {
  if (isClosing) return
  isClosing = true
  setTimeout(() => process.exit(1), CLOSE_MS).unref()
  try {
    await close()
  } catch (error) {
    process.stderr.write(`${explain(error, HOST, PORT)}\n`)
    code = 1
  }
  process.exit(code)
}
