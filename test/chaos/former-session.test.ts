import t from 'tap'
import { WebSocket } from 'ws'
import { Link } from '../../lib/client/index.js'
import type { LinkOptions } from '../../lib/client/index.js'
import { CloseCode } from '../../lib/close-codes.js'
import { ChaosProxy } from '../../lib/testing/index.js'
import { startEndpoint } from '../endpoint-server.js'
import { startApp, trunkState } from '../support.js'

/** Found by chaos: what a backend has kept of a session that is over must not keep out the client that it was of. */

t.test('a client comes back to a backend that still holds its former session, with the one that it was given elsewhere', async (t) => {
  const mediaServer = await startEndpoint(t)
  const port = Number(new URL(mediaServer.options.url).port)
  const trunk = await ChaosProxy.listen({ target: { port } })
  const one = await startApp(t, { ...mediaServer.options, url: `ws://127.0.0.1:${trunk.port}` })
  const other = await startApp(t, mediaServer.options)
  const portOf = ({ host }: { host: string }): { port: number } => ({ port: Number(host.split(':')[1]) })
  const way = await ChaosProxy.listen({ target: portOf(one) })
  t.teardown(() => Promise.all([trunk.close(), way.close()]))
  const link = new Link({
    url: `ws://127.0.0.1:${way.port}/signaling`,
    token: JSON.stringify({ roomId: 'room', peerId: 'peer' }),
    reconnect: { delayMs: () => 10 },
    WebSocket: WebSocket as unknown as NonNullable<LinkOptions['WebSocket']>
  })
  t.teardown(() => link.destroy())
  const joined = (): Promise<boolean> => new Promise((resolve, reject) => {
    const off = link.on('joined', ({ resumed }) => { off(); resolve(resumed) })
    link.on('failed', ({ code, reason }) => reject(new Error(`${code} ${reason}`)))
  })

  link.join()
  await joined()
  await (await mediaServer.peers.take()).send('one')
  // From here on the backend hears nothing more of what becomes of the session.
  const down = trunkState(one.app, 'down')
  trunk.refuse(true)
  trunk.cut()
  await down
  way.retarget(portOf(other))
  way.cut()
  t.equal(await joined(), true, 'the session goes on elsewhere')
  mediaServer.endpoint.peer('peer')?.close(CloseCode.mediaServerReset, 'begin anew')
  t.equal(await joined(), false, 'and is followed by another')

  way.retarget(portOf(one))
  way.cut()
  const back = joined()
  trunk.refuse(false)
  t.equal(await back, true, 'which goes on where the former one was')
})
