import type { Stage } from './stage.js'
import { until } from './until.js'

/** Whoever is still known to somebody: how many, by where. Nobody is told of. */
export type Registries = Record<string, number>

async function registries (stage: Stage): Promise<Registries> {
  const [{ stats }, backends] = await Promise.all([stage.mediaServerState(), stage.backendStates()])
  const all: Registries = { 'peers of the media server': stats.peers }
  backends.forEach(({ stats: { peers, detached, rooms, links } }, i) => {
    const { name } = stage.backends[i]!
    Object.assign(all, { [`joined peers of ${name}`]: peers - detached, [`detached peers of ${name}`]: detached, [`rooms of ${name}`]: rooms, [`links of ${name}`]: links })
  })
  return Object.fromEntries(Object.entries(all).filter(([, n]) => n > 0))
}

/** What is left once nothing should be, after this time at the latest. */
export async function leftOver (stage: Stage, withinMs: number): Promise<Registries> {
  let left: Registries = {}
  await until(withinMs, async () => {
    left = await registries(stage)
    return Object.keys(left).length === 0
  })
  return left
}
