// What the tests of several tabs run inside each of them.
import { createCluster } from '/sdk/index.js'

const text = new TextDecoder()

/** @param {object} [options] */
export async function open(options = {}) {
  const cluster = await createCluster({
    name: 'test', brokers: 3, profile: 'lab',
    config: { 'default.replication.factor': 3, 'min.insync.replicas': 2 },
    ...options,
  })
  const owners = []
  cluster.on('event', (event) => {
    if (event.type === 'ownerChanged' || event.type === 'ownerFailed') owners.push(event)
  })
  Object.assign(globalThis, { cluster, owners })
  return cluster
}

/** @returns {any} what `open` and the loads have put there */
export const here = () => globalThis

export const role = () => here().cluster.role
export const openedAs = async () => (await open()).role
export const ackedSoFar = () => here().load.acked.length

export async function createOrders() {
  await here().cluster.kafka().admin().createTopics({ topics: [{ topic: 'orders', numPartitions: 3, replicationFactor: 3 }] })
}

/** Waits until `condition` holds. */
export async function reach(what, condition, timeoutMs = 40_000) {
  const deadline = Date.now() + timeoutMs
  for (;;) {
    const value = await condition()
    if (value) return value
    if (Date.now() > deadline) throw new Error(`not within ${timeoutMs} ms: ${what}`)
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
}

/** Sends numbered records, a few at a time, until `load.stop`; `load.acked` are those that were acked, as `<tab>:<number>`. */
export function startLoad(tab, topic = 'orders') {
  const load = { acked: [], failed: [], stop: false, done: false }
  here().load = load
  const run = async () => {
    const producer = here().cluster.kafka().producer()
    for (let number = 0; !load.stop; number += 5) {
      const values = [0, 1, 2, 3, 4].map((at) => `${tab}:${number + at}`)
      await producer.send({ topic, acks: -1, messages: values.map((value, at) => ({ key: `${tab}${(number + at) % 4}`, value })) })
      load.acked.push(...values)
    }
    await producer.disconnect()
  }
  run().catch((error) => load.failed.push(`${error.name}: ${error.message}`)).finally(() => { load.done = true })
}

/** Ends this tab's load. */
export async function endLoad() {
  const { load } = here()
  load.stop = true
  await reach('the last send is answered', () => load.done, 120_000)
  return { acked: load.acked, failed: load.failed }
}

/**
 * A client whose connections to the brokers of today outlive the owner: nobody can hang them up. What a tab's code does not
 * do, but messages that are still on their way to a worker do.
 */
export async function deafClient() {
  const { Kafka } = await import('/sdk/kafka.js')
  const { cluster } = here()
  // Later connections would go to other brokers.
  let open = true
  const connect = (host, port) => {
    if (!open) throw new Error('no new connections')
    const broker = cluster.connect(host, port)
    const { port1, port2 } = new MessageChannel()
    port2.onmessage = ({ data }) => { if (data !== null) broker.postMessage(data, [data]) }
    broker.onmessage = ({ data }) => { if (data !== null) port2.postMessage(data, [data]) }
    return port1
  }
  const kafka = new Kafka(/** @type {any} */ ({ connect, bootstrapServers: () => cluster.bootstrapServers() }), { requestTimeout: 3000 })
  const deaf = { producer: kafka.producer(), admin: kafka.admin({ timeout: 3000 }), close: () => { open = false } }
  Object.assign(globalThis, { deaf })
  return deaf
}

/** A consumer that notes all it gets in `globalThis.read`. */
export async function startReading(groupId, topic = 'orders') {
  const read = []
  const assigned = []
  const consumer = here().cluster.kafka().consumer({ groupId, sessionTimeout: 6000 })
  Object.assign(globalThis, { read, assigned, consumer })
  consumer.on(consumer.events.GROUP_JOIN, ({ payload }) => assigned.splice(0, assigned.length, ...payload.memberAssignment[topic] ?? []))
  await consumer.subscribe({ topics: [topic], fromBeginning: true })
  await consumer.run({
    eachMessage: async ({ partition, message }) => {
      read.push({ partition, offset: Number(message.offset), key: text.decode(message.key), value: text.decode(message.value) })
    },
  })
}

/** All records that are there now, from a fresh consumer. */
export async function readAll(topic = 'orders') {
  const { cluster } = here()
  const admin = cluster.kafka().admin()
  const ends = await admin.fetchTopicOffsets(topic)
  const count = ends.reduce((sum, { high, low }) => sum + Number(high) - Number(low), 0)
  await startReading(`all-${Math.random()}`, topic)
  await reach(`all ${count} records are read`, () => here().read.length >= count, 60_000)
  await here().consumer.disconnect()
  return here().read
}
