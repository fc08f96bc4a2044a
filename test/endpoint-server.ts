import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { Inbox } from '../lib/testing/index.js'
import { createEndpoint } from '../lib/trunk/endpoint.js'
import type { Endpoint, EndpointOptions, EndpointPeer } from '../lib/trunk/endpoint.js'

export interface EndpointServer {
  endpoint: Endpoint
  /** For the option `mediaServer`. */
  options: { url: string, token: string, retry: { baseMs: number, maxMs: number } }
  /** Those that came, in order. */
  peers: Inbox<EndpointPeer>
  close (): Promise<void>
}

/** A media server made of the real endpoint, which keeps sessions; closed at the end of the test. */
export async function startEndpoint (t: { teardown (fn: () => unknown): void }, options: Partial<EndpointOptions> & { port?: number } = {}): Promise<EndpointServer> {
  const peers = new Inbox<EndpointPeer>()
  const endpoint = createEndpoint({ token: 'secret', onPeer: (peer) => peers.push(peer), ...options })
  const server = createServer((_request, response) => { response.writeHead(426).end() })
  server.on('upgrade', (request, socket, head) => { void endpoint.handleUpgrade(request, socket, head) })
  await new Promise<void>((resolve) => server.listen(options.port ?? 0, '127.0.0.1', resolve))
  let closing: Promise<void> | null = null
  const close = async (): Promise<void> => {
    await endpoint.close()
    await new Promise((resolve) => server.close(resolve))
  }
  const closeOnce = async (): Promise<void> => {
    closing ??= close()
    await closing
  }
  t.teardown(closeOnce)
  return {
    endpoint,
    options: { url: `ws://127.0.0.1:${(server.address() as AddressInfo).port}`, token: 'secret', retry: { baseMs: 5, maxMs: 20 } },
    peers,
    close: closeOnce
  }
}
