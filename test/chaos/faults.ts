import type { ChaosConnection, ChaosProxy } from '../../lib/testing/index.js'
import type { Random } from '../sim/random.js'
import type { ChaosClient } from './client.js'
import type { Backend } from './stage.js'

/** Something that is done to a wire. What it returns puts an end to it, after `ms`. */
export interface Fault<Target> {
  kind: string
  /** How often it is in the deck. */
  times: number
  ms: readonly [least: number, most: number]
  begin: (target: Target, random: Random) => () => void
}

const SHORT = [50, 600] as const
const LONG = [200, 3_500] as const
const MOMENT = [0, 0] as const
const nothing = (): void => {}

/** What happens to any wire; the ones that are there stay frozen, so that what comes late from them comes from a former link. */
function wireFaults<Target> (name: string, long: Fault<Target>['ms'], proxyOf: (target: Target) => ChaosProxy): Array<Fault<Target>> {
  const each = (target: Target, act: (connection: ChaosConnection) => void): void => proxyOf(target).connections.forEach(act)
  const fault = (kind: string, times: number, ms: Fault<Target>['ms'], begin: Fault<Target>['begin']): Fault<Target> => ({ kind: `${name} ${kind}`, times, ms, begin })
  return [
    fault('cut', 2, MOMENT, (target) => { proxyOf(target).cut(); return nothing }),
    fault('reset', 2, MOMENT, (target) => { proxyOf(target).reset(); return nothing }),
    fault('half-closed', 2, MOMENT, (target, random) => { proxyOf(target).halfClose(random.pick(['up', 'down'] as const)); return nothing }),
    fault('frozen and thawed', 2, long, (target, random) => {
      const { connections } = proxyOf(target)
      const direction = random.pick(['up', 'down', 'both'] as const)
      for (const connection of connections) connection.freeze(direction)
      return () => { for (const connection of connections) connection.thaw() }
    }),
    fault('frozen and cut', 1, SHORT, (target) => {
      const { connections } = proxyOf(target)
      for (const connection of connections) connection.freeze()
      return () => { for (const connection of connections) connection.cut() }
    }),
    fault('without a network', 1, long, (target) => {
      proxyOf(target).freeze()
      return () => proxyOf(target).thaw()
    }),
    fault('delayed', 1, long, (target, random) => {
      proxyOf(target).delay(random.between(5, 150))
      return () => proxyOf(target).delay(0)
    }),
    fault('throttled', 1, SHORT, (target, random) => {
      proxyOf(target).throttle(random.between(20, 200) * 1024)
      return () => proxyOf(target).throttle(null)
    }),
    fault('cut behind what is held', 1, SHORT, (target, random) => {
      each(target, (connection) => {
        connection.delay(random.between(20, 100))
        connection.halfClose('up')
        connection.halfClose('down')
      })
      return nothing
    })
  ]
}

export const TRUNK_FAULTS: Array<Fault<Backend>> = wireFaults('trunk', [100, 1_500], ({ trunk }) => trunk)

export function linkFaults (backends: Backend[], windowMs: number): Array<Fault<ChaosClient>> {
  const links = wireFaults<ChaosClient>('link', LONG, ({ proxy }) => proxy)
  return [
    ...links,
    ...links,
    {
      kind: 'client away for longer than the window',
      times: 1,
      ms: [windowMs + 1_500, windowMs + 2_500],
      begin ({ proxy }) {
        proxy.refuse(true)
        proxy.reset()
        return () => proxy.refuse(false)
      }
    },
    {
      kind: 'client moved to another backend',
      times: 3,
      ms: LONG,
      begin (client, random) {
        const { connections } = client.proxy
        client.moveTo(random.pick(backends.length === 1 ? backends : backends.filter((backend) => backend !== client.backend)))
        if (random.chance(0.5)) {
          for (const connection of connections) connection.cut()
          return nothing
        }
        // It comes again before the backend that it leaves has heard the last of it.
        for (const connection of connections) connection.freeze('up')
        return () => { for (const connection of connections) connection.thaw() }
      }
    }
  ]
}
