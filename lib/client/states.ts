import type { LinkState } from './options.js'

/** Which state may follow which. Nothing follows `failed`. */
const FOLLOWS: Record<LinkState, LinkState[]> = {
  idle: ['initializing'],
  initializing: ['joined', 'failed'],
  joined: ['leaved', 'reinitializing', 'waitingNetwork', 'failed'],
  leaved: ['initializing'],
  waitingNetwork: ['reinitializing'],
  reinitializing: ['joined', 'failed'],
  failed: []
}

/** @throws Error `next` does not follow `state`: a defect of this package, whoever meets it */
export function follow (state: LinkState, next: LinkState): LinkState {
  if (!FOLLOWS[state].includes(next)) throw new Error(`a link that is ${state} cannot become ${next}`)
  return next
}
