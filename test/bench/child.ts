/** The side of a benchmark process that answers its parent. */

// Whatever this process is doing: it ends with its parent, also with one that was killed.
process.on('disconnect', () => process.exit(0))

/** Answers by the name of the question. A promise is waited for. */
export type Answers = Record<string, () => unknown>

/** What every process can say of itself. */
const STANDING: Answers = { peakRssMb: () => process.resourceUsage().maxRSS / 1024 }

/** Says to the parent that this process is ready, and answers its questions from then on. */
export function serve (ready: Record<string, unknown>, answers: Answers = {}): void {
  process.on('message', (question: string) => {
    const answer = answers[question] ?? STANDING[question]
    if (answer === undefined) throw new Error(`nobody here can answer '${question}'`)
    Promise.resolve(answer()).then(
      (value) => process.send?.(value ?? null),
      (error: unknown) => { throw error }
    )
  })
  process.send?.(ready)
}

/** The argument that the parent gave. */
export function given<T> (): T {
  return JSON.parse(process.argv[2] ?? 'null') as T
}

/** Where this process was told to connect to. */
export interface Upstream {
  port: number
}
