/* global MediaStream, RTCPeerConnection, document, performance, setTimeout, window */
import Janus from 'janus-gateway'
import adapter from 'webrtc-adapter'

/** janus.js as it comes from npm, and around it what a page of an app has: a session and its way back, a room, and what is said there. */

const VIDEOROOM = 'janus.plugin.videoroom'
const ECHOTEST = 'janus.plugin.echotest'
const BACK_MS = 100
const LOOK_MS = 100

const counted = { sessions: 0, lost: 0, reconnects: 0, offers: 0, descriptions: 0 }
for (const [name, count] of [['createOffer', 'offers'], ['setLocalDescription', 'descriptions']]) {
  const original = RTCPeerConnection.prototype[name]
  RTCPeerConnection.prototype[name] = function (...args) {
    counted[count]++
    return original.apply(this, args)
  }
}

/** What was said to the page, in order: by which handle, and the message. */
const heard = []
/** To what `ask` has asked, by its key. */
const answers = {}
/** Whatever janus.js has called an error. */
const errors = []
/** What is done in each new session. */
const entered = []
/** Of the session, by name; a subscriber's is that of who publishes. */
const handles = new Map()
const connection = { server: '', token: '' }
let janus = null
let watched = null

function begin () {
  let isUp = false
  const session = janus = new Janus({
    ...connection,
    iceServers: [],
    success: () => {
      counted.sessions++
      isUp = true
      for (const enter of entered) enter()
    },
    error: (reason) => {
      errors.push(String(reason))
      if (session !== janus) return
      if (isUp) {
        counted.lost++
        comeBack()
      } else setTimeout(begin, BACK_MS)
    }
  })
}

function comeBack () {
  setTimeout(() => janus.reconnect({
    success: () => counted.reconnects++,
    error: (reason) => {
      errors.push(String(reason))
      if (/No such session/.test(reason)) beginAnew()
      else comeBack()
    }
  }), BACK_MS)
}

function beginAnew () {
  janus.destroy({ cleanupHandles: true, notifyDestroyed: false })
  for (const name of [...handles.keys()]) removeVideo(name)
  handles.clear()
  begin()
}

/** Attaches under this name; of what the plugin says everything is kept. */
function attach (name, plugin, first, onmessage) {
  janus.attach({
    plugin,
    success: (handle) => {
      handles.set(name, handle)
      first(handle)
    },
    error: (error) => errors.push(String(error)),
    onmessage: (message, jsep) => {
      heard.push({ handle: name, message })
      onmessage(handles.get(name), message, jsep)
    },
    onremotetrack: (track, _mid, isOn) => { if (isOn) showTrack(name, track) }
  })
}

function publish (handle, request, recv) {
  handle.createOffer({
    tracks: ['audio', 'video'].map((type) => ({ type, capture: true, recv })),
    success: (jsep) => handle.send({ message: request, jsep }),
    error: (error) => errors.push(String(error))
  })
}

function enterRoom ({ room, publishes, watches }) {
  attach('room', VIDEOROOM, (handle) => handle.send({ message: { request: 'join', ptype: 'publisher', room, display: 'whatever the page says' } }), (handle, message, jsep) => {
    if (jsep !== undefined) handle.handleRemoteJsep({ jsep })
    if (message.videoroom === 'joined' && publishes) publish(handle, { request: 'configure', audio: true, video: true }, false)
    if (watches) for (const { id } of message.publishers ?? []) subscribe(room, id)
    for (const gone of [message.unpublished, message.leaving]) forget(`feed ${gone}`)
  })
}

function subscribe (room, feed) {
  const name = `feed ${feed}`
  if (handles.has(name)) return
  handles.set(name, null)
  attach(name, VIDEOROOM, (handle) => handle.send({ message: { request: 'join', ptype: 'subscriber', room, streams: [{ feed }] } }), (handle, _message, jsep) => {
    if (jsep === undefined) return
    handle.createAnswer({ jsep, success: (jsep) => handle.send({ message: { request: 'start', room }, jsep }), error: (error) => errors.push(String(error)) })
  })
}

function forget (name) {
  handles.get(name)?.detach({})
  handles.delete(name)
  removeVideo(name)
}

function enterEcho () {
  attach('echo', ECHOTEST, (handle) => publish(handle, { audio: true, video: true }, true), (handle, _message, jsep) => {
    if (jsep !== undefined) handle.handleRemoteJsep({ jsep })
  })
}

function showTrack (name, track) {
  let video = document.getElementById(name)
  if (video === null) {
    video = Object.assign(document.createElement('video'), { id: name, autoplay: true, playsInline: true, muted: true, srcObject: new MediaStream() })
    document.body.append(video)
  }
  video.srcObject.addTrack(track)
}

function removeVideo (name) {
  document.getElementById(name)?.remove()
}

/** Frames that were decoded so far, by the name of the handle. */
async function frames () {
  const decoded = {}
  for (const [name, handle] of handles) {
    for (const report of (await handle?.webrtcStuff.pc?.getStats())?.values() ?? []) {
      if (report.type === 'inbound-rtp' && report.kind === 'video') decoded[name] = report.framesDecoded ?? 0
    }
  }
  return decoded
}

window.janusPage = {
  connect (server, token) {
    Object.assign(connection, { server, token })
    Janus.init({ debug: false, dependencies: Janus.useDefaultDependencies({ adapter }), callback: begin })
  },

  /** Now, if there is a session, and in each one to come. */
  enterRoom (options) {
    entered.push(() => enterRoom(options))
    if (janus?.isConnected()) enterRoom(options)
  },

  enterEcho () {
    entered.push(enterEcho)
    if (janus?.isConnected()) enterEcho()
  },

  /** What is answered to it is in `answers`, when it is. */
  ask (key, message, name = 'room') {
    handles.get(name).send({ message, success: (data) => { answers[key] = { data: data ?? null } }, error: (error) => { answers[key] = { error } } })
  },

  frames,

  /** From now on it is measured for how long no new frame is decoded of what this handle plays. */
  watchFrames (name) {
    const mine = watched = { count: -1, since: performance.now(), longestMs: 0 }
    const look = async () => {
      const { [name]: count = 0 } = await frames()
      const now = performance.now()
      mine.longestMs = Math.max(mine.longestMs, now - mine.since)
      if (count > mine.count) Object.assign(mine, { count, since: now })
      if (watched === mine) setTimeout(look, LOOK_MS)
    }
    look()
  },

  /** The longest time without a new frame so far, in milliseconds. */
  longestGap: () => Math.round(watched.longestMs),

  sees: (name) => document.getElementById(name)?.getVideoPlaybackQuality().totalVideoFrames ?? 0,

  state: () => ({ ...counted, sessionId: janus?.isConnected() ? janus.getSessionId() : null, handles: [...handles.keys()], errors }),
  heard: () => heard,
  answers: () => answers
}
