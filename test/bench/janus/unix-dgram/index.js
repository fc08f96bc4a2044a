export function createSocket () {
  throw new Error('there are no datagram sockets here: Janus is spoken to over WebSocket')
}
