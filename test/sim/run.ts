import { heal, step } from './actions.js'
import type { Client } from './client.js'
import { Random } from './random.js'
import type { Report } from './report.js'
import { WINDOW_MS } from './setup.js'
import { World } from './world.js'

/** How long a run may take until all are well again, once nothing goes wrong any more. */
const RECOVERY_MS = 6 * WINDOW_MS
const ROUND_MS = 400

/** Plays one seed: chaos, then calm, in which everybody has to find their way back and everything has to arrive. */
export async function run (seed: number, steps: number, print: ((line: string) => void) | null = null): Promise<Report> {
  const unseed = seedNames(seed)
  const world = new World(seed, print)
  const { report } = world
  const uncaught = (error: unknown): void => report.violation('other', `uncaught: ${error instanceof Error ? error.stack : String(error)}`)
  process.on('uncaughtException', uncaught)
  process.on('unhandledRejection', uncaught)
  try {
    await world.settle()
    for (let i = 0; i < steps && report.violations.length === 0; i++) await step(world)
    if (report.violations.length === 0) await calmDown(world)
  } catch (error) {
    uncaught(error)
  } finally {
    unseed()
    process.off('uncaughtException', uncaught)
    process.off('unhandledRejection', uncaught)
  }
  return report
}

/** What the SDK names itself may differ in length, and with it its messages: so it comes from the seed. */
function seedNames (seed: number): () => void {
  const random = new Random(-seed)
  crypto.getRandomValues = (array) => {
    if (array instanceof Uint8Array) for (let i = 0; i < array.length; i++) array[i] = random.between(0, 255)
    return array
  }
  // The prototype has the real one.
  return () => { Reflect.deleteProperty(crypto, 'getRandomValues') }
}

async function calmDown (world: World): Promise<void> {
  const { report } = world
  report.trace('calm')
  heal(world)
  await world.settle()
  await recover(world)
  // What is well is to work, and what is over is to be forgotten.
  for (const client of live(world)) client.send(3)
  for (const session of world.sessions) world.mediaServer!.send(session, 3)
  if (report.violations.length === 0) await world.pass(2.5 * WINDOW_MS)
  if (report.violations.length === 0) await recover(world)
  if (report.violations.length === 0) findLeaks(world)
  if (report.violations.length === 0) await end(world)
}

/** Clients that somebody waits for: of those with one identity only the last counts. */
function live (world: World): Client[] {
  return world.clients.filter(({ isOver }) => !isOver)
}

/** Those that are to be in a session and are not. */
function unwell (world: World): Client[] {
  const groups = new Map<string, Client[]>()
  for (const client of world.clients) {
    const group = client.identity ?? client.name
    groups.set(group, [...groups.get(group) ?? [], client])
  }
  return [...groups.values()].flatMap((group) => {
    const there = group.filter(({ isOver }) => !isOver)
    // A rival may be on its way out yet, but never all of them.
    return there.length === 1 && there[0]!.isHealthy ? [] : there.length === 0 ? group.slice(0, 1) : there
  })
}

function missing (world: World): string[] {
  const missing: string[] = []
  for (const client of live(world)) {
    const session = world.sessions.find((session) => session.client === client.name && (client.peerId === null || session.peer.id === client.peerId))
    if (session === undefined) missing.push(`${client.name} has no session on the server`)
    else if (!session.incoming.hasAll(client.outgoing)) missing.push(`${session.incoming.toString()}, of ${client.outgoing.events.length}`)
    else if (!client.incoming.hasAll(session.outgoing)) missing.push(`${client.incoming.toString()}, of ${session.outgoing.events.length}`)
  }
  return missing
}

/** Goes on until everybody is well, and everything has arrived. */
async function recover (world: World): Promise<void> {
  const { report, clients } = world
  for (let spent = 0; spent < RECOVERY_MS && report.violations.length === 0; spent += ROUND_MS) {
    // Who has left, or was pushed out or kicked, comes again; a rival only when nobody of its identity is there.
    for (const client of clients) {
      if (client.isOver && !clients.some((other) => other !== client && client.identity !== null && other.identity === client.identity && !other.isOver)) client.start()
    }
    await world.pass(ROUND_MS)
    if (unwell(world).length === 0 && missing(world).length === 0) return
  }
  for (const client of unwell(world)) report.violation('stuck', `${client.name} does not come back`)
  if (unwell(world).length === 0) for (const what of missing(world)) report.violation('lost', what)
}

/** Of each registry, what it holds is what there is. */
function findLeaks (world: World): void {
  const { report, mediaServer, liveBackends } = world
  const clients = live(world)
  const leaked = (what: string, is: number, expected: number): void => {
    if (is !== expected) report.violation('leaked', `${what}: ${is} instead of ${expected}`)
  }
  leaked('peers at the media server', mediaServer!.endpoint.stats().peers, clients.length)
  leaked('trunks at the media server', mediaServer!.endpoint.stats().trunks, liveBackends.length)
  for (const backend of liveBackends) {
    leaked(`peers of ${backend.name}`, backend.relay.peers.size, clients.filter((client) => client.backend === backend).length)
    leaked(`sockets of ${backend.name}`, backend.sockets.size, clients.filter((client) => client.backend === backend).length + 1)
    backend.check(false)
  }
  leaked('backends that never finish', world.draining.size, 0)
}

/** Everybody goes home, and each app has been told of each end. */
async function end (world: World): Promise<void> {
  for (const client of live(world)) client.leave()
  await world.pass(3_000)
  const { report, mediaServer, liveBackends } = world
  for (const client of world.clients) if (client.outgoing.over) report.trace(`${client.name} is gone`)
  if (world.setup.plainClients === 0) {
    if (mediaServer!.endpoint.stats().peers > 0) report.violation('leaked', 'the media server still has peers when all have left')
    for (const { name, relay } of liveBackends) if (relay.peers.size > 0) report.violation('leaked', `${name} still has peers when all have left`)
  }
  for (const backend of liveBackends) void backend.drain()
  await world.pass(3_000)
}
