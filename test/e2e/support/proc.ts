import { readFileSync, readdirSync, readlinkSync } from 'node:fs'

/** What Linux says of processes and their sockets, in /proc. */

export interface Connection {
  /** Of IPv6, in full. */
  localAddress: string
  localPort: number
  remotePort: number
  state: 'established' | 'listening' | 'other'
}

const STATES: Record<string, Connection['state']> = { '01': 'established', '0A': 'listening' }

/** The TCP sockets of one process: its file descriptors, looked up in the kernel's list of sockets. */
export function tcpSockets (pid: number): Connection[] {
  return sockets(pid, ['tcp', 'tcp6'])
}

/** Likewise; their state means nothing. */
export function udpSockets (pid: number): Connection[] {
  return sockets(pid, ['udp', 'udp6'])
}

function sockets (pid: number, tables: string[]): Connection[] {
  const inodes = new Set(socketInodes(pid))
  return tables.flatMap((table) => readTable(`/proc/${pid}/net/${table}`)).filter(({ inode }) => inodes.has(inode))
}

function socketInodes (pid: number): string[] {
  const folder = `/proc/${pid}/fd`
  return readdirSync(folder).flatMap((name) => {
    try {
      return /^socket:\[(\d+)\]$/.exec(readlinkSync(`${folder}/${name}`))?.[1] ?? []
    } catch {
      // Closed since the folder was read.
      return []
    }
  })
}

function readTable (path: string): Array<Connection & { inode: string }> {
  const [, ...lines] = readFileSync(path, 'utf8').trim().split('\n')
  return lines.map((line) => {
    const [, local = '', remote = '', state = '', , , , , , inode = ''] = line.trim().split(/\s+/)
    return { localAddress: addressOf(local), localPort: portOf(local), remotePort: portOf(remote), state: STATES[state] ?? 'other', inode }
  })
}

/** It is written as words of four bytes, the last byte first. */
function addressOf (address: string): string {
  const bytes = (address.split(':')[0] ?? '').match(/.{8}/g)?.flatMap((word) => [...Buffer.from(word, 'hex').reverse()]) ?? []
  return bytes.length === 4 ? bytes.join('.') : Buffer.from(bytes).toString('hex').match(/.{4}/g)?.join(':') ?? ''
}

function portOf (address: string): number {
  return Number.parseInt(address.split(':')[1] ?? '', 16)
}

export interface Process {
  pid: number
  parent: number
  command: string
}

/** Those that are alive, zombies apart. */
export function processes (): Process[] {
  return readdirSync('/proc').flatMap((name) => {
    const pid = Number(name)
    if (!Number.isInteger(pid)) return []
    try {
      // The name in parentheses may hold anything, spaces too.
      const [state = '', parent = ''] = readFileSync(`/proc/${pid}/stat`, 'utf8').replace(/^.*\) /s, '').split(' ')
      if (state === 'Z') return []
      return { pid, parent: Number(parent), command: readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ') }
    } catch {
      // Gone since the folder was read.
      return []
    }
  })
}

/** A process and all that descend from it, itself first. */
export function processTree (root: number): Process[] {
  const all = processes()
  const tree = all.filter(({ pid }) => pid === root)
  for (const { pid } of tree) tree.push(...all.filter(({ parent }) => parent === pid))
  return tree
}

export function isAlive (pid: number): boolean {
  return processes().some((each) => each.pid === pid)
}
