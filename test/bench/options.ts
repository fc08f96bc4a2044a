import { parseArgs } from 'node:util'

export interface Options {
  rounds: number
  quick: boolean
  json: string | null
  profileDir: string | null
}

export const USAGE = `usage: npm run bench -- [--quick] [--rounds N] [--json FILE] [--profile DIR]

  --quick        200 clients x 200 B only, 3 short rounds
  --rounds N     rounds of all variants, 1 to 100 (default 5)
  --json FILE    leave the figures and all runs there
  --profile DIR  leave a CPU profile of each relay there; it makes them slower`

/** @throws Error what was given cannot be understood */
export function parseOptions (args: string[]): Options {
  const { values } = parseArgs({
    args,
    options: { quick: { type: 'boolean' }, rounds: { type: 'string' }, json: { type: 'string' }, profile: { type: 'string' } }
  })
  const { quick = false, json = null, profile = null } = values
  const rounds = Number(values.rounds ?? (quick ? 3 : 5))
  if (!Number.isInteger(rounds) || rounds < 1 || rounds > 100) throw new Error(`--rounds takes a number from 1 to 100, not '${values.rounds}'`)
  return { rounds, quick, json, profileDir: profile }
}
