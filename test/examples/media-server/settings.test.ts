import t from 'tap'
import { readSettings, SettingsError } from '../../../examples/media-server/settings.js'

const TRUNK_TOKEN = 'secret'

t.test('what is not said has a default', async (t) => {
  t.same(readSettings({ TRUNK_TOKEN }), {
    token: 'secret',
    host: '127.0.0.1',
    port: 0,
    address: undefined,
    recordingsDir: undefined,
    direct: { host: '127.0.0.1', port: 0, url: undefined, origins: '*' },
    endsWithParent: false
  })
  t.equal(readSettings({ TRUNK_TOKEN, HOST: '0.0.0.0' }).direct.host, '0.0.0.0')
})

t.test('what is said of direct clients', async (t) => {
  const { direct } = readSettings({
    TRUNK_TOKEN, HOST: '127.0.0.2', DIRECT_HOST: '0.0.0.0', DIRECT_PORT: '5003', DIRECT_URL: 'wss://media.example/', DIRECT_ORIGINS: 'https://a.example, https://b.example'
  })
  t.same(direct, { host: '0.0.0.0', port: 5003, url: 'wss://media.example', origins: ['https://a.example', 'https://b.example'] })
})

t.test('what cannot be is said', async (t) => {
  const bad = [
    {}, { TRUNK_TOKEN: '' }, { TRUNK_TOKEN, PORT: 'x' }, { TRUNK_TOKEN, PORT: '65536' }, { TRUNK_TOKEN, DIRECT_PORT: '-1' }, { TRUNK_TOKEN, MEDIA_ADDRESS: '::1' },
    { TRUNK_TOKEN, DIRECT_URL: 'https://a.example' }
  ]
  for (const env of bad) t.throws(() => readSettings(env), SettingsError, JSON.stringify(env))
})
