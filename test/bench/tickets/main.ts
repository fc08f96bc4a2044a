import { parseArgs } from 'node:util'
import { compareCosts } from './costs.js'

/** `npm run bench -- tickets`: what it costs to check a ticket. */

const { values: { quick = false } } = parseArgs({ args: process.argv.slice(3), options: { quick: { type: 'boolean' } } })

const { checkMicros, hmacMicros } = await compareCosts(quick ? { tickets: 1_000, rounds: 3 } : { tickets: 10_000, rounds: 10 })
console.log(`Node ${process.version}; the best of some rounds`)
console.log(`a ticket is checked in   ${checkMicros.toFixed(1)} µs`)
console.log(`a plain HMAC-SHA256 is   ${hmacMicros.toFixed(1)} µs, of the same bytes, by turns with it`)
