// Code to begin with. Each runs as it is, on a new cluster too; names are in the catalogues (`code.snippet.<id>`).

/** @type {{ id: string, code: string }[]} */
export const SNIPPETS = [
  {
    id: 'produce',
    code: `// Records of one key go into one partition, in order.
const admin = kafka.admin()
await admin.createTopics({ topics: [{ topic: 'shop', numPartitions: 3 }] }).catch((error) => console.log(error.message))

const producer = kafka.producer()
for (const guest of ['ann', 'bob', 'ann', 'chloé', 'ann']) {
  const [{ partition, baseOffset }] = await producer.send({
    topic: 'shop',
    messages: [{ key: guest, value: JSON.stringify({ guest, at: Date.now() }) }]
  })
  console.log(guest, '-> partition', partition, 'offset', baseOffset)
}
await producer.disconnect()
await admin.disconnect()
`
  },
  {
    id: 'group',
    code: `// Two members share the partitions of a topic. Stop ends both in good order.
const admin = kafka.admin()
await admin.createTopics({ topics: [{ topic: 'shop', numPartitions: 3 }] }).catch((error) => console.log(error.message))

for (const name of ['reader-a', 'reader-b']) {
  const consumer = new Kafka({ clientId: name }).consumer({ groupId: 'shop-readers', sessionTimeout: 6000 })
  consumer.on(consumer.events.GROUP_JOIN, ({ payload }) => console.log(name, 'has', payload.memberAssignment))
  await consumer.subscribe({ topics: ['shop'], fromBeginning: true })
  consumer.run({
    eachMessage: async ({ partition, message }) => console.log(name, 'partition', partition, '@', message.offset, text(message.value))
  })
}

const producer = kafka.producer()
let n = 0
setInterval(() => producer.send({ topic: 'shop', messages: [{ key: 'k' + n % 7, value: 'record ' + n++ }] }), 500)
`
  },
  {
    id: 'acks',
    code: `// acks=all waits for the in-sync replicas, and min.insync.replicas says how many there must be.
const admin = kafka.admin()
await admin.createTopics({ topics: [{
  topic: 'strict', numPartitions: 1, replicationFactor: 3, configEntries: [{ name: 'min.insync.replicas', value: '3' }]
}] }).catch((error) => console.log(error.message))

const producer = kafka.producer({ deliveryTimeout: 8000 })
const send = async (acks) => {
  const begun = Date.now()
  try {
    await producer.send({ topic: 'strict', acks, messages: [{ value: 'acks=' + acks }] })
    console.log('acks', acks, 'acked after', Date.now() - begun, 'ms')
  } catch (error) {
    console.warn('acks', acks, 'refused:', error.message)
  }
}
await send(-1)

const { topics: [{ partitions: [{ leader, replicas }] }] } = await admin.fetchTopicMetadata({ topics: ['strict'] })
const follower = replicas.find((id) => id !== leader)
console.log('broker', follower, 'is killed: two in-sync replicas are left')
await cluster.kill(follower)
await sleep(4000)
await send(1)
await send(-1)
await cluster.start(follower)
console.log('broker', follower, 'is back')
await send(-1)
await producer.disconnect()
await admin.disconnect()
`
  },
  {
    id: 'idempotent',
    code: `// A producer goes on while the leader it writes to is killed. Idempotence: no record is lost, none comes twice.
const admin = kafka.admin()
const topic = 'steady-' + Date.now() % 100000
await admin.createTopics({ topics: [{ topic, numPartitions: 1, replicationFactor: 3 }] })
const leaderOf = async () => (await admin.fetchTopicMetadata({ topics: [topic] })).topics[0].partitions[0].leader

const producer = kafka.producer({ idempotent: true })
let killed = 0
for (let n = 0; n < 200 && !signal.aborted; n++) {
  if (n === 100) {
    killed = await leaderOf()
    console.warn('broker', killed, 'leads and is killed now')
    await cluster.kill(killed)
  }
  await producer.send({ topic, messages: [{ value: String(n) }] })
}
const [{ high }] = await admin.fetchTopicOffsets(topic)
console.log('200 sent,', high, 'in the log; broker', await leaderOf(), 'leads')
await cluster.start(killed)
await producer.disconnect()
await admin.disconnect()
`
  },
  {
    id: 'replay',
    code: `// Read a partition again from an earlier place: seek moves a consumer, whatever its group has committed.
const admin = kafka.admin()
const topic = 'history'
await admin.createTopics({ topics: [{ topic, numPartitions: 1 }] }).catch((error) => console.log(error.message))
const producer = kafka.producer()
await producer.send({ topic, messages: Array.from({ length: 10 }, (_, n) => ({ value: 'event ' + n })) })
const [{ high }] = await admin.fetchTopicOffsets(topic)

const consumer = kafka.consumer({ groupId: 'replay' })
await consumer.subscribe({ topics: [topic], fromBeginning: true })
let again = false
await consumer.run({
  eachMessage: async ({ partition, message }) => {
    console.log(again ? 'again' : 'first', '@', message.offset, text(message.value))
    if (Number(message.offset) === high - 1 && !again) {
      again = true
      consumer.seek({ topic, partition, offset: String(Math.max(0, high - 3)) })
    } else if (Number(message.offset) === high - 1) {
      console.log('done')
      setTimeout(() => Promise.all([consumer, producer, admin].map((client) => client.disconnect())), 0)
    }
  }
})
`
  },
  {
    id: 'admin',
    code: `// What there is: brokers, topics with their leaders, groups with their lag.
const admin = kafka.admin()
const { brokers, controller, clusterId } = await admin.describeCluster()
console.log('cluster', clusterId, '- controller', controller, '- brokers', brokers.map(({ nodeId }) => nodeId).join(', '))

const { topics } = await admin.fetchTopicMetadata()
for (const { name, partitions } of topics) {
  console.log(name, '- leaders', partitions.map(({ leader }) => leader).join(' '), '- in sync', partitions.map(({ isr }) => isr.join('+')).join(' '))
}

for (const { groupId } of (await admin.listGroups()).groups) {
  for (const { topic, partitions } of await admin.fetchOffsets({ groupId })) {
    const ends = await admin.fetchTopicOffsets(topic)
    for (const { partition, offset } of partitions) {
      if (Number(offset) < 0) continue
      console.log(groupId, topic + '-' + partition, 'lag', ends.find((end) => end.partition === partition).high - offset)
    }
  }
}
await admin.disconnect()
`
  }
]
