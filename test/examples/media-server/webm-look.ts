/** What a test wants to know of a WebM file (EBML, RFC 8794; Matroska, RFC 9559): no more is read of it. */
export interface WebmLook {
  durationMs: number
  codecs: string[]
  /** Of each track: how many frames, the times of the first and the last, and the longest between two, in milliseconds. */
  tracks: Array<{ frames: number, firstMs: number, lastMs: number, gapMs: number }>
  hasCues: boolean
}

const SEGMENT = 0x18538067
const INFO = 0x1549a966
const DURATION = 0x4489
const TRACKS = 0x1654ae6b
const TRACK_ENTRY = 0xae
const TRACK_NUMBER = 0xd7
const CODEC_ID = 0x86
const CLUSTER = 0x1f43b675
const CLUSTER_TIME = 0xe7
const SIMPLE_BLOCK = 0xa3
const CUES = 0x1c53bb6b
const MASTERS = new Set([SEGMENT, INFO, TRACKS, TRACK_ENTRY, CLUSTER])

export function lookAt (file: Buffer): WebmLook {
  const look: WebmLook = { durationMs: NaN, codecs: [], tracks: [], hasCues: false }
  let clusterMs = 0
  let number = 0
  for (const [id, body] of elements(file)) {
    switch (id) {
      case DURATION: look.durationMs = body.length === 4 ? body.readFloatBE() : body.readDoubleBE(); break
      case TRACK_NUMBER: number = uint(body); break
      case CODEC_ID:
        look.codecs[number - 1] = body.toString('latin1')
        look.tracks[number - 1] = { frames: 0, firstMs: NaN, lastMs: NaN, gapMs: 0 }
        break
      case CLUSTER_TIME: clusterMs = uint(body); break
      case SIMPLE_BLOCK: {
        const track = look.tracks[(body[0]! & 0x7f) - 1]!
        const ms = clusterMs + body.readInt16BE(1)
        if (track.frames++ === 0) track.firstMs = ms
        // What comes first only marks the beginning of the file.
        else if (track.frames > 2) track.gapMs = Math.max(track.gapMs, ms - track.lastMs)
        track.lastMs = ms
        break
      }
      case CUES: look.hasCues = true; break
    }
  }
  return look
}

/** All that is not made of others, in order; of a size that is not known there are only such as are. */
function * elements (bytes: Buffer): Generator<[number, Buffer]> {
  let at = 0
  while (at < bytes.length) {
    const idLength = Math.clz32(bytes[at]!) - 23
    const id = bytes.readUIntBE(at, idLength)
    at += idLength
    const sizeLength = Math.clz32(bytes[at]!) - 23
    let size = bytes[at]! & (0xff >> sizeLength)
    for (let i = 1; i < sizeLength; i++) size = size * 256 + bytes[at + i]!
    at += sizeLength
    if (MASTERS.has(id)) {
      if (id === INFO || id === TRACKS || id === TRACK_ENTRY) {
        yield * elements(bytes.subarray(at, at + size))
        at += size
      }
      // What is in a segment or a cluster comes next, whatever their sizes say.
      continue
    }
    yield [id, bytes.subarray(at, at + size)]
    at += size
  }
}

function uint (body: Buffer): number {
  return body.reduce((value, byte) => value * 256 + byte, 0)
}
