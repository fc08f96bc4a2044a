import { randomUUID } from 'node:crypto'
import t from 'tap'
import { systemClock } from '../../../lib/clock.js'
import { silentLogger } from '../../../lib/logger.js'
import { RestControl } from '../../../lib/media-servers/rest/rest-control.js'
import { controlChecks } from '../../../lib/testing/index.js'
import { until } from '../../e2e/support/until.js'
import { startApp } from '../../support.js'
import { startProcess } from './process.js'

t.test('the process does all that a control API is to do, with peers that come over the trunk', async (t) => {
  const { listening, api, token, stop, errors } = await startProcess(t, { RECORDINGS_DIR: t.testdir() })
  const { join } = await startApp(t, { url: listening, token })
  const control = new RestControl({ url: api, token: () => token, ca: undefined, requestMs: 10_000, clock: systemClock, log: silentLogger })
  t.teardown(() => control.close())

  for (const { name, run } of controlChecks) {
    await t.resolves(run({
      control,
      join: async (roomId) => {
        const peerId = randomUUID()
        const client = await join({ roomId, peerId })
        await until('the peer is in', async () => (await control.getRoom(roomId)).peers.some(({ id }) => id === peerId))
        return { peerId, leave: async () => { await client.close() }, ended: client.closed }
      }
    }), name)
  }
  t.same(await control.listRooms(), [], 'no room is left')
  t.match(await stop(), { code: 0 })
  t.same(errors, [])
})
