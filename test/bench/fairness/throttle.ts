import { connect, createServer } from 'node:net'
import type { AddressInfo, Socket } from 'node:net'
import { given, serve } from '../child.js'
import type { Upstream } from '../child.js'
import type { Direction } from './scenarios.js'

/**
 * A slow network: each connection gets so many bytes per second in one direction. It reads no more than it may pass on, but
 * for the little that Node reads ahead: what waits is to wait where it was sent from, and not in here.
 */

export interface ThrottleOptions extends Upstream {
  bytesPerSecond: number
  /** `up` is from whoever connects. */
  direction: Direction
}

/** Read ahead from a socket, and read out at once; what is read ahead last may be 64 KiB more. */
const AHEAD_BYTES = 16 * 1024
/** So much of what could not be passed on in time is made up for: timers are late where the machine is busy. Milliseconds. */
const SAVED_MS = 20
/** Steps in a second, unless they were smaller than this. */
const STEPS = 500
const STEP_BYTES = 512

const { port, bytesPerSecond, direction } = given<ThrottleOptions>()
const step = Math.min(AHEAD_BYTES, Math.max(STEP_BYTES, bytesPerSecond / STEPS))
const most = Math.max(step, bytesPerSecond * SAVED_MS / 1_000)

const server = createServer({ noDelay: true, highWaterMark: AHEAD_BYTES }, (near) => {
  // The types of Node do not know that a connecting socket takes it too.
  const target = { port, host: '127.0.0.1', noDelay: true, highWaterMark: AHEAD_BYTES }
  const far = connect(target)
  const [from, to] = direction === 'up' ? [near, far] : [far, near]
  to.pipe(from)
  trickle(from, to)
  for (const [one, other] of [[near, far], [far, near]] as const) {
    one.on('error', () => {})
    one.on('close', () => other.destroy())
  }
})
server.listen(0, '127.0.0.1', () => serve({ port: (server.address() as AddressInfo).port }))

function trickle (from: Socket, to: Socket): void {
  let allowed = 0
  let since = performance.now()
  let waits = false
  const after = (ms: number): void => {
    waits = true
    setTimeout(() => {
      waits = false
      move()
    }, ms)
  }
  const move = (): void => {
    if (waits || to.destroyed) return
    const now = performance.now()
    allowed = Math.min(most, allowed + (now - since) * bytesPerSecond / 1_000)
    since = now
    const wanted = from.readableLength
    if (wanted === 0) return
    const bytes = Math.min(Math.floor(allowed), wanted, AHEAD_BYTES)
    // Not byte for byte: the next step, or all that there is.
    if (bytes < Math.min(step, wanted)) {
      after((Math.min(step, wanted) - allowed) * 1_000 / bytesPerSecond)
      return
    }
    allowed -= bytes
    if (to.write(from.read(bytes))) move()
    else to.once('drain', move)
  }
  from.on('readable', move)
}
