/**
 * What an app can have done at a media server, beside what goes over the trunk: the part of a driver behind `app.trunkline.rooms`,
 * `addPeer` and the rest. Every driver rejects with the same errors (`lib/errors.ts`), so that the app need not know which it is;
 * `controlChecks` of `trunkline/testing` tries whether one does.
 */
export interface MediaServerControl {
  /** @throws RoomExistsError */
  createRoom (request: RoomRequest): Promise<Room>
  /** @throws RoomNotFoundError */
  getRoom (roomId: string): Promise<Room>
  /** In no order. */
  listRooms (): Promise<Room[]>
  /**
   * Ends everybody in it, and what is recorded of it.
   * @throws RoomNotFoundError
   */
  deleteRoom (roomId: string): Promise<void>
  /**
   * Ends a peer, attached over the trunk or connected directly.
   * @throws RoomNotFoundError
   * @throws PeerNotFoundError
   */
  removePeer (roomId: string, peerId: string): Promise<void>
  /**
   * Lets a client in that is to connect to the media server itself. None: it takes no such clients.
   * @throws RoomNotFoundError
   * @throws RoomFullError
   * @throws RoomModeError clients are in the room that are relayed
   */
  addPeer? (request: PeerRequest): Promise<Admittance>
  /**
   * In a room with `subscribeMode: 'manual'`, has a peer get what these others publish, beside what it gets already. None: its clients
   * choose themselves.
   * @throws RoomNotFoundError
   * @throws PeerNotFoundError
   */
  subscribe? (roomId: string, peerId: string, origins: string[]): Promise<void>
  /**
   * Has everybody in a room recorded, also who comes later. Harmless when it is already. Answers what is being recorded now; what becomes
   * of it is told by the observer. None: the media server decides itself what is recorded.
   * @throws RoomNotFoundError
   * @throws RecordingFailedError
   */
  startRecording? (roomId: string): Promise<Recording[]>
  /**
   * Ends that; harmless when it is not recorded. Answers what was recorded until now, as far as is known.
   * @throws RoomNotFoundError
   */
  stopRecording? (roomId: string): Promise<Recording[]>
}

/** A recording, as the media server last told of it. */
export interface Recording {
  recordingId: string
  roomId: string
  /** Whom alone it shows. Absent: several, or the media server does not say. */
  peerId?: string
  status: 'active' | 'finished' | 'available' | 'failed'
  /** Grows with each change. */
  revision: number
  startedAt: Date | null
  file: string | null
  durationMs: number | null
  error: string | null
}

export interface RoomRequest {
  roomId: string
  /** Beyond, peers are refused. Absent: as many as the media server takes. */
  maxPeers?: number | undefined
  /** Whether everybody gets what all others publish (`auto`), or what `subscribe` has said. Absent: `auto`. */
  subscribeMode?: 'auto' | 'manual' | undefined
}

/** A room, as the media server has it. */
export interface Room {
  id: string
  /** Null: the media server does not say. */
  maxPeers: number | null
  /** Whether whoever publishes is recorded. */
  isRecorded: boolean
  peers: RoomPeer[]
}

export interface RoomPeer {
  /** The peer's id, or for clients that the backend knows nothing of what the media server calls them. */
  id: string
  /** `disconnected`: it was added, or is expected back. */
  status: 'connected' | 'disconnected'
  /** What `authenticate` or `addPeer` said of it; null where the media server does not tell. */
  metadata: unknown
}

export interface PeerRequest {
  roomId: string
  peerId: string
  metadata: unknown
  /** Which kind of client it is: a dialect's name. */
  dialect: string
}

/** With which a client connects, to the backend or to the media server. */
export interface Admittance {
  peerId: string
  /** Where: for `Link` of `trunkline/client`, or the client of the dialect that was asked for. */
  url: string
  /** A secret. */
  token: string
}
