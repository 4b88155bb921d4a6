// The package alone, as an app that copied dist/sdk/ into its site has it.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { openChromium, startSite } from './harness.mjs'

const scenario = '/pages/scenario.js'

test('20,000 flights are each read once and in key order after the leader was killed and the page reloaded', { timeout: 240_000 }, async (t) => {
  const site = await startSite(t)
  const browser = await openChromium(t)
  const page = await browser.open(`${site.url}/pages/blank.html`)
  const acked = await page.evaluate(async (scenario) => {
    const { flights, leaderOf, open, produceAll } = await import(scenario)
    const cluster = await open()
    const admin = cluster.kafka().admin()
    await admin.connect()
    await admin.createTopics({ topics: [{ topic: 'flights', numPartitions: 6, replicationFactor: 3 }] })
    const rows = await flights()
    const leader = await leaderOf(cluster, 'flights', 0)
    const acked = await produceAll(cluster, 'flights', rows, 'origin', () => cluster.kill(leader))
    return { acked, rows: rows.length, leader, states: cluster.brokers().map(({ id, state }) => `${id} ${state}`) }
  }, scenario)
  assert.equal(acked.acked, acked.rows)
  assert.ok(acked.states.includes(`${acked.leader} crashed`), acked.states.join())

  await page.reload()
  const read = await page.evaluate(async ({ scenario, count }) => {
    const { open, readAll } = await import(scenario)
    return readAll(await open(), 'flights', count)
  }, { scenario, count: acked.acked })
  assert.deepEqual(read.wrong, [])
  assert.equal(read.count, acked.acked)
})

test('a group goes on where it committed after a reload', { timeout: 120_000 }, async (t) => {
  const site = await startSite(t)
  const browser = await openChromium(t)
  const page = await browser.open(`${site.url}/pages/blank.html`)
  const consume = (values) => page.evaluate(async ({ scenario, values }) => {
    const { open } = await import(scenario)
    const cluster = await open()
    const kafka = cluster.kafka()
    const producer = kafka.producer()
    await producer.connect()
    await producer.send({ topic: 'tasks', messages: values.map((value) => ({ key: 'one', value })) })
    const consumer = kafka.consumer({ groupId: 'workers' })
    await consumer.connect()
    await consumer.subscribe({ topics: ['tasks'], fromBeginning: true })
    const seen = []
    await new Promise((resolve) => consumer.run({
      eachMessage: async ({ message }) => {
        seen.push(new TextDecoder().decode(message.value))
        if (seen.at(-1) === values.at(-1)) resolve(undefined)
      },
    }))
    await consumer.disconnect()
    return seen
  }, { scenario, values })
  assert.deepEqual(await consume(['a', 'b', 'c']), ['a', 'b', 'c'])
  await page.reload()
  assert.deepEqual(await consume(['d', 'e']), ['d', 'e'])
})

test('two consumers of a group share the partitions, and one takes over when the other leaves', { timeout: 120_000 }, async (t) => {
  const site = await startSite(t)
  const browser = await openChromium(t)
  const page = await browser.open(`${site.url}/pages/blank.html`)
  const outcome = await page.evaluate(async (scenario) => {
    const { open } = await import(scenario)
    const cluster = await open({ storage: 'memory' })
    const kafka = cluster.kafka()
    const admin = kafka.admin()
    await admin.connect()
    await admin.createTopics({ topics: [{ topic: 'work', numPartitions: 4 }] })
    const assigned = { a: [], b: [] }
    const member = async (name) => {
      const consumer = kafka.consumer({ groupId: 'team' })
      consumer.on(consumer.events.GROUP_JOIN, ({ payload }) => { assigned[name] = payload.memberAssignment.work ?? [] })
      await consumer.connect()
      await consumer.subscribe({ topics: ['work'], fromBeginning: true })
      await consumer.run({ eachMessage: async () => {} })
      return consumer
    }
    const reach = async (condition) => {
      const deadline = Date.now() + 30_000
      while (!condition()) {
        if (Date.now() > deadline) throw new Error(`assignment is ${JSON.stringify(assigned)}`)
        await new Promise((resolve) => setTimeout(resolve, 20))
      }
    }
    const a = await member('a')
    const b = await member('b')
    await reach(() => assigned.a.length === 2 && assigned.b.length === 2)
    const shared = [...assigned.a, ...assigned.b].sort()
    await a.disconnect()
    await reach(() => assigned.b.length === 4)
    await b.disconnect()
    return { shared, alone: [...assigned.b].sort() }
  }, scenario)
  assert.deepEqual(outcome, { shared: [0, 1, 2, 3], alone: [0, 1, 2, 3] })
})

