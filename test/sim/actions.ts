import { CloseCode } from '../../lib/close-codes.js'
import { Backend } from './backend.js'
import { MediaServer } from './media-server.js'
import type { Connection, ConnectionKind } from './network.js'
import { SdkClient } from './sdk-client.js'
import type { World } from './world.js'

/** Something that may happen. */
type Action = (world: World) => unknown
/** The same, whether it did: there may be nothing for it to happen to. */
type Fault = (world: World) => boolean

/** What may happen at any time, and how often. */
const ORDINARY: Array<[number, Action]> = [
  [14, ({ clients, random }) => random.pick(clients).send(random.chance(0.08) ? random.between(10, 60) : random.between(1, 4))],
  [14, ({ sessions, random, mediaServer }) => sessions.length > 0 && mediaServer!.send(random.pick(sessions), random.chance(0.08) ? random.between(10, 60) : random.between(1, 4))],
  [10, ({ later }) => later.settleOne()],
  [3, ({ clients, random }) => {
    const over = clients.filter(({ isOver }) => isOver)
    if (over.length > 0) random.pick(over).start()
  }],
  [2, ({ clients, random }) => {
    const away = clients.filter(({ online }) => !online)
    if (away.length > 0) comeOnline(random.pick(away), random.chance(0.5))
  }],
  [3, (world) => restart(world)],
  [2, ({ network, random }) => {
    const frozen = [...network.connections].filter((connection) => connection.frozen && !connection.lost)
    if (frozen.length > 0) random.pick(frozen).frozen = false
  }]
]

/** What goes wrong, by the name under which it is counted, and how often. */
export const FAULTS: Array<[number, string, Fault]> = [
  [10, 'cut link', (world) => hit(world, 'link', (connection) => connection.cut(world.random))],
  [6, 'freeze link', (world) => hit(world, 'link', (connection) => connection.freeze())],
  [6, 'cut trunk', (world) => hit(world, 'trunk', (connection) => connection.cut(world.random))],
  [4, 'freeze trunk', (world) => hit(world, 'trunk', (connection) => connection.freeze())],
  [3, 'crash backend', (world) => crash(world, false)],
  [2, 'crash machine', (world) => crash(world, true)],
  [2, 'deploy', (world) => {
    const backend = world.random.pick(world.backends)
    if (backend === null) return false
    world.backends[world.backends.indexOf(backend)] = new Backend(world, world.newName('b'))
    world.draining.add(backend)
    void backend.drain().then(() => world.draining.delete(backend))
    return true
  }],
  [1, 'server restart', (world) => {
    if (world.mediaServer === null) return false
    world.mediaServer.die(world.random.chance(0.3))
    world.mediaServer = null
    for (const client of world.clients) client.excuse('server restart')
    return true
  }],
  [4, 'offline', ({ clients, random, network }) => {
    const client = random.pick(clients)
    if (!client.online) return false
    for (const connection of network.connections) if (connection === client.connection) connection.freeze()
    client.setOnline(false)
    return true
  }],
  [4, 'limp', ({ liveBackends, clients, random, report }) => {
    const limping = liveBackends.filter(({ trunk }) => trunk?.isSound === true)
    if (limping.length === 0) return false
    const backend = random.pick(limping)
    report.trace(`it hits ${backend.name}`)
    // What its clients have said may reach the media server after they have come back by another way.
    backend.trunk!.pace = 0.02
    for (const client of clients) if (client.backend === backend && random.chance(0.7)) client.connection!.cut(random)
    return true
  }],
  [4, 'another network', ({ clients, random, report }) => {
    const client = random.pick(clients)
    if (!client.online || client.connection === null) return false
    report.trace(`it is ${client.name}`)
    // What was under way on the old one may arrive after all that is said on the next.
    client.connection.pace = 0.02
    client.setOnline(false)
    client.setOnline(true)
    return true
  }],
  [2, 'looked at', ({ clients, random }) => {
    const client = random.pick(clients)
    if (!(client instanceof SdkClient)) return false
    client.look()
    return true
  }],
  [1, 'leave', ({ clients, random }) => {
    random.pick(clients).leave()
    return true
  }],
  [1, 'kick', (world) => {
    const backends = world.liveBackends.filter(({ relay }) => relay.peers.size > 0)
    if (backends.length === 0) return false
    const { relay } = world.random.pick(backends)
    const peer = world.random.pick([...relay.peers])
    world.clientOf(peer.metadata.client)?.excuse('kicked')
    return relay.kick(peer.id, 'kicked')
  }],
  [1, 'kick by the server', (world) => {
    if (world.sessions.length === 0) return false
    const { peer, client } = world.random.pick(world.sessions)
    world.clientOf(client)?.excuse('kicked')
    peer.close(CloseCode.removed, 'kicked')
    return true
  }]
]

/** One thing happens: most often that something arrives. */
export async function step (world: World): Promise<void> {
  const { random, setup } = world
  world.steps++
  switch (random.weighted([[60, 'deliver'], [35, 'ordinary'], [8, 'time'], [0.5, 'long time'], [setup.faults, 'fault']])) {
    case 'deliver':
      for (let i = random.between(1, 3); i > 0; i--) await world.deliver()
      return
    case 'ordinary':
      random.weighted(ORDINARY)(world)
      return await world.settle()
    case 'time': return await world.advance(random.weighted([[4, random.between(1, 50)], [2, random.between(50, 400)], [1, 1_000]]))
    case 'long time': return await world.pass(random.weighted([[3, 2_000], [2, 6_000], [1, 14_000]]))
    default: return await fail(world)
  }
}

/** Whatever was taken away is given back, and nothing goes wrong any more. */
export function heal (world: World): void {
  world.isCalm = world.later.isPrompt = true
  world.later.settleAll(0)
  while (restart(world));
  for (const connection of world.network.connections) {
    if (connection.lost) connection.cut(world.random)
    connection.frozen = false
  }
  for (const client of world.clients) if (!client.online) comeOnline(client, true)
}

async function fail (world: World): Promise<void> {
  const [name, action] = world.random.weighted(FAULTS.map(([weight, name, action]) => [weight, [name, action]] as const))
  world.report.trace(`fault: ${name}`)
  if (action(world)) world.report.count(`fault: ${name}`)
  await world.settle()
}

function hit (world: World, kind: ConnectionKind, how: (connection: Connection) => void): boolean {
  const sound = [...world.network.connections].filter((connection) => connection.kind === kind && connection.isSound)
  if (sound.length === 0) return false
  const connection = world.random.pick(sound)
  world.report.trace(`it hits ${connection.name}`)
  how(connection)
  return true
}

function crash (world: World, silently: boolean): boolean {
  const backend = world.random.pick(world.backends)
  if (backend === null) return false
  world.report.trace(`it hits ${backend.name}`)
  backend.die(silently)
  world.backends[world.backends.indexOf(backend)] = null
  return true
}

/** Starts something that is down; whether there was any. */
function restart (world: World): boolean {
  if (world.mediaServer === null) {
    // As long as no clock has moved, a successor would number its attachments as the one before.
    world.now++
    world.mediaServer = new MediaServer(world, world.newName('m'))
    return true
  }
  const index = world.backends.indexOf(null)
  if (index === -1) return false
  world.backends[index] = new Backend(world, world.newName('b'))
  return true
}

function comeOnline (client: World['clients'][number], asBefore: boolean): void {
  const { connection } = client
  if (connection !== null && !connection.lost) connection.frozen = !asBefore
  client.setOnline(true)
}
