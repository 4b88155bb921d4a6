// What the tests run inside a page, on the package alone. Each takes the cluster the test opened.
import { createCluster } from '/sdk/index.js'

const text = new TextDecoder()

/** @param {object} [options] */
export async function open(options = {}) {
  const cluster = await createCluster({
    name: 'test', brokers: 3, profile: 'lab',
    config: { 'default.replication.factor': 3, 'min.insync.replicas': 2 },
    ...options,
  })
  globalThis.cluster = cluster
  return cluster
}

export async function flights() {
  const response = await fetch('/data/flights-20k.json')
  return response.json()
}

/** The leader of a partition, as the admin sees it. */
export async function leaderOf(cluster, topic, partition) {
  const admin = cluster.kafka().admin()
  await admin.connect()
  const { topics: [{ partitions }] } = await admin.fetchTopicMetadata({ topics: [topic] })
  await admin.disconnect()
  return partitions.find(({ partitionId }) => partitionId === partition).leader
}

/**
 * Produces every row in order, keyed, acks=all; calls `halfway` once in the middle without waiting for it.
 * Each value carries its row number, so that a reader can tell lost, doubled and reordered.
 */
export async function produceAll(cluster, topic, rows, key, halfway) {
  const producer = cluster.kafka().producer()
  await producer.connect()
  const acked = []
  let called
  for (let from = 0; from < rows.length; from += 250) {
    const messages = rows.slice(from, from + 250).map((row, index) => ({
      key: row[key], value: JSON.stringify({ number: from + index, ...row }),
    }))
    if (!called && from >= rows.length / 2) called = halfway?.()
    const results = await producer.send({ topic, acks: -1, messages })
    for (const { errorCode } of results) if (errorCode !== 0) throw new Error(`error ${errorCode} in a send that resolved`)
    for (let n = from; n < from + messages.length; n++) acked.push(n)
  }
  await called
  await producer.disconnect()
  return acked.length
}

/** Reads `topic` from the start with one fresh consumer until `count` records are in, and checks key order. */
export async function readAll(cluster, topic, count, timeoutMs = 60_000) {
  const consumer = cluster.kafka().consumer({ groupId: `fresh-${Math.random()}` })
  await consumer.connect()
  await consumer.subscribe({ topics: [topic], fromBeginning: true })
  const seen = new Map()
  const lastOfKey = new Map()
  const partitionOfKey = new Map()
  const wrong = []
  await new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error(`read ${seen.size} of ${count} within ${timeoutMs} ms`)), timeoutMs)
    consumer.run({
      eachMessage: async ({ partition, message }) => {
        const { number } = JSON.parse(text.decode(message.value))
        const key = text.decode(message.key)
        if (seen.has(number)) wrong.push(`record ${number} came twice: ${seen.get(number)} and ${partition}@${message.offset}`)
        if ((lastOfKey.get(key) ?? -1) > number) wrong.push(`key ${key}: ${number} after ${lastOfKey.get(key)}`)
        if ((partitionOfKey.get(key) ?? partition) !== partition) wrong.push(`key ${key} in two partitions`)
        seen.set(number, `${partition}@${message.offset}`)
        lastOfKey.set(key, number)
        partitionOfKey.set(key, partition)
        if (seen.size === count) {
          clearTimeout(timer)
          resolve(undefined)
        }
      },
    }).catch(reject)
  })
  await consumer.disconnect()
  return { count: seen.size, keys: lastOfKey.size, wrong: wrong.slice(0, 10) }
}

/** Runs `work` and gives what its error says, or null. */
export async function errorOf(work) {
  try {
    await work()
    return null
  } catch (error) {
    return { name: error.name, type: error.type, code: error.code, message: error.message, option: error.option, retriable: error.retriable }
  }
}
