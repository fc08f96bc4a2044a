import fc from 'fast-check'
import t from 'tap'
import type { Recording } from '../../../lib/relay/media-server.js'
import { Recordings } from '../../../lib/relay/recordings.js'
import { holds } from '../../support.js'

function recording (recordingId: string, status: Recording['status'] = 'active', revision = 1, roomId = 'room'): Recording {
  return { recordingId, roomId, status, revision, startedAt: null, file: null, durationMs: null, error: null }
}

function make (options: { maxIdle?: number, isInUse?: (roomId: string) => boolean } = {}): { recordings: Recordings, changed: string[] } {
  const changed: string[] = []
  return { recordings: new Recordings({ maxIdle: 1_000, isInUse: () => true, changed: (roomId) => changed.push(roomId), ...options }), changed }
}

const COURSE: Array<Recording['status']> = ['active', 'finished', 'available']
/** By the line of an outbox that it travels in: notifications, or one peer's answers. */
type Said = { told: Recording } | { snapshot: Recording[] }

/**
 * A media server whose truth is known, and the one trunk to it: whatever of its lines comes first, each line is in order. What the
 * room's light may say while it is known: of each recording something that was true since the trunk came up and somebody is in the room.
 */
class World {
  changed = 0
  recordings = this.#process()
  isUp = false
  isSomebodyThere = false
  readonly truth = new Map<string, Recording>()
  /** What no backend has handled, in order: told again on each trunk. */
  unhandled: Recording[] = []
  readonly lines: Said[][] = [[], [], []]
  /** Whether it was active, and whether it was not, since then. */
  readonly #was = new Map<string, Set<boolean>>()
  #count = 0

  do (what: string, n: number): void {
    const of = this.recordings.of('room')
    const changed = this.changed
    this.#do(what, n)
    const { revision, ...now } = this.recordings.of('room')
    if (what === 'die') return
    if (revision < of.revision) throw new Error('the revision went back')
    if ((what === 'deliver') && changed === this.changed && JSON.stringify(now) !== JSON.stringify({ isKnown: of.isKnown, recordings: of.recordings })) throw new Error('changed, and nobody was told')
  }

  check (): void {
    const { isKnown, recordings } = this.recordings.of('room')
    if (isKnown && !(this.isUp && this.isSomebodyThere)) throw new Error('known, though nobody says it')
    if (!isKnown) return
    const shown = new Set(recordings.filter(({ status }) => status === 'active').map(({ recordingId }) => recordingId))
    for (const [id, was] of this.#was) if (!was.has(shown.has(id))) throw new Error(`${id} is shown as ${shown.has(id) ? 'on' : 'off'}, which it was not`)
  }

  /** All comes back, and all is delivered. */
  settle (): void {
    if (!this.isUp) this.do('back', 0)
    this.do('enter', 0)
    while (this.lines.some(({ length }) => length > 0)) for (const n of [0, 1, 2]) this.do('deliver', n)
    const active = (all: Iterable<Recording>): string[] => [...all].filter(({ status }) => status === 'active').map(({ recordingId }) => recordingId).sort()
    const { isKnown, recordings } = this.recordings.of('room')
    if (!isKnown) throw new Error('not known in the end')
    if (active(recordings).join() !== active(this.truth.values()).join()) throw new Error(`in the end ${active(recordings).join()} instead of ${active(this.truth.values()).join()}`)
  }

  #do (what: string, n: number): void {
    const ids = [...this.truth.keys()]
    const chosen = this.truth.get(ids[n % ids.length]!)
    switch (what) {
      case 'start': this.#happened(recording(`r${++this.#count}`)); break
      case 'go on': if (chosen !== undefined && chosen.revision < COURSE.length) this.#happened(recording(chosen.recordingId, n % 5 === 0 ? 'failed' : COURSE[chosen.revision]!, n % 5 === 0 ? COURSE.length : chosen.revision + 1)); break
      case 'forget': if (chosen !== undefined && chosen.status !== 'active' && !this.lines[0]!.some((said) => 'told' in said && said.told.recordingId === chosen.recordingId)) this.#forget(chosen.recordingId); break
      case 'handle': this.#handle(n); break
      case 'enter': if (this.isUp) this.#enter(1 + n % 2); break
      case 'leave': this.#leave(); this.recordings.vacated('room'); break
      case 'deliver': this.#deliver(this.lines[n % 3]!.shift()); break
      case 'cut': case 'restart': case 'die': this.#cut(what); break
      case 'back':
        if (this.isUp) break
        this.isUp = true
        this.lines[0]!.push(...this.unhandled.map((told) => ({ told })))
    }
  }

