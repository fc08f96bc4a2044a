import Fastify from 'fastify'
import t from 'tap'
import trunkline from '../../plugins/trunkline.js'
import type { TrunklineOptions } from '../../plugins/trunkline.js'

const good = { mediaServer: { url: 'ws://127.0.0.1:1/trunk', token: 'x' }, authenticate: () => ({ roomId: 'r' }) }

/** Registers with these options beside the required ones; what they may be is the plugin's to say. */
async function register (options: object, base: object = good): Promise<void> {
  const app = Fastify()
  try {
    await app.register(trunkline, { ...base, ...options } as TrunklineOptions)
  } finally {
    await app.close()
  }
}

t.test('the required options are enough', async (t) => {
  await t.resolves(register({}))
})

t.test('nobody gets in by default', async (t) => {
  await t.rejects(register({}, { mediaServer: good.mediaServer }), { code: 'TRK_ERR_AUTHENTICATE_MISSING', message: /nobody gets in/ })
  await t.rejects(register({ authenticate: 'yes' }), { code: 'TRK_ERR_OPTION', message: /authenticate/ })
})

t.test('an unknown option is refused with the nearest that there is', async (t) => {
  const refused = async (options: object, message: RegExp): Promise<void> => {
    await t.rejects(register(options), { code: 'TRK_ERR_OPTION_UNKNOWN', message })
  }
  await refused({ pth: '/x' }, /'pth': did you mean 'path'\?/)
  await refused({ origin: ['x'] }, /did you mean 'origins'\?/)
  await refused({ Authenticate: 1 }, /did you mean 'authenticate'\?/)
  await refused({ limits: { messageByte: 1 } }, /'limits.messageByte': did you mean 'limits.messageBytes'\?/)
  await refused({ heartbeat: { clientsMs: 1 } }, /did you mean 'heartbeat.clientMs'\?/)
  await refused({ mediaServer: { url: 'ws://x', tokn: 'x' } }, /did you mean 'mediaServer.token'\?/)
  await refused({ somethingElseAltogether: 1 }, /there are path, mode/)
  await refused({ constructor: 1 }, /'constructor'/)
  await refused({ prefix: '/x' }, /child scope/)
  await t.rejects(register({ mediaSever: {} }, { authenticate: good.authenticate }), { code: 'TRK_ERR_OPTION_UNKNOWN', message: /did you mean 'mediaServer'\?/ })
})

t.test('a value that cannot be is refused with its name', async (t) => {
  const refused = async (options: object, message: RegExp): Promise<void> => {
    await t.rejects(register(options), { code: 'TRK_ERR_OPTION', message })
  }
  await refused({ path: 'signaling' }, /'path'/)
  await refused({ trunkDownMs: 0 }, /'trunkDownMs'/)
  await refused({ trunkHoldMs: 2 }, /'trunkHoldMs' must be 0 or 1/)
  await refused({ limits: { messageBytes: '1' } }, /'limits.messageBytes'/)
  await refused({ limits: null }, /'limits'/)
  await refused({ duplicate: 'both' }, /'duplicate' must be 'replace' or 'refuse'/)
  await refused({ dialects: [] }, /'dialects'/)
  await refused({ dialects: ['sip'] }, /must be 'trunkline', 'fishjam', 'janus', or \{ name, path \}/)
  await refused({ dialects: [{ name: 'fishjam' }] }, /must be 'trunkline', 'fishjam', 'janus', or|path' is required/)
  await refused({ origins: 'https://a.example' }, /'origins' must be '\*', or an array/)
  await refused({ origins: ['*'] }, /must be '\*' itself/)
  await refused({ origins: ['https://app.example/'] }, /write 'https:\/\/app.example'/)
  await refused({ origins: ['HTTPS://App.example'] }, /write 'https:\/\/app.example'/)
  await refused({ origins: ['app.example'] }, /write it with its scheme/)
  await refused({ origins: ['localhost:3000'] }, /write it with its scheme/)
  await refused({ origins: ['capacitor://localhost/'] }, /write 'capacitor:\/\/localhost'/)
  await refused({ origins: ['http://*.app.example'] }, /no patterns/)
  await t.resolves(register({ origins: ['https://app.example', 'http://localhost:5173', 'chrome-extension://abc', 'capacitor://localhost', 'null'], hooks: { onUplink: undefined } }))
  await refused({ namespace: 'a-b' }, /'namespace'/)
  await refused({ hooks: 'none' }, /'hooks'/)
  await refused({ mediaServer: undefined }, /'mediaServer'/)
  await refused({ mediaServer: {} }, /'mediaServer.url' is required/)
  await refused({ mediaServer: { url: 'http://x' } }, /'mediaServer.url'/)
  await refused({ mediaServer: { url: 'ws://x', token: 1 } }, /'mediaServer.token'/)
  await refused({ mediaServer: { url: 'ws://[bad' } }, /'mediaServer.url' must be a URL/)
  await refused({ mediaServer: { url: 'ws://x/#y' } }, /'mediaServer.url'/)
  await refused({ mediaServer: { url: 'ws://x', headers: { 'a b': 'c' } } }, /'mediaServer.headers' cannot be sent/)
  await refused({ mediaServer: { url: 'ws://x', encoding: 'xml' } }, /must be 'protobuf' or 'json'/)
  await refused({ limits: { messageBytes: () => 5 } }, /'limits.messageBytes' must be data, not a function/)
  await refused({ path: '/a?b' }, /neither query nor fragment/)
  await refused({ hooks: [] }, /'hooks'/)
  await refused({ clock: 3 }, /'clock'/)
})

t.test('hooks that there are not, or that are no functions', async (t) => {
  await t.rejects(register({ hooks: { onUplinks: () => {} } }), { code: 'TRK_ERR_HOOK_NAME', message: /did you mean 'onUplink'\?/ })
  await t.rejects(register({ hooks: { onUplink: 1 } }), { code: 'TRK_ERR_HOOK_FUNCTION' })
  const app = Fastify()
  t.teardown(() => app.close())
  await app.register(trunkline, good)
  t.throws(() => app.trunkline.addHook('authenticate' as 'onUplink', () => {}), { code: 'TRK_ERR_HOOK_NAME', message: /option of its own/ })
  t.throws(() => app.trunkline.addHook('x' as 'onUplink', () => {}), { code: 'TRK_ERR_HOOK_NAME', message: /the hooks are onPeerJoin/ })
})

t.test('two registrations need two namespaces, and two paths', async (t) => {
  const app = Fastify()
  t.teardown(() => app.close())
  await app.register(trunkline, good)
  await app.register(trunkline, { ...good, namespace: 'second', path: '/second', dialects: ['trunkline'] })
  t.ok(app.getDecorator<typeof app.trunkline>('second').addHook)
  await t.rejects(async () => await app.register(trunkline, good), { code: 'TRK_ERR_NAMESPACE_TAKEN', message: /namespace/ })
  const another = Fastify()
  t.teardown(() => another.close())
  await another.register(trunkline, good)
  await t.rejects(async () => await another.register(trunkline, { ...good, namespace: 'third', path: '/third' }), { code: 'TRK_ERR_ROUTE_TAKEN', message: /\/socket\/peer\/websocket.*'dialects'/ })
})
