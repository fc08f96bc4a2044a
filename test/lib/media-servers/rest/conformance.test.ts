import { randomUUID } from 'node:crypto'
import t from 'tap'
import { controlChecks } from '../../../../lib/testing/index.js'
import { startControl } from './support.js'

for (const { name, run } of controlChecks) {
  t.test(name, async (t) => {
    const { server, control } = await startControl(t)
    await run({
      control,
      join: async (roomId) => {
        const peerId = randomUUID()
        server.rooms.join(roomId, peerId)
        return { peerId, leave: async () => { server.rooms.get(roomId)!.peers.delete(peerId) } }
      }
    })
    t.same(server.rooms.size, 0, 'no room is left')
  })
}
