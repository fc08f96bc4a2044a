import type { Mode } from './admission.js'
import { label, setLabel } from './buttons.js'
import { Call } from './call.js'
import type { CallState, RemotePeer } from './call.js'
import { openLocalMedia } from './local-media.js'
import type { LocalMedia } from './local-media.js'
import { RecordedList } from './recorded-list.js'
import { RecordingControl } from './recording.js'
import { Stage } from './stage.js'
import { watchHealth } from './status.js'
import type { HealthWatch } from './status.js'

/** The page: the lobby, the call, and the way from one to the other. */

declare global {
  interface Window {
    /** For whoever looks into a call from the console. */
    trunklineCall?: { readonly link: Call['link'], readonly endpoint: Call['endpoint'], readonly peerId: string }
  }
}

function element<Kind extends HTMLElement = HTMLElement> (id: string): Kind {
  const found = document.getElementById(id)
  if (found === null) throw new Error(`the page has no #${id}`)
  return found as Kind
}

const form = element<HTMLFormElement>('join')
const joinButton = element<HTMLButtonElement>('join-button')
const nameInput = element<HTMLInputElement>('name')
const roomInput = element<HTMLInputElement>('room')
const banner = element('banner')
const microphoneButton = element<HTMLButtonElement>('mic')
const cameraButton = element<HTMLButtonElement>('camera')
const copyButton = element<HTMLButtonElement>('copy')
const stage = new Stage(element('tiles'), element<HTMLButtonElement>('hear'))
const recording = new RecordingControl({
  light: element('light'),
  lightText: element('light-text'),
  button: element<HTMLButtonElement>('record'),
  notice: element('record-notice'),
  list: new RecordedList(element('recordings'), element('recorded-list'))
})

/** All that goes on while one is in a call. */
interface Session {
  call: Call
  media: LocalMedia
  name: string
  microphoneOn: boolean
  cameraOn: boolean
  others: number
  health: HealthWatch
}

let session: Session | null = null
/** Who leaves muted comes back muted. */
const wanted = { microphoneOn: true, cameraOn: true }

form.addEventListener('submit', (event) => {
  event.preventDefault()
  void join(roomInput.value.trim(), nameInput.value.trim(), new FormData(form).get('mode') === 'direct' ? 'direct' : 'relay')
})
microphoneButton.addEventListener('click', () => toggle('audio'))
cameraButton.addEventListener('click', () => toggle('video'))
copyButton.addEventListener('click', () => { void copyLink() })
element('leave').addEventListener('click', () => session?.call.leave())
document.addEventListener('keydown', ({ key, ctrlKey, metaKey, altKey, repeat }) => {
  if (session === null || repeat || ctrlKey || metaKey || altKey) return
  if (key === 'm') toggle('audio')
  if (key === 'c') toggle('video')
})

const query = new URLSearchParams(location.search)
nameInput.value = query.get('name') ?? ''
roomInput.value = query.get('room') ?? roomInput.value
if (query.get('mode') === 'direct') element<HTMLInputElement>('mode-direct').checked = true
if (query.get('autojoin') === '1' && form.reportValidity()) form.requestSubmit()
else if (nameInput.value === '') nameInput.focus()

async function join (room: string, name: string, mode: Mode): Promise<void> {
  joinButton.disabled = true
  joinButton.textContent = 'Joining…'
  showNotice(null)
  document.body.dataset.state = 'connecting'
  const media = await openLocalMedia(name, deviceLost)
  try {
    const call = await Call.join(room, name, mode, media.tracks, { state: changed, peers: showOthers })
    session = {
      call,
      media,
      name,
      microphoneOn: media.hasMicrophone && wanted.microphoneOn,
      cameraOn: wanted.cameraOn,
      others: 0,
      health: watchHealth(element('status'), element('status-text'), mode)
    }
    if (!wanted.microphoneOn) call.enable('audio', false)
    if (!wanted.cameraOn) call.enable('video', false)
    window.trunklineCall = { link: call.link, get endpoint () { return call.endpoint }, peerId: call.profile.peerId }
    recording.begin(call.link, call.admission)
    enter(room, name, mode)
  } catch (error) {
    media.stop()
    leaveTo(error instanceof Error ? error.message : String(error))
  }
}

