import process from 'node:process'
import t from 'tap'
import { Emitter } from '../../../lib/client/emitter.js'
import { pageNetwork } from '../../../lib/client/network.js'
import { follow } from '../../../lib/client/states.js'
import { admit, joinedMemoryLink, memoryLink } from './memory-socket.js'

t.test('listeners are put on and taken off', async (t) => {
  const { link, socket } = joinedMemoryLink(t)
  const heard: string[] = []
  const listener = (event: string | Uint8Array): void => { heard.push(`a ${String(event)}`) }
  const off = link.on('mediaEvent', listener)
  const offToo = link.on('mediaEvent', (event) => heard.push(`b ${String(event)}`))
  socket.brings('1')
  off()
  socket.brings('2')
  link.on('mediaEvent', listener)
  link.off('mediaEvent', listener)
  link.off('mediaEvent', () => {})
  socket.brings('3')
  offToo()
  socket.brings('4')
  t.same(heard, ['a 1', 'b 1', 'b 2', 'b 3'])
})

t.test('one that is taken off, or put on, while they are told', async (t) => {
  const emitter = new Emitter<{ beat: [n: number] }>()
  const heard: string[] = []
  emitter.on('beat', (n) => {
    heard.push(`a${n}`)
    off()
    if (n === 1) emitter.on('beat', (n) => heard.push(`c${n}`))
  })
  const off = emitter.on('beat', (n) => heard.push(`b${n}`))
  emitter.after(() => emitter.emit('beat', 1))
  t.same(heard, ['a1'])
  emitter.after(() => emitter.emit('beat', 2))
  t.same(heard, ['a1', 'a2', 'c2'])
})

t.test('what a listener brings about is told after what it was told', async (t) => {
  const emitter = new Emitter<{ beat: [n: number] }>()
  const heard: string[] = []
  emitter.on('beat', (n) => { if (n === 1) emitter.after(() => emitter.emit('beat', 2)) })
  emitter.on('beat', (n) => heard.push(`${n}`))
  emitter.after(() => {
    emitter.after(() => emitter.emit('beat', 1))
    t.same(heard, [], 'not before the step is done')
  })
  t.same(heard, ['1', '2'])
})

t.test('a step that throws does not stop the next', async (t) => {
  const emitter = new Emitter<{ beat: [n: number] }>()
  const heard: number[] = []
  emitter.on('beat', (n) => heard.push(n))
  t.throws(() => emitter.after(() => { throw new Error('step') }), { message: 'step' })
  emitter.after(() => emitter.emit('beat', 1))
  t.same(heard, [1])
})

t.test('a listener that throws does so outside, and the link goes on', async (t) => {
  const { link, sockets } = memoryLink(t)
  const thrown = new Promise((resolve) => {
    // tap would take it for a failure of the test.
    const others = process.listeners('uncaughtException')
    process.removeAllListeners('uncaughtException')
    process.once('uncaughtException', (error) => {
      for (const other of others) process.on('uncaughtException', other)
      resolve(error)
    })
  })
  link.on('joined', () => { throw new Error('of the app') })
  let others = 0
  link.on('joined', () => others++)
  link.join()
  admit(sockets[0])
  t.equal(link.state, 'joined')
  t.equal(others, 1)
  t.match(await thrown, { message: 'of the app' })
})

t.test('a transition that is none throws', async (t) => {
  const legal = ['idle initializing', 'initializing joined', 'initializing failed', 'joined leaved', 'joined reinitializing',
    'joined waitingNetwork', 'joined failed', 'leaved initializing', 'waitingNetwork reinitializing', 'reinitializing joined', 'reinitializing failed']
  const states = ['idle', 'initializing', 'joined', 'leaved', 'reinitializing', 'waitingNetwork', 'failed'] as const
  for (const state of states) {
    for (const next of states) {
      if (legal.includes(`${state} ${next}`)) t.equal(follow(state, next), next)
      else t.throws(() => follow(state, next), { message: `a link that is ${state} cannot become ${next}` })
    }
  }
})

t.test('the network of a page', async (t) => {
  const page = globalThis as unknown as Record<string, unknown>
  const told: string[] = []
  const observer = { online: () => told.push('online'), offline: () => told.push('offline'), visible: () => told.push('visible') }
  t.equal(pageNetwork.online, true, 'where there is no page, it is always there')
  pageNetwork.watch(observer)()

  const window = new EventTarget()
  const document = Object.assign(new EventTarget(), { visibilityState: 'visible' })
  const before = Object.getOwnPropertyDescriptor(globalThis, 'navigator')
  t.teardown(() => {
    for (const name of ['document', 'addEventListener', 'removeEventListener', 'navigator']) delete page[name]
    if (before !== undefined) Object.defineProperty(globalThis, 'navigator', before)
  })
  page.document = document
  page.addEventListener = window.addEventListener.bind(window)
  page.removeEventListener = window.removeEventListener.bind(window)
  const navigator: { onLine?: boolean } = {}
  Object.defineProperty(globalThis, 'navigator', { value: navigator, configurable: true })
  t.equal(pageNetwork.online, true)
  navigator.onLine = false
  t.equal(pageNetwork.online, false)
  navigator.onLine = true
  t.equal(pageNetwork.online, true)
  const stop = pageNetwork.watch(observer)
  const all = (): void => {
    window.dispatchEvent(new Event('offline'))
    window.dispatchEvent(new Event('online'))
    document.dispatchEvent(new Event('visibilitychange'))
    document.visibilityState = 'hidden'
    document.dispatchEvent(new Event('visibilitychange'))
  }
  all()
  t.same(told, ['offline', 'online', 'visible'])
  stop()
  document.visibilityState = 'visible'
  all()
  t.equal(told.length, 3)
})
