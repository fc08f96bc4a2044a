import { connect, createServer } from 'node:net'
import type { AddressInfo, Socket } from 'node:net'
import { given } from '../child.js'
import type { Upstream } from '../child.js'
import { serveRelay } from './meter.js'

const LENGTH_BYTES = 4
const ID_BYTES = 4

/**
 * The same multiplexing without WebSocket, tags of text, limits or hooks: what Node's sockets alone cost. To the left a
 * length before each event, to the right an id before that; all of one turn of the event loop leave for the trunk together.
 * @param corks whether what one read of the trunk has for a client leaves together too
 */
export function relayBare ({ corks }: { corks: boolean }): void {
  const { port } = given<Upstream>()
  const trunk = connect({ port, host: '127.0.0.1', noDelay: true })
  const clients: Socket[] = []
  const corked: Socket[] = []
  let batch: Buffer[] = []

  createServer({ noDelay: true }, (client) => {
    const id = Buffer.alloc(ID_BYTES)
    id.writeUInt32BE(clients.push(client) - 1)
    eachFrame(client, 0, (bytes, at, end) => {
      if (batch.length === 0) setImmediate(flush)
      batch.push(id, bytes.subarray(at, end))
    })
    client.on('error', () => client.destroy())
  }).listen(0, '127.0.0.1', function (this: { address (): unknown }) {
    serveRelay((this.address() as AddressInfo).port)
  })

  eachFrame(trunk, ID_BYTES, (bytes, at, end) => {
    const client = clients[bytes.readUInt32BE(at)]!
    if (corks && client.writableCorked === 0) {
      client.cork()
      corked.push(client)
    }
    client.write(bytes.subarray(at + ID_BYTES, end))
  })
  trunk.on('data', () => {
    for (const client of corked) client.uncork()
    corked.length = 0
  })

  function flush (): void {
    trunk.write(Buffer.concat(batch))
    batch = []
  }
}

/** Calls `take` with the bounds of each whole frame: `tagBytes`, a length, and so many bytes. */
function eachFrame (socket: Socket, tagBytes: number, take: (bytes: Buffer, at: number, end: number) => void): void {
  const headBytes = tagBytes + LENGTH_BYTES
  let rest: Buffer | null = null
  socket.on('data', (chunk: Buffer) => {
    const bytes = rest === null ? chunk : Buffer.concat([rest, chunk])
    let at = 0
    while (bytes.length - at >= headBytes) {
      const end = at + headBytes + bytes.readUInt32BE(at + tagBytes)
      if (end > bytes.length) break
      take(bytes, at, end)
      at = end
    }
    rest = at === bytes.length ? null : bytes.subarray(at)
  })
}
