import { openSync, readFileSync, writeSync } from 'node:fs'
import type { Counts } from './sequence.js'

/** What a media server has to say of one of its peers. */
export interface PeerRecord extends Counts {
  /** Names this instance of a session; the events to the client carry it. */
  stream: string
  peerId: string
  /** The stream that it hears; null: nothing yet. */
  from: string | null
  sent: number
  /** How it ended; `detachedMs` is for how long its client had been away by then, null: it was not. */
  end: { code: number, reason: string, detachedMs: number | null } | null
}

const SLOT_BYTES = 512

/**
 * The books of a media server that may be killed at any moment. Each peer has a place of its own in a file, and every change
 * is written there before anything follows from it: what was written stays, whatever becomes of the process, so that no event
 * counts as lost because nobody could tell of it any more. The file grows with the peers, not with the events.
 */
export class Ledger {
  readonly #file: number
  #slots = 0

  /** Anew, in place of one that was there. */
  constructor (path: string) {
    this.#file = openSync(path, 'w')
  }

  /** The returned function writes the record down as it is then. */
  open (record: PeerRecord): () => void {
    const at = this.#slots++ * SLOT_BYTES
    const slot = Buffer.alloc(SLOT_BYTES, ' ')
    const write = (): void => {
      const length = slot.write(JSON.stringify(record))
      if (length === SLOT_BYTES) throw new Error(`a record is longer than ${SLOT_BYTES} bytes`)
      slot.fill(' ', length)
      writeSync(this.#file, slot, 0, SLOT_BYTES, at)
    }
    write()
    return write
  }
}

/** All records, also while the media server writes them. */
export function readLedger (path: string): PeerRecord[] {
  const bytes = readFileSync(path)
  const records: PeerRecord[] = []
  // A piece at the end is of a peer that was just being made.
  for (let at = 0; at + SLOT_BYTES <= bytes.length; at += SLOT_BYTES) records.push(JSON.parse(bytes.toString('utf8', at, at + SLOT_BYTES)) as PeerRecord)
  return records
}
