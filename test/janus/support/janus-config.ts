import { randomInt } from 'node:crypto'
import { createServer } from 'node:net'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'

/** Janus' configuration: files of sections of settings. */
export type Settings = Record<string, Record<string, string | number | boolean>>
export type ConfigFiles = Record<string, Settings>

export interface JanusConfig {
  /** The file's name without `.jcfg`. Beside or instead of what it would have. */
  config?: ConfigFiles
  /** What runs; default: videoroom, echotest and recordplay. */
  plugins?: string[]
  /** Has it tell all that happens to a WebSocket server, over a connection of its own. */
  events?: { url: string, types?: string, grouping?: boolean }
  /** `reclaim_session_timeout`, default 60. */
  reclaimSeconds?: number
  /** `session_timeout`, in seconds, default 60. */
  sessionTimeout?: number
}

/** What a server has from its start to its end. */
export interface Place {
  folder: string
  name: string
  apiSecret: string
  adminSecret: string
  ports: Ports
}

export interface Ports {
  api: number
  admin: number
  /** The first of those for media. */
  rtp: number
}

/** A VideoRoom that is there from the start. */
export const ROOM = { id: 1234, secret: 'room-secret' }
export const VIDEOROOM_ADMIN_KEY = 'videoroom-admin'

const PLUGINS = ['audiobridge', 'duktape', 'echotest', 'lua', 'nosip', 'recordplay', 'sip', 'streaming', 'textroom', 'videocall', 'videoroom', 'voicemail']
const TRANSPORTS = ['http', 'mqtt', 'nanomsg', 'pfunix', 'rabbitmq']
const EVENT_HANDLERS = ['gelf', 'mqtt', 'nanomsg', 'rabbitmq', 'sample']
const RTP_PORTS = 400
/** No port that the system gives to whoever connects somewhere: one that a Janus left for a moment would be gone. */
const [LOWEST_PORT, HIGHEST_PORT] = [20_000, 32_000]

export function recordingsIn (folder: string): string {
  return join(folder, 'recordings')
}

/** The texts of all files, by their names. */
export function configFiles ({ folder, name, apiSecret, adminSecret, ports }: Place, options: JanusConfig): Map<string, string> {
  const { plugins = ['videoroom', 'echotest', 'recordplay'], events } = options
  const recordings = recordingsIn(folder)
  const files: ConfigFiles = {
    janus: {
      general: {
        configs_folder: folder,
        debug_level: 4,
        debug_timestamps: true,
        debug_colors: false,
        api_secret: apiSecret,
        admin_secret: adminSecret,
        server_name: name,
        session_timeout: options.sessionTimeout ?? 60,
        reclaim_session_timeout: options.reclaimSeconds ?? 60,
        recordings_tmp_ext: 'tmp',
        // Else each handle is a thread.
        event_loops: 2
      },
      media: { ipv6: false, rtp_port_range: `${ports.rtp}-${ports.rtp + RTP_PORTS - 1}`, no_media_timer: 1 },
      nat: { ice_enforce_list: 'lo', ignore_mdns: true, ice_lite: false, ice_tcp: false },
      plugins: { disable: libraries(PLUGINS.filter((plugin) => !plugins.includes(plugin))) },
      transports: { disable: libraries(TRANSPORTS) },
      loggers: { disable: libraries(['jsonlog']) },
      events: { broadcast: events !== undefined, disable: libraries(EVENT_HANDLERS, 'evh') }
    },
    'janus.transport.websockets': {
      general: { json: 'compact', ws: true, ws_port: ports.api, ws_ip: '127.0.0.1', wss: false, ws_logging: 'err,warn' },
      admin: { admin_ws: true, admin_ws_port: ports.admin, admin_ws_ip: '127.0.0.1', admin_wss: false }
    },
    'janus.plugin.videoroom': {
      general: { admin_key: VIDEOROOM_ADMIN_KEY, string_ids: false },
      [`room-${ROOM.id}`]: {
        description: 'A room',
        secret: ROOM.secret,
        publishers: 64,
        bitrate: 512_000,
        fir_freq: 10,
        audiocodec: 'opus',
        videocodec: 'vp8',
        record: false,
        rec_dir: recordings,
        notify_joining: true
      }
    },
    'janus.plugin.echotest': { general: {} },
    'janus.plugin.recordplay': { general: { path: recordings } },
    'janus.eventhandler.wsevh': {
      general: {
        enabled: events !== undefined,
        events: events?.types ?? 'all',
        grouping: events?.grouping ?? true,
        json: 'compact',
        backend: events?.url ?? 'ws://127.0.0.1:9',
        subprotocol: 'janus-events'
      }
    }
  }
  for (const [file, sections] of Object.entries(options.config ?? {})) {
    const settings = files[file] ??= {}
    for (const [section, values] of Object.entries(sections)) settings[section] = { ...settings[section], ...values }
  }
  return new Map(Object.entries(files).map(([file, settings]) => [`${file}.jcfg`, textOf(settings)]))
}

/** Ports that were free a moment ago. */
export async function freePorts (): Promise<Ports> {
  const [api, admin] = [await freePort(), await freePort()]
  // Of these Janus itself takes what it can get.
  return { api, admin, rtp: randomInt(LOWEST_PORT, HIGHEST_PORT) }
}

async function freePort (): Promise<number> {
  for (let attempts = 100; attempts > 0; attempts--) {
    const server = createServer()
    const port = await new Promise<number | null>((resolve) => {
      server.once('error', () => resolve(null))
      server.listen(randomInt(LOWEST_PORT, HIGHEST_PORT), '127.0.0.1', () => resolve((server.address() as AddressInfo).port))
    })
    if (port === null) continue
    await new Promise((resolve) => server.close(resolve))
    return port
  }
  throw new Error(`no port from ${LOWEST_PORT} to ${HIGHEST_PORT} is free`)
}

function libraries (names: string[], suffix = ''): string {
  return names.map((name) => `libjanus_${name}${suffix}.so`).join(',')
}

function textOf (settings: Settings): string {
  return Object.entries(settings).map(([section, values]) => `${section}: {\n${
    Object.entries(values).map(([name, value]) => `\t${name} = ${JSON.stringify(value)}\n`).join('')
  }}\n`).join('')
}
