import { gzipSync } from 'node:zlib'
import { build } from 'esbuild'
import { fileURLToPath } from 'node:url'
import t from 'tap'

/** Bytes, gzipped: what a page pays for it. */
const BUDGET = 6144

t.test('for a page it is small, and needs nothing of Node', async (t) => {
  // What does not exist in a browser, or lies outside of this package, fails the build.
  const { outputFiles, metafile } = await build({
    entryPoints: [fileURLToPath(new URL('../../../lib/client/index.js', import.meta.url))],
    bundle: true,
    minify: true,
    format: 'esm',
    platform: 'browser',
    target: 'es2022',
    write: false,
    metafile: true,
    logLevel: 'silent'
  })
  const script = outputFiles[0]!
  const bytes = gzipSync(script.contents, { level: 9 }).length
  t.comment(`${script.contents.length} bytes, ${bytes} gzipped`)
  t.ok(bytes < BUDGET, `${bytes} bytes`)
  const inputs = Object.keys(metafile.inputs)
  t.ok(inputs.length > 10)
  t.ok(inputs.every((path) => path.includes('lib/') && !path.includes('node_modules')), inputs.join())
  t.same(Object.values(metafile.inputs).flatMap(({ imports }) => imports).filter(({ external }) => external), [])
  for (const word of ['node:', 'Buffer', 'process.', 'require(', 'setImmediate']) t.notOk(script.text.includes(word), word)
})
