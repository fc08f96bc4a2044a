/** What the backend answers to who wants to join. */
export interface Ticket {
  peerId: string
  /** Of the backend; the signaling has its route there. */
  url: string
  token: string
}

/** @throws when the backend does not let this person in, or cannot be reached */
export async function askToJoin (room: string, name: string): Promise<Ticket> {
  const response = await fetch(`/rooms/${encodeURIComponent(room)}/peers`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ name })
  }).catch(() => { throw new Error('The server cannot be reached.') })
  if (!response.ok) {
    const { message = response.statusText } = await response.json().catch(() => ({})) as { message?: string }
    throw new Error(`The server says: ${message}`)
  }
  return await response.json() as Ticket
}

/** For a link, which asks again whenever a token has become too old: first that of the ticket, then ever newer ones. */
export function tokensOf (room: string, { peerId, token: first }: Ticket): () => Promise<string> {
  let token: string | null = null
  return async () => {
    token = token === null ? first : await renew(room, peerId, token)
    return token
  }
}

/** @throws when the backend cannot be reached: the link asks again in a while */
async function renew (room: string, peerId: string, token: string): Promise<string> {
  const response = await fetch(`/rooms/${encodeURIComponent(room)}/peers/${encodeURIComponent(peerId)}/token`, {
    method: 'POST',
    headers: { authorization: `Bearer ${token}` }
  })
  if (response.ok) return (await response.json() as Ticket).token
  if (response.status >= 500) throw new Error(`the backend answered ${response.status}`)
  // There is no newer one. The link shows the old one, and hears by its close code what is wrong with it.
  return token
}
