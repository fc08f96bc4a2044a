import { isIPv4 } from 'node:net'

/** What the environment says. */
export interface Settings {
  readonly token: string
  readonly host: string
  readonly port: number
  readonly address: string | undefined
  readonly recordingsDir: string | undefined
  readonly direct: { readonly host: string, readonly port: number, readonly url: string | undefined, readonly origins: '*' | string[] }
  readonly endsWithParent: boolean
}

/** What the environment says is nothing to start with. */
export class SettingsError extends Error {
  override readonly name = 'SettingsError'
}

/** @throws {SettingsError} */
export function readSettings (env: Readonly<Record<string, string | undefined>>): Settings {
  const token = env['TRUNK_TOKEN'] ?? ''
  const address = env['MEDIA_ADDRESS']
  const host = env['HOST'] ?? '127.0.0.1'
  const url = env['DIRECT_URL']
  const origins = env['DIRECT_ORIGINS'] ?? '*'
  if (token === '') throw new SettingsError('TRUNK_TOKEN is needed: the secret that the backend opens the trunk with')
  if (address !== undefined && !isIPv4(address)) throw new SettingsError('MEDIA_ADDRESS is one IPv4 address, or left out')
  if (url !== undefined && !/^wss?:\/\/[^/]/.test(url)) throw new SettingsError('DIRECT_URL begins with ws:// or wss://, or is left out')
  return {
    token,
    host,
    port: portOf(env, 'PORT'),
    address,
    recordingsDir: env['RECORDINGS_DIR'],
    direct: {
      host: env['DIRECT_HOST'] ?? host,
      port: portOf(env, 'DIRECT_PORT'),
      url: url?.replace(/\/+$/, ''),
      origins: origins === '*' ? '*' : origins.split(',').map((origin) => origin.trim()).filter((origin) => origin !== '')
    },
    endsWithParent: env['EXIT_WITH_PARENT'] === '1'
  }
}

function portOf (env: Readonly<Record<string, string | undefined>>, name: string): number {
  const port = Number(env[name] ?? 0)
  if (!Number.isInteger(port) || port < 0 || port > 65_535) throw new SettingsError(`${name} is a number from 0 to 65535`)
  return port
}
