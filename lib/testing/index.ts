/** Test doubles for apps that use Trunkline, and for Trunkline itself: `trunkline/testing`. */
export { FakeClient, UpgradeRefused } from './fake-client.js'
export type { FakeClientOptions, ReceivedMessage } from './fake-client.js'
export { FakeMediaServer, FakeTrunk, fakeFrame } from './fake-media-server.js'
export type { FakeMediaServerOptions, OnOpen } from './fake-media-server.js'
export { Inbox } from './inbox.js'
export { ManualClock } from './manual-clock.js'
