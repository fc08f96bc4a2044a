import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

/** The path of a source file that the compiler does not copy to `dist/`, from where this runs. */
export function sourceOf (path: string): string {
  for (let folder = new URL('.', import.meta.url); ; folder = new URL('..', folder)) {
    const file = new URL(path, folder)
    if (existsSync(file)) return fileURLToPath(file)
    if (folder.pathname === '/') throw new Error(`${path} is not above ${import.meta.url}`)
  }
}
