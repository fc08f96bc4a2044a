import { hueOf, initialsOf } from './names.js'

const WIDTH = 640
const HEIGHT = 360
const FRAMES_PER_SECOND = 10

/** A live video track without a camera: somebody's initials on a slowly turning ring. */
export function drawPicture (name: string): { track: MediaStreamTrack, stop (): void } {
  const canvas = document.createElement('canvas')
  canvas.width = WIDTH
  canvas.height = HEIGHT
  const context = canvas.getContext('2d')
  if (context === null) throw new Error('this browser cannot draw')
  const hue = hueOf(name)
  const initials = initialsOf(name)

  const draw = (): void => {
    const turn = performance.now() / 2_000
    context.fillStyle = `hsl(${hue} 35% 20%)`
    context.fillRect(0, 0, WIDTH, HEIGHT)
    context.lineWidth = 10
    context.strokeStyle = `hsl(${hue} 45% 36%)`
    ring(context, 0, 2 * Math.PI)
    context.strokeStyle = `hsl(${hue} 75% 68%)`
    ring(context, turn, turn + 1.2)
    context.fillStyle = '#fff'
    context.font = '600 92px system-ui, sans-serif'
    context.textAlign = 'center'
    context.textBaseline = 'middle'
    context.fillText(initials, WIDTH / 2, HEIGHT / 2 + 6)
  }
  draw()
  // Not by animation frames: those stop while the page is in the background.
  const timer = setInterval(draw, 1_000 / FRAMES_PER_SECOND)
  const [track] = canvas.captureStream(FRAMES_PER_SECOND).getVideoTracks()
  if (track === undefined) throw new Error('this browser cannot send a drawing')
  return {
    track,
    stop () {
      clearInterval(timer)
      track.stop()
    }
  }
}

function ring (context: CanvasRenderingContext2D, from: number, to: number): void {
  context.beginPath()
  context.arc(WIDTH / 2, HEIGHT / 2, 118, from, to)
  context.stroke()
}
