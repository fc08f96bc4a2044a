import { parseArgs } from 'node:util'

export interface StormOptions {
  clients: number
  profileDir: string | null
}

export const USAGE = `usage: npm run bench -- storm [--clients N] [--profile DIR]

  --clients N    how many come back at once, 1 to 15000 (default 5000); each is one open file here and one in the backend
  --profile DIR  leave a CPU profile of the backend that all come back to there; it makes it slower`

/** @throws Error what was given cannot be understood */
export function parseStormOptions (args: string[]): StormOptions {
  const { values } = parseArgs({ args, options: { clients: { type: 'string' }, profile: { type: 'string' } } })
  const clients = Number(values.clients ?? 5_000)
  if (!Number.isInteger(clients) || clients < 1 || clients > 15_000) throw new Error(`--clients takes a number from 1 to 15000, not '${values.clients}'`)
  return { clients, profileDir: values.profile ?? null }
}
