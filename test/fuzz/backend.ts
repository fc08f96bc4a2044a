import { messageOf } from '../../lib/trunk/codec.js'
import { codecs } from '../../lib/trunk/channel.js'
import { frame } from '../../lib/trunk/schema.js'
import { trunkMessage } from './corpus.js'
import type { Subject } from './corpus.js'
import { FuzzSocket } from './socket.js'
import { Source } from './source.js'
import { closed, share } from './target.js'
import type { Target } from './target.js'

const BURST = 50
const BURSTS = 10
const WORKERS = 6
/** What a hostile backend asks for: each has its own, and some that all of them ask for. */
const PEERS = ['p', 'x', 'shared']

/** The media server's side of the trunk: backends that are let in, and then say anything. */
export const backend: Target = async (stage, seed, from, to, counts) => {
  await share(WORKERS, from, to, async (from, to, worker) => {
    const source = new Source(seed ^ 0x6c078965)
    for (let n = from; n < to && !stage.violations.any;) {
      const random = source.random(-n - 1)
      const encoding = random.pick(['protobuf', 'json'] as const)
      const protocol = encoding === 'json' ? 'trunkline.v1.json' : 'trunkline.v1'
      const codec = codecs.get(protocol)!
      const socket = await FuzzSocket.connect(`${stage.trunkUrl}/hostile`, [protocol], { authorization: 'Bearer secret' }, (data) => stage.check('a hostile backend', data))
      counts.connections++
      if (socket === null) {
        stage.violations.add('a hostile backend is not let in')
        return
      }
      const hello = frame('hello', { version: 1, backendId: random.chance(0.5) ? `hostile-${worker}` : '', maxMessageBytes: random.pick([0, 0, 0, 1, 100]), windowBytes: random.pick([0, 1, 65_536]) })
      if (random.chance(0.95)) socket.send(messageOf(codec, [hello]), codec.binary)
      for (let burst = 0; burst < BURSTS && n < to && socket.code === null; burst++) {
        const subjects: Subject[] = [...PEERS, `hostile-${worker}`].map((peerId) => ({ peerId, epoch: stage.endpoint.peer(peerId)?.epoch ?? 1 }))
        for (let i = 0; i < BURST && n < to; i++, n++) {
          const { data, binary } = source.message(n, (random) => trunkMessage(random, encoding, subjects))
          socket.send(data, binary)
          counts.messages++
        }
        if (!await socket.settled()) stage.violations.add(`the media server neither reads nor closes after message ${n}`)
      }
      if (socket.code !== null) closed(counts, socket.code)
      else if (!await socket.end(random.pick([1000, 1012, null]))) stage.violations.add(`a backend could not say goodbye after message ${n}`)
    }
  })
}
