import type { AddressInfo } from 'node:net'
import { WebSocketServer } from 'ws'
import { given } from '../../child.js'
import { serveRelay } from '../../relays/meter.js'
import { janodeUrl } from '../install.js'
import type { ClientRequest, JanusUpstream } from '../upstream.js'

/**
 * The least that a backend can do with janode to serve the same clients: one connection, for each client a session and a handle, and
 * nothing that is said twice. The handle is janode's own without a plugin's, which would read and change each answer.
 */

/** As much of janode as is used; it has no types. */
interface Janode {
  connect (config: { address: { url: string, apisecret: string } }): Promise<Connection>
  Logger: { setLogLevel (level: string): void }
}

interface Connection {
  create (): Promise<Session>
}

interface Session {
  readonly id: number
  attach (descriptor: { id: string }): Promise<Handle>
  destroy (): Promise<void>
}

interface Handle {
  readonly id: number
  message (body: object): Promise<Answer>
  trickle (candidate: object): Promise<Answer>
}

/** As it came from Janus. */
type Answer = Record<string, unknown>

const { port, apiSecret } = given<JanusUpstream>()
const { default: janode } = await import(janodeUrl()) as { default: Janode }
janode.Logger.setLogLevel('none')
const connection = await janode.connect({ address: { url: `ws://127.0.0.1:${port}`, apisecret: apiSecret } })

const server = new WebSocketServer({ port: 0, host: '127.0.0.1', perMessageDeflate: false })
server.on('connection', (socket) => {
  let session: Session | null = null
  let handle: Handle | null = null

  async function ask ({ janus, plugin, session_id: sessionId, handle_id: handleId, body, candidate }: ClientRequest): Promise<Answer> {
    if (janus === 'create') {
      session = await connection.create()
      return { janus: 'success', data: { id: session.id } }
    }
    if (session === null || sessionId !== session.id) throw new Error(`no such session: ${sessionId}`)
    if (janus === 'attach') {
      handle = await session.attach({ id: plugin! })
      return { janus: 'success', session_id: session.id, data: { id: handle.id } }
    }
    if (handle === null || handleId !== handle.id) throw new Error(`no such handle: ${handleId}`)
    if (janus === 'message') return await handle.message(body!)
    if (janus === 'trickle') return await handle.trickle(candidate!)
    throw new Error(`unknown request: ${janus}`)
  }

  socket.on('message', (data) => {
    const request = JSON.parse(String(data)) as ClientRequest
    const { transaction } = request
    ask(request).then((answer) => {
      answer.transaction = transaction
      socket.send(JSON.stringify(answer))
    }, ({ message: reason }: Error) => {
      socket.send(JSON.stringify({ janus: 'error', transaction, error: { code: 490, reason } }))
    })
  })
  socket.on('close', () => { session?.destroy().catch(() => {}) })
})
server.on('listening', () => serveRelay((server.address() as AddressInfo).port))
