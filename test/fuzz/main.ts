import { parseArgs } from 'node:util'
import { backend } from './backend.js'
import { clients } from './clients.js'
import { mediaServer } from './media-server.js'
import { Stage } from './stage.js'
import { tally } from './target.js'
import type { Tally, Target } from './target.js'
import { Violations, memory } from './watch.js'

/** `npm run fuzz`: malformed and half-valid messages over real sockets, at every side that anybody can reach. */

const USAGE = `usage: npm run fuzz -- [--messages N] [--seed S]

  --messages N  in all, 600 or more (default 100000): a third each to clients' side, trunk's backend side, its media server side
  --seed S      replays the same messages, each by its number; what the network makes of them is its own`

/** What memory may have grown by from the first half to the second: code that was compiled meanwhile, and buffers of the moment. */
const GROWTH = { ratio: 1.1, bytes: 4 * 1024 * 1024 }

const TARGETS: Record<string, Target> = { 'clients of the app': clients, 'hostile media server': mediaServer, 'hostile backend': backend }

let messages: number
let seed: number
try {
  const { values } = parseArgs({ options: { messages: { type: 'string', default: '100000' }, seed: { type: 'string' } } })
  messages = Number(values.messages)
  seed = Number(values.seed ?? Math.floor(Math.random() * 2 ** 31))
  if (!Number.isSafeInteger(messages) || messages < 600) throw new Error(`--messages takes a number from 600, not '${values.messages}'`)
  if (!Number.isInteger(seed) || seed < 0 || seed >= 2 ** 31) throw new Error(`--seed takes a number below 2^31, not '${values.seed}'`)
} catch (error) {
  console.error(`${(error as Error).message}\n\n${USAGE}`)
  process.exit(2)
}

console.log(`${messages} messages, seed ${seed}\n`)
const violations = new Violations()
// Nothing else has it in it: where it appears, a canary's event does.
const stage = await Stage.open(`nightingale${seed}`, violations)
const counts = new Map<string, { tally: Tally, ms: number }>()
const halves: number[] = []
const half = Math.floor(messages / 6)

// The first half warms up what grows once: the second one is not to need more.
for (let i = 0; i < 2; i++) {
  for (const [name, target] of Object.entries(TARGETS)) {
    const entry = counts.get(name) ?? { tally: tally(), ms: 0 }
    counts.set(name, entry)
    const began = performance.now()
    if (!violations.any) await target(stage, seed, i * half, (i + 1) * half, entry.tally)
    entry.ms += performance.now() - began
  }
  if (!violations.any) await stage.quiet()
  halves.push(await memory())
}
const [first, second] = halves as [number, number]
if (second > first * GROWTH.ratio + GROWTH.bytes) violations.add(`memory has grown from ${MiB(first)} to ${MiB(second)} MiB`)
const sung = violations.any ? 0 : await stage.close()

for (const [name, { tally, ms }] of counts) {
  const closes = [...tally.closes].sort(([a], [b]) => a - b).map(([code, count]) => `${code}: ${count}`).join(', ')
  console.log(`${name}: ${tally.messages} messages, ${Math.round(tally.messages / ms * 1_000)}/s, over ${tally.connections} connections\n  closed with ${closes}`)
}
console.log(`canaries: ${sung} events, once, in order, and nowhere else\nmemory: ${MiB(first)} MiB after the first half, ${MiB(second)} MiB after the second`)
if (violations.any) console.log(`\nFAILED\n${violations.lines.join('\n')}\n\nthe same messages: npm run fuzz -- --messages ${messages} --seed ${seed}`)
process.exit(violations.any ? 1 : 0)

function MiB (bytes: number): string {
  return (bytes / 1024 / 1024).toFixed(1)
}
