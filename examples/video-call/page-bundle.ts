import { existsSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'

/** A file of the page, as it is sent. */
export interface Asset {
  path: string
  type: string
  body: string
}

/** The page of an example: its source is bundled when the app starts, and kept in memory. */
export async function bundlePage (example = 'video-call'): Promise<Asset[]> {
  const folder = fileURLToPath(findSource(example))
  const [html, { outputFiles }] = await Promise.all([
    readFile(`${folder}index.html`, 'utf8'),
    build({
      absWorkingDir: folder,
      entryPoints: ['main.ts', 'style.css'],
      outdir: 'out',
      write: false,
      bundle: true,
      minify: true,
      format: 'esm',
      target: 'es2022',
      logLevel: 'silent'
    })
  ])
  return [
    { path: '/', type: 'text/html; charset=utf-8', body: html },
    ...outputFiles.map(({ path, text }) => path.endsWith('.css')
      ? { path: '/style.css', type: 'text/css; charset=utf-8', body: text }
      : { path: '/main.js', type: 'text/javascript; charset=utf-8', body: text })
  ]
}

/** This file runs from `dist/`, where the page's source is not: it is somewhere above. */
function findSource (example: string): URL {
  for (let folder = new URL('.', import.meta.url); ; folder = new URL('..', folder)) {
    const source = new URL(`examples/${example}/page/`, folder)
    if (existsSync(new URL('index.html', source))) return source
    if (folder.pathname === '/') throw new Error("the page's source is not there: this example runs from a checkout of the repository")
  }
}
