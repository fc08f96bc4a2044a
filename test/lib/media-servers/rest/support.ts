import { systemClock } from '../../../../lib/clock.js'
import type { Logger } from '../../../../lib/logger.js'
import { RestControl } from '../../../../lib/media-servers/rest/rest-control.js'
import type { RestClientOptions } from '../../../../lib/media-servers/rest/rest-client.js'
import { FakeControl } from '../../../../lib/testing/index.js'

/** What a test needs of tap. */
interface Teardown {
  teardown (fn: () => unknown): void
}

/** What it says, as lines of JSON. */
export function recordingLogger (): { log: Logger, lines: string[] } {
  const lines: string[] = []
  const line = (...said: unknown[]): void => { lines.push(JSON.stringify(said)) }
  return { lines, log: { debug: line, info: line, warn: line, error: line } as unknown as Logger }
}

export const TOKEN = 'geheim-7f3a'

/** A server whose answers can be forced, and a control API that asks it, without a wait between sendings; closed at the end of the test. */
export async function startControl (t: Teardown, { respond, ...options }: Partial<RestClientOptions> & { respond?: FakeControl['respond'] } = {}): Promise<{ server: FakeControl, control: RestControl, lines: string[] }> {
  const server = await FakeControl.listen({ token: TOKEN, ...(respond === undefined ? {} : { respond }) })
  t.teardown(() => server.close())
  const { log, lines } = recordingLogger()
  const control = new RestControl({ url: server.url, token: () => TOKEN, ca: undefined, requestMs: 10_000, clock: systemClock, log, random: () => 0, ...options })
  t.teardown(() => control.close())
  return { server, control, lines }
}
