import type { Random } from '../sim/random.js'

/** An event that says whose it is: one side of one instance of a session, and its number there, from 1. */
export interface NumberedEvent {
  stream: string
  number: number
  /** Whether it is to the last byte what was sent. */
  intact: boolean
}

/** Characters of one to four bytes, so that text is cut nowhere without somebody noticing. */
const FILLERS = ['a', '7', 'ß', '€', '𝄞']
const HEAD = /^([^#]+)#(\d+)#(\d+)#([tb])#/

/** From a few bytes to some KB, text and binary. */
export function makeEvent (stream: string, number: number, random: Random): string | Uint8Array {
  const [least, most] = random.weighted([[70, [0, 60]], [25, [60, 600]], [5, [600, 2500]]] as const)
  const length = random.between(least, most)
  const binary = random.chance(0.3)
  const text = `${stream}#${number}#${length}#${binary ? 'b' : 't'}#${fillerOf(number, length)}`
  return binary ? Buffer.from(text) : text
}

/** Null: this is none of ours, or its head is broken. */
export function readEvent (event: string | Uint8Array): NumberedEvent | null {
  const text = typeof event === 'string' ? event : Buffer.from(event.buffer, event.byteOffset, event.byteLength).toString()
  const head = HEAD.exec(text)
  if (head === null) return null
  const [whole, stream, number, length, kind] = head as unknown as [string, string, string, string, string]
  const isBinary = typeof event !== 'string'
  const intact = isBinary === (kind === 'b') && text.slice(whole.length) === fillerOf(Number(number), Number(length))
  return { stream, number: Number(number), intact }
}

function fillerOf (number: number, length: number): string {
  return FILLERS[number % FILLERS.length]!.repeat(length)
}

/** How many events somebody sends at once: mostly a few, and now and then more than any window takes. */
export function burst (random: Random): number {
  const [least, most] = random.weighted([[600, [0, 0]], [400, [1, 8]], [1, [550, 900]]] as const)
  return random.between(least, most)
}
