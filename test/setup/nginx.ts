import { install, installCommand, isExecutable, onPath } from './debian.js'

/** Where the benchmark finds nginx, beside which Trunkline is measured. It does without. */

const PACKAGE = 'nginx-light'
/** Not on everybody's path. */
const PLACES = ['/usr/sbin/nginx', '/usr/local/sbin/nginx']

export const NGINX_HINT = installCommand(PACKAGE)

/** Null: there is none. */
export function findNginx (): string | null {
  return onPath('nginx') ?? PLACES.find(isExecutable) ?? null
}

/** The path of an nginx that can be measured here, which is installed if it can be. Null: there is none. */
export function nginx (): string | null {
  // What it uses is read from Linux's own accounts.
  if (process.platform !== 'linux') return null
  return findNginx() ?? (install(PACKAGE) ? findNginx() : null)
}
