import type { Notice } from 'trunkline/media-server'
import type { Recording } from './recording.js'

/** A recording's change, as backends are told of it. */
export function recordingNotice ({ id, roomId, peerId, status, revision, startedAt, file, durationMs, error }: Recording): Notice {
  return {
    type: 'recording',
    roomId,
    peerId,
    recording: {
      recordingId: id,
      status,
      revision,
      startedAt: new Date(startedAt),
      ...file === null ? {} : { file },
      ...durationMs === null ? {} : { durationMs },
      ...error === null ? {} : { error }
    }
  }
}
