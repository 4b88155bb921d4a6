// Brokers that come and leave, and partitions that move, while records are written and read.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { openChromium, startSite } from './harness.mjs'

const scenario = '/pages/scenario.js'

test('a broker is added, gets partitions and leaves again under load, and every acked record is there once', { timeout: 240_000 }, async (t) => {
  const site = await startSite(t)
  const browser = await openChromium(t)
  const page = await browser.open(`${site.url}/pages/blank.html`)
  const outcome = await page.evaluate(async (scenario) => {
    const { flights, open, produceAll, readAll } = await import(scenario)
    const cluster = await open()
    const admin = cluster.kafka().admin()
    await admin.createTopics({ topics: [{ topic: 'flights', numPartitions: 6, replicationFactor: 3 }] })
    const phases = []
    cluster.on('event', (event) => { if (event.type === 'decommission') phases.push(`${event.phase} ${event.partitions}`) })
    const rows = await flights()
    let id
    const acked = await produceAll(cluster, 'flights', rows, 'origin', async () => {
      id = await cluster.addBroker()
      await admin.alterPartitionReassignments({
        topics: [{ topic: 'flights', partitionAssignment: [0, 1, 2].map((partition) => ({ partition, replicas: [id, 1, 2] })) }],
      })
      while ((await admin.listPartitionReassignments()).topics.length > 0) await new Promise((resolve) => setTimeout(resolve, 20))
      await admin.electLeaders()
      // Any broker may answer, also one that has not heard of the election yet.
      let partitions = []
      const led = () => partitions.filter(({ leader }) => leader === id).length
      while (led() < 3) ({ topics: [{ partitions }] } = await admin.fetchTopicMetadata({ topics: ['flights'] }))
      const held = partitions.filter(({ replicas, isr }) => replicas.includes(id) && isr.includes(id)).length
      await cluster.decommission(id)
      phases.push(`led ${led()}, held ${held}`)
    })
    const read = await readAll(cluster, 'flights', acked)
    const names = (await indexedDB.databases()).map(({ name }) => name)
    const { brokers } = await admin.describeCluster()
    return {
      id, acked, rows: rows.length, read, phases, names,
      left: brokers.map(({ nodeId }) => nodeId), shown: cluster.brokers().map(({ id }) => id),
    }
  }, scenario)
  assert.equal(outcome.id, 4)
  assert.equal(outcome.acked, outcome.rows)
  assert.deepEqual(outcome.read.wrong, [])
  assert.equal(outcome.read.count, outcome.acked)
  assert.equal(outcome.phases.at(-1), 'led 3, held 3', outcome.phases.join())
  assert.deepEqual([outcome.phases.includes('moving 3'), outcome.phases.includes('moving 0')], [true, true], outcome.phases.join())
  assert.deepEqual(outcome.left.sort(), [1, 2, 3])
  assert.deepEqual(outcome.shown, [1, 2, 3])
  assert.ok(!outcome.names.includes('tabmq/test/4'), outcome.names.join())
})

test('a cluster opens with the brokers that were added, whatever number it was created with', { timeout: 120_000 }, async (t) => {
  const site = await startSite(t)
  const browser = await openChromium(t)
  const page = await browser.open(`${site.url}/pages/blank.html`)
  await page.evaluate(async (scenario) => {
    const { open } = await import(scenario)
    const cluster = await open({ brokers: 1, config: {} })
    const ids = await Promise.all([cluster.addBroker(), cluster.addBroker()])
    if (ids.join() !== '2,3') throw new Error(`ids are ${ids}`)
    await cluster.decommission(2)
    await cluster.close()
  }, scenario)
  await page.reload()
  const outcome = await page.evaluate(async (scenario) => {
    const { open } = await import(scenario)
    const found = []
    for (const brokers of [1, 2, undefined]) {
      const cluster = await open({ brokers, config: {} })
      found.push(cluster.brokers().map(({ id, state }) => `${id} ${state}`).join())
      await cluster.close()
    }
    const wrong = await open({ brokers: 3, config: {} }).catch((error) => `${error.name} ${error.option}: ${error.message}`)
    const cluster = await open({ brokers: undefined, config: {} })
    const next = await cluster.addBroker()
    await cluster.destroy()
    const databases = (await indexedDB.databases()).map(({ name }) => name)
    return { found, wrong, next, databases }
  }, scenario)
  assert.deepEqual(outcome.found, Array(3).fill('1 running,3 running'))
  assert.match(outcome.wrong, /^TabmqOptionError brokers: .*has 2 and was created with 1/)
  assert.equal(outcome.next, 4, 'an id is never given twice')
  assert.deepEqual(outcome.databases, [])
})

