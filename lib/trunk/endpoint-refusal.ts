import { CloseCode, isSendable } from '../close-codes.js'

/** Thrown by `onPeer` to refuse a peer: the client sees the code and the reason. */
export class EndpointRefusal extends Error {
  override name = 'EndpointRefusal'
  readonly code: number

  /** @param code as in `close-codes.ts`: 4403 forbidden, 4404 no such room, 1013 try again later */
  constructor (code: number, reason: string) {
    super(reason)
    this.code = isSendable(code) ? code : CloseCode.forbidden
  }
}
