import { FakeClient, Inbox } from '../lib/testing/index.js'
import { ACK, BINARY_EVENT, CONTROL, LINK_SUBPROTOCOL, SKIP, ackMessage, controlMessage, readMessage } from '../lib/session/messages.js'
import type { BackendControl, Joined, ResumeRequest } from '../lib/session/messages.js'
import type { TestApp } from './support.js'

/** What a client with a session hears, told apart. */
export type Heard =
  | { kind: 'control', control: BackendControl }
  | { kind: 'event', data: Buffer, binary: boolean }
  | { kind: 'ack', received: number }
  | { kind: 'skip' }

/** A client link that does as it is told, in raw messages: what the browser's end would never send, too. */
export class LinkClient {
  readonly client: FakeClient
  readonly #heard = new Inbox<Heard>()
  #id = 0

  private constructor (client: FakeClient) {
    this.client = client
    client.socket.on('message', (data, binary) => this.#heard.push(read(data as Buffer, binary)))
    void client.closed.then(({ code, reason }) => this.#heard.end(new Error(`the link was closed: ${code} ${reason}`)))
  }

  static async connect ({ base }: { base: string }, headers: Record<string, string> = {}): Promise<LinkClient> {
    return new LinkClient(await FakeClient.connect(`${base}/signaling`, { protocols: [LINK_SUBPROTOCOL], headers }))
  }

  get closed (): Promise<{ code: number, reason: string }> {
    return this.client.closed
  }

  control (control: Record<string, unknown>): void {
    this.client.send(controlMessage(control as { type: 'leave' }))
  }

  ask (identity: unknown, resume?: ResumeRequest): void {
    this.control({ type: 'join', id: ++this.#id, version: 1, token: JSON.stringify(identity), ...(resume === undefined ? {} : { resume }) })
  }

  async join (identity: unknown = { roomId: 'room' }, resume?: ResumeRequest): Promise<Joined> {
    this.ask(identity, resume)
    return await this.heard('joined')
  }

  event (text: string): void {
    this.client.send(text)
  }

  ack (received: number): void {
    this.client.send(ackMessage(received))
  }

  async heard<Type extends BackendControl['type']> (type: Type): Promise<Extract<BackendControl, { type: Type }>> {
    const { control } = await this.#heard.take((each) => each.kind === 'control' && each.control.type === type) as Extract<Heard, { kind: 'control' }>
    return control as Extract<BackendControl, { type: Type }>
  }

  async text (): Promise<string> {
    const { data } = await this.#heard.take(({ kind }) => kind === 'event') as Extract<Heard, { kind: 'event' }>
    return data.toString()
  }

  async next (): Promise<Heard> {
    return await this.#heard.take()
  }

  async acked (): Promise<number> {
    return (await this.#heard.take(({ kind }) => kind === 'ack') as Extract<Heard, { kind: 'ack' }>).received
  }

  /** What was heard and not taken. */
  rest (): Heard[] {
    return this.#heard.takeAll()
  }
}

/** Connects, joins, and is cut at the end of the test. */
export async function joinLink (t: { teardown (fn: () => unknown): void }, app: TestApp, identity?: unknown, resume?: ResumeRequest): Promise<{ link: LinkClient, joined: Joined }> {
  const link = await LinkClient.connect(app)
  t.teardown(() => link.client.cut())
  return { link, joined: await link.join(identity, resume) }
}

function read (data: Buffer, binary: boolean): Heard {
  if (!binary) return { kind: 'event', data, binary }
  const message = readMessage(data)
  switch (message?.kind) {
    case CONTROL: return { kind: 'control', control: message.control as BackendControl }
    case BINARY_EVENT: return { kind: 'event', data: Buffer.from(message.data), binary: true }
    case ACK: return { kind: 'ack', received: message.received }
    case SKIP: return { kind: 'skip' }
  }
  throw new Error('a message that is not known')
}
