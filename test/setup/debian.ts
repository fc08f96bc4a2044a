import { spawnSync } from 'node:child_process'
import { accessSync, constants, existsSync, rmSync, writeFileSync } from 'node:fs'
import { delimiter, join } from 'node:path'
import process from 'node:process'

/** Parts of the system that tests and benchmark use, and that npm does not have. */

/** Asked by the packages' scripts whether they may start a service; 101: they may not. */
const POLICY = '/usr/sbin/policy-rc.d'

export function installCommand (name: string): string {
  return `apt-get install -y --no-install-recommends ${name}`
}

/** There where systemd runs (sd_booted(3)). */
const SYSTEMD = '/run/systemd/system'

/**
 * Installs a package, or several, where that takes no decision of the machine's owner: as a container's root, with Debian's
 * packages. No service of it is started; one that is named is masked before, and stays so, or the next start of the
 * machine would start it, open to everybody. False: not here, or it did not work.
 */
export function install (name: string, service?: string): boolean {
  if (process.platform !== 'linux' || process.getuid?.() !== 0 || !existsSync('/etc/debian_version') || onPath('apt-get') === null) return false
  process.stderr.write(`# there is no ${name}: apt-get installs it\n`)
  const isOurs = !existsSync(POLICY)
  if (isOurs) writeFileSync(POLICY, '#!/bin/sh\nexit 101\n', { mode: 0o755 })
  try {
    // What is not there yet can be masked as well. What its owner has installed is left as it is.
    if (service !== undefined && existsSync(SYSTEMD) && name.split(' ').includes(service)) spawnSync('systemctl', ['mask', service], { stdio: ['ignore', 2, 2] })
    const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' }
    return ['apt-get update', installCommand(name)].every((command) => {
      const [program = '', ...args] = command.split(' ')
      // Stdout belongs to the results.
      return spawnSync(program, args, { env, stdio: ['ignore', 2, 2] }).status === 0
    })
  } finally {
    if (isOurs) rmSync(POLICY)
  }
}

/** Where a program is; null: nowhere. */
export function onPath (program: string): string | null {
  return (process.env.PATH ?? '').split(delimiter).map((folder) => join(folder, program)).find(isExecutable) ?? null
}

export function isExecutable (path: string): boolean {
  try {
    accessSync(path, constants.X_OK)
    return true
  } catch {
    return false
  }
}