  #happened (now: Recording): void {
    this.truth.set(now.recordingId, now)
    this.unhandled.push(now)
    const was = this.#was.get(now.recordingId) ?? new Set([false])
    this.#was.set(now.recordingId, was.add(now.status === 'active'))
    if (this.isUp && this.isSomebodyThere) this.lines[0]!.push({ told: now })
  }

  #forget (id: string): void {
    this.truth.delete(id)
    this.unhandled = this.unhandled.filter(({ recordingId }) => recordingId !== id)
  }

  /** By whichever backend: the first of one recording. */
  #handle (n: number): void {
    const id = this.unhandled[n % this.unhandled.length]?.recordingId
    const first = this.unhandled.findIndex(({ recordingId }) => recordingId === id)
    if (first !== -1) this.unhandled.splice(first, 1)
  }

  #enter (line: number): void {
    if (!this.isSomebodyThere) for (const [id] of this.#was) this.#was.set(id, new Set([this.truth.get(id)?.status === 'active']))
    this.isSomebodyThere = true
    this.lines[line]!.push({ snapshot: [...this.truth.values()] })
  }

  #leave (): void {
    this.isSomebodyThere = false
    this.lines[1]!.length = this.lines[2]!.length = 0
  }

  #cut (what: string): void {
    this.isUp = false
    this.#leave()
    this.lines[0]!.length = 0
    this.recordings.down()
    if (what === 'restart') for (const id of this.truth.keys()) this.#forget(id)
    if (what === 'die') this.recordings = this.#process()
  }

  #deliver (said: Said | undefined): void {
    if (said === undefined) return
    if ('told' in said) this.recordings.told(said.told)
    else this.recordings.snapshot(said.snapshot, 'room')
  }

  #process (): Recordings {
    return new Recordings({ maxIdle: 10, isInUse: () => this.isSomebodyThere, changed: () => { this.changed++ } })
  }
}

const WHATS = ['start', 'go on', 'go on', 'go on', 'forget', 'handle', 'enter', 'enter', 'leave', 'deliver', 'deliver', 'deliver', 'deliver', 'cut', 'restart', 'die', 'back', 'back', 'back']

t.test('whatever is lost, late or told twice: the light says nothing that was not so, and is right once all is delivered', async (t) => {
  holds(t, fc.property(fc.array(fc.record({ what: fc.constantFrom(...WHATS), n: fc.nat({ max: 60 }) }), { minLength: 5, maxLength: 80 }), (steps) => {
    const world = new World()
    for (const { what, n } of steps) {
      world.do(what, n)
      world.check()
    }
    world.settle()
  }), { numRuns: 3_000 })
})

t.test('a snapshot that a notification has overtaken gives nothing up; the next trunk does', async (t) => {
  const { recordings, changed } = make()
  t.same(recordings.of('room'), { isKnown: false, revision: 0, recordings: [] })
  t.equal(recordings.told(recording('r')), true)
  t.equal(recordings.told(recording('r')), false)
  recordings.snapshot([], 'room')
  t.match(recordings.of('room'), { isKnown: true, recordings: [{ recordingId: 'r', status: 'active' }] })
  t.same(changed, ['room', 'room'])
  recordings.snapshot([], 'room')
  t.equal(changed.length, 2, 'nothing new')
  recordings.down()
  t.match(recordings.of('room'), { isKnown: false, recordings: [{ recordingId: 'r' }] }, 'as it was known last')
  recordings.snapshot([], 'room')
  t.match(recordings.of('room'), { isKnown: true, recordings: [] })
})

