import type { Fault, JanusMessage } from './messages.js'
import type { JanusRequest } from './request.js'

/** How a peer's media events and the messages of Janus become each other. */
export interface Speech {
  /** Bytes of what it has to keep to itself for now. */
  readonly bufferedBytes: number
  /** One media event of the client. */
  uplink (event: Record<string, unknown>, bytes: number): void
  /** The answer to a request of its own. @param text as it came from Janus */
  answered (request: JanusRequest, answer: JanusMessage, text: string): void
  failed (request: JanusRequest, fault: Fault): void
  /** @param text as it came from Janus: what has no transaction can be passed on as it is */
  event (message: JanusMessage, transaction: string | null, text: string): void
  /** What Janus said while the trunk was lost is lost with it. */
  resync (): void
}
