import type { AddressInfo } from 'node:net'
import { explain, pageUrl } from '../listening.js'
import { buildApp } from './app.js'
import { startMediaServer } from './media-server-process.js'
import type { MediaServerProcess } from './media-server-process.js'

/** The process: configuration from the environment, the media server beside it, and an orderly end. */

const CLOSE_MS = 8_000

const { PORT = '3000', HOST = '127.0.0.1', LOG_LEVEL = 'warn', SECRET, TRUST_PROXY, EXIT_WITH_PARENT, MEDIA_SERVER_URL, MEDIA_SERVER_TOKEN = '', MEDIA_SERVER_DIRECT_URL } = process.env

let child: MediaServerProcess | null = null
let close = async (): Promise<void> => { await child?.stop() }
let closing = false

// A terminal sends these to the whole group, and npm once more: only the first counts.
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => { void end(0) })
// For whoever runs this as a child, and may be killed: its end of the pipe is closed in any case.
if (EXIT_WITH_PARENT === '1') process.stdin.on('close', () => { void end(0) }).resume()

try {
  await run()
} catch (error) {
  process.stderr.write(`${explain(error, HOST, PORT)}\n`)
  await end(1)
}

async function run (): Promise<void> {
  let report = (message: string): void => { process.stderr.write(`${message}\n`) }
  if (MEDIA_SERVER_URL === undefined) child = await startMediaServer((message) => report(message))
  const app = await buildApp({
    mediaServer: child === null ? { url: MEDIA_SERVER_URL ?? '', token: MEDIA_SERVER_TOKEN } : { url: child.url, token: child.token },
    directUrl: child === null ? MEDIA_SERVER_DIRECT_URL : child.direct,
    secret: SECRET,
    trustProxy: TRUST_PROXY === '1',
    logger: { level: LOG_LEVEL }
  })
  report = (message) => app.log.warn(message)
  close = async () => {
    await app.close()
    await child?.stop()
  }
  await app.listen({ port: Number(PORT), host: HOST })
  const { port } = app.server.address() as AddressInfo
  process.stdout.write(`${pageUrl(HOST, port)}\n`)
}

async function end (code: number): Promise<void> {
  if (closing) return
  closing = true
  setTimeout(() => process.exit(1), CLOSE_MS).unref()
  try {
    await close()
  } catch (error) {
    process.stderr.write(`${explain(error, HOST, PORT)}\n`)
    code = 1
  }
  process.exit(code)
}
