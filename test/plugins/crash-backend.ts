import process from 'node:process'
import Fastify from 'fastify'
import trunkline from '../../plugins/trunkline.js'
import { authenticate } from '../support.js'

/** A backend that is to be killed: its parent hears what `onRecording` is told, and decides what becomes of it. */

/** To the parent: what the hook was told, and when it has dealt with that. */
export type Said = { told: { id: string, recordingId: string, revision: number, status: string } } | { dealt: string }

const { URL: url = '', TOKEN: token = '', HOOK: hook = '' } = process.env
const say = (said: Said): void => { process.send?.(said) }

const app = Fastify()
await app.register(trunkline, {
  mediaServer: { url, token },
  authenticate,
  hooks: {
    onRecording: async ({ id, recordingId, revision, status }) => {
      const told = new Promise<void>((resolve) => { process.once('message', () => resolve()) })
      say({ told: { id, recordingId, revision, status } })
      if (hook === 'fails') throw new Error('no database')
      // Until the parent says so.
      await told
      say({ dealt: id })
    }
  }
})
process.once('disconnect', () => { process.exit() })
await app.ready()
