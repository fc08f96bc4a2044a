import { relayBare } from './bare.js'

/** As little as there can be: what belongs together is written at once, as Trunkline does. */
relayBare({ corks: true })
