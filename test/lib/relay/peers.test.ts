import assert from 'node:assert/strict'
import fc from 'fast-check'
import t from 'tap'
import type { Peer } from '../../../lib/relay/peer.js'
import { PeerRegistry } from '../../../lib/relay/peers.js'
import { holds } from '../../support.js'

const peer = (id: string, roomId: string): Peer => ({ id, roomId }) as Peer

t.test('the registry is as a plain list would be, whatever comes, goes, or goes late', async (t) => {
  const step = fc.tuple(fc.constantFrom('add', 'delete'), fc.nat(4), fc.nat(2), fc.nat(20))
  holds(t, fc.property(fc.array(step, { maxLength: 60 }), (history) => {
    const registry = new PeerRegistry<unknown, Peer>()
    const ever: Peer[] = []
    let model: Peer[] = []
    for (const [what, id, room, which] of history) {
      if (what === 'add') {
        const added = peer(`p${id}`, `r${room}`)
        // As the relay does: the one before has ended first.
        const before = registry.get(added.id)
        if (before !== undefined) registry.delete(before)
        model = model.filter((other) => other.id !== added.id)
        registry.add(added)
        model.push(added)
        ever.push(added)
      } else if (ever.length > 0) {
        // Perhaps one that is gone long since, whose id somebody else has now.
        const gone = ever[which % ever.length]!
        registry.delete(gone)
        model = model.filter((other) => other !== gone)
      }
      assert.equal(registry.size, model.length)
      assert.equal(registry.rooms, new Set(model.map(({ roomId }) => roomId)).size)
      for (let i = 0; i <= 4; i++) assert.equal(registry.get(`p${i}`), model.find(({ id }) => id === `p${i}`))
      for (let i = 0; i <= 2; i++) assert.deepEqual(new Set(registry.inRoom(`r${i}`)), new Set(model.filter(({ roomId }) => roomId === `r${i}`)))
      assert.deepEqual(new Set(registry), new Set(model))
    }
  }))
})
