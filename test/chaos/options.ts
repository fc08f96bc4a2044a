import { parseArgs } from 'node:util'

export interface Options {
  seconds: number
  clients: number
  seed: number
  json: string | null
}

export const CHAOS_USAGE = `usage: npm run chaos -- [--seconds N | --minutes N] [--clients N] [--seed S] [--json FILE]

  --seconds N   of faults, 5 or more (default 60); the end takes some seconds more
  --clients N   2 to 500 (default 40), one in four of them plain
  --seed S      of what is done to whom: real processes do not do the same twice, so it replays the choices only
  --json FILE   leave the result there`

export const CHURN_USAGE = `usage: npm run churn -- [--minutes N | --seconds N] [--clients N] [--json FILE]

  --minutes N   default 2; at least 20 s
  --clients N   2 to 500 (default 40), one in four of them plain
  --json FILE   leave the result there`

/** @throws Error what was given cannot be understood */
export function parseOptions (args: string[], defaults: { seconds: number, leastSeconds: number }): Options {
  const { values } = parseArgs({
    args,
    options: { seconds: { type: 'string' }, minutes: { type: 'string' }, clients: { type: 'string' }, seed: { type: 'string' }, json: { type: 'string' } }
  })
  const seconds = values.minutes === undefined ? Number(values.seconds ?? defaults.seconds) : Number(values.minutes) * 60
  if (!(seconds >= defaults.leastSeconds)) throw new Error(`it takes ${defaults.leastSeconds} s or more`)
  const clients = Number(values.clients ?? 40)
  if (!Number.isInteger(clients) || clients < 2 || clients > 500) throw new Error(`--clients takes a number from 2 to 500, not '${values.clients}'`)
  const seed = Number(values.seed ?? Math.floor(Math.random() * 1e9))
  if (!Number.isSafeInteger(seed) || seed < 0) throw new Error(`--seed takes a number from 0, not '${values.seed}'`)
  return { seconds, clients, seed, json: values.json ?? null }
}
