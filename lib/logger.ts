export interface LogFunction {
  (fields: object, message?: string): void
  (message: string): void
}

/** What this package logs with: Fastify's own logger fits, and so does any pino. */
export interface Logger {
  debug: LogFunction
  info: LogFunction
  warn: LogFunction
  error: LogFunction
  child (bindings: Record<string, unknown>): Logger
}

const nothing = (): void => {}

/** Says nothing. */
export const silentLogger: Logger = { debug: nothing, info: nothing, warn: nothing, error: nothing, child: () => silentLogger }

/**
 * Logs what an app has thrown. A logger reads an error, and pino writes to it too: one that is frozen, or has a getter that
 * throws, would make the log throw where the fault is being dealt with, and an unhandled rejection ends every client.
 */
export function logThrown (log: Logger, error: unknown, message: string, fields: object = {}, level: 'error' | 'info' = 'error'): void {
  try {
    log[level]({ ...fields, err: error }, message)
  } catch {
    log[level]({ ...fields, err: { message: messageOf(error) } }, message)
  }
}

function messageOf (error: unknown): string {
  try {
    return String((error as Error).message)
  } catch {
    return 'what was thrown cannot be read'
  }
}
