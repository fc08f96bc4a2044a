/** Listens on this port, or on any other if somebody has got it since its last owner died: the caller says which it became. */
export async function listenAgain (port: number, listen: (port: number) => Promise<unknown>): Promise<void> {
  try {
    await listen(port)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EADDRINUSE' || port === 0) throw error
    await listen(0)
  }
}
