/** What this package logs with: Fastify's own logger fits, and so does any pino. */
export interface Logger {
  debug (fields: object, message: string): void
  info (fields: object, message: string): void
  warn (fields: object, message: string): void
  error (fields: object, message: string): void
  child (bindings: Record<string, unknown>): Logger
}

const nothing = (): void => {}

/** Says nothing. */
export const silentLogger: Logger = { debug: nothing, info: nothing, warn: nothing, error: nothing, child: () => silentLogger }
