// How memory and opening behave with much data: `node tests/browser/large.mjs [MB ...]`, on the built package. For each
// size: one broker in a fresh profile, one partition; produced, closed, opened again, read back whole.
import { openChromium, startSite } from './harness.mjs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

const sizes = process.argv.slice(2).map(Number)
/** @type {(() => unknown)[]} */
const undo = []
const t = /** @type {any} */ ({ after: (/** @type {() => unknown} */ step) => undo.push(step), diagnostic: () => {} })
const site = await startSite(t)
for (const megabytes of sizes.length ? sizes : [10, 1000]) {
  const profile = await mkdtemp(join(tmpdir(), 'tabmq-large-'))
  const browser = await openChromium(t, { profile })
  const page = await browser.open(`${site.url}/pages/blank.html`)
  const open = { brokers: 1, config: {}, profile: 'kafka' }
  const produced = await page.evaluate(async ([megabytes, options]) => {
    const { open } = await import('/pages/scenario.js')
    const cluster = await open(options)
    await cluster.kafka().admin().createTopics({ topics: [{ topic: 'large', numPartitions: 1, replicationFactor: 1 }] })
    const producer = cluster.kafka().producer()
    const noise = crypto.getRandomValues(new Uint8Array(50_000))
    const begun = performance.now()
    for (let sent = 0; sent < megabytes; sent++) {
      await producer.send({ topic: 'large', messages: Array.from({ length: 20 }, () => ({ value: noise })) })
    }
    const seconds = (performance.now() - begun) / 1000
    const [broker] = cluster.brokers()
    await cluster.close()
    return { seconds, broker }
  }, /** @type {[number, object]} */ ([megabytes, open]))
  const opened = []
  for (let round = 0; round < 5; round++) {
    await page.reload()
    opened.push(await page.evaluate(async (options) => {
      const { open } = await import('/pages/scenario.js')
      const begun = performance.now()
      const cluster = await open(options)
      const ms = performance.now() - begun
      await cluster.close()
      return ms
    }, open))
  }
  await page.reload()
  const read = await page.evaluate(async ([megabytes, options]) => {
    const { open } = await import('/pages/scenario.js')
    const cluster = await open(options)
    const consumer = cluster.kafka().consumer({ groupId: 'all' })
    await consumer.subscribe({ topics: ['large'], fromBeginning: true })
    let count = 0
    let begun = 0
    await new Promise((resolve) => {
      void consumer.run({ eachMessage: async () => {
        begun ||= performance.now()
        if (++count === megabytes * 20) resolve(undefined)
      } })
    })
    const seconds = (performance.now() - begun) / 1000
    const [broker] = cluster.brokers()
    await cluster.close()
    return { count, seconds, broker }
  }, /** @type {[number, object]} */ ([megabytes, open]))
  const mb = (/** @type {number} */ bytes) => `${(bytes / 1e6).toFixed(0)} MB`
  const sorted = opened.toSorted((a, b) => a - b)
  console.log(`${megabytes} MB: produced in ${produced.seconds.toFixed(1)} s, stored ${mb(produced.broker.storageBytes)}, ` +
    `wasm memory ${mb(produced.broker.memoryBytes)} after producing, ${mb(read.broker.memoryBytes)} after reading ${read.count} records in ` +
    `${read.seconds.toFixed(1)} s; open (median of 5) ${Math.round(sorted[2])} ms, ${Math.round(sorted[0])} to ${Math.round(sorted[4])}`)
  await browser.close()
  await rm(profile, { recursive: true, force: true })
}
for (const step of undo) await step()
process.exit(0)
