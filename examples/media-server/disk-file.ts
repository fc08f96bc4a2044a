import { open, type FileHandle } from 'node:fs/promises'

/** Bytes that may wait for the disk. */
export const MAX_WAITING_BYTES = 16 * 1024 * 1024

/**
 * A file that is written from its beginning to its end, in order, by somebody who does not wait. What goes wrong is said once,
 * and nothing is written after it.
 */
export class DiskFile {
  readonly #onError: (error: Error) => void
  readonly #opened: Promise<FileHandle | undefined>
  readonly #waiting: Uint8Array[] = []
  #path: string | null = null
  #waitingBytes = 0
  #writing: Promise<void> | undefined
  #error: Error | undefined
  #bytes = 0

  /** @param onError told at most once, and never within a call of this class */
  constructor (path: Promise<string>, onError: (error: Error) => void) {
    this.#onError = onError
    this.#opened = this.#open(path).catch((error: unknown) => this.#failed(error as Error))
  }

  /** Where it is, as soon as there is one. */
  get path (): string | null {
    return this.#path
  }

  /** How many bytes there are, waiting ones included. */
  get bytes (): number {
    return this.#bytes
  }

  /** Resolves when the file is there, or cannot be. Never rejects. */
  async opened (): Promise<void> {
    await this.#opened
  }

  append (bytes: Uint8Array): void {
    if (this.#error !== undefined) return
    this.#bytes += bytes.length
    this.#waitingBytes += bytes.length
    if (this.#waitingBytes > MAX_WAITING_BYTES) return this.#failed(new Error('the disk is too slow'))
    this.#waiting.push(bytes)
    this.#writing ??= this.#write().finally(() => { this.#writing = undefined })
  }

  /** Writes what has been appended, then over what is there already, and closes the file. @throws what went wrong first */
  async finish (patches: ReadonlyArray<{ readonly at: number, readonly bytes: Uint8Array }>): Promise<void> {
    await this.#writing
    const handle = await this.#opened
    try {
      for (const { at, bytes } of this.#error === undefined ? patches : []) await handle?.write(bytes, 0, bytes.length, at)
    } finally {
      await handle?.close()
    }
    if (this.#error !== undefined) throw this.#error
  }

  async #open (path: Promise<string>): Promise<FileHandle> {
    const there = await path
    const handle = await open(there, 'w', 0o600)
    this.#path = there
    return handle
  }

  async #write (): Promise<void> {
    try {
      const handle = await this.#opened
      while (this.#waiting.length > 0 && this.#error === undefined) {
        const all = Buffer.concat(this.#waiting.splice(0))
        this.#waitingBytes = 0
        await handle?.appendFile(all)
      }
    } catch (error) {
      this.#failed(error as Error)
    }
  }

  #failed (error: Error): undefined {
    this.#waiting.length = 0
    if (this.#error !== undefined) return
    this.#error = error
    queueMicrotask(() => { this.#onError(error) })
  }
}
