import process from 'node:process'
import { setImmediate as turn } from 'node:timers/promises'
import t from 'tap'
import { MediaConnection } from '../../../examples/media-server/media-connection.js'
import type { Plan } from '../../../examples/media-server/participant.js'
import type { MLine } from '../../../examples/media-server/slots.js'

/** An offer as a browser writes it, less what does not matter here. */
function offerOf (...mLines: Array<Pick<MLine, 'kind' | 'direction'>>): string {
  const media = mLines.flatMap(({ kind, direction }, mid) => [
    `m=${kind} 9 UDP/TLS/RTP/SAVPF ${kind === 'audio' ? '111 0' : '120 121 45'}`,
    'c=IN IP4 0.0.0.0',
    'a=rtcp:9 IN IP4 0.0.0.0',
    'a=candidate:1 1 udp 2122260223 192.0.2.9 40000 typ host generation 0',
    'a=ice-ufrag:abcd',
    'a=ice-pwd:aaaaaaaaaaaaaaaaaaaaaaaa',
    `a=fingerprint:sha-256 ${Array.from({ length: 32 }, () => 'AB').join(':')}`,
    'a=setup:actpass',
    `a=mid:${mid}`,
    'a=extmap:9 urn:ietf:params:rtp-hdrext:sdes:mid',
    `a=${direction}`,
    'a=rtcp-mux',
    ...kind === 'audio'
      ? ['a=rtpmap:111 opus/48000/2', 'a=rtcp-fb:111 transport-cc', 'a=rtpmap:0 PCMU/8000']
      : [
          'a=rtpmap:120 VP8/90000', 'a=rtcp-fb:120 goog-remb', 'a=rtcp-fb:120 transport-cc', 'a=rtcp-fb:120 nack',
          'a=rtcp-fb:120 nack pli', 'a=rtpmap:121 rtx/90000', 'a=fmtp:121 apt=120', 'a=rtpmap:45 AV1/90000'
        ],
    ...direction === 'sendonly' ? [`a=ssrc:${1000 + mid} cname:x`] : []
  ])
  const bundle = mLines.map((_, mid) => mid).join(' ')
  const session = ['v=0', 'o=- 1 2 IN IP4 127.0.0.1', 's=-', 't=0 0', `a=group:BUNDLE ${bundle}`]
  return [...session, ...media, ''].join('\r\n')
}

const plan = (mLines: readonly MLine[]): Plan => ({
  receive: new Set(mLines.filter(({ direction }) => direction === 'sendonly').map(({ mid }) => mid)),
  send: new Map(mLines.filter(({ direction, mid }) => direction === 'recvonly' && mid !== '3').map(({ mid }) => [mid, `b:${mid}`]))
})

const OFFER = offerOf(
  { kind: 'audio', direction: 'sendonly' }, { kind: 'video', direction: 'sendonly' },
  { kind: 'video', direction: 'recvonly' }, { kind: 'video', direction: 'recvonly' }
)

const udpSockets = (): number => process.getActiveResourcesInfo().filter((name) => name === 'UDPWrap').length

t.test('the answer is what browsers need', async (t) => {
  const connection = new MediaConnection({ address: '127.0.0.1', onEnd () {} })
  t.teardown(() => { connection.close() })
  let seen: readonly MLine[] = []
  const { sdp, sources, sinks } = await connection.answer(OFFER, (mLines) => {
    seen = mLines
    return plan(mLines)
  })
  t.same(seen.map(({ kind, direction }) => `${kind} ${direction}`), [
    'audio sendonly', 'video sendonly', 'video recvonly', 'video recvonly'
  ])
  t.same([[...sources.keys()], [...sinks.keys()]], [['0', '1'], ['2']])
  t.same(sdp.match(/^a=(sendonly|recvonly|inactive)/gm), ['a=recvonly', 'a=recvonly', 'a=sendonly', 'a=inactive'])
  t.same(sdp.match(/^m=\w+ \d+/gm), ['m=audio 9', 'm=video 9', 'm=video 9', 'm=video 9'], 'none is rejected')
  t.match(sdp, 'a=ice-lite')
  t.ok(sdp.match(/^a=candidate:.*/gm)?.every((line) => line.includes(' 127.0.0.1 ')), 'no other address')
  t.match(sdp, 'a=fmtp:120 x-google-start-bitrate=1200')
  t.notMatch(sdp, 'transport-cc')
  t.notMatch(sdp, 'goog-remb')
  t.notMatch(sdp, /AV1|PCMU/)
})