test('a stopped broker hands over its leaderships and comes back in sync', { timeout: 120_000 }, async (t) => {
  const site = await startSite(t)
  const browser = await openChromium(t)
  const page = await browser.open(`${site.url}/pages/blank.html`)
  const outcome = await page.evaluate(async (scenario) => {
    const { leaderOf, open } = await import(scenario)
    const cluster = await open()
    const admin = cluster.kafka().admin()
    await admin.connect()
    await admin.createTopics({ topics: [{ topic: 'work', numPartitions: 3, replicationFactor: 3 }] })
    const leader = await leaderOf(cluster, 'work', 0)
    await cluster.stop(leader)
    const deadline = Date.now() + 30_000
    // The broker that is asked may hear of it a moment later.
    let after = leader
    while ((after === leader || after < 0) && Date.now() < deadline) after = await leaderOf(cluster, 'work', 0)
    await cluster.start(leader)
    let isr = []
    while (isr.length < 3 && Date.now() < deadline) {
      const { topics: [{ partitions }] } = await admin.fetchTopicMetadata({ topics: ['work'] })
      isr = partitions[0].isr
    }
    return { moved: after !== leader && after > 0, isr: isr.length }
  }, scenario)
  assert.deepEqual(outcome, { moved: true, isr: 3 })
})

test('each codec, the producer\'s or the topic\'s, gives back what was sent, and no other is taken', { timeout: 120_000 }, async (t) => {
  const site = await startSite(t)
  const browser = await openChromium(t)
  const page = await browser.open(`${site.url}/pages/blank.html`)
  const outcome = await page.evaluate(async (scenario) => {
    const { open } = await import(scenario)
    const { CompressionTypes } = await import('/sdk/index.js')
    const cluster = await open({ storage: 'memory' })
    const kafka = cluster.kafka()
    const admin = kafka.admin()
    await admin.createTopics({ topics: [
      { topic: 'as-sent', numPartitions: 1 },
      { topic: 'as-zstd', numPartitions: 1, configEntries: [{ name: 'compression.type', value: 'zstd' }] },
    ] })
    const producer = kafka.producer()
    const text = (name) => `${name}: ${'the same words again and again, '.repeat(3000)}`
    const sent = []
    for (const [name, compression] of Object.entries(CompressionTypes)) {
      for (const topic of ['as-sent', 'as-zstd']) {
        await producer.send({ topic, compression, messages: [{ key: name, value: text(name) }] })
        sent.push(`${topic} ${name}`)
      }
    }
    const wrong = await producer.send({ topic: 'as-sent', compression: 5, messages: [{ value: 'x' }] }).catch((error) => error)
    const refused = await admin.createTopics({ topics: [
      { topic: 'no', configEntries: [{ name: 'compression.type', value: 'brotli' }] },
    ] }).catch((error) => error)
    const consumer = kafka.consumer({ groupId: 'readers' })
    await consumer.subscribe({ topics: ['as-sent', 'as-zstd'], fromBeginning: true })
    const read = []
    await new Promise((resolve) => consumer.run({
      eachMessage: async ({ topic, message }) => {
        const name = new TextDecoder().decode(message.key)
        if (new TextDecoder().decode(message.value) === text(name)) read.push(`${topic} ${name}`)
        if (read.length === sent.length) resolve(undefined)
      },
    }))
    await consumer.disconnect()
    return { sent: sent.sort(), read: read.sort(), wrong: wrong.message, refused: `${refused.type} ${refused.message} ${refused.errors?.[0]?.message}` }
  }, scenario)
  assert.equal(outcome.sent.length, 10)
  assert.deepEqual(outcome.read, outcome.sent)
  assert.match(outcome.wrong, /compression.*None 0, GZIP 1, Snappy 2, LZ4 3, ZSTD 4/)
  assert.match(outcome.refused, /brotli/)
})
