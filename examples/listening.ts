/** What the examples' processes say of where they listen, or why they cannot. */

/** As a browser on this machine opens it. */
export function pageUrl (host: string, port: number): string {
  return `http://${isLoopback(host) ? 'localhost' : host.includes(':') ? `[${host}]` : host}:${port}`
}

/** @param port as it was wanted */
export function explain (error: unknown, host: string, port: string): string {
  const { code, message } = error as NodeJS.ErrnoException
  if (code === 'EADDRINUSE') return `port ${port} of ${host} is taken: set PORT to another one`
  if (code === 'EACCES') return `port ${port} of ${host} is not allowed: set PORT to one above 1023`
  return message
}

function isLoopback (host: string): boolean {
  return host === 'localhost' || host === '::1' || host.startsWith('127.')
}