test('what can not leave is told why, and nothing changes', { timeout: 120_000 }, async (t) => {
  const site = await startSite(t)
  const browser = await openChromium(t)
  const page = await browser.open(`${site.url}/pages/blank.html`)
  const outcome = await page.evaluate(async (scenario) => {
    const { open } = await import(scenario)
    const cluster = await open({ brokers: 4, storage: 'memory' })
    const admin = cluster.kafka().admin()
    await admin.createTopics({ topics: [{ topic: 'wide', numPartitions: 1, replicationFactor: 4 }] })
    const refused = async (work) => { try { await work(); return 'done' } catch (error) { return `${error.name}: ${error.message}` } }
    const answers = [
      await refused(() => cluster.decommission(9)),
      await refused(() => cluster.decommission(4)),
      await refused(() => admin.alterPartitionReassignments({ topics: [{ topic: 'wide', partitionAssignment: [{ partition: 0, replicas: [1, 7] }] }] })),
      await refused(() => admin.alterPartitionReassignments({ topics: [{ topic: 'wide', partitionAssignment: [{ partition: 0, replicas: null }] }] })),
    ]
    const { topics: [{ partitions: [{ replicas }] }] } = await admin.fetchTopicMetadata({ topics: ['wide'] })
    return { answers, replicas: replicas.sort(), states: cluster.brokers().map(({ state }) => state) }
  }, scenario)
  const [unknown, few, invalid, none] = outcome.answers
  assert.match(unknown, /TabmqOptionError: id: there is no broker 9/)
  assert.match(few, /KafkaJSNonRetriableError: Topic 'wide' has 4 replicas, and without broker 4 only 3 brokers run/)
  assert.match(invalid, /KafkaJSProtocolError: .*broker 7, which is not registered/)
  assert.match(none, /KafkaJSProtocolError: .*No partition reassignment is in progress/)
  assert.deepEqual(outcome.replicas, [1, 2, 3, 4])
  assert.deepEqual(outcome.states, Array(4).fill('running'))
})

test('metrics count what was produced, and tell of a broker that is away', { timeout: 120_000 }, async (t) => {
  const site = await startSite(t)
  const browser = await openChromium(t)
  const page = await browser.open(`${site.url}/pages/blank.html`)
  const outcome = await page.evaluate(async (scenario) => {
    const { leaderOf, open } = await import(scenario)
    const cluster = await open({ storage: 'memory' })
    const kafka = cluster.kafka()
    await kafka.admin().createTopics({ topics: [{ topic: 'work', numPartitions: 3, replicationFactor: 3 }] })
    const producer = kafka.producer()
    for (let n = 0; n < 10; n++) await producer.send({ topic: 'work', messages: Array.from({ length: 10 }, (_, k) => ({ key: `${k}`, value: 'some work' })) })
    const reach = async (what, condition) => {
      const deadline = Date.now() + 30_000
      while (!condition(cluster.metrics())) {
        if (Date.now() > deadline) throw new Error(`${what}: ${JSON.stringify(cluster.metrics())}`)
        await new Promise((resolve) => setTimeout(resolve, 50))
      }
    }
    // Two followers fetch what the leader took; brokers tell at different times.
    await reach('counted', ({ meters }) => meters.MessagesInPerSec?.count === 100 &&
      meters.ReplicationBytesInPerSec.count >= 2 * meters.BytesInPerSec.count)
    const whole = cluster.metrics()
    await cluster.kill(await leaderOf(cluster, 'work', 0))
    await reach('away', ({ gauges, brokers }) => Object.keys(brokers).length === 2 && gauges.UnderReplicatedPartitions >= 3 && gauges.FencedBrokerCount === 1)
    return { whole, after: cluster.metrics() }
  }, scenario)
  const { meters, gauges, requests, brokers } = outcome.whole
  assert.ok(meters.BytesInPerSec.count > 900, JSON.stringify(meters))
  assert.deepEqual(Object.keys(brokers), ['1', '2', '3'])
  assert.equal(requests.Produce.count >= 10, true)
  assert.deepEqual(
    [gauges.ActiveControllerCount, gauges.OfflinePartitionsCount, gauges.UnderReplicatedPartitions, gauges.ActiveBrokerCount, gauges.PartitionCount],
    [1, 0, 0, 3, 9],
  )
  assert.equal(outcome.after.gauges.OfflinePartitionsCount, 0)
})

