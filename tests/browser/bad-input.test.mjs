// Kafka's own errors, typed; and storage and workers that refuse.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { openChromium, startSite } from './harness.mjs'

const scenario = '/pages/scenario.js'

test('what Kafka refuses is refused with its error, typed', { timeout: 180_000 }, async (t) => {
  const site = await startSite(t)
  const browser = await openChromium(t)
  const page = await browser.open(`${site.url}/pages/blank.html`)
  const errors = await page.evaluate(async (scenario) => {
    const { errorOf, open } = await import(scenario)
    const cluster = await open({ storage: 'memory', config: { 'auto.create.topics.enable': false, 'default.replication.factor': 3, 'min.insync.replicas': 2 } })
    const kafka = cluster.kafka()
    const admin = kafka.admin()
    const producer = kafka.producer({ deliveryTimeout: 5000 })
    await Promise.all([admin.connect(), producer.connect()])
    const create = (topic, options = {}) => admin.createTopics({ topics: [{ topic, numPartitions: 1, replicationFactor: 3, ...options }] })
    await create('there')
    const errors = {
      invalidName: await errorOf(() => create('not a name')),
      existing: await errorOf(() => create('there')),
      noPartitions: await errorOf(() => create('none', { numPartitions: 0 })),
      replication: await errorOf(() => create('four', { replicationFactor: 4 })),
      unknownConfig: await errorOf(() => create('config', { configEntries: [{ name: 'no.such.config', value: '1' }] })),
      unknownTopic: await errorOf(() => producer.send({ topic: 'nowhere', timeout: 3000, messages: [{ value: 'x' }] })),
      unknownPartition: await errorOf(() => producer.send({ topic: 'there', timeout: 3000, messages: [{ value: 'x', partition: 7 }] })),
      tooLarge: await errorOf(() => producer.send({ topic: 'there', messages: [{ value: new Uint8Array(2_000_000) }] })),
      option: await errorOf(() => kafka.producer({ idempotentt: true })),
    }
    // One broker of three is left: acks=all can't have two replicas in sync.
    const { topics: [{ partitions: [{ leader }] }] } = await admin.fetchTopicMetadata({ topics: ['there'] })
    const [one, two] = [1, 2, 3].filter((id) => id !== leader)
    await producer.send({ topic: 'there', messages: [{ value: 'before' }] })
    await cluster.kill(one)
    await cluster.kill(two)
    errors.notEnoughReplicas = await errorOf(() => producer.send({ topic: 'there', timeout: 8000, messages: [{ value: 'x' }] }))
    return errors
  }, scenario)
  const types = Object.fromEntries(Object.entries(errors).map(([name, error]) => [name, error?.type ?? error?.name]))
  const { notEnoughReplicas, tooLarge, ...others } = types
  assert.deepEqual(others, {
    invalidName: 'INVALID_TOPIC_EXCEPTION',
    existing: 'TOPIC_ALREADY_EXISTS',
    noPartitions: 'INVALID_PARTITIONS',
    replication: 'INVALID_REPLICATION_FACTOR',
    unknownConfig: 'INVALID_CONFIG',
    unknownTopic: 'UNKNOWN_TOPIC_OR_PARTITION',
    unknownPartition: 'UNKNOWN_TOPIC_OR_PARTITION',
    option: 'TabmqOptionError',
  })
  assert.ok(['MESSAGE_TOO_LARGE', 'RECORD_TOO_LARGE'].includes(tooLarge), tooLarge)
  assert.ok(['NOT_ENOUGH_REPLICAS', 'NOT_ENOUGH_REPLICAS_AFTER_APPEND', 'REQUEST_TIMED_OUT', 'KafkaJSRequestTimeoutError', 'KafkaJSTimeout'].includes(notEnoughReplicas), notEnoughReplicas)
  assert.match(errors.invalidName.message, /not a name/)
  assert.equal(errors.option.option, 'idempotentt')
})

test('storage that refuses is reported, and nothing is acked', { timeout: 120_000 }, async (t) => {
  const site = await startSite(t)
  const browser = await openChromium(t)
  const page = await browser.open(`${site.url}/pages/blank.html`)
  const error = await page.evaluate(async (scenario) => {
    const { errorOf, open } = await import(scenario)
    // What a private mode without IndexedDB does.
    IDBFactory.prototype.open = () => { throw new DOMException('storage is off', 'SecurityError') }
    return errorOf(() => open({ brokers: 1, config: {} }))
  }, scenario)
  assert.equal(error?.name, 'TabmqStartError')
  assert.match(error.message, /storage/)
})

test('a worker that fails to start rejects createCluster with the reason', { timeout: 120_000 }, async (t) => {
  const site = await startSite(t)
  const browser = await openChromium(t)
  const page = await browser.open(`${site.url}/pages/blank.html`)
  const errors = await page.evaluate(async (scenario) => {
    const { errorOf, open } = await import(scenario)
    return {
      noScript: await errorOf(() => open({ storage: 'memory', workerUrl: '/no-such-worker.js' })),
      noWasm: await errorOf(() => open({ storage: 'memory', wasmUrl: '/no-such.wasm' })),
      badConfig: await errorOf(() => open({ storage: 'memory', config: { 'no.such.config': 1 } })),
    }
  }, scenario)
  assert.equal(errors.noScript?.name, 'TabmqStartError')
  assert.match(errors.noWasm?.message, /404/)
  assert.match(errors.badConfig?.message, /no\.such\.config/)
})

test('bytes that are not Kafka close the connection, and the broker goes on', { timeout: 120_000 }, async (t) => {
  const site = await startSite(t)
  const browser = await openChromium(t)
  const page = await browser.open(`${site.url}/pages/blank.html`)
  const outcome = await page.evaluate(async (scenario) => {
    const { open } = await import(scenario)
    const cluster = await open({ brokers: 1, storage: 'memory', config: {} })
    const refusals = []
    cluster.on('event', (event) => { if (event.type === 'connectionRefused') refusals.push(event.reason) })
    const closed = (bytes) => new Promise((resolve) => {
      const port = cluster.connect('broker-1', 9092)
      port.onmessage = ({ data }) => { if (data === null) resolve(true) }
      const { buffer } = new Uint8Array(bytes)
      port.postMessage(buffer, [buffer])
    })
    await closed([0x7f, 0xff, 0xff, 0xff, 0, 0]) // longer than the limit
    await closed([0, 0, 0, 2, 0, 3]) // cut short
    await closed([0, 0, 0, 10, 0, 3, 0, 99, 0, 0, 0, 1, 0, 0]) // Metadata 99
    const producer = cluster.kafka().producer()
    await producer.connect()
    const [{ baseOffset }] = await producer.send({ topic: 'fine', messages: [{ value: 'x' }] })
    return { baseOffset, refusals: refusals.length }
  }, scenario)
  assert.deepEqual(outcome, { baseOffset: '0', refusals: 3 })
})
