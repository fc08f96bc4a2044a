/** One or two letters for somebody who is not to be seen. */
export function initialsOf (name: string): string {
  const words = name.trim().split(/\s+/)
  const [first = '', last = ''] = [words[0], words.length > 1 ? words.at(-1) : '']
  const letters = [first, last].map((word) => [...word][0] ?? '').join('')
  return letters.toLocaleUpperCase() || '?'
}

/** The same colour for the same name, on every screen. */
export function hueOf (name: string): number {
  let hash = 0
  for (const character of name) hash = (hash * 31 + (character.codePointAt(0) ?? 0)) % 360
  return hash
}
