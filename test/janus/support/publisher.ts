import type { Test } from 'tap'
import { MediaStreamTrack, RTCPeerConnection, RtpHeader, RtpPacket } from 'werift'
import type { FakeClient } from '../../../lib/testing/index.js'
import type { JanusMessage } from './janus-call.js'

/** A client, of the backend or of Janus itself, that speaks the Janus API, as janus.js does, and sends audio over the loopback interface: no browser is needed. */
export class Publisher {
  readonly client: FakeClient
  readonly #further: Record<string, unknown>
  sessionId = 0
  handleId = 0
  #number = 0

  /** @param further beside each request: a token of Janus's own, say */
  constructor (client: FakeClient, further: Record<string, unknown> = {}) {
    this.client = client
    this.#further = further
  }

  /** The next message that is wanted; those before it are lost. */
  async hear (wanted: (message: JanusMessage) => boolean): Promise<JanusMessage> {
    for (;;) {
      const message = JSON.parse(await this.client.receiveText()) as JanusMessage
      if (wanted(message)) return message
    }
  }

  /** @returns what is said to it, after its ack if there is one */
  async ask (message: Record<string, unknown>): Promise<JanusMessage> {
    const transaction = `t${++this.#number}`
    this.client.send(JSON.stringify({ ...this.#further, ...message, transaction }))
    return await this.hear((answer) => answer.transaction === transaction && answer.janus !== 'ack')
  }

  async attach (plugin: string): Promise<void> {
    this.sessionId = (await this.ask({ janus: 'create' })).data.id as number
    this.handleId = (await this.ask({ janus: 'attach', session_id: this.sessionId, plugin })).data.id as number
  }

  async message (body: Record<string, unknown>, jsep?: unknown): Promise<JanusMessage> {
    return await this.ask({ janus: 'message', session_id: this.sessionId, handle_id: this.handleId, body, ...(jsep === undefined ? {} : { jsep }) })
  }

  /** Sends audio until the end of the test; resolves when Janus receives it. */
  async send (t: Test, body: Record<string, unknown>): Promise<void> {
    const pc = new RTCPeerConnection({ iceServers: [], iceUseIpv4: false, iceUseIpv6: false, iceAdditionalHostAddresses: ['127.0.0.1'], iceInterfaceAddresses: { udp4: '127.0.0.1' } })
    const track = new MediaStreamTrack({ kind: 'audio' })
    pc.addTransceiver(track, { direction: 'sendonly' })
    await pc.setLocalDescription(await pc.createOffer())
    const { jsep } = await this.message(body, { type: 'offer', sdp: pc.localDescription!.sdp })
    await pc.setRemoteDescription(jsep)
    await this.hear(({ janus }) => janus === 'webrtcup')
    let number = 0
    const timer = setInterval(() => {
      number++
      track.writeRtp(new RtpPacket(new RtpHeader({ sequenceNumber: number, timestamp: number * 960, payloadType: 96, ssrc: 1 }), Buffer.alloc(40, number)))
    }, 20)
    t.teardown(async () => {
      clearInterval(timer)
      await pc.close()
    })
    await this.hear(({ janus, receiving }) => janus === 'media' && receiving === true)
  }

  static async inRoom (t: Test, client: FakeClient, room: number, id: number): Promise<Publisher> {
    const publisher = new Publisher(client)
    await publisher.attach('janus.plugin.videoroom')
    await publisher.message({ request: 'join', ptype: 'publisher', room, id })
    await publisher.send(t, { request: 'publish' })
    return publisher
  }
}
