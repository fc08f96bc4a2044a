/** Lets clients in that connect to this process themselves. */
export interface DirectDoor {
  /** @returns what the client shows, a secret, and where */
  admit (request: { readonly roomId: string, readonly peerId: string, readonly metadata: unknown, readonly dialect: 'trunkline' | 'fishjam' }): Promise<{ token: string, url: string }>
  /** What it was given is good for nothing any more; if it is here, it ends (4410). */
  remove (peerId: string, reason?: string): void
}
