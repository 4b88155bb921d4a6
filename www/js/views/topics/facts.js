// What the store knows of a topic, summed up for the table and the topic's page.
import { app } from '../../app.js'

/** Clients of the page itself, which read nothing for anybody. */
const OWN_CLIENTS = new Set(['tabmq-reader', 'tabmq-files'])
/** A client without a group that has not asked for this long is gone. */
const READER_GONE_MS = 10000

/** The leader's replica; while there is no leader, the furthest one. @param {import('../../../sdk/model.js').Partition} partition */
export function leading ({ leader, progress }) {
  const furthest = Object.values(progress).sort((a, b) => b.logEnd - a.logEnd)[0]
  return (leader !== null && progress[leader]) || furthest || { logStart: 0, highWatermark: 0, logEnd: 0, bytes: 0, role: '', leaderEpoch: -1, segments: [], compacting: null }
}

/** @param {string} topic */
export function factsOf (topic) {
  // A partition may be told of before those below it.
  const partitions = [...app.store.model.topics.get(topic) ?? []].map((partition) => partition ?? { leader: null, leaderEpoch: -1, partitionEpoch: -1, replicas: [], adding: [], removing: [], isr: [], elr: [], progress: {}, readers: {} })
  let records = 0
  let bytes = 0
  let stored = 0
  for (const partition of partitions) {
    const { logStart, highWatermark, bytes: size } = leading(partition)
    records += Math.max(0, highWatermark - logStart)
    bytes += size
    for (const id of partition.replicas) stored += partition.progress[id]?.bytes ?? 0
  }
  return {
    topic,
    partitions,
    replication: Math.max(0, ...partitions.map(({ replicas, adding }) => replicas.length - adding.length)),
    records,
    bytes,
    stored,
    rate: app.store.rate(`records/${topic}`),
    underReplicated: partitions.filter(({ replicas, isr }) => isr.length < replicas.length).length,
    offline: partitions.filter(({ leader }) => leader === null).length
  }
}

/**
 * Who reads a partition: groups with what they have committed and where their member reads, and clients without a group.
 * @param {string} topic @param {number} index @param {import('../../../sdk/model.js').Partition} partition
 * @returns {{ name: string, group: boolean, committed: number | null, position: number | null }[]}
 */
export function readersOf (topic, index, { readers }) {
  const found = []
  const grouped = new Set()
  for (const [name, { committed, members }] of [...app.store.model.groups].sort(([a], [b]) => a.localeCompare(b))) {
    const own = members.map(({ clientId }) => clientId).filter((clientId) => readers[clientId])
    for (const clientId of own) grouped.add(clientId)
    // After a rebalance the latest one has the partition.
    const latest = own.map((clientId) => readers[clientId]).sort((a, b) => b.at - a.at)[0]
    const offset = committed[`${topic}-${index}`]
    if (offset !== undefined || latest) found.push({ name, group: true, committed: offset ?? null, position: latest?.offset ?? null })
  }
  for (const [name, { offset, at }] of Object.entries(readers)) {
    if (grouped.has(name) || OWN_CLIENTS.has(name) || Date.now() - at > READER_GONE_MS) continue
    found.push({ name, group: false, committed: null, position: offset })
  }
  return found
}

/** Groups that read a topic, each with its place among the colours. @param {string} topic @returns {Map<string, number>} */
export function coloursOf (topic) {
  const names = new Set()
  const partitions = app.store.model.topics.get(topic) ?? []
  partitions.forEach((partition, index) => {
    if (partition) for (const { name } of readersOf(topic, index, partition)) names.add(name)
  })
  return new Map([...names].sort().map((name, place) => [name, place % 8 + 1]))
}
