// How memory and opening behave with much data: `node tests/browser/large.mjs [MB ...]`, on the built package. For each
// size: one broker in a fresh profile, one partition; produced, closed, opened again and again, read back whole. The
// openings of all sizes take turns, so that what else the machine does meets all of them alike.
import { openChromium, startSite } from './harness.mjs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

const ROUNDS = 21
const given = process.argv.slice(2).map(Number)
const sizes = given.length ? given : [10, 1000]
const options = { brokers: 1, config: {}, profile: 'kafka' }
/** @type {(() => unknown)[]} */
const undo = []
const t = /** @type {any} */ ({ after: (/** @type {() => unknown} */ step) => undo.push(step), diagnostic: () => {} })
const site = await startSite(t)

/** A browser with so many megabytes in its storage. @param {number} megabytes */
async function filled (megabytes) {
  const profile = await mkdtemp(join(tmpdir(), 'tabmq-large-'))
  const browser = await openChromium(t, { profile })
  const page = await browser.open(`${site.url}/pages/blank.html`)
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
  }, /** @type {[number, object]} */ ([megabytes, options]))
  return { megabytes, profile, browser, page, produced, opened: /** @type {number[]} */ ([]) }
}

const all = []
for (const megabytes of sizes) all.push(await filled(megabytes))
for (let round = 0; round < ROUNDS; round++) {
  for (const { page, opened } of round % 2 ? all : all.toReversed()) {
    await page.reload()
    opened.push(await page.evaluate(async (options) => {
      const { open } = await import('/pages/scenario.js')
      const begun = performance.now()
      const cluster = await open(options)
      const ms = performance.now() - begun
      await cluster.close()
      return ms
    }, options))
  }
}
const mb = (/** @type {number} */ bytes) => `${(bytes / 1e6).toFixed(0)} MB`
const median = (/** @type {number[]} */ values) => values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)]
for (const { megabytes, profile, browser, page, produced, opened } of all) {
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
  }, /** @type {[number, object]} */ ([megabytes, options]))
  console.log(`${megabytes} MB: produced in ${produced.seconds.toFixed(1)} s, stored ${mb(produced.broker.storageBytes)}, ` +
    `wasm memory ${mb(produced.broker.memoryBytes)} after producing, ${mb(read.broker.memoryBytes)} after reading ${read.count} records in ` +
    `${read.seconds.toFixed(1)} s; open (median of ${ROUNDS}) ${Math.round(median(opened))} ms, ` +
    `${Math.round(Math.min(...opened))} to ${Math.round(Math.max(...opened))}`)
  await browser.close()
  await rm(profile, { recursive: true, force: true })
}
const base = all[0]
for (const { megabytes, opened } of all.slice(1)) {
  console.log(`opening ${megabytes} MB takes ${(median(opened) / median(base.opened)).toFixed(2)} of opening ${base.megabytes} MB`)
}
for (const step of undo) await step()
process.exit(0)
