import { readFileSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { layOut } from './report.js'

/** Where the time of a relay goes, from the CPU profiles that it leaves: by room of the house, not by function. */

/** As much of V8's format as is needed: samples name nodes, each so many microseconds after the one before. */
export interface CpuProfile {
  nodes: Array<{ id: number, callFrame: { functionName: string, url: string } }>
  samples: number[]
  timeDeltas: number[]
}

/** The first that fits names the room. */
const ROOMS: Array<[room: string, where: RegExp]> = [
  // "idle" is what V8 sees of the time in which libuv waits, and reads.
  ['waiting, and reading from sockets', /^ \(idle\)$/],
  ['writing to sockets', /^ (writev|writeBuffer|writeUtf8String|writeLatin1String)$/],
  ['collecting garbage', /^ \(garbage collector\)$/],
  ['Node: streams, sockets, timers', /^node:/],
  ['ws', /\/node_modules\/ws\//],
  ['Trunkline: dialects (clients\' sockets and sessions)', /\/dist\/lib\/(dialects|session)\//],
  ['Trunkline: relay (peers, lanes, hooks)', /\/dist\/lib\/relay\//],
  ['Trunkline: trunk (frames, queues, credit)', /\/dist\/lib\/(trunk|media-servers|protobuf)/],
  ['Trunkline: the rest', /\/dist\/(lib|plugins)\//],
  ['native code: masks, UTF-8, new buffers, the rest of V8', /^ /]
]
const OTHER = 'others: start, Fastify'

/** Of the time in which it did anything, or waited: each room's share of it, the largest first. */
export function whereOf ({ nodes, samples, timeDeltas }: CpuProfile): Array<{ room: string, share: number }> {
  const rooms = new Map(nodes.map(({ id, callFrame }) => [id, roomOf(callFrame)]))
  const micros = new Map<string, number>()
  let all = 0
  samples.forEach((id, i) => {
    const taken = Math.max(0, timeDeltas[i] ?? 0)
    const room = rooms.get(id) ?? OTHER
    micros.set(room, (micros.get(room) ?? 0) + taken)
    all += taken
  })
  return [...micros].map(([room, taken]) => ({ room, share: all === 0 ? 0 : taken / all })).sort((one, other) => other.share - one.share)
}

/** A table for each profile in the folder. */
export function whereTables (dir: string): string {
  return readdirSync(dir).filter((name) => name.endsWith('.cpuprofile')).sort().map((name) => {
    const where = whereOf(JSON.parse(readFileSync(join(dir, name), 'utf8')) as CpuProfile)
    return layOut(name, [['where', 'of the time'], ...where.map(({ room, share }) => [room, `${(share * 100).toFixed(1)} %`])])
  }).join('\n\n')
}

function roomOf ({ functionName, url }: { functionName: string, url: string }): string {
  const place = url === '' ? ` ${functionName}` : url
  return ROOMS.find(([, where]) => where.test(place))?.[0] ?? OTHER
}
