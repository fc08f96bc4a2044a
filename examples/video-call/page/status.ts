import type { Mode } from './admission.js'

interface Health {
  trunk: string
  /** Those that come by way of the backend: it knows of no others. */
  peers: number
}

const EVERY_MS = 3_000
const TIMEOUT_MS = 2_500

/** What keeps the status line up to date. */
export interface HealthWatch {
  /** Looks at once: something has changed that it may show. */
  look (): void
  stop (): void
}

/** Keeps a line up to date with what the backend says of itself. */
export function watchHealth (line: HTMLElement, text: HTMLElement, mode: Mode): HealthWatch {
  let timer: ReturnType<typeof setTimeout>
  let latest = 0
  const look = async (): Promise<void> => {
    clearTimeout(timer)
    const asked = ++latest
    const health = await ask()
    // Another look has begun meanwhile, or the watch has ended.
    if (asked !== latest) return
    line.dataset.trunk = health?.trunk ?? 'unreachable'
    text.textContent = health === null ? 'The backend does not answer' : describe(health, mode)
    timer = setTimeout(() => { void look() }, EVERY_MS)
  }
  void look()
  return {
    look: () => { void look() },
    stop: () => {
      latest++
      clearTimeout(timer)
    }
  }
}

async function ask (): Promise<Health | null> {
  try {
    const response = await fetch('/health', { signal: AbortSignal.timeout(TIMEOUT_MS) })
    return response.ok ? await response.json() as Health : null
  } catch {
    return null
  }
}

function describe ({ trunk, peers }: Health, mode: Mode): string {
  if (mode === 'direct') return `Trunk ${trunk} · direct call`
  return `Trunk ${trunk} · ${peers} ${peers === 1 ? 'peer' : 'peers'}`
}
