import { ControlAnswerError, ControlRefusedError, ControlUnauthorizedError, PeerNotFoundError, RoomNotFoundError } from '../../errors.js'

/** An answer, as the REST API gives it. */
export interface RestAnswer {
  /** For errors: `POST /room`. */
  asked: string
  status: number
  /** Undefined: it is no JSON. */
  json: unknown
  isEmpty: boolean
  /** What `errors` says, fit to be shown; empty: nothing. */
  refusal: string
  /** Whether it is of a later sending, and an earlier one may have been carried out. */
  isRepeated: boolean
}

/** Characters of what a media server says that are passed on. */
const MAX_REFUSAL = 200

const utf8 = new TextDecoder('utf-8', { fatal: true })

/** @param token which a media server might say back to us */
export function toAnswer ({ asked, status, bytes, isRepeated }: { asked: string, status: number, bytes: Uint8Array, isRepeated: boolean }, token: string): RestAnswer {
  let json: unknown
  try {
    json = JSON.parse(utf8.decode(bytes))
  } catch {
    // Not JSON, nor even text: whether there should be some is for who has asked.
  }
  const { errors } = Object(json) as { errors?: unknown }
  return { asked, status, json, isEmpty: bytes.length === 0, refusal: typeof errors === 'string' ? fitToShow(errors, token) : '', isRepeated }
}

function fitToShow (text: string, token: string): string {
  const without = token === '' ? text : text.replaceAll(token, '***')
  // Also what the cut leaves of a pair, and what would be unseen, or turn lines around.
  return without.slice(0, MAX_REFUSAL).replace(/[\p{C}\p{Zl}\p{Zp}]/gu, ' ').trim()
}

/** Whether what was to be deleted is deleted: also where it is missing only since an earlier sending of the same has done it. */
export function isDone (answer: RestAnswer): boolean {
  if (answer.status >= 200 && answer.status < 300) {
    // A page that says that all is well, whatever it was asked, does so as well.
    if (!answer.isEmpty && answer.json === undefined) throw new ControlAnswerError(answer.asked, `${answer.status}, and not JSON`)
    return true
  }
  return answer.isRepeated && answer.status === 404 && answer.refusal !== ''
}

/** What an answer that is no success means. */
export function refusalOf ({ asked, status, refusal }: RestAnswer, roomId: string, peerId?: string): Error {
  if (status === 401 || status === 403) return new ControlUnauthorizedError(asked, String(status))
  if (status === 404) {
    if (/^room\b/i.test(refusal)) return new RoomNotFoundError(roomId)
    if (peerId !== undefined && /^peer\b/i.test(refusal)) return new PeerNotFoundError(peerId, roomId)
    return new ControlAnswerError(asked, refusal === '' ? '404' : `404: ${refusal}`)
  }
  if (status < 400) return new ControlAnswerError(asked, status < 300 ? String(status) : `${status}, a redirection, and none is followed`)
  return new ControlRefusedError(asked, status, refusal === '' ? 'it does not say why' : refusal)
}
