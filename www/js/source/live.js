// The live cluster, through the package.
import { createCluster } from '../../sdk/index.js'
import { Latency, timed } from '../state/latency.js'

/**
 * @typedef {import('./cluster-source.js').ClusterSource} ClusterSource
 * @param {import('../../sdk/index.js').ClusterOptions} options
 * @returns {Promise<ClusterSource>}
 */
export async function openLive (options) {
  return new LiveSource(await createCluster(options))
}

/** @implements {ClusterSource} */
class LiveSource {
  /** @param {any} cluster */
  constructor (cluster) {
    this.cluster = cluster
    this.name = cluster.name
    /** Of all producers that the page makes. */
    this.latency = new Latency()
  }

  get voters () {
    return [...this.cluster.model.brokers.values()].filter(({ roles }) => roles.includes('controller')).map(({ id }) => id)
  }

  can (action) { return typeof this.cluster[action] === 'function' }

  snapshot () {
    const { brokers, controller, topics, groups, links } = this.cluster.model
    return structuredClone({ brokers, controller, topics, groups, links })
  }

  get role () { return this.cluster.role }
  takeOver () { return this.cluster.takeOver() }

  subscribe (listener) { return this.cluster.on('event', listener) }

  memoryBytes (broker) { return this.cluster.brokers().find(({ id }) => id === broker)?.memoryBytes ?? 0 }

  kill (id, options) { return this.cluster.kill(id, options) }
  stop (id) { return this.cluster.stop(id) }
  start (id) { return this.cluster.start(id) }
  addBroker () { return this.cluster.addBroker() }
  decommission (id, options) { return this.cluster.decommission(id, options) }

  setLink (from, to, { cut = false, delayMs = 0, lossRatio = 0 }) {
    this.cluster.setLink(from, to, { cut, delayMs, lossRatio })
  }

  fetchBatches (options) { return this.cluster.fetchBatches(options) }
  storage () { return this.cluster.storage() }
  persist () { return this.cluster.persist() }
  metrics () { return this.can('metrics') ? this.cluster.metrics() : null }

  kafka (options) {
    const kafka = this.cluster.kafka(options)
    const producer = kafka.producer.bind(kafka)
    kafka.producer = (given) => timed(producer(given), this.latency)
    return kafka
  }

  lend () { return this.cluster.lend() }
  close () { return this.cluster.close() }
}
