// What an ack is worth when the browser dies, and what happens when its storage is full.
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { test } from 'node:test'
import { openChromium, startSite, temporaryProfile, until } from './harness.mjs'

const ROUNDS = Number(process.env.TABMQ_KILL_ROUNDS ?? 3)

test(`after kill -9 of the whole browser in mid-produce every acked record is there, once and in order (${ROUNDS} rounds)`, { timeout: 60_000 + ROUNDS * 60_000 }, async (t) => {
  const site = await startSite(t)
  let slowest = 0
  let total = 0
  for (let round = 0; round < ROUNDS; round++) {
    const profile = await temporaryProfile(t)
    const browser = await openChromium(t, { profile })
    const page = await browser.context.newPage()
    // Told in the moment of each ack: what the page knows dies with it.
    const acked = []
    await page.exposeFunction('ackedUpTo', (/** @type {number} */ number) => { acked.push(number) })
    await page.goto(`${site.url}/pages/blank.html`)
    const produce = page.evaluate(async () => {
      const { open } = await import('/pages/scenario.js')
      const cluster = await open()
      const admin = cluster.kafka().admin()
      await admin.createTopics({ topics: [{ topic: 'orders', numPartitions: 3, replicationFactor: 3 }] })
      const producer = cluster.kafka().producer()
      for (let number = 0; ; number += 5) {
        const messages = [0, 1, 2, 3, 4].map((at) => ({ key: `k${(number + at) % 7}`, value: JSON.stringify({ number: number + at }) }))
        await producer.send({ topic: 'orders', acks: -1, messages })
        // @ts-ignore
        await globalThis.ackedUpTo(number + 4)
      }
    }).catch(() => {})
    await until('records are acked', () => acked.length > 20 + round * 7)
    execFileSync('pkill', ['-9', '-f', `user-data-dir=${profile}`])
    await produce
    const last = acked.at(-1)

    const again = await openChromium(t, { profile })
    const second = await again.open(`${site.url}/pages/blank.html`)
    const begun = performance.now()
    const found = await second.evaluate(async (last) => {
      const { open } = await import('/pages/scenario.js')
      const cluster = await open()
      const ready = performance.now()
      const consumer = cluster.kafka().consumer({ groupId: 'check' })
      await consumer.subscribe({ topics: ['orders'], fromBeginning: true })
      const numbers = []
      await new Promise((resolve, reject) => {
        const timer = setTimeout(() => reject(new Error(`read ${numbers.length} of ${last + 1} within 60 s`)), 60_000)
        consumer.run({
          eachMessage: async ({ message }) => {
            numbers.push([new TextDecoder().decode(message.key), JSON.parse(new TextDecoder().decode(message.value)).number])
            if (numbers.filter(([, number]) => number <= last).length === last + 1) {
              clearTimeout(timer)
              resolve(undefined)
            }
          },
        }).catch(reject)
      })
      await cluster.close()
      return { numbers, ready }
    }, last)
    slowest = Math.max(slowest, performance.now() - begun)
    total += last + 1
    const all = found.numbers.map(([, number]) => number)
    assert.equal(new Set(all).size, all.length, `round ${round}: a record is there twice`)
    for (let key = 0; key < 7; key++) {
      const ofKey = found.numbers.filter(([name]) => name === `k${key}`).map(([, number]) => number)
      assert.deepEqual(ofKey, ofKey.toSorted((a, b) => a - b), `round ${round}: out of order`)
    }
    await again.close()
  }
  t.diagnostic(`${ROUNDS} kills, ${total} acked records, none lost; opened and read in ${Math.round(slowest)} ms at most`)
})

test('with the quota used up producers wait and consumers go on; when space is freed producing resumes', { timeout: 180_000 }, async (t) => {
  const site = await startSite(t)
  const browser = await openChromium(t)
  const page = await browser.open(`${site.url}/pages/blank.html`)
  const devtools = await browser.context.newCDPSession(page)
  // Before anything is stored: Chromium asks for the quota again only when what it last heard is used up.
  await devtools.send('Storage.overrideQuotaForOrigin', { origin: site.url, quotaSize: 12_000_000 })
  await page.evaluate(async () => {
    const { open } = await import('/pages/scenario.js')
    const cluster = await open()
    const events = []
    cluster.on('event', (event) => { if (event.type === 'storageFailed') events.push(event.reason) })
    const admin = cluster.kafka().admin()
    await admin.createTopics({ topics: [{ topic: 'orders', numPartitions: 1, replicationFactor: 3 }] })
    const producer = cluster.kafka().producer()
    // Noise: what compresses takes no space on the disk.
    const noise = () => Array.from(crypto.getRandomValues(new Uint8Array(50_000)), (byte) => byte.toString(16)).join('')
    const value = (number) => `${number} ${noise()}`
    for (let number = 0; number < 10; number++) await producer.send({ topic: 'orders', acks: -1, messages: [{ value: value(number) }] })
    const consumer = cluster.kafka().consumer({ groupId: 'readers' })
    const numbers = []
    await consumer.subscribe({ topics: ['orders'], fromBeginning: true })
    await consumer.run({ eachMessage: async ({ message }) => { numbers.push(Number(new TextDecoder().decode(message.value).split(' ')[0])) } })
    while (numbers.length < 10) await new Promise((resolve) => setTimeout(resolve, 20))
    consumer.pause([{ topic: 'orders' }])
    Object.assign(globalThis, { consumer, events, numbers, producer, value })
  })
  await page.evaluate(() => {
    const { producer, value } = /** @type {any} */ (globalThis)
    const state = { acked: 0, failed: [], done: false }
    Object.assign(globalThis, { state })
    const run = async () => {
      for (let number = 10; number < 80; number++) {
        await producer.send({ topic: 'orders', acks: -1, timeout: 120_000, messages: [{ value: value(number) }] })
        state.acked++
      }
    }
    run().catch((error) => state.failed.push(error.message)).finally(() => { state.done = true })
  })
  await until('the quota is hit', () => page.evaluate(() => /** @type {any} */ (globalThis).events.some((reason) => /quota/.test(reason))), { timeoutMs: 60_000 })
  const read = await page.evaluate(async () => {
    const { consumer, numbers, state } = /** @type {any} */ (globalThis)
    consumer.resume([{ topic: 'orders' }])
    const deadline = Date.now() + 30_000
    while (numbers.length < 10 + state.acked && Date.now() < deadline) await new Promise((resolve) => setTimeout(resolve, 20))
    return { numbers, acked: state.acked, done: state.done, failed: state.failed }
  })
  assert.ok(read.numbers.length >= 10 + read.acked, `consumers go on: ${JSON.stringify(read)}`)
  assert.equal(read.done, false, `the producer waits: ${JSON.stringify(read)}`)
  await devtools.send('Storage.overrideQuotaForOrigin', { origin: site.url })
  await until('all is acked', () => page.evaluate(() => /** @type {any} */ (globalThis).state.done), { timeoutMs: 90_000 })
  const end = await page.evaluate(() => /** @type {any} */ (globalThis).state)
  assert.deepEqual(end, { acked: 70, failed: [], done: true })
  await until('all is read', () => page.evaluate(() => /** @type {any} */ (globalThis).numbers.length >= 80))
  const numbers = await page.evaluate(() => /** @type {any} */ (globalThis).numbers)
  assert.deepEqual(numbers, Array.from({ length: 80 }, (_, number) => number), 'each once, in order')
})
