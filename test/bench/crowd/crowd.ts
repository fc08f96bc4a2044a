import { setTimeout as sleep } from 'node:timers/promises'
import type { Child, Start } from '../processes.js'
import type { ClientKind } from './frames.js'
import type { CrowdOptions, CrowdState } from './load.js'

/** A relay with the media server behind it and crowds before it. */

export type Relay = 'trunkline' | 'http-proxy' | 'bare'

export interface Variant {
  readonly relay: Relay
  readonly kind: ClientKind
}

export const titleOf = ({ relay, kind }: Variant): string => relay === 'trunkline' ? `trunkline, ${kind === 'session' ? 'SDK links' : 'plain clients'}` : relay

/** On which core each process runs; null: wherever the system likes. */
export interface Cores {
  relay: string | null
  others: string | null
}

/** Between two looks, in milliseconds. */
const LOOK_MS = 20
/** How long one client may take to get in, on a slow machine, and everybody at least. Milliseconds. */
const SLOWEST_MS = 10
const LEAST_MS = 15_000

/** Those that come and go before anything is measured, so that neither code that is loaded nor code that is not compiled yet counts. */
const WAVES = 3
const WAVE = { clients: 200, events: 20 }

/** The echo that belongs to a relay: its module, or null where the relay says back itself what it hears. */
const ECHOES: Record<Relay, string | null> = { trunkline: './echoes/trunkline.js', 'http-proxy': './crowd/web-socket-echo.js', bare: null }

/** A relay that is warm: hundreds have come, had their echoes and gone. */
export async function warmRelay (start: Start, { relay, kind }: Variant, cores: Cores, nodeOptions: string[] = []): Promise<{ relay: Child, port: number }> {
  const echo = ECHOES[relay]
  const upstream = echo === null ? null : await start(echo, null, cores.others).ready<{ port: number }>()
  const child = start(`./crowd/${relay}.js`, upstream, cores.relay, nodeOptions)
  const { port } = await child.ready<{ port: number }>()
  for (let wave = 0; wave < WAVES; wave++) {
    const load = await crowd(start, { port, kind, connecting: 50, ...WAVE }, cores)
    await allIn(load, WAVE.clients)
    await load.ask('leave')
    await load.stop()
  }
  return { relay: child, port }
}

/** A crowd that comes when it is asked to `go`. */
export async function crowd (start: Start, options: CrowdOptions, cores: Cores): Promise<Child> {
  const load = start('./crowd/load.js', options, cores.others)
  await load.ready()
  return load
}

/** Has the crowd come, and waits until everybody is in or refused: or for as long as that may take. */
export async function come (load: Child, clients: number): Promise<CrowdState> {
  await load.ask('go')
  const deadline = performance.now() + Math.max(LEAST_MS, SLOWEST_MS * clients)
  for (;;) {
    await sleep(LOOK_MS)
    const state = await load.ask<CrowdState>('state')
    if (state.in + refused(state) >= clients || performance.now() > deadline) return state
  }
}

/** @throws Error somebody is not */
export async function allIn (load: Child, clients: number): Promise<CrowdState> {
  const state = await come(load, clients)
  if (state.in !== clients || refused(state) !== 0) throw new Error(`of ${clients} clients ${state.in} are in; of the others ${JSON.stringify(state.over)}`)
  return state
}

export function refused ({ over }: CrowdState): number {
  return Object.values(over).reduce((sum, count) => sum + count, 0)
}
