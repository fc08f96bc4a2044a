import t from 'tap'
import { CloseCode, Refusal } from '../../plugins/trunkline.js'
import { LinkClient, joinLink } from '../link-client.js'
import { startApp, startMediaServer } from '../support.js'

t.test('a refusal that says when to come back says so to a client with a session, before the close', async (t) => {
  const server = await startMediaServer(t)
  let refusal: Refusal | null = null
  const app = await startApp(t, server.options, {
    authenticate: () => {
      if (refusal !== null) throw refusal
      return { roomId: 'room' }
    }
  })
  const refused = async (given: Refusal): Promise<unknown[]> => {
    refusal = given
    const link = await LinkClient.connect(app)
    link.ask({})
    const { code } = await link.closed
    refusal = null
    return [...link.rest().map((heard) => heard.kind === 'control' ? heard.control : heard), code]
  }
  const busy = (afterMs?: number | null): Refusal => new Refusal(CloseCode.tryAgainLater, 503, 'later', undefined, afterMs)
  t.same(await refused(busy(1_234)), [{ type: 'draining', afterMs: 1_234 }, 1013])
  t.same(await refused(busy(0)), [{ type: 'draining', afterMs: 0 }, 1013])
  t.same(await refused(busy(null)), [1013])
  t.same(await refused(busy()), [1013])
  t.same(await refused(new Refusal(CloseCode.forbidden, 403, 'no', undefined, 5)), [4403], 'who is not to come back needs no time')

  const { link } = await joinLink(t, app)
  refusal = busy(77)
  link.ask({ roomId: 'room' })
  t.same(await link.heard('draining'), { type: 'draining', afterMs: 77 }, 'also one that asks again on the link that it has')
  t.equal((await link.closed).code, 1013)
})
