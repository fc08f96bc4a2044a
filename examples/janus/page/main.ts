import Janus from 'janus-gateway'
import adapter from 'webrtc-adapter'
import { Room } from './room.js'
import type { Ticket } from './room.js'

const BACK_MS = 500
const MAX_BACK_MS = 5_000
/** After so many failures the session is not worth asking for any more. */
const RECONNECTS = 5

const form = document.querySelector<HTMLFormElement>('#join')!
const input = document.querySelector<HTMLInputElement>('#name')!
const status = document.querySelector<HTMLParagraphElement>('#status')!

form.addEventListener('submit', (event) => {
  event.preventDefault()
  void enter(input.value.trim(), 0)
})

Janus.init({
  debug: ['warn', 'error'] as never,
  dependencies: Janus.useDefaultDependencies({ adapter } as never),
  callback: () => {
    const query = new URLSearchParams(location.search)
    const name = query.get('name')
    if (name !== null) input.value = name
    if (name !== null && query.has('autojoin')) void enter(name, 0)
  }
})

function show (state: 'lobby' | 'connecting' | 'joined' | 'reconnecting', text: string): void {
  document.body.dataset.state = state
  status.textContent = text
}

/** A new session: at the beginning, and when the old one is gone. */
async function enter (name: string, failures: number): Promise<void> {
  show('connecting', 'Connecting…')
  const again = (): void => { setTimeout(() => { void enter(name, failures + 1) }, backoffMs(failures)) }
  let ticket: Ticket
  try {
    const response = await fetch('/join', { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify({ name }) })
    if (!response.ok) throw new Error(`the backend says ${response.status}`)
    ticket = await response.json() as Ticket
  } catch {
    again()
    return
  }
  let room: Room | null = null
  const janus = new Janus({
    server: `${location.protocol === 'https:' ? 'wss' : 'ws'}://${location.host}/janus`,
    token: ticket.token,
    // By default it would ask a public STUN server: of no use here, since Janus sees where a browser's packets come from.
    iceServers: [],
    success: () => {
      show('joined', 'One WebSocket from the backend to Janus carries all of this.')
      room = new Room(janus, ticket, name)
      room.join()
    },
    // Also called when the link is lost, at any later time.
    error: () => {
      if (room === null) again()
      else reconnect(0)
    }
  })

  function reconnect (tried: number): void {
    show('reconnecting', 'Reconnecting…')
    setTimeout(() => {
      janus.reconnect({
        success: () => show('joined', 'Back again: the session has outlived its link.'),
        error: (reason) => {
          // Of a Janus that was started again no session is left, and it is of no use to go on asking.
          if (tried < RECONNECTS && !reason.includes('No such session')) {
            reconnect(tried + 1)
            return
          }
          room?.close()
          janus.destroy({ cleanupHandles: true, notifyDestroyed: false })
          void enter(name, 0)
        }
      })
    }, backoffMs(tried))
  }
}

/** With jitter, so that many who were lost together do not come back together. */
function backoffMs (failures: number): number {
  return Math.min(BACK_MS * 2 ** failures, MAX_BACK_MS) * (0.5 + Math.random() / 2)
}
