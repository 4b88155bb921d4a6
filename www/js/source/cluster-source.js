// Where views take their data from: a snapshot, then events; and what can be done to a cluster. The live cluster
// (live.js) is one; a simulator of the same brokers will be another, with no change in the views.

/**
 * @typedef {import('../../sdk/model.js').Broker} Broker
 * @typedef {import('../../sdk/model.js').Partition} Partition
 * @typedef {import('../../sdk/model.js').Group} Group
 * @typedef {{ cut: boolean, delayMs: number, lossRatio: number }} LinkFaults of one direction
 * @typedef {{ type: string, broker: number | null, at: number, [field: string]: any }} ClusterEvent src/event.rs lists them;
 *   the page adds `workerState` and `linkChanged`, and without a broker `ownerGone`, `ownerChanged` and `ownerFailed`
 *
 * @typedef {object} Snapshot everything that is known, as of now; whoever asked may keep and change it
 * @property {Map<number, Broker>} brokers
 * @property {number | null} controller
 * @property {Map<string, Partition[]>} topics
 * @property {Map<string, Group>} groups
 * @property {Map<string, LinkFaults>} links by `from>to`; a direction without faults may be absent
 *
 * @typedef {object} ClusterSource
 * @property {string} name
 * @property {number[]} voters the brokers of the quorum
 * @property {any} cluster the SDK's cluster, for what only the live one has (export, import, sockets); else null
 * @property {(action: 'addBroker' | 'decommission') => boolean} can whether it knows how to
 * @property {'opening' | 'owner' | 'joined' | 'waiting' | 'closed'} role whether the brokers run in this tab, in another, or nowhere
 * @property {() => Promise<void>} takeOver makes them run in this one
 * @property {() => Snapshot} snapshot; a new one is due after the event `ownerChanged`
 * @property {(listener: (event: ClusterEvent) => void) => (() => void)} subscribe events from now on, in order; the first
 *   listener also gets, at once, what happened while the cluster opened
 * @property {(broker: number) => number} memoryBytes of its worker
 * @property {(id: number, options?: { silent?: boolean }) => Promise<void>} kill
 * @property {(id: number) => Promise<void>} stop
 * @property {(id: number) => Promise<void>} start
 * @property {() => Promise<number>} addBroker
 * @property {(id: number, options?: { signal?: AbortSignal }) => Promise<void>} decommission
 * @property {(from: number, to: number, faults: Partial<LinkFaults>) => void} setLink one direction
 * @property {(options: { topic: string, partition: number, offset?: number, maxBytes?: number, timeout?: number, signal?: AbortSignal })
 *   => Promise<{ bytes: Uint8Array, offset: number, logStart: number, highWatermark: number }>} fetchBatches as they are stored
 * @property {() => Promise<{ usage: number, quota: number, persisted: boolean }>} storage
 * @property {() => Promise<boolean>} persist
 * @property {import('../state/latency.js').Latency} latency of sends of the page's producers
 * @property {() => any} metrics what brokers count, by Kafka's names (sdk/index.d.ts: MetricsReport); null when it does not know
 * @property {(options?: object) => any} kafka a kafkajs-shaped client: topics, producers, consumers, groups
 * @property {() => { port: MessagePort, end: () => void }} lend a client for another worker: the SDK's lent.js
 * @property {() => Promise<void>} close
 */

export {}
