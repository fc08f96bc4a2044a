import { fork } from 'node:child_process'
import { once } from 'node:events'
import process from 'node:process'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import type { Test } from 'tap'
import { Inbox } from '../../lib/testing/index.js'
import { until } from '../e2e/support/until.js'
import { startEndpoint } from '../endpoint-server.js'
import type { EndpointServer } from '../endpoint-server.js'
import type { Said } from './crash-backend.js'

const SCRIPT = fileURLToPath(new URL('./crash-backend.js', import.meta.url))

interface Backend {
  told (): Promise<Extract<Said, { told: unknown }>['told']>
  /** The hook that is running may end; resolves when it has. */
  deal (): Promise<void>
  /** SIGKILL. */
  kill (): Promise<void>
}

/** A process of its own, whose hook fails, or runs until it may end. */
async function startBackend (t: Test, { options: { url, token } }: EndpointServer, hook: 'fails' | 'runs'): Promise<Backend> {
  const child = fork(SCRIPT, { env: { ...process.env, URL: url, TOKEN: token, HOOK: hook } })
  const exited = once(child, 'exit')
  const said = new Inbox<Said>()
  child.on('message', (message) => said.push(message as Said))
  void exited.then(() => said.end(new Error('the backend has ended')))
  const kill = async (): Promise<void> => {
    child.kill('SIGKILL')
    await exited
  }
  t.teardown(kill)
  return {
    async told () {
      const { told } = await said.take((each) => 'told' in each) as Extract<Said, { told: unknown }>
      return told
    },
    async deal () {
      child.send('deal')
      await said.take((each) => 'dealt' in each)
    },
    kill
  }
}

for (const hook of ['runs', 'fails'] as const) {
  t.test(`a process is killed whose hook ${hook}: the next one is told the same, and then nobody`, async (t) => {
    const server = await startEndpoint(t)
    const { endpoint } = server
    const changes = (['active', 'finished', 'available'] as const).map((status, i) => {
      const recording = { recordingId: 'file', status, revision: i + 1 }
      return { ...recording, id: endpoint.notify({ type: 'recording', roomId: 'room', recording }) }
    })
    const kept = (): number => endpoint.stats().notifications

    const first = await startBackend(t, server, hook)
    t.same(await first.told(), changes[0])
    t.equal(kept(), 3, 'nothing is done')
    await first.kill()
    t.equal(kept(), 3)

    const second = await startBackend(t, server, 'runs')
    t.same(await second.told(), changes[0], 'the same, by the same id')
    t.equal(kept(), 3, 'nor while the hook runs')
    await second.deal()
    await until('the first is done', () => kept() === 2)
    t.same(await second.told(), changes[1])
    await second.kill()
    t.equal(kept(), 2, 'what was dealt with is done, and no more than that')

    const third = await startBackend(t, server, 'runs')
    for (const change of changes.slice(1)) {
      t.same(await third.told(), change)
      await third.deal()
    }
    await until('all is done', () => kept() === 0)
    await third.kill()

    const fourth = await startBackend(t, server, 'runs')
    const recording = { recordingId: 'another', status: 'active' as const, revision: 1 }
    const id = endpoint.notify({ type: 'recording', roomId: 'room', recording })
    t.same(await fourth.told(), { ...recording, id }, 'whoever comes now hears only what is new')
    await fourth.deal()
    await until('that is done too', () => kept() === 0)
  })
}