test('a broker whose storage does not answer is given up in time, with a reason, and starts once it does', { timeout: 120_000 }, async (t) => {
  const site = await startSite(t)
  const browser = await openChromium(t)
  const page = await browser.open(`${site.url}/pages/blank.html`)
  await page.clock.install()
  await page.evaluate(async (scenario) => {
    const [{ open }, { hold }] = await Promise.all([import(scenario), import('/pages/hold.js')])
    const cluster = await open()
    const state = () => cluster.brokers().find(({ id }) => id === 2)
    await cluster.kill(2)
    const held = await hold('tabmq/test/2')
    const starting = cluster.start(2).then(() => 'started', (error) => `${error.name}: ${error.message}`)
    Object.assign(globalThis, { cluster, state, held, starting })
  }, scenario)
  await page.clock.fastForward(19_000)
  assert.equal(await page.evaluate(() => globalThis.state().state), 'starting')
  await page.clock.fastForward(2_000)
  assert.match(await page.evaluate(() => globalThis.starting), /^TabmqStartError: Broker 2 did not start: its storage did not answer within 20 s/)
  const { state, reason } = await page.evaluate(() => globalThis.state())
  assert.deepEqual([state, /did not answer/.test(reason)], ['crashed', true])
  await page.evaluate(async () => {
    await globalThis.held.release()
    await globalThis.cluster.start(2)
  })
  assert.equal(await page.evaluate(() => globalThis.state().state), 'running')
})

test('connections to a broker that went silent close when it is back, in every tab', { timeout: 120_000 }, async (t) => {
  const site = await startSite(t)
  const browser = await openChromium(t)
  const [page, joined] = [await browser.open(`${site.url}/pages/blank.html`), await browser.open(`${site.url}/pages/blank.html`)]
  for (const each of [page, joined]) {
    await each.evaluate(async (scenario) => {
      const { open } = await import(scenario)
      const cluster = await open()
      const hungUp = []
      const connect = (name) => { cluster.connect('broker-2', 9092).onmessage = ({ data }) => { if (data === null) hungUp.push(name) } }
      connect('before')
      Object.assign(globalThis, { cluster, hungUp, connect })
    }, scenario)
  }
  const goesSilent = () => globalThis.cluster.brokers().find(({ id }) => id === 2).state === 'crashed'
  await page.evaluate(() => globalThis.cluster.kill(2, { silent: true }))
  for (const each of [page, joined]) {
    await each.waitForFunction(goesSilent)
    await each.evaluate(() => globalThis.connect('meanwhile'))
    assert.deepEqual(await each.evaluate(() => globalThis.hungUp), [])
  }
  await page.evaluate(() => globalThis.cluster.start(2))
  for (const each of [page, joined]) await each.waitForFunction(() => globalThis.hungUp.join() === 'before,meanwhile')
})
