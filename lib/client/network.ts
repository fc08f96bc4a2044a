import type { Network } from './options.js'

interface Target {
  addEventListener? (name: string, listener: () => void): void
  removeEventListener? (name: string, listener: () => void): void
}

interface Page extends Target {
  navigator?: { onLine?: boolean }
  document?: Target & { visibilityState?: string }
}

const page = globalThis as unknown as Page

/** What the page tells. Where there is none, the network is always there. */
export const pageNetwork: Network = {
  get online () {
    // Not every navigator has it, and one that does not know better says true.
    return page.navigator?.onLine !== false
  },

  watch ({ online, offline, visible }) {
    const seen = (): void => { if (page.document?.visibilityState === 'visible') visible() }
    const heard: Array<[Target | undefined, string, () => void]> = [
      [page, 'online', online], [page, 'offline', offline], [page.document, 'visibilitychange', seen]
    ]
    for (const [target, name, listener] of heard) target?.addEventListener?.(name, listener)
    return () => {
      for (const [target, name, listener] of heard) target?.removeEventListener?.(name, listener)
    }
  }
}
