import assert from 'node:assert/strict'
import fc from 'fast-check'
import t from 'tap'
import { Admission } from '../../../lib/relay/admission.js'
import { DetachedSessions } from '../../../lib/relay/detached.js'
import { ManualClock } from '../../../lib/testing/index.js'
import { holds } from '../../support.js'

t.test('as many of one subject as there may be; for one more the oldest goes', async (t) => {
  const detached = new DetachedSessions<string>(3)
  t.same(['a', 'b', 'c'].map((peer) => detached.add(peer, 'one')), [null, null, null])
  t.equal(detached.add('d', 'other'), null)
  t.same([detached.size, detached.evicted], [4, 0])
  t.equal(detached.add('e', 'one'), 'a')
  t.same([detached.size, detached.evicted], [4, 1])
})

t.test('who is back makes room, and is the newest when it is lost again', async (t) => {
  const detached = new DetachedSessions<string>(2)
  detached.add('a', 'one')
  detached.add('b', 'one')
  detached.delete('a')
  detached.delete('a')
  t.equal(detached.add('a', 'one'), null)
  t.equal(detached.add('c', 'one'), 'b')
})

t.test('it is as a plain list would be, whoever is lost, comes back or is lost as somebody else', async (t) => {
  const peer = fc.integer({ min: 0, max: 12 })
  const step = fc.oneof(
    fc.record({ do: fc.constant('add' as const), peer, subject: fc.constantFrom('one', 'two', 'three', null) }),
    fc.record({ do: fc.constant('delete' as const), peer, subject: fc.constant('') })
  )
  holds(t, fc.property(fc.integer({ min: 1, max: 4 }), fc.array(step, { maxLength: 100 }), (max, steps) => {
    const detached = new DetachedSessions<number>(max)
    let model: Array<{ peer: number, subject: string | null }> = []
    let evicted = 0
    for (const { do: what, peer, subject } of steps) {
      model = model.filter((each) => each.peer !== peer)
      if (what === 'delete') {
        detached.delete(peer)
      } else {
        model.push({ peer, subject })
        const same = model.filter((each) => subject !== null && each.subject === subject)
        const oldest = same.length > max ? same[0]! : null
        assert.equal(detached.add(peer, subject), oldest?.peer ?? null)
        model = model.filter((each) => each !== oldest)
        if (oldest !== null) evicted++
      }
      assert.deepEqual([detached.size, detached.evicted], [model.length, evicted])
    }
    for (const { peer } of model) detached.delete(peer)
    assert.equal(detached.size, 0)
  }))
})

t.test('whose it is: as the app says, else by the id that it gives, else nobody\'s', async (t) => {
  const subjectOf = async (identity: { subject?: string, peerId?: string }): Promise<string | null> => {
    const admission = new Admission(() => ({ roomId: 'r', ...identity }), { hookMs: 100, concurrentAuth: 1, waitingAuth: 1 } as ConstructorParameters<typeof Admission>[1], new ManualClock())
    return (await admission.admit({}, { token: 'hush', from: 'query' })).subject
  }
  t.equal(await subjectOf({ subject: 'user', peerId: 'peer' }), 'user')
  t.equal(await subjectOf({ peerId: 'peer' }), 'peer')
  t.equal(await subjectOf({}), null)
  t.equal(await subjectOf({ subject: 'x'.repeat(128) }), 'x'.repeat(128))
  await t.rejects(subjectOf({ subject: 'x'.repeat(129) }), { httpStatus: 503, cause: { message: /subject must be a string of 1 to 128 bytes/ } })
  await t.rejects(subjectOf({ subject: '' }), { httpStatus: 503, cause: { message: /subject must be/ } })
})
