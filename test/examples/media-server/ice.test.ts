import t from 'tap'
import { iceOptions, StunWatch } from '../../../examples/media-server/ice.js'

type Agent = NonNullable<Parameters<StunWatch['expect']>[0]>

const request = (username: string, ...keys: string[]) =>
  ({ attributesKeys: keys, getAttributeValue: () => username })

t.test('only the given address is gathered, or each of the machine\'s', async (t) => {
  t.same(iceOptions('192.0.2.1').iceAdditionalHostAddresses, ['192.0.2.1'])
  t.same(iceOptions('192.0.2.1').iceInterfaceAddresses, { udp4: '192.0.2.1' })
  t.equal(iceOptions(undefined).iceAdditionalHostAddresses?.at(-1), '127.0.0.1')
  t.notOk('iceInterfaceAddresses' in iceOptions(undefined))
})

t.test('silence counts from the answer, then from each request of the client', async (t) => {
  let now = 0
  const watch = new StunWatch(() => now)
  const agent: Agent = { localUsername: 'here', remoteUsername: 'there' }
  now = 5
  t.equal(watch.silence, 0, 'nothing to expect')
  t.notOk(watch.accept(request('here:there'), ['192.0.2.9', 1], {}), 'nobody to answer')
  watch.expect(agent)
  now = 8
  t.equal(watch.silence, 3)
  t.equal(watch.heardAt, -Infinity)
  t.notOk(watch.accept(request('here:elsewhere'), ['192.0.2.9', 1], {}), 'a stranger')
  t.equal(watch.silence, 3)
  t.ok(watch.accept(request('here:there'), ['192.0.2.9', 1], {}))
  t.equal(watch.silence, 0)
  t.equal(watch.heardAt, 8)
})

t.test('the pair follows the one that the client uses', async (t) => {
  const protocol = {}
  const pair = { remoteAddr: ['192.0.2.9', 1], protocol } as unknown as NonNullable<Agent['nominated']>
  const agent: Agent = { localUsername: 'here', remoteUsername: 'there', nominated: pair }
  const watch = new StunWatch()
  watch.expect(agent)
  watch.accept(request('here:there', 'USE-CANDIDATE'), ['192.0.2.9', 1], protocol)
  t.equal(agent.nominated, pair, 'the same pair')
  watch.accept(request('here:there'), ['192.0.2.9', 2], protocol)
  t.equal(agent.nominated, pair, 'another pair, only checked')
  watch.accept(request('here:there', 'USE-CANDIDATE'), ['192.0.2.9', 2], protocol)
  t.equal(agent.nominated, undefined)
  agent.nominated = pair
  watch.accept(request('here:there', 'USE-CANDIDATE'), ['192.0.2.9', 1], {})
  t.equal(agent.nominated, undefined, 'another address of this side')
})
