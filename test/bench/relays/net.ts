import { relayBare } from './bare.js'

/** Each event to a client is written as it comes. */
relayBare({ corks: false })
