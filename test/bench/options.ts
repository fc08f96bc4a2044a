import { parseArgs } from 'node:util'

export interface Options {
  rounds: number
  quick: boolean
  json: string | null
  profileDir: string | null
}

export const USAGE = `usage: npm run bench -- [fairness | storm] [--quick] [--rounds N] [--json FILE] [--profile DIR]

  fairness       what a peer that floods, freezes or reads slowly costs the others; else what relaying an event costs
  storm          how thousands come back at once; it has options of its own
  --quick        few and short rounds
  --rounds N     rounds of all variants, 1 to 100
  --json FILE    leave the figures and all runs there
  --profile DIR  leave a CPU profile of each relay there; it makes them slower`

/**
 * @param usual how many rounds there are unless they are given
 * @throws Error what was given cannot be understood
 */
export function parseOptions (args: string[], usual = { rounds: 5, quickRounds: 3 }): Options {
  const { values } = parseArgs({
    args,
    options: { quick: { type: 'boolean' }, rounds: { type: 'string' }, json: { type: 'string' }, profile: { type: 'string' } }
  })
  const { quick = false, json = null, profile = null } = values
  const rounds = Number(values.rounds ?? (quick ? usual.quickRounds : usual.rounds))
  if (!Number.isInteger(rounds) || rounds < 1 || rounds > 100) throw new Error(`--rounds takes a number from 1 to 100, not '${values.rounds}'`)
  return { rounds, quick, json, profileDir: profile }
}
