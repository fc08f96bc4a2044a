import { parseArgs } from 'node:util'

export interface Options {
  rounds: number
  quick: boolean
  json: string | null
  profileDir: string | null
  /** The one part to run; null: all of them. */
  only: string | null
}

export const USAGE = `usage: npm run bench -- [fairness | janus | storm | tickets | docs] [--quick] [--rounds N] [--json FILE] [--profile DIR] [--only SECTION]

  fairness        what a peer that floods, freezes or reads slowly costs the others; else all parts, this one in short
  janus           what a request to Janus costs, beside a relay of janode: parts stub, trickle and janus; installs janode for itself
  storm           how thousands come back at once; it has options of its own
  tickets         what it costs to check a ticket, beside a plain HMAC-SHA256; --quick alone
  docs FILE       draw the plots and write the figures of the papers from what a run of all parts has left in FILE
  --quick         a look of a minute
  --rounds N      rounds of all variants, 1 to 100
  --json FILE     leave the figures and all runs there
  --profile DIR   leave a CPU profile of each relay there, and say where its time went; it makes them slower
  --only SECTION  one part of it`

/**
 * @param sections what `--only` may name
 * @param usual how many rounds there are unless they are given
 * @throws Error what was given cannot be understood
 */
export function parseOptions (args: string[], sections: readonly string[] = [], usual = { rounds: 5, quickRounds: 3 }): Options {
  const { values } = parseArgs({
    args,
    options: { quick: { type: 'boolean' }, rounds: { type: 'string' }, json: { type: 'string' }, profile: { type: 'string' }, only: { type: 'string' } }
  })
  const { quick = false, json = null, profile = null, only = null } = values
  const rounds = Number(values.rounds ?? (quick ? usual.quickRounds : usual.rounds))
  if (!Number.isInteger(rounds) || rounds < 1 || rounds > 100) throw new Error(`--rounds takes a number from 1 to 100, not '${values.rounds}'`)
  if (only !== null && !sections.includes(only)) throw new Error(`--only takes one of ${sections.join(', ') || 'nothing here'}, not '${only}'`)
  return { rounds, quick, json, profileDir: profile, only }
}
