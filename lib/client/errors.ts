export type LinkErrorCode = 'TRK_LINK_FULL' | 'TRK_LINK_OVER' | 'TRK_LINK_NO_WEBSOCKET' | 'TRK_LINK_TEXT' | 'TRK_LINK_MESSAGE'

/** What a call on a link throws. Whatever the backend or the network does is told by events, never thrown. */
export class LinkError extends Error {
  override name = 'LinkError'
  readonly code: LinkErrorCode

  constructor (code: LinkErrorCode, message: string) {
    super(message)
    this.code = code
  }
}

export const full = (): LinkError => new LinkError('TRK_LINK_FULL',
  'the event was not taken, since limits.keptBytes or limits.keptEvents wait already: send less, later, or raise the limit')

export const over = (): LinkError => new LinkError('TRK_LINK_OVER', 'this link has failed or was destroyed: make a new one')

export const noWebSocket = (): LinkError => new LinkError('TRK_LINK_NO_WEBSOCKET',
  "there is no global WebSocket here: give one as options.WebSocket, such as that of 'ws'")

export const notMessage = (): LinkError => new LinkError('TRK_LINK_MESSAGE',
  'a message to the app is JSON, of no more than 64 KiB: send less of it, or send it to the app by HTTP')

export const notText = (): LinkError => new LinkError('TRK_LINK_TEXT',
  'a string with a lone surrogate cannot travel as text: send it as a Uint8Array')
