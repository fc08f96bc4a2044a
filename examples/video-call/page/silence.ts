/** A live audio track without a microphone. */
export function makeSilence (): { track: MediaStreamTrack, stop (): void } {
  const context = new AudioContext()
  const [track] = context.createMediaStreamDestination().stream.getAudioTracks()
  if (track === undefined) throw new Error('this browser cannot send silence')
  return {
    track,
    stop () {
      track.stop()
      void context.close()
    }
  }
}