function enter (room: string, name: string, mode: Mode): void {
  const address = new URL(location.href)
  address.searchParams.set('room', room)
  address.searchParams.set('name', name)
  if (mode === 'direct') address.searchParams.set('mode', mode)
  else address.searchParams.delete('mode')
  history.replaceState(null, '', address)
  document.title = `${room} · Trunkline video call`
  element('room-name').textContent = room
  element('lobby').hidden = true
  element('call').hidden = false
  showOwn()
  showBanner('connecting')
  element('room-name').focus({ preventScroll: true })
}

function changed (state: CallState, reason?: string): void {
  document.body.dataset.state = state === 'over' ? 'lobby' : state
  if (state === 'over') over(reason)
  else {
    showBanner(state)
    session?.health.look()
  }
}

function over (reason?: string): void {
  session?.health.stop()
  session?.media.stop()
  session = null
  delete window.trunklineCall
  recording.end()
  stage.clear()
  leaveTo(reason ?? 'You have left the call.')
}

function leaveTo (notice: string): void {
  document.body.dataset.state = 'lobby'
  document.title = 'Trunkline video call'
  element('call').hidden = true
  element('lobby').hidden = false
  joinButton.disabled = false
  joinButton.textContent = 'Join'
  showNotice(notice)
  joinButton.focus()
}

function showNotice (text: string | null): void {
  const notice = element('lobby-notice')
  notice.hidden = text === null
  notice.textContent = text ?? ''
}

function showOthers (peers: RemotePeer[]): void {
  stage.showOthers(peers)
  if (session === null) return
  if (peers.length !== session.others) session.health.look()
  session.others = peers.length
  showBanner(session.call.state)
}

function showBanner (state: CallState): void {
  const text = bannerText(state)
  banner.hidden = text === null
  // Said once: setting it again, even to the same, has a screen reader say it again.
  if (banner.textContent !== (text ?? '')) banner.textContent = text ?? ''
}

function bannerText (state: CallState): string | null {
  if (state === 'connecting') return 'Connecting…'
  if (state === 'reconnecting') return 'The connection was lost. Trying to come back…'
  return session?.media.notice ?? (session?.others === 0 ? 'Nobody else is here yet. Copy the link to invite others.' : null)
}

function toggle (kind: 'audio' | 'video'): void {
  if (session === null || (kind === 'audio' && !session.media.hasMicrophone)) return
  const key = kind === 'audio' ? 'microphoneOn' : 'cameraOn'
  session[key] = wanted[key] = !session[key]
  session.call.enable(kind, session[key])
  showOwn()
}

function deviceLost (substitute: MediaStreamTrack): void {
  if (session === null) return
  session.call.replace(substitute).catch((error: unknown) => console.warn('a lost device could not be replaced', error))
  if (!session.media.hasMicrophone) session.microphoneOn = false
  showOwn()
  showBanner(session.call.state)
}

function showOwn (): void {
  if (session === null) return
  const { media, name, cameraOn, microphoneOn } = session
  const video = media.tracks.find(({ kind }) => kind === 'video') ?? null
  stage.showOwn({ name, video, audio: null, cameraOn, microphoneOn }, media.hasCamera)
  microphoneButton.disabled = !media.hasMicrophone
  label(microphoneButton, !microphoneOn, microphoneOn ? 'Mute' : 'Unmute', microphoneOn ? 'mic' : 'mic-off')
  label(cameraButton, !cameraOn, cameraOn ? 'Camera off' : 'Camera on', cameraOn ? 'camera' : 'camera-off')
}

/** The link brings others into this room, the same way, not in under this name. */
async function copyLink (): Promise<void> {
  const link = new URL(location.href)
  link.searchParams.delete('name')
  link.searchParams.delete('autojoin')
  try {
    await navigator.clipboard.writeText(link.href)
    setLabel(copyButton, 'Copied')
  } catch {
    setLabel(copyButton, 'Not allowed')
  }
  setTimeout(() => setLabel(copyButton, 'Copy link'), 2_000)
}
