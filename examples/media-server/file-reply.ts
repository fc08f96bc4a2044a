import { createReadStream } from 'node:fs'
import { stat } from 'node:fs/promises'
import type { FastifyReply } from 'fastify'
import { ControlError } from './control.js'

/** Bytes of a file, from the first to the last. */
interface Part {
  readonly start: number
  readonly end: number
}

/**
 * What a `Range` asks for (RFC 9110, 14.2): 'whole' where there is none, or one that need not be heeded; 'none' where the file has
 * nothing of it.
 */
export function partOf (range: string | undefined, size: number): Part | 'whole' | 'none' {
  const [, from = '', to = ''] = /^bytes=(\d{0,15})-(\d{0,15})$/.exec(range ?? '') ?? []
  if (from === '' && to === '') return 'whole'
  const part = from === '' ? { start: Math.max(0, size - Number(to)), end: size - 1 } : { start: Number(from), end: Math.min(to === '' ? Infinity : Number(to), size - 1) }
  if (from !== '' && to !== '' && Number(to) < Number(from)) return 'whole'
  return part.start > part.end ? 'none' : part
}

/** Answers with a file, or the part of it that a `Range` asks for. */
export async function sendFile (reply: FastifyReply, path: string, range: string | undefined): Promise<FastifyReply> {
  const { size } = await stat(path).catch(() => { throw new ControlError(404, 'file not found') })
  const part = partOf(range, size)
  reply.header('accept-ranges', 'bytes').header('content-type', 'video/webm').header('x-content-type-options', 'nosniff')
  if (part === 'none') return await reply.code(416).header('content-type', 'application/json').header('content-range', `bytes */${size}`).send({ errors: 'the file has nothing of that range' })
  const { start, end } = part === 'whole' ? { start: 0, end: size - 1 } : part
  if (part !== 'whole') reply.code(206).header('content-range', `bytes ${start}-${end}/${size}`)
  reply.header('content-length', end - start + 1)
  return await reply.send(size === 0 ? '' : createReadStream(path, { start, end }))
}
