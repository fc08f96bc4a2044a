import { readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { saturatedRuns } from './compared.js'
import { writePlots } from './plots/write.js'
import type { Run } from './scenarios.js'
import { costsOf, figuresOf, withFigures } from './scale/page.js'

/** `npm run bench -- docs FILE [DIR]`: the plots and the figures of the papers, from what a run of all parts has left with `--json`. */

const [file, dir = 'docs'] = process.argv.slice(3)
if (file === undefined) {
  console.error('usage: npm run bench -- docs FILE [DIR]\n\n  FILE  what a run has left with --json\n  DIR   where the papers are; docs')
  process.exit(2)
}

interface Left {
  node?: string
  date?: string
  runs: object[]
}

const { runs, node = process.version, date = statSync(file).mtime.toISOString().slice(0, 10) } = JSON.parse(readFileSync(file, 'utf8')) as Left
const source = `npm run bench, Node ${node}, ${date}`
// The same runs as in the table.
for (const written of await writePlots<Run>(runs, dir, { source, kept: (all) => saturatedRuns(all).kept })) console.log(written)
const page = join(dir, 'scale.md')
writeFileSync(page, withFigures(readFileSync(page, 'utf8'), figuresOf(costsOf(runs), source)))
console.log(page)