t.test('who comes back to a room that was left hears what has ended meanwhile, and was forgotten', async (t) => {
  let isInUse = true
  const { recordings } = make({ isInUse: () => isInUse })
  recordings.snapshot([recording('r')], 'room')
  isInUse = false
  recordings.vacated('room')
  t.match(recordings.of('room'), { isKnown: false, recordings: [{ recordingId: 'r' }] }, 'others may be told of it now, and this process not')
  recordings.told(recording('on its way'))
  isInUse = true
  recordings.snapshot([], 'room')
  t.match(recordings.of('room'), { isKnown: true, recordings: [] })
})

t.test('a media server that tells of all rooms at once is believed of those that it does not name, as long as the trunk is there', async (t) => {
  const { recordings, changed } = make()
  recordings.told(recording('old', 'active', 1, 'gone'))
  recordings.down()
  recordings.snapshot([recording('r')])
  t.match(recordings.of('room'), { isKnown: true, recordings: [{ recordingId: 'r' }] })
  t.match(recordings.of('gone'), { isKnown: true, recordings: [] })
  t.match(recordings.of('never heard of'), { isKnown: true, recordings: [] })
  t.same([...changed].sort(), ['gone', 'gone', 'room'])
  recordings.vacated('room')
  t.equal(recordings.of('room').isKnown, true, 'it tells of all, whoever is there')
  recordings.down()
  t.equal(recordings.of('never heard of').isKnown, false)
})

t.test('what is told after the end of its room is known, and revisions never go back, whatever is forgotten', async (t) => {
  const { recordings } = make({ isInUse: () => false })
  recordings.told(recording('r', 'finished', 2))
  recordings.vacated('room')
  t.equal(recordings.told(recording('r', 'available', 3)), true)
  t.equal(recordings.told(recording('r', 'finished', 2)), false)
  t.match(recordings.of('room').recordings, [{ status: 'available' }])
  recordings.snapshot([], 'empty')
  const { revision } = recordings.of('empty')
  recordings.vacated('empty')
  t.ok(recordings.of('empty').revision >= revision)
})

t.test('of one room 64 are remembered: first the oldest is forgotten that is over', async (t) => {
  const { recordings } = make()
  recordings.told(recording('running'))
  for (let n = 0; n < 64; n++) recordings.told(recording(`over ${n}`, 'available', 3))
  const ids = recordings.of('room').recordings.map(({ recordingId }) => recordingId)
  t.equal(ids.length, 64)
  t.same(ids.slice(0, 2), ['running', 'over 1'])
  for (let n = 0; n < 64; n++) recordings.told(recording(`new ${n}`))
  t.same(recordings.of('room').recordings.map(({ recordingId }) => recordingId), ['running', ...Array.from({ length: 64 }, (_, n) => `new ${n}`)])
  for (let n = 64; n <= 1_024; n++) recordings.told(recording(`new ${n}`))
  t.same([recordings.of('room').recordings.length, recordings.of('room').recordings[0]!.recordingId], [1_024, 'new 1'], 'of those that are being made many more')
})

t.test('of rooms without a peer so many are remembered; those with one are not counted', async (t) => {
  const { recordings } = make({ maxIdle: 10, isInUse: (roomId) => roomId.startsWith('used') })
  for (let n = 0; n < 50; n++) recordings.told(recording('r', 'active', 1, `used ${n}`))
  t.equal(recordings.rooms, 50)
  let most = 0
  for (let n = 0; n < 100; n++) {
    recordings.told(recording('r', 'active', 1, `idle ${n}`))
    most = Math.max(most, recordings.rooms)
  }
  t.ok(most <= 61, `${most}: the one that is just heard of, and ten`)
  t.equal(recordings.of('idle 99').recordings.length, 1, 'the latest are kept')
  t.equal(recordings.of('idle 0').recordings.length, 0)
  for (let n = 0; n < 50; n++) t.equal(recordings.of(`used ${n}`).recordings.length, 1)
  for (let n = 0; n < 1_000; n++) {
    recordings.snapshot([], `used and empty ${n}`)
    recordings.vacated(`used and empty ${n}`)
  }
  t.ok(recordings.rooms <= 60, 'a room without recordings is forgotten with its last peer')
  t.equal(recordings.of('idle 99').recordings.length, 1)
})
