import { readFile, writeFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { OptionsSchema } from '../../lib/options.js'

/** The README's table of options, made from their schema: `node dist/test/docs/options-table.js` writes it. */

interface Property {
  description?: string
  default?: unknown
  properties?: Record<string, Property>
}

const BEGIN = '<!-- options -->\n'
const END = '<!-- /options -->'

/** From `dist/test/docs` as from `test/docs`. */
export const root = new URL(import.meta.url.includes('/dist/') ? '../../../' : '../../', import.meta.url)

function rows (properties: Record<string, Property>, prefix = ''): string[] {
  return Object.entries(properties).map(([name, { description = '', default: fallback }]) => {
    const shown = fallback === undefined ? '' : typeof fallback === 'object' && !Array.isArray(fallback) ? '' : `\`${JSON.stringify(fallback).replaceAll('"', "'")}\``
    return `| \`${prefix}${name}\` | ${shown} | ${description.replaceAll('|', '\\|')} |`
  })
}

export function optionsTable (): string {
  const properties = OptionsSchema.properties as Record<string, Property>
  return [
    '| option | default | |',
    '|---|---|---|',
    '| `mediaServer` | | `{ url, token, ca, headers, encoding, messageBytes, retry, apiUrl, apiToken, requestMs }`, or a driver. `token` is a string, or a function that is asked at each connection; `encoding` is `\'protobuf\'` or `\'json\'`; `retry` is `{ baseMs: 250, maxMs: 5000 }`. `apiUrl` is where its control API is, default `url` with http for ws and the path `/`; `apiToken`, default `token`, is asked for at each request; `requestMs` (10 000) is for a request, with its repetitions. |',
    '| `authenticate` | | `(request, credentials) => identity`, above. |',
    '| `hooks` | | Functions by name, above. |',
    ...rows(properties),
    ...rows(properties.limits?.properties ?? {}, 'limits.'),
    ...rows(properties.heartbeat?.properties ?? {}, 'heartbeat.'),
    ...rows(properties.resume?.properties ?? {}, 'resume.'),
    ...rows(properties.drain?.properties ?? {}, 'drain.'),
    ...rows(properties.token?.properties ?? {}, 'token.'),
    ''
  ].join('\n')
}

/** The README with the table of now. */
export function withTable (readme: string): string {
  const [before, rest = ''] = readme.split(BEGIN)
  return `${before}${BEGIN}${optionsTable()}${rest.slice(rest.indexOf(END))}`
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const readme = new URL('README.md', root)
  await writeFile(readme, withTable(await readFile(readme, 'utf8')))
}