t.test('a label stays with its track, and a new track on the same m-line has a new one', async (t) => {
  const connection = new MediaConnection({ address: '127.0.0.1', onEnd () {} })
  t.teardown(() => { connection.close() })
  const labelOf = async (trackId: string | undefined): Promise<string | undefined> => {
    const send = new Map(trackId === undefined ? [] : [['0', trackId]])
    const { sdp } = await connection.answer(offerOf({ kind: 'video', direction: 'recvonly' }), () => ({ receive: new Set(), send }))
    return /^a=msid:(\S+)/m.exec(sdp)?.[1]
  }
  const first = await labelOf('b:1')
  t.ok(first)
  t.equal(await labelOf('b:1'), first)
  t.equal(await labelOf(undefined), undefined)
  const second = await labelOf('b:2')
  t.ok(second)
  t.not(second, first)
})

t.test('the m-line of a removed track is given back, and a new one can come in its place', async (t) => {
  const connection = new MediaConnection({ address: '127.0.0.1', onEnd () {} })
  t.teardown(() => { connection.close() })
  const audio = { kind: 'audio', direction: 'sendonly' } as const
  const slot = { kind: 'video', direction: 'recvonly' } as const
  const idle = { receive: new Set<string>(), send: new Map<string, string>() }
  await connection.answer(offerOf(audio, { kind: 'video', direction: 'sendonly' }, slot), plan)

  const removed = offerOf({ ...audio, direction: 'inactive' }, { kind: 'video', direction: 'inactive' }, slot)
  const { sdp } = await connection.answer(removed, () => idle)
  t.same(sdp.match(/^m=\w+ \d+/gm), ['m=audio 9', 'm=video 0', 'm=video 9'], 'but for the first, and those of others')
  t.match(sdp, /^a=group:BUNDLE 0 2$/m)

  const again = removed.replace('a=mid:1\r\n', 'a=mid:7\r\n').replace('BUNDLE 0 1 2', 'BUNDLE 0 7 2')
  const mids: string[] = []
  const { sources, sdp: second } = await connection.answer(again.replace(/(a=mid:7[^]*?a=)inactive/, '$1sendonly'), (mLines) => {
    mids.push(...mLines.map(({ mid }) => mid))
    return { ...idle, receive: new Set(['7']) }
  })
  t.same(mids.sort(), ['0', '2', '7'])
  t.same([...sources.keys()], ['7'])
  t.same(second.match(/^a=mid:\S+/gm), ['a=mid:0', 'a=mid:7', 'a=mid:2'])
})

t.test('no socket is left behind, whenever the connection is closed', async (t) => {
  for (let steps = 0; steps < 30; steps++) {
    const connection = new MediaConnection({ address: '127.0.0.1', onEnd () {} })
    const answered = connection.answer(OFFER, plan).then(() => {}, () => {})
    for (let i = 0; i < steps; i++) await Promise.resolve()
    if (steps % 2 === 1) await turn()
    connection.close()
    await answered
    await t.rejects(connection.answer(OFFER, plan), 'closed is closed')
  }
  for (let i = 0; i < 1000 && udpSockets() > 0; i++) await turn()
  t.equal(udpSockets(), 0)
})

t.test('of whom nothing has come yet, nothing was heard', async (t) => {
  const connection = new MediaConnection({ address: '127.0.0.1', onEnd () {} })
  t.teardown(() => { connection.close() })
  await connection.answer(OFFER, plan)
  t.same(connection.heard, { media: -Infinity, stun: -Infinity })
})

t.test('an offer that cannot be answered is refused', async (t) => {
  const connection = new MediaConnection({ address: '127.0.0.1', onEnd () {} })
  t.teardown(() => { connection.close() })
  await t.rejects(connection.answer(OFFER.replace('a=mid:0', 'a=middle'), plan), 'an m-line without a name')
  await t.rejects(connection.answer(OFFER.replaceAll('VP8', 'VP9'), plan), 'a codec that nobody else need have')
})
