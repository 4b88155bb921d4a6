// How long a cluster takes to go on without one of its brokers, and what it costs while it does nothing.
import { createCluster } from '/sdk/index.js'
import { leaderOf } from './scenario.js'
import { until } from './chaos.js'

const TOPIC = 'measured'

/**
 * A cluster with one topic, ready.
 * @param {{ brokers: number, partitions: number, profile: 'lab' | 'kafka' }} options
 */
export async function prepare ({ brokers, partitions, profile }) {
  const begun = performance.now()
  const cluster = await createCluster({
    name: `failover-${brokers}-${partitions}-${profile}`, brokers, profile,
    config: { 'default.replication.factor': 3, 'min.insync.replicas': 2 }
  })
  const ready = performance.now()
  await cluster.kafka().admin().createTopics({ topics: [{ topic: TOPIC, numPartitions: partitions, replicationFactor: 3 }] })
  await allInSync(cluster, partitions)
  Object.assign(globalThis, { cluster, partitions })
  return { readyMs: ready - begun, createMs: performance.now() - ready }
}

/** Every partition has a leader and all its replicas in sync, as all brokers know. */
function allInSync (cluster, partitions) {
  return until('all replicas are in sync', () => {
    const known = [...(cluster.model.topics.get(TOPIC)?.values() ?? [])]
    // One may be told of before those below it.
    return known.length === partitions && known.every((one) => one?.isr.length === 3 && one.leader !== null)
  }, 120_000)
}

/**
 * Kills the leader of partition 0 and gives how long it takes until each of `probed` partitions that it led has acked
 * (acks=all): the first, and the last. The broker is started again, and the cluster whole, before this returns.
 */
export async function failover ({ probed = 20 } = {}) {
  const { cluster, partitions } = /** @type {any} */ (globalThis)
  const producer = cluster.kafka().producer({ idempotent: true })
  const leader = await leaderOf(cluster, TOPIC, 0)
  const { topics: [{ partitions: described }] } = await cluster.kafka().admin().fetchTopicMetadata({ topics: [TOPIC] })
  const led = described.filter((partition) => partition.leader === leader).map(({ partitionId }) => partitionId)
  // Spread over all of them: the last one the controller moves counts as much as the first.
  const chosen = led.filter((_, at) => at % Math.max(1, Math.floor(led.length / probed)) === 0).concat(led.at(-1))
  const send = (partition) => producer.send({ topic: TOPIC, acks: -1, messages: [{ partition, value: 'x' }] })
  await Promise.all(chosen.map(send))
  const controller = cluster.model.controller === leader
  const begun = performance.now()
  await cluster.kill(leader)
  const times = await Promise.all(chosen.map(async (partition) => {
    await send(partition)
    return performance.now() - begun
  }))
  await cluster.start(leader)
  const back = performance.now() - begun
  await allInSync(cluster, partitions)
  await producer.disconnect()
  const inSync = performance.now() - begun
  return { led: led.length, first: Math.min(...times), last: Math.max(...times), back, inSync, controller }
}

/** Messages a second through all partitions, acks=all, batches of 100, for so many ms. */
export async function throughput ({ ms = 5000, producers = 4 } = {}) {
  const { cluster } = /** @type {any} */ (globalThis)
  const end = performance.now() + ms
  const counts = await Promise.all(Array.from({ length: producers }, async () => {
    const producer = cluster.kafka().producer({ idempotent: true })
    let sent = 0
    while (performance.now() < end) {
      const messages = Array.from({ length: 100 }, (_, at) => ({ key: `${sent + at}`, value: 'x'.repeat(100) }))
      await producer.send({ topic: TOPIC, acks: -1, messages })
      sent += messages.length
    }
    await producer.disconnect()
    return sent
  }))
  return counts.reduce((sum, count) => sum + count, 0) / (ms / 1000)
}

export async function end () {
  await /** @type {any} */ (globalThis).cluster.destroy()
}
