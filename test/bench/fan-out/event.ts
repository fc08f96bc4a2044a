/** The event that everybody gets: its number, when it was sent, and filling. The time is the same for all processes of a machine. */

const DIGITS = 16
const HEAD = '{"type":"tracks","number":"'
const MIDDLE = '","at":"'
const TAIL = '","data":"'
const NUMBER_AT = HEAD.length
const SENT_AT = NUMBER_AT + DIGITS + MIDDLE.length

/** An event as large as asked for, which `stamp` makes into each of a series. */
export function makeEvent (bytes: number): Buffer {
  const zeros = '0'.repeat(DIGITS)
  const head = HEAD + zeros + MIDDLE + zeros + TAIL
  const rest = bytes - head.length - 2
  if (rest < 0) throw new Error(`an event has ${bytes - rest} bytes at least`)
  const data = Array.from({ length: rest }, (_, i) => 'abcdefghijklmnopqrstuvwxyz0123456789'[i * 7 % 36]).join('')
  return Buffer.from(head + data + '"}')
}

export function stamp (event: Buffer, number: number, atMicros: number): void {
  event.write(String(number).padStart(DIGITS, '0'), NUMBER_AT, 'latin1')
  event.write(String(atMicros).padStart(DIGITS, '0'), SENT_AT, 'latin1')
}

/** When the event from `start` on was sent. */
export function sentAt (bytes: Buffer, start: number): number {
  return Number(bytes.toString('latin1', start + SENT_AT, start + SENT_AT + DIGITS))
}

/** Microseconds of the machine's clock. */
export function nowMicros (): number {
  return Number(process.hrtime.bigint() / 1_000n)
}
