import { WebSocket } from 'ws'

/** A message of Janus', as it is. */
export interface JanusMessage {
  janus: string
  [field: string]: any
}

/**
 * One request over a connection of its own, and what is said to it.
 * @throws when nobody listens, or does not answer in time
 */
export async function janusCall (url: string, subprotocol: string, request: Record<string, unknown>, withinMs = 5_000): Promise<JanusMessage> {
  const socket = new WebSocket(url, subprotocol, { perMessageDeflate: false, handshakeTimeout: withinMs })
  try {
    return await new Promise<JanusMessage>((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error(`no answer within ${withinMs} ms: ${String(request.janus)}`)), withinMs)
      socket.on('close', () => {
        clearTimeout(timer)
        reject(new Error('the connection was closed'))
      })
      socket.on('error', reject)
      socket.on('open', () => socket.send(JSON.stringify({ transaction: 'call', ...request })))
      socket.on('message', (data) => {
        resolve(JSON.parse((data as Buffer).toString()) as JanusMessage)
        socket.terminate()
      })
    })
  } finally {
    socket.terminate()
  }
}
