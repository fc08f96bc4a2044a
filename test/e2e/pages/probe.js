/* global document, getComputedStyle, MutationObserver, performance, RTCPeerConnection, setInterval, setTimeout, window */

/** What the tests ask a page of the video call: runs in the page, before its own scripts. */
window.probe = (() => {
  const videoOf = (peerId) => document.querySelector(`video[data-peer-id="${peerId}"]`)
  const canvas = document.createElement('canvas')

  const negotiated = { offers: 0, descriptions: 0 }
  const { createOffer, setLocalDescription } = RTCPeerConnection.prototype
  RTCPeerConnection.prototype.createOffer = function (...args) {
    negotiated.offers++
    return createOffer.apply(this, args)
  }
  RTCPeerConnection.prototype.setLocalDescription = function (...args) {
    negotiated.descriptions++
    return setLocalDescription.apply(this, args)
  }

  /** The call that is watched, also when it is over. */
  let watched = null

  /** What the recording light has shown, with times. */
  const lights = []

  /** What a person sees of the recording light, and in which colour. */
  const light = () => {
    const element = document.getElementById('light')
    if (!element.checkVisibility()) return 'off'
    const [r, g, b] = getComputedStyle(element.querySelector('.dot')).backgroundColor.match(/\d+/g).map(Number)
    return `${element.innerText.trim()} (${r > 150 && r > 2 * g && r > 2 * b ? 'red' : 'grey'})`
  }

  /** The average colour of a picture. */
  const colourOf = (video) => {
    canvas.width = 16
    canvas.height = 16
    const context = canvas.getContext('2d', { willReadFrequently: true })
    context.drawImage(video, 0, 0, 16, 16)
    const { data } = context.getImageData(0, 0, 16, 16)
    const sum = [0, 0, 0]
    for (let at = 0; at < data.length; at++) if (at % 4 !== 3) sum[at % 4] += data[at]
    return sum.map((value) => Math.round(value / 256))
  }

  /** What has been decoded so far of what a tile plays. */
  const media = async (peerId) => {
    const tracks = new Map((videoOf(peerId)?.srcObject?.getTracks() ?? []).map((track) => [track.id, track.kind]))
    const decoded = { framesDecoded: 0, totalAudioEnergy: 0, totalSamplesReceived: 0 }
    for (const report of (await window.trunklineCall.endpoint.getStatistics()).values()) {
      if (report.type !== 'inbound-rtp' || !tracks.has(report.trackIdentifier)) continue
      if (report.kind === 'video') decoded.framesDecoded = report.framesDecoded ?? 0
      else Object.assign(decoded, { totalAudioEnergy: report.totalAudioEnergy ?? 0, totalSamplesReceived: report.totalSamplesReceived ?? 0 })
    }
    return decoded
  }

  return {
    peerId: () => window.trunklineCall?.peerId ?? null,

    state: () => document.body?.dataset.state ?? null,

    /** Why the last call is over, as the lobby says it. */
    notice: () => document.getElementById('lobby-notice')?.textContent ?? null,

    /** The ids of all remote tiles. */
    tiles: () => [...document.querySelectorAll('video[data-peer-id]')].map((video) => video.dataset.peerId),

    has: (peerId) => videoOf(peerId) !== null,

    media,

    /** From now on everything is counted that happens to this call; a page that is loaded again has forgotten it. */
    watch () {
      const { link, endpoint } = window.trunklineCall
      // What was watched before goes on by itself.
      const call = watched = { link, endpoint, joins: [], resets: 0, failed: null, states: [], shownAtOnce: 0, before: { ...negotiated } }
      link.on('joined', (session) => call.joins.push(session))
      link.on('reset', () => call.resets++)
      link.on('failed', (status) => { call.failed = status })
      link.on('state', (state, previous) => {
        call.states.push(state)
        // The page's own listener has run before.
        if (previous === 'joined' && document.body.dataset.state !== 'joined') call.shownAtOnce++
      })
    },

    /** What has happened since. */
    watched: () => ({
      state: watched.link.state,
      joins: watched.joins,
      resets: watched.resets,
      failed: watched.failed,
      states: watched.states,
      shownAtOnce: watched.shownAtOnce,
      sameEndpoint: window.trunklineCall?.endpoint === watched.endpoint,
      offers: negotiated.offers - watched.before.offers,
      descriptions: negotiated.descriptions - watched.before.descriptions
    }),

    /** From now on it is measured for how long no new frame of this tile is decoded. */
    watchFrames (peerId) {
      const frames = watched.frames = { count: 0, since: performance.now(), longestMs: 0 }
      const look = async () => {
        const { framesDecoded } = await media(peerId)
        const now = performance.now()
        frames.longestMs = Math.max(frames.longestMs, now - frames.since)
        if (framesDecoded > frames.count) Object.assign(frames, { count: framesDecoded, since: now })
        if (watched.frames === frames && window.trunklineCall !== undefined) setTimeout(look, 100)
      }
      look()
    },

    /** The longest time without a new frame so far, in milliseconds. */
    longestGap: () => Math.round(watched.frames.longestMs),

    /** From now on says a number to the others every so many milliseconds, each one more than the last, whatever becomes of the link. */
    count (everyMs) {
      const { endpoint } = watched
      const { metadata, tracks } = endpoint.getLocalEndpoint()
      const [[trackId, track]] = tracks
      const counting = watched.counting = { said: 0, going: true }
      const say = () => {
        if (!counting.going) return
        const number = ++counting.said
        // Both kinds of event that bring metadata, in turn.
        if (number % 2 === 0) endpoint.updateEndpointMetadata({ ...metadata, number })
        else endpoint.updateTrackMetadata(trackId, { ...track.metadata, number })
        setTimeout(say, everyMs)
      }
      say()
    },

    /** @returns the last number */
    stopCounting () {
      watched.counting.going = false
      return watched.counting.said
    },

    /** From now on keeps what another one counts. */
    listen (peerId) {
      const heard = watched.heard = []
      const note = (id, { number }) => { if (id === peerId && number !== undefined) heard.push(number) }
      watched.endpoint.on('endpointUpdated', ({ id, metadata }) => note(id, metadata))
      watched.endpoint.on('trackUpdated', ({ endpoint, metadata }) => note(endpoint.id, metadata))
    },

    heard: () => watched.heard,

    /** The average colour of what a tile shows; null while it shows nothing. */
    colour (peerId) {
      const video = videoOf(peerId)
      if (video === null || video.readyState < 2 || video.videoWidth === 0) return null
      return colourOf(video)
    },

    /** From now on it is noted whatever the recording light shows: at each change, and now and then in any case. */
    watchLight () {
      const look = () => {
        const shown = light()
        if (lights.at(-1)?.shown !== shown) lights.push({ at: performance.timeOrigin + performance.now(), shown })
      }
      new MutationObserver(look).observe(document.body, { attributes: true, childList: true, characterData: true, subtree: true })
      setInterval(look, 25)
      look()
    },

    lights: () => lights,

    /** The recorded files that the page offers. */
    files: () => [...document.querySelectorAll('[data-recording-id]')].map((item) => ({ id: item.dataset.recordingId, text: item.innerText.trim() })),

    /** Plays a recorded file where the page offers it, from beginning to end. */
    async play (id) {
      const video = document.querySelector(`[data-recording-id="${id}"] video`)
      const times = []
      video.muted = true
      video.addEventListener('timeupdate', () => times.push(video.currentTime))
      const over = new Promise((resolve) => { video.onended = video.onerror = resolve })
      await video.play()
      await over
      return {
        controls: video.controls,
        durationMs: Math.round(video.duration * 1_000),
        width: video.videoWidth,
        frames: video.getVideoPlaybackQuality().totalVideoFrames,
        times,
        colour: colourOf(video),
        error: video.error?.message ?? null
      }
    }
  }
})()
