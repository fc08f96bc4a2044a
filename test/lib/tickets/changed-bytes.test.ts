import { createHmac } from 'node:crypto'
import t from 'tap'
import { LIFE_MS, SECRET, issueAll, office, showAll, shown } from './support.js'

/** Tickets of which each byte is changed. */
const WHOLLY_CHANGED = 40

const CHARACTERS = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_'

t.test('no byte of a ticket can be changed: each one of some, some of all', async (t) => {
  const one = office({ lifeMs: LIFE_MS })
  const issued = await issueAll(one)
  const accepted: string[] = []
  let tried = 0
  const tryIt = async (token: string): Promise<void> => {
    tried++
    if (typeof await shown(one, token) !== 'string') accepted.push(token)
  }
  const changed = (token: string, at: number, character: string): string => token.slice(0, at) + character + token.slice(at + 1)
  await showAll([...issued.entries()], async ([i, { token }]) => {
    if (i < WHOLLY_CHANGED) for (let at = 0; at < token.length; at++) await tryIt(changed(token, at, token[at] === 'A' ? 'B' : 'A'))
    const at = (i * 7919) % token.length
    const character = CHARACTERS[(CHARACTERS.indexOf(token[at]!) + 1 + i % 63) % 64]!
    if (character !== token[at]) await tryIt(changed(token, at, character))
    // The last characters of a part have spare bits.
    for (const end of [token.indexOf('.') - 1, token.lastIndexOf('.') - 1, token.length - 1]) {
      await tryIt(changed(token, end, CHARACTERS[CHARACTERS.indexOf(token[end]!) ^ 1]!))
    }
  })
  t.comment(`${tried} changed tickets`)
  t.equal(accepted.length, 0)
  // What was changed above is good as it is.
  t.match(await shown(one, issued[0]!.token), { peerId: 'peer-0' })
  // And an independent implementation signs alike.
  const [head, body, signature] = issued[0]!.token.split('.')
  t.equal(createHmac('sha256', SECRET).update(`${head}.${body}`).digest('base64url'), signature)
})
