/* global document, window */

/** What the tests ask a page of the video call: runs in the page, before its own scripts. */
window.probe = (() => {
  const videoOf = (peerId) => document.querySelector(`video[data-peer-id="${peerId}"]`)
  const canvas = document.createElement('canvas')
  let reconnections = null

  return {
    peerId: () => window.trunklineCall?.peerId ?? null,

    state: () => document.body?.dataset.state ?? null,

    /** From now on; a page that is loaded again has forgotten it. */
    countReconnections () {
      reconnections = 0
      window.trunklineCall.client.on('reconnected', () => { reconnections++ })
    },

    /** How often the client has come back by itself; null when nobody has asked to count. */
    reconnections: () => reconnections,

    /** The ids of all remote tiles. */
    tiles: () => [...document.querySelectorAll('video[data-peer-id]')].map((video) => video.dataset.peerId),

    has: (peerId) => videoOf(peerId) !== null,

    /** What has been decoded so far of what a tile plays. */
    async media (peerId) {
      const tracks = new Map((videoOf(peerId)?.srcObject?.getTracks() ?? []).map((track) => [track.id, track.kind]))
      const decoded = { framesDecoded: 0, totalAudioEnergy: 0, totalSamplesReceived: 0 }
      for (const report of (await window.trunklineCall.client.getStatistics()).values()) {
        if (report.type !== 'inbound-rtp' || !tracks.has(report.trackIdentifier)) continue
        if (report.kind === 'video') decoded.framesDecoded = report.framesDecoded ?? 0
        else Object.assign(decoded, { totalAudioEnergy: report.totalAudioEnergy ?? 0, totalSamplesReceived: report.totalSamplesReceived ?? 0 })
      }
      return decoded
    },

    /** The average colour of what a tile shows; null while it shows nothing. */
    colour (peerId) {
      const video = videoOf(peerId)
      if (video === null || video.readyState < 2 || video.videoWidth === 0) return null
      canvas.width = 16
      canvas.height = 16
      const context = canvas.getContext('2d', { willReadFrequently: true })
      context.drawImage(video, 0, 0, 16, 16)
      const { data } = context.getImageData(0, 0, 16, 16)
      const sum = [0, 0, 0]
      for (let at = 0; at < data.length; at++) if (at % 4 !== 3) sum[at % 4] += data[at]
      return sum.map((value) => Math.round(value / 256))
    }
  }
})()
