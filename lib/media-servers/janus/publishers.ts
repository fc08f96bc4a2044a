import type { AskAdmin } from './admin.js'
import { Fault, JanusCode, isObject } from './messages.js'

/** One handle of VideoRoom, of a peer here. */
export interface WatchedHandle {
  peerId: string
  sessionId: number
  handleId: number
}

/** A publisher, as Janus itself knows it. */
export interface SeenPublisher extends WatchedHandle {
  /** By VideoRoom's own name for it. */
  publisherId: string
  /** Whether it sends media, so that something of it should be recorded. */
  hasMedia: boolean
  /** Files that are open for it, by the names that they have now. */
  files: string[]
}

/** What a look at a room has found. */
export interface Look {
  publishers: SeenPublisher[]
  /** Those that will never be publishers. */
  subscribers: WatchedHandle[]
}

/**
 * Looks at handles of VideoRoom for what is recorded of whoever publishes in a room: no answer and no event of the plugin tells that.
 * @param room as VideoRoom names it
 * @throws Fault
 */
export async function lookAt (handles: WatchedHandle[], room: number | string, ask: AskAdmin): Promise<Look> {
  const look: Look = { publishers: [], subscribers: [] }
  await Promise.all(handles.map(async (handle) => {
    const { type, room: its, id, streams } = pluginOf(await info(handle, ask, true)) ?? {}
    if (type === 'subscriber') look.subscribers.push(handle)
    if (type !== 'publisher' || String(its) !== String(room) || !Array.isArray(streams)) return
    // One that was taken out of a call stays in its place.
    const active = streams.filter((stream): stream is Record<string, unknown> => isObject(stream) && stream.disabled !== true)
    if (active.length === 0) return
    const files = active.flatMap(({ recording }) => typeof recording === 'string' ? [recording] : [])
    // While it negotiates nothing of it is recorded, nor need be.
    const hasMedia = files.length > 0 || isReady(await info(handle, ask, false))
    look.publishers.push({ ...handle, publisherId: String(id), hasMedia, files })
  }))
  return look
}

/** Whether something of it should be recorded, and is not. */
export function isSilent ({ hasMedia, files }: SeenPublisher): boolean {
  return hasMedia && files.length === 0
}

/** What the app is told of such a one. */
export function nothingOf ({ publisherId, peerId }: SeenPublisher): string {
  return `Janus records nothing of the publisher ${publisherId} (peer ${peerId}), though it says so: it could not open the file, see its log and the room's rec_dir`
}

/** Null: there is no such handle any more. */
async function info ({ sessionId, handleId }: WatchedHandle, ask: AskAdmin, pluginOnly: boolean): Promise<Record<string, unknown> | null> {
  try {
    const { info } = await ask({ janus: 'handle_info', session_id: sessionId, handle_id: handleId, ...(pluginOnly ? { plugin_only: true } : {}) })
    return isObject(info) ? info : null
  } catch (error) {
    if (error instanceof Fault && (error.code === JanusCode.noSuchHandle || error.code === JanusCode.noSuchSession)) return null
    throw error
  }
}

function pluginOf (info: Record<string, unknown> | null): Record<string, unknown> | null {
  return info !== null && isObject(info.plugin_specific) ? info.plugin_specific : null
}

function isReady (info: Record<string, unknown> | null): boolean {
  return info !== null && isObject(info.flags) && info.flags.ready === true
}
