import { createHmac, randomBytes, webcrypto } from 'node:crypto'
import { OptionError } from '../errors.js'

/** One that signs or verifies. */
export interface Key {
  /** Its name in the header of what it signs. */
  readonly kid: string
  readonly key: webcrypto.CryptoKey
}

/** Of HMAC-SHA256 a shorter secret would be the weakest part (RFC 7518, 3.2). */
const MIN_SECRET_BYTES = 32
const SECRET_WANTED = `must be a string or bytes, at least ${MIN_SECRET_BYTES} of them, or an array of such`

/** The first signs, and all verify, so that a secret can be replaced while tickets of the one before are about. */
export class Keys {
  readonly #secrets: Buffer[]
  /** Imported once: that costs as much as a signature. */
  #keys: Promise<Map<string, Key>> | null = null

  /** @throws OptionError */
  constructor (secret: unknown) {
    const given = secret === undefined ? [randomBytes(MIN_SECRET_BYTES)] : Array.isArray(secret) ? secret as unknown[] : [secret]
    if (given.length === 0) throw new OptionError('tickets.secret', SECRET_WANTED)
    this.#secrets = given.map(bytesOf)
  }

  async signing (): Promise<Key> {
    const [first] = (await this.#imported()).values()
    return first!
  }

  async named (kid: unknown): Promise<Key | undefined> {
    return typeof kid === 'string' ? (await this.#imported()).get(kid) : undefined
  }

  async #imported (): Promise<Map<string, Key>> {
    this.#keys ??= Promise.all(this.#secrets.map(imported)).then((keys) => new Map(keys.map((key) => [key.kid, key])))
    return await this.#keys
  }
}

/** @throws OptionError */
function bytesOf (secret: unknown): Buffer {
  if (typeof secret !== 'string' && !(secret instanceof Uint8Array)) throw new OptionError('tickets.secret', SECRET_WANTED)
  const bytes = Buffer.from(secret as string)
  if (bytes.length < MIN_SECRET_BYTES) throw new OptionError('tickets.secret', SECRET_WANTED)
  return bytes
}

async function imported (secret: Buffer): Promise<Key> {
  return {
    kid: createHmac('sha256', secret).update('trunkline ticket kid').digest('base64url').slice(0, 12),
    key: await webcrypto.subtle.importKey('raw', secret, { name: 'HMAC', hash: 'SHA-256' }, false, ['sign', 'verify'])
  }
}
