// kafkajs 2.2.4 from npm, not a line of it changed, against the brokers' workers.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { openChromium, startSite } from './harness.mjs'

for (const [way, victim] of [['socketFactory', 'leader'], ['__kafkaConnect', 'coordinator']]) {
  test(`unmodified kafkajs produces with gzip and idempotence and consumes in a group of two, also after a ${victim} was killed (${way})`, { timeout: 300_000 }, async (t) => {
    const site = await startSite(t)
    const browser = await openChromium(t)
    const page = await browser.open(`${site.url}/pages/blank.html`)
    const outcome = await page.evaluate(async ([way, victim]) => {
      const { open } = await import('/pages/scenario.js')
      const { CompressionTypes, Kafka, logLevel, portSockets } = await import('/dist-test/kafkajs.js')
      const cluster = await open()
      if (way === '__kafkaConnect') cluster.exposeConnect()
      const socketFactory = way === 'socketFactory' ? cluster.socketFactory() : portSockets(globalThis.__kafkaConnect)
      const kafka = new Kafka({
        clientId: 'kafkajs', brokers: cluster.bootstrapServers(), socketFactory, logLevel: logLevel.ERROR,
        retry: { initialRetryTime: 50, retries: 20 },
      })
      const admin = kafka.admin()
      await admin.connect()
      const { brokers } = await admin.describeCluster()
      await admin.createTopics({ topics: [{ topic: 'orders', numPartitions: 4, replicationFactor: 3 }], waitForLeaders: true })
      const topics = await admin.listTopics()

      const seen = new Map()
      const members = new Set()
      const twice = []
      let coordinator = 0
      // Not more retries: kafkajs asks a dead coordinator that often before it looks for the new one.
      const consumers = [1, 2].map(() => kafka.consumer({
        groupId: 'readers', sessionTimeout: 6000, heartbeatInterval: 500, retry: { initialRetryTime: 50, retries: 5 },
      }))
      for (const [index, consumer] of consumers.entries()) {
        await consumer.connect()
        await consumer.subscribe({ topics: ['orders'], fromBeginning: true })
        consumer.on(consumer.events.REQUEST, ({ payload }) => {
          if (payload.apiName === 'Heartbeat') coordinator = Number(/broker-(\d+)/.exec(payload.broker)?.[1])
        })
        consumer.on(consumer.events.GROUP_JOIN, ({ payload }) => { if (payload.memberAssignment.orders?.length === 2) members.add(index) })
        await consumer.run({
          eachMessage: async ({ partition, message }) => {
            const value = message.value.toString()
            const place = `${partition}@${message.offset}`
            if (seen.has(value) && seen.get(value) !== place) twice.push(value)
            seen.set(value, place)
          },
        })
      }
      const reach = async (what, condition) => {
        const deadline = Date.now() + 120_000
        while (!condition()) {
          if (Date.now() > deadline) throw new Error(`not within 120 s: ${what}; read ${seen.size}`)
          await new Promise((resolve) => setTimeout(resolve, 20))
        }
      }
      await reach('two members with two partitions each', () => members.size === 2)

      const producer = kafka.producer({ idempotent: true, maxInFlightRequests: 1 })
      await producer.connect()
      const send = (from, to) => producer.send({
        topic: 'orders', acks: -1, compression: CompressionTypes.GZIP,
        messages: Array.from({ length: to - from }, (_, index) => ({ key: `key-${(from + index) % 17}`, value: `value-${from + index}` })),
      })
      await send(0, 500)
      await reach('500 records', () => seen.size === 500)
      const { topics: [{ partitions }] } = await admin.fetchTopicMetadata({ topics: ['orders'] })
      const { leader } = partitions.find(({ partitionId }) => partitionId === 0)
      await cluster.kill(victim === 'leader' ? leader : coordinator)
      for (let from = 500; from < 1000; from += 100) await send(from, from + 100)
      await reach('1000 records', () => seen.size === 1000)
      await Promise.all(consumers.map((consumer) => consumer.disconnect()))
      await producer.disconnect()
      await admin.disconnect()
      return { brokers: brokers.length, topics: topics.includes('orders'), seen: seen.size, twice }
    }, [way, victim])
    assert.deepEqual(outcome, { brokers: 3, topics: true, seen: 1000, twice: [] })
  })
}
