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
