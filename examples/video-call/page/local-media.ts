import { drawPicture } from './picture.js'
import { makeSilence } from './silence.js'

/** What this person sends: a camera and a microphone, or what stands in for them. */
export interface LocalMedia {
  readonly tracks: readonly MediaStreamTrack[]
  readonly hasMicrophone: boolean
  readonly hasCamera: boolean
  /** What is not as it should be, for the person to read. */
  readonly notice: string | null
  stop (): void
}

interface Substitute {
  track: MediaStreamTrack
  stop (): void
}

const AUDIO: MediaTrackConstraints = { echoCancellation: true, noiseSuppression: true, autoGainControl: true }
const VIDEO: MediaTrackConstraints = { width: { ideal: 640 }, height: { ideal: 360 }, frameRate: { ideal: 24, max: 30 } }

/**
 * Never fails: without a camera there is a drawn picture, and without a microphone one is heard by nobody.
 * @param lost is told what to send instead when a device is unplugged or taken away
 */
export async function openLocalMedia (name: string, lost: (substitute: MediaStreamTrack) => void): Promise<LocalMedia> {
  const { audio, video, denied } = await openDevices()
  const substitutes: Substitute[] = []
  const substitute = (make: () => Substitute): MediaStreamTrack => {
    const made = make()
    substitutes.push(made)
    return made.track
  }
  const picture = (): Substitute => drawPicture(name)
  const media = {
    tracks: [...audio === null ? [] : [audio], video ?? substitute(picture)],
    hasMicrophone: audio !== null,
    hasCamera: video !== null,
    notice: explain(audio !== null, video !== null, denied),
    stop () {
      for (const track of media.tracks) track.stop()
      for (const each of substitutes) each.stop()
    }
  }
  // The others would be left with the last picture.
  const replaceWhenLost = (track: MediaStreamTrack | null, make: () => Substitute, note: () => void): void => {
    track?.addEventListener('ended', () => {
      const stand = substitute(make)
      media.tracks = media.tracks.map((each) => each === track ? stand : each)
      note()
      media.notice = explain(media.hasMicrophone, media.hasCamera, denied)
      lost(stand)
    }, { once: true })
  }
  replaceWhenLost(video, picture, () => { media.hasCamera = false })
  replaceWhenLost(audio, makeSilence, () => { media.hasMicrophone = false })
  return media
}

interface Devices {
  audio: MediaStreamTrack | null
  video: MediaStreamTrack | null
  denied: boolean
}

async function openDevices (): Promise<Devices> {
  let denied = false
  const open = async (constraints: MediaStreamConstraints): Promise<MediaStream | null> => {
    try {
      return await navigator.mediaDevices.getUserMedia(constraints)
    } catch (error) {
      denied ||= error instanceof DOMException && error.name === 'NotAllowedError'
      return null
    }
  }
  // Only pages from https and from localhost have any.
  if (navigator.mediaDevices === undefined) return { audio: null, video: null, denied: true }
  // Both in one question if it can be; one by one when one of them is the trouble.
  const both = await open({ audio: AUDIO, video: VIDEO })
  const audio = both ?? await open({ audio: AUDIO })
  const video = both ?? await open({ video: VIDEO })
  return { audio: audio?.getAudioTracks()[0] ?? null, video: video?.getVideoTracks()[0] ?? null, denied }
}

function explain (hasMicrophone: boolean, hasCamera: boolean, denied: boolean): string | null {
  if (hasMicrophone && hasCamera) return null
  const why = denied ? 'may not be used by this page' : 'was found'
  const no = denied ? 'The' : 'No'
  if (hasMicrophone) return `${no} camera ${why}: the others see a drawn picture of you.`
  if (hasCamera) return `${no} microphone ${why}: the others see you, but cannot hear you.`
  return denied
    ? 'Camera and microphone may not be used by this page: the others see a drawn picture, and cannot hear you.'
    : 'No camera and no microphone were found: the others see a drawn picture, and cannot hear you.'
}
