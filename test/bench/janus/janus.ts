import { execFileSync } from 'node:child_process'
import { JanusServer } from '../../janus/support/janus-server.js'
import type { Placement } from '../processes.js'
import type { JanusUpstream } from './upstream.js'

/** A real Janus, on the cores of those that are not measured. */
export async function startJanus ({ others }: Placement): Promise<JanusUpstream & { stop: () => Promise<void> }> {
  const server = await JanusServer.start({ plugins: ['videoroom'] })
  // All of its threads: they have started.
  if (others !== null) execFileSync('taskset', ['-acp', others, String(server.pid)])
  return { port: server.port, apiSecret: server.apiSecret, stop: async () => await server.stop() }
}
