import type { RoomRecordings } from '../relay/recordings.js'
import { controlMessage } from '../session/messages.js'
import type { RecordingState } from '../session/messages.js'

/** Recordings of a room that a client is told of at most: those first that are being made. */
const MAX_TOLD = 100

/** Where the files are, and what went wrong, is not for clients. */
export function statesOf ({ isKnown, recordings }: RoomRecordings): RecordingState[] | null {
  if (!isKnown) return null
  // The light is on while one of them is active: there need not be hundreds.
  const told = recordings.length <= MAX_TOLD ? recordings : [...recordings.filter(({ status }) => status !== 'active'), ...recordings.filter(({ status }) => status === 'active')].slice(-MAX_TOLD)
  return told.map(({ recordingId, status, revision, startedAt }) => ({ recordingId, status, revision, startedAt: startedAt?.getTime() ?? null }))
}

/** Made once for all who are in the room. */
const made = new WeakMap<RoomRecordings, Uint8Array>()

export function recordingsMessage (recordings: RoomRecordings): Uint8Array {
  let message = made.get(recordings)
  if (message === undefined) made.set(recordings, message = controlMessage({ type: 'recordings', recordings: statesOf(recordings) }))
  return message
}
