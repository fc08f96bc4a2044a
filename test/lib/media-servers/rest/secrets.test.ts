import { inspect } from 'node:util'
import t from 'tap'
import { answerAll, asking, thrownBy } from './asking.js'
import { TOKEN, startControl } from './support.js'

t.test('a token that is asked for is asked for anew at each request, and once', async (t) => {
  let n = 0
  const { server, control } = await startControl(t, { token: async () => `token-${n++}`, respond: () => ({ status: 503 }) })
  await thrownBy(control.getRoom('r'))
  await thrownBy(control.createRoom({ roomId: 'r' }))
  t.same(server.requests.map(({ headers }) => headers.authorization), ['Bearer token-0', 'Bearer token-0', 'Bearer token-0', 'Bearer token-1'])
})

t.test('without one there is no header', async (t) => {
  const { server, control } = await startControl(t, { token: () => '' })
  t.match(await thrownBy(control.getRoom('r')), { code: 'TRK_ERR_CONTROL_UNAUTHORIZED' })
  t.notOk('authorization' in server.requests[0]!.headers)
})

t.test('one that cannot be had, or sent, is said to be none, and not what it is', async (t) => {
  const { server } = await startControl(t)
  for (const [token, said] of [
    [() => { throw new TypeError(TOKEN) }, /thrown a TypeError/],
    [async () => await Promise.reject(new Error(TOKEN)), /thrown a Error/],
    [async () => await Promise.reject(TOKEN), /thrown a string/],
    [() => undefined, /answered a undefined/],
    [() => `${TOKEN}\r\nx: y`, /characters that no header may have/],
    [() => `${TOKEN}🎥`, /characters that no header may have/]
  ] as Array<[() => string, RegExp]>) {
    const { control } = await startControl(t, { url: server.url, token })
    const error = await thrownBy(control.getRoom('r'))
    t.match(error, { code: 'TRK_ERR_CONTROL_UNAUTHORIZED', message: said })
    t.notMatch(inspect(error, { depth: 9, showHidden: true }), TOKEN)
  }
  t.same(server.requests, [])
})

t.test('neither errors nor the log ever hold it, even where the media server says it back', async (t) => {
  const { server, control, lines } = await startControl(t)
  for (const [asked, ask] of Object.entries(asking)) {
    for (const fault of [
      ...[400, 401, 404, 409, 500, 503].map((status) => ({ status, headers: { 'x-said': TOKEN }, body: { errors: `room ${TOKEN} ${'x'.repeat(176)}${TOKEN}`, message: TOKEN } })),
      { status: 302, headers: { location: `/?token=${TOKEN}` } }, { status: 200, body: `<b>${TOKEN}</b>` }, { status: 200, body: { data: TOKEN } }, 'reset' as const, 'half' as const
    ]) {
      answerAll(server, asked, fault)
      const error = await thrownBy(ask(control))
      if (error !== null) t.notMatch(inspect(error, { depth: 9, showHidden: true }), TOKEN.slice(0, 7), `${asked} ${error.message}`)
    }
  }
  t.ok(lines.length > 0)
  t.notMatch(lines.join('\n'), TOKEN)
})
