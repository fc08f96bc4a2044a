interface Health {
  trunk: string
  trunks: number
  peers: number
  rooms: number
}

const EVERY_MS = 3_000
const TIMEOUT_MS = 2_500

/** Keeps a line up to date with what the backend says of itself. Returns what stops it. */
export function watchHealth (line: HTMLElement, text: HTMLElement): () => void {
  let timer: ReturnType<typeof setTimeout>
  let stopped = false
  const look = async (): Promise<void> => {
    const health = await ask()
    if (stopped) return
    line.dataset.trunk = health?.trunk ?? 'unreachable'
    text.textContent = health === null ? 'The backend does not answer' : describe(health)
    timer = setTimeout(look, EVERY_MS)
  }
  void look()
  return () => {
    stopped = true
    clearTimeout(timer)
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

function describe ({ trunk, peers, rooms }: Health): string {
  return `Trunk ${trunk} · ${count(peers, 'peer')} in ${count(rooms, 'room')}`
}

function count (number: number, noun: string): string {
  return `${number} ${noun}${number === 1 ? '' : 's'}`
}
