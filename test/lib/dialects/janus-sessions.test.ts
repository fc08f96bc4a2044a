import assert from 'node:assert/strict'
import fc from 'fast-check'
import t from 'tap'
import { Estate } from '../../../lib/dialects/estate.js'
import { JanusSessions } from '../../../lib/dialects/janus-sessions.js'
import type { SessionHolder } from '../../../lib/dialects/janus-sessions.js'
import { ManualClock } from '../../../lib/testing/index.js'
import { holds } from '../../support.js'

const IDS = 4
const MAX = 2
const MAX_BYTES = 1_000
const RESUME_MS = 1_000
/** What an event counts for beside its bytes. */
const EVENT_COST = 64

class Link implements SessionHolder {
  isOpen = true
}

interface Model {
  subject: string | null
  holder: Link | null
  /** When it was left, in the order in which that was. */
  left: number
  until: number
  bytes: number
}

type Step =
  | { do: 'add', id: number, subject: string | null, bytes: number }
  | { do: 'move', id: number, subject: string | null, throws: boolean, formerCloses: boolean }
  | { do: 'away' | 'over', id: number, byFormer: boolean }
  | { do: 'advance', ms: number }
  | { do: 'stop' }

const id = fc.nat(IDS - 1)
const subject = fc.constantFrom('ann', 'bea', null)
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 4, arbitrary: fc.record({ do: fc.constant('add' as const), id, subject, bytes: fc.constantFrom(0, 0, 300, 900) }) },
  { weight: 4, arbitrary: fc.record({ do: fc.constant('move' as const), id, subject, throws: fc.boolean(), formerCloses: fc.boolean() }) },
  { weight: 4, arbitrary: fc.record({ do: fc.constantFrom('away' as const, 'away' as const, 'over' as const), id, byFormer: fc.boolean() }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('advance' as const), ms: fc.constantFrom(1, RESUME_MS / 2, RESUME_MS) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('stop' as const) }) }
)

t.test('whatever links do: a session is its holder\'s, or away for as long as it is held, within the bounds', async (t) => {
  holds(t, fc.property(fc.array(step, { maxLength: 60, size: 'max' }), (steps) => {
    const clock = new ManualClock()
    const sessions = new JanusSessions({ max: MAX, maxBytes: MAX_BYTES, clock })
    const model = new Map<number, Model>()
    /** Who had it before: nothing that it says counts. */
    const former = new Map<number, Link>()
    let turn = 0

    const away = (each: Model): void => {
      Object.assign(each, { holder: null, left: ++turn, until: clock.now() + RESUME_MS })
      for (;;) {
        const all = [...model].filter(([, { holder }]) => holder === null).sort(([, a], [, b]) => a.left - b.left)
        if (all.length <= MAX && all.reduce((sum, [, { bytes }]) => sum + bytes, 0) <= MAX_BYTES) break
        model.delete(all[0]![0])
      }
    }

    for (const each of steps) {
      const known = 'id' in each ? model.get(each.id) : undefined
      switch (each.do) {
        case 'add': {
          const holder = new Link()
          const estate = new Estate(512, 'asker')
          if (each.bytes > 0) estate.end.push({ data: Buffer.alloc(0), binary: false }, each.bytes - EVENT_COST)
          assert.equal(sessions.add({ id: each.id, estate, subject: each.subject, resumeMs: RESUME_MS }, holder), known === undefined)
          if (known === undefined) model.set(each.id, { subject: each.subject, holder, left: 0, until: 0, bytes: each.bytes })
          break
        }
        case 'move': {
          const found = sessions.find(each.id, each.subject)
          assert.equal(found !== null, known !== undefined && known.subject === each.subject)
          if (found === null || known === undefined) break
          const to = new Link()
          const from = known.holder
          const enter = (): void => {
            if (from !== null && (each.formerCloses || !each.throws)) {
              from.isOpen = false
              sessions.over(each.id, from)
            }
            if (each.throws) throw new Error('refused')
          }
          if (!each.throws) {
            sessions.move(each.id, to, enter)
            known.holder = to
            if (from !== null) former.set(each.id, from)
          } else {
            assert.throws(() => sessions.move(each.id, to, enter), /refused/)
            former.set(each.id, to)
            if (from?.isOpen !== true) away(known)
          }
          break
        }
        case 'away': case 'over': {
          const holder = each.byFormer ? former.get(each.id) ?? new Link() : known?.holder ?? new Link()
          sessions[each.do](each.id, holder)
          if (known === undefined || known.holder !== holder) break
          holder.isOpen = false
          if (each.do === 'over') model.delete(each.id)
          else away(known)
          break
        }
        case 'advance':
          clock.advance(each.ms)
          for (const [id, { holder, until }] of model) if (holder === null && until <= clock.now()) model.delete(id)
          break
        case 'stop':
          sessions.stop()
          for (const [id, { holder }] of model) if (holder === null) model.delete(id)
      }
      const waiting = [...model.values()].filter(({ holder }) => holder === null).length
      assert.deepEqual([sessions.size, sessions.awaySize, clock.timers], [model.size, waiting, waiting])
      for (let id = 0; id < IDS; id++) assert.equal(sessions.find(id, model.get(id)?.subject ?? null)?.id, model.has(id) ? id : undefined)
    }
  }), { numRuns: 500 })
})
