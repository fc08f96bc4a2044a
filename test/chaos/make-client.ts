import type { ChaosProxy } from '../../lib/testing/index.js'
import type { Random } from '../sim/random.js'
import type { ChaosClient } from './client.js'
import { PlainClient } from './plain-client.js'
import { SdkClient } from './sdk-client.js'
import type { Backend } from './stage.js'

/** @param i which of all clients it is: that decides of what kind, in which room, and whether its id is given by the app */
export function makeClient (i: number, name: string, proxy: ChaosProxy, backend: Backend, random: Random): ChaosClient {
  // A new session of one whose id is given takes the place of the former one, should that still be there.
  const identity = { roomId: `room ${i % 7}`, subject: name, ...(i % 8 < 4 ? { peerId: `peer ${i}` } : {}) }
  return new (i % 4 === 3 ? PlainClient : SdkClient)({ name, proxy, backend, identity, random })
}
