import type { MediaServerControl } from '../../../../lib/relay/control.js'
import type { FakeControl, FakeControlFault } from '../../../../lib/testing/index.js'

export const room = { id: 'r', config: { maxPeers: null, subscribeMode: 'auto' }, components: [{ id: 'c', type: 'recording' }], peers: [] }

/** Everything that can be asked, by what its errors are to say was asked. */
export const asking: Record<string, (control: MediaServerControl) => Promise<unknown>> = {
  'POST /room': async (control) => await control.createRoom({ roomId: 'r' }),
  'GET /room/r': async (control) => await control.getRoom('r'),
  'GET /room': async (control) => await control.listRooms(),
  'DELETE /room/r': async (control) => await control.deleteRoom('r'),
  'DELETE /room/r/peer/p': async (control) => await control.removePeer('r', 'p'),
  'POST /room/r/peer': async (control) => await control.addPeer!({ roomId: 'r', peerId: 'p', metadata: null, dialect: 'trunkline' }),
  'POST /room/r/peer/p/subscribe': async (control) => await control.subscribe!('r', 'p', []),
  'POST /room/r/component': async (control) => await control.startRecording!('r'),
  'DELETE /room/r/component/c': async (control) => await control.stopRecording!('r')
}

/** Has a server answer each request with this, but for the look at a room from which another one follows. */
export function answerAll (server: FakeControl, asked: string, fault: FakeControlFault): void {
  server.respond = ({ method }) => asked === 'DELETE /room/r/component/c' && method === 'GET' ? { status: 200, body: { data: room } } : fault
}

/** What a promise rejects with; null: it has resolved. */
export async function thrownBy (promise: Promise<unknown>): Promise<(Error & { code?: string }) | null> {
  return await promise.then(() => null, (error: Error) => error)
}
