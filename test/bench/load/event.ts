/** The events of this benchmark: each names its client and its number, and is compared to the last byte. */

const DIGITS = 10
const ZERO = 48

/** A media event as large as asked for, and where its number stands. */
export function makeEvent (id: number, size: number): { event: Buffer, digitsAt: number } {
  const head = `{"type":"candidate","client":"${String(id).padStart(6, '0')}","number":"`
  const tail = '","data":"'
  const rest = size - head.length - DIGITS - tail.length - 2
  if (rest < 0) throw new Error(`an event has ${size - rest} bytes at least`)
  const data = Array.from({ length: rest }, (_, i) => 'abcdefghijklmnopqrstuvwxyz0123456789'[(i * 7 + id) % 36]).join('')
  return { event: Buffer.from(head + '0'.repeat(DIGITS) + tail + data + '"}'), digitsAt: head.length }
}

/**
 * Writes an event's number into it.
 * @param number less than 2^31
 * @param mask what lies over the event; `maskedFrom`, where in the event the digits are
 */
export function writeDigits (target: Buffer, at: number, number: number, mask: Buffer | null = null, maskedFrom = 0): void {
  for (let i = DIGITS - 1; i >= 0; i--) {
    const rest = (number / 10) | 0
    const digit = ZERO + number - rest * 10
    target[at + i] = mask === null ? digit : digit ^ mask[(maskedFrom + i) & 3]!
    number = rest
  }
}
