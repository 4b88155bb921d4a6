// What files.test.mjs runs inside a page.
import { leaderOf, open } from './scenario.js'

export { open }

const GZIP = 1
const text = new TextDecoder()

/** Fills a new topic of three partitions with batches of every kind; gives the number of records. */
export async function fill (cluster, topic, { configEntries = [], kill = false } = {}) {
  const kafka = cluster.kafka()
  const admin = kafka.admin()
  await admin.createTopics({ topics: [{ topic, numPartitions: 3, replicationFactor: 3, configEntries }] })
  const producer = kafka.producer()
  let sent = 0
  for (let round = 0; round < 40; round++) {
    if (kill && round === 20) await cluster.kill(await leaderOf(cluster, topic, 0))
    const messages = Array.from({ length: 1 + round % 9 }, (_, n) => ({
      partition: round % 3,
      key: n % 4 === 3 ? null : `key ${round}`,
      value: n % 5 === 4 ? null : `${round} ${n} `.repeat(120),
      timestamp: 1700000000000 + round * 1000 + n,
      headers: n % 2 ? { one: 'é', two: ['a', 'b'] } : {}
    }))
    await producer.send({ topic, messages, compression: round % 4 === 0 ? GZIP : 0 })
    sent += messages.length
  }
  await producer.disconnect()
  return sent
}

/** All records of a topic, by partition and offset, as plain data. */
export async function recordsOf (cluster, topic, count) {
  const plain = (bytes) => bytes === null || bytes === undefined ? null : text.decode(bytes)
  const consumer = cluster.kafka().consumer({ groupId: `reader-${Math.random()}` })
  await consumer.subscribe({ topics: [topic], fromBeginning: true })
  const records = []
  await new Promise((resolve, reject) => {
    setTimeout(() => reject(new Error(`${records.length} of ${count} records of ${topic}`)), 60_000)
    consumer.run({
      eachMessage: async ({ partition, message: { offset, timestamp, key, value, headers } }) => {
        const flat = Object.entries(headers).flatMap(([name, values]) => [values].flat().map((one) => [name, plain(one)]))
        records.push({ partition, offset, timestamp, key: plain(key), value: plain(value), headers: flat })
        if (records.length === count) resolve(undefined)
      }
    })
  })
  await consumer.disconnect()
  return records.sort((a, b) => a.partition - b.partition || Number(a.offset) - Number(b.offset))
}
