import type { Driver } from '../relay/media-server.js'
import { HeldSessions } from './held-sessions.js'
import { checkJanusOptions } from './janus/options.js'
import type { JanusOptions } from './janus/options.js'
import { JanusServer } from './janus/server.js'

/**
 * A Janus WebRTC Server behind the trunk: one WebSocket of its API for all clients, each with a session of its own that nobody else
 * can use. For the option `mediaServer`.
 * @throws UnknownOptionError
 * @throws OptionError
 */
export function janus (options: JanusOptions): Driver {
  const checked = checkJanusOptions(options)
  return {
    name: 'janus',
    create (context) {
      const server = new JanusServer(checked, context, (peerId): boolean => sessions.isAway(peerId))
      const sessions: HeldSessions = new HeldSessions(server, { ...context, windowMs: context.resumeMs, outlivesTrunk: true })
      return sessions
    }
  }
}

export type { JanusAdmittance } from './janus/control.js'
export type { JanusOptions } from './janus/options.js'
