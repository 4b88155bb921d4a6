// An ack here means: committed to IndexedDB by the broker, acks=all with one replica, relaxed.
import { createCluster } from './sdk/index.js'

const TOPIC = 'log'
let cluster
let producer
let count = 0
let reads = 0

const send = async (messages) => {
  await producer.send({ topic: TOPIC, acks: -1, messages })
  count += messages.length
}

globalThis.contender = {
  name: 'tabmq',

  async setup () {
    cluster = await createCluster({
      name: 'bench', brokers: 1, profile: 'kafka', config: { 'group.initial.rebalance.delay.ms': 0 },
    })
    const admin = cluster.kafka().admin()
    await admin.createTopics({ topics: [{ topic: TOPIC, numPartitions: 1, replicationFactor: 1 }] })
    await admin.disconnect()
    producer = cluster.kafka().producer()
    await producer.connect()
    count = 0
  },

  async produceOne (bytes) {
    await send([{ value: bytes }])
  },

  async produceBatch (array) {
    await send(array.map((value) => ({ value })))
  },

  async readAll () {
    const consumer = cluster.kafka().consumer({ groupId: `reader-${++reads}` })
    await consumer.subscribe({ topics: [TOPIC], fromBeginning: true })
    const all = []
    await new Promise((resolve) => {
      void consumer.run({
        eachBatch: async ({ batch }) => {
          for (const { value } of batch.messages) all.push(value)
          if (all.length >= count) resolve(undefined)
        },
      })
    })
    void consumer.disconnect()
    return all
  },

  async teardown () {
    await producer.disconnect()
    await cluster.destroy()
  },
}
