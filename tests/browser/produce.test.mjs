// The view Produce: by hand, by generators, from files and samples.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { openChromium, startSite, until } from './harness.mjs'
import { becomes, cancelWhen, goTo, openPage, picture, says, violations } from './playground.mjs'

/** @typedef {import('playwright-core').Page} Page */

/** @param {Page} page @param {string} topic @param {number} partitions */
const createTopic = (page, topic, partitions) => page.evaluate(([topic, partitions]) =>
  /** @type {any} */ (globalThis).tabmq.admin.createTopics({ topics: [{ topic, numPartitions: partitions, replicationFactor: 3 }] }), /** @type {const} */ ([topic, partitions]))

/** @param {Page} page @param {string} topic */
const written = (page, topic) => page.evaluate(async (topic) =>
  (await /** @type {any} */ (globalThis).tabmq.admin.fetchTopicOffsets(topic)).map(({ high, low }) => Number(high) - Number(low)), topic)

/** The form by hand is there and knows of all partitions: they are told one by one. @param {Page} page @param {number} partitions */
const partitionsKnown = (page, partitions) => until(`${partitions} partitions are known`, async () => await page.locator('tabmq-by-hand .cell').count() === partitions)

const sum = (numbers) => numbers.reduce((total, one) => total + one, 0)

/** @param {Page} page @param {string} name */
const figure = async (page, name) => Number((await page.textContent(`[data-figure=${name}]`)).replace(/,/g, ''))

/** All records of a topic, as texts. @param {Page} page @param {string} topic @param {number} count */
const readAll = (page, topic, count) => page.evaluate(async ([topic, count]) => {
  const text = (bytes) => bytes === null || bytes === undefined ? null : new TextDecoder().decode(bytes)
  const records = []
  const consumer = /** @type {any} */ (globalThis).tabmq.kafka.consumer({ groupId: `check-${crypto.randomUUID()}` })
  await consumer.subscribe({ topic, fromBeginning: true })
  await new Promise((resolve) => consumer.run({
    eachMessage: async ({ partition, message: { key, value, headers } }) => {
      records.push({ partition, key: text(key), value: text(value), headers: Object.fromEntries(Object.entries(headers).map(([name, one]) => [name, Array.isArray(one) ? one.map(text) : text(one)])) })
      if (records.length === count) resolve(undefined)
    }
  }))
  await consumer.disconnect()
  return records
}, /** @type {const} */ ([topic, count]))

test('the partition of a key is shown before it is sent, and is where the record goes', { timeout: 120_000 }, async (t) => {
  const site = await startSite(t)
  const browser = await openChromium(t)
  const page = await openPage(browser, site, { view: 'produce' })
  await says(page, 'tabmq-by-hand', /no topic to write to yet/)
  await createTopic(page, 'orders', 6)
  await partitionsKnown(page, 6)
  await says(page, '[data-target]', /Without a key/)
  for (const key of ['ann', 'bob', '하나', 'a longer key, with words']) {
    await page.fill('[data-form=produce] [name=key]', key)
    await says(page, '[data-target]', /murmur2/)
    const shown = await page.getAttribute('[data-target]', 'data-target')
    assert.equal(await page.textContent('.cell.on'), shown)
    await page.click('[data-form=produce] button.primary')
    await until('it is acked', async () => (await page.textContent('.sent li >> nth=0').catch(() => '')).includes(key))
    await says(page, '[data-note=produce]', new RegExp(`Acked: orders, partition ${shown}, offset \\d+`))
  }
  await page.fill('[data-form=produce] [name=partition]', '4')
  await says(page, '[data-target]', /To partition 4, as you chose/)
  await page.click('tabmq-by-hand summary')
  await page.fill('[data-form=produce] [name=headers]', 'trace: 42\nvia: page\nvia: hand')
  await page.fill('[data-form=produce] [name=key]', 'chosen')
  await page.click('[data-form=produce] button.primary')
  await says(page, '[data-note=produce]', /partition 4/)
  await page.check('[data-form=produce] [name=tombstone]')
  await page.selectOption('[data-form=produce] [name=acks]', '0')
  await page.click('[data-form=produce] button.primary')
  await says(page, '[data-note=produce]', /no ack was asked for/)
  const chosen = (await readAll(page, 'orders', 6)).filter(({ key }) => key === 'chosen')
  assert.deepEqual(chosen, [
    { partition: 4, key: 'chosen', value: 'hello', headers: { trace: '42', via: ['page', 'hand'] } },
    { partition: 4, key: 'chosen', value: null, headers: { trace: '42', via: ['page', 'hand'] } }
  ])
})

test('what is wrong stands beside its field and what was typed is kept; what was done can be copied for other tools', { timeout: 120_000 }, async (t) => {
  const site = await startSite(t)
  const browser = await openChromium(t)
  const page = await openPage(browser, site, { view: 'produce' })
  await createTopic(page, 'orders', 3)
  await partitionsKnown(page, 3)
  const error = (form, field, words) => says(page, `[data-form=${form}] [data-field=${field}] .error`, words)
  await page.fill('[data-form=produce] [name=partition]', '3')
  await page.click('tabmq-by-hand summary')
  await page.fill('[data-form=produce] [name=headers]', 'trace: 1\nnothing')
  await page.click('[data-form=produce] button.primary')
  await error('produce', 'partition', /orders has partitions 0 to 2/)
  await error('produce', 'headers', /Line 2/)
  assert.equal(await page.inputValue('[data-form=produce] [name=headers]'), 'trace: 1\nnothing')
  await page.fill('[data-form=generator] [name=topic]', 'not a name')
  await page.fill('[data-form=generator] [name=rate]', 'many')
  await page.selectOption('[data-form=generator] [name=acks]', '1')
  await page.click('[data-form=generator] button.primary')
  await error('generator', 'topic', /249 letters/)
  await error('generator', 'rate', /whole number from 1 to 1,000,000/)
  await error('generator', 'idempotent', /Idempotence needs acks=all/)
  assert.equal(await page.inputValue('[data-form=generator] [name=rate]'), 'many')
  assert.equal(await page.locator('[data-generator]').count(), 0)

  await page.fill('[data-form=produce] [name=partition]', '')
  await page.fill('[data-form=produce] [name=headers]', 'trace: 1')
  await page.fill('[data-form=produce] [name=key]', "ann's")
  await page.click('[data-form=produce] button.quiet')
  const copied = await page.textContent('dialog')
  assert.match(copied, /kafka-console-producer\.sh --bootstrap-server localhost:9092 --topic orders --producer-property acks=all/)
  assert.match(copied, /-k 'ann'\\''s'/)
  assert.match(copied, /kcat -b localhost:9092 -P -t orders[^]*-H trace=1/)
  assert.match(copied, /messages: \[\{ key: 'ann\\'s', value: 'hello', headers: \{ trace: '1' \} \}\]/)
  assert.deepEqual(await violations(page), [])
})

test('generators run at their rate, several at once, in threads of their own, until they are stopped', { timeout: 180_000 }, async (t) => {
  const site = await startSite(t)
  const browser = await openChromium(t)
  const page = await openPage(browser, site, { view: 'produce' })
  await page.click('[data-preset=hot]')
  await page.fill('[data-form=generator] [name=topic]', 'hot')
  await page.fill('[data-form=generator] [name=rate]', '400')
  await page.click('[data-form=generator] button.primary')
  await page.waitForSelector('[data-generator].running')
  await until('records are acked', async () => await figure(page, 'acked') > 800, { timeoutMs: 60_000 })
  await says(page, '[data-figure=latency]', / (ms|sec)/)
  // One key has 80 %, so one partition has about as much.
  const shares = await written(page, 'hot')
  assert.ok(Math.max(...shares) > 0.7 * sum(shares), shares.join(' '))

  await page.click('[data-preset=gentle]')
  await page.fill('[data-form=generator] [name=topic]', 'gentle')
  await page.click('[data-form=generator] button.primary')
  await until('both run', async () => await page.locator('[data-generator].running').count() === 2)
  // They go on while another view is shown.
  await goTo(page, 'topics')
  const before = sum(await written(page, 'gentle'))
  await until('more is written', async () => sum(await written(page, 'gentle')) > before)
  await goTo(page, 'produce')
  await picture(page, 'generators.png')
  assert.deepEqual(await violations(page), [])

  await page.click('[data-generator] [data-do=stop] >> nth=0')
  await page.waitForSelector('[data-generator].stopped')
  const [acked, sent, failed] = [await figure(page, 'acked'), await figure(page, 'sent'), await figure(page, 'failed')]
  assert.deepEqual([acked, failed], [sent, 0], 'all that was sent was acked')
  await becomes(async () => sum(await written(page, 'hot')), acked)
  await page.click('[data-generator].stopped [data-do=again]')
  await until('it runs again', async () => await page.locator('[data-generator].running').count() === 2)
  for (const _ of [1, 2]) await page.click('[data-generator].running [data-do=stop] >> nth=0')
  await until('both are stopped', async () => await page.locator('[data-generator].stopped').count() === 2)
  await page.click('[data-do=remove] >> nth=0')
  await becomes(() => page.locator('[data-generator]').count(), 1)
})

test('a generator with an end shows how far it is, by each codec, and rides over the death of a leader', { timeout: 240_000 }, async (t) => {
  const site = await startSite(t)
  const browser = await openChromium(t)
  const page = await openPage(browser, site, { view: 'produce' })
  await page.click('tabmq-generators summary')
  for (const [index, codec] of ['gzip', 'snappy', 'lz4', 'zstd'].entries()) {
    await page.fill('[data-form=generator] [name=topic]', codec)
    await page.fill('[data-form=generator] [name=rate]', '2000')
    await page.fill('[data-form=generator] [name=count]', '3000')
    await page.selectOption('[data-form=generator] [name=compression]', { label: codec })
    await page.click('[data-form=generator] button.primary')
    if (index === 0) {
      await page.waitForSelector('[data-generator] progress')
      await until('records flow', async () => await figure(page, 'acked') > 0, { timeoutMs: 60_000 })
      await page.waitForFunction(() => /** @type {any} */ (globalThis).tabmq.store.model.topics.get('gzip')?.[0])
      await page.evaluate(() => {
        const { cluster, store } = /** @type {any} */ (globalThis).tabmq
        return cluster.kill(store.model.topics.get('gzip')[0].leader)
      })
    }
    await until(`${codec} is done`, async () => await page.locator('[data-generator].stopped').count() === index + 1, { timeoutMs: 90_000 })
    // Each record once, though a leader died. A new leader learns of its high watermark when its followers fetch.
    await becomes(async () => sum(await written(page, codec)), 3000)
  }
  assert.equal((await page.locator('[data-figure=failed]').allTextContents()).join(' '), '0 0 0 0')
})

test('the generation of a million records shows how far it is and is cancelled; what was sent by then is there, and no more', { timeout: 120_000 }, async (t) => {
  const site = await startSite(t)
  const browser = await openChromium(t)
  const page = await openPage(browser, site, { view: 'produce' })
  await page.click('[data-preset=million]')
  await page.fill('[data-form=generator] [name=topic]', 'million')
  // So that it is far from its end, however slow we are.
  await page.fill('[data-form=generator] [name=rate]', '2000')
  await page.click('[data-form=generator] button.primary')
  const bar = () => page.$eval('[data-generator] progress', (/** @type {HTMLProgressElement} */ { value, max }) => ({ value, max }))
  await page.waitForSelector('[data-generator] progress')
  await until('it shows how far it is', async () => (await bar()).value > 0, { timeoutMs: 60_000 })
  assert.equal((await bar()).max, 1_000_000)
  await page.click('[data-generator] [data-do=stop]')
  await page.waitForSelector('[data-generator].stopped')
  const [sent, acked] = [await figure(page, 'sent'), await figure(page, 'acked')]
  assert.ok(sent > 0 && sent < 1_000_000, `${sent}`)
  assert.equal(acked, sent)
  await becomes(async () => sum(await written(page, 'million')), sent)
  assert.equal((await bar()).value, sent)
})

test('an import is cancelled while it is written, leaves nothing behind, and works the next time', { timeout: 120_000 }, async (t) => {
  const site = await startSite(t)
  const browser = await openChromium(t)
  const page = await openPage(browser, site, { view: 'produce' })
  await page.evaluate(async () => {
    const { admin, cluster, kafka } = /** @type {any} */ (globalThis).tabmq
    // Several files, so that there is a middle.
    await admin.createTopics({ topics: [{ topic: 'orders', numPartitions: 2, replicationFactor: 3, configEntries: [{ name: 'segment.bytes', value: '20000' }] }] })
    const producer = kafka.producer()
    for (let sent = 0; sent < 2000; sent += 100) await producer.send({ topic: 'orders', messages: Array.from({ length: 100 }, (_, n) => ({ key: `k${n}`, value: 'v'.repeat(100) })) })
    const { pack } = await import(/** @type {string} */ ('/js/archive.js'))
    const transfer = new DataTransfer()
    transfer.items.add(new File([pack(await cluster.exportTopic('orders'))], 'orders.zip'))
    document.querySelector('.drop').dispatchEvent(new DragEvent('drop', { dataTransfer: transfer, cancelable: true }))
  })
  await says(page, '[data-note=file]', /orders\.zip: \d+ files of a topic\./)
  await page.fill('[data-form=import] [name=topic]', 'copy')
  const there = () => page.evaluate(() => /** @type {any} */ (globalThis).tabmq.admin.listTopics())
  await cancelWhen(page, 'file', { words: 'Writing' })
  await page.click('[data-form=import] button.primary')
  await says(page, '[data-note=file]', /^Cancelled\.$/)
  await becomes(there, ['orders'])
  assert.equal(await page.inputValue('[data-form=import] [name=topic]'), 'copy')
  await page.click('[data-form=import] button.primary')
  await says(page, '[data-note=file].good', /Imported copy: 2,000 records/)
})

test('a large file is checked and produced in slices, with progress, and can be cancelled', { timeout: 240_000 }, async (t) => {
  const site = await startSite(t)
  const browser = await openChromium(t)
  const page = await openPage(browser, site, { view: 'produce' })
  const rows = 60_000
  const big = Array.from({ length: rows }, (_, index) => JSON.stringify({ id: index, name: `row ${index}`, text: 'x'.repeat(120) })).join('\n')
  await page.setInputFiles('input[type=file]', { name: 'big.ndjson', mimeType: 'text/plain', buffer: Buffer.from(big) })
  const told = (words) => says(page, '[data-note=file]', words, { timeoutMs: 60_000 })
  await told(/big\.ndjson: 60,000 rows\./)
  await page.selectOption('[data-form=file] [name=key]', '')
  await cancelWhen(page, 'file', { beyond: 1000 })
  await page.click('[data-form=file] button.primary')
  await told(/Cancelled\. [\d,]+ records were acked before\./)
  const acked = Number(/([\d,]+) records/.exec(await page.textContent('[data-note=file]'))[1].replace(/,/g, ''))
  assert.ok(acked > 0 && acked < rows)
  await until('what was acked is there', async () => sum(await written(page, 'big')) >= acked)
  // The last line of a file is as good as the first.
  await page.setInputFiles('input[type=file]', { name: 'broken.ndjson', mimeType: 'text/plain', buffer: Buffer.from(`${big}\n{"id":`) })
  await told(/broken\.ndjson, line 60001: /)
  await becomes(() => page.locator('[data-form=file]').count(), 0)
})

test('sample data of several kinds is produced with one click, keyed', { timeout: 120_000 }, async (t) => {
  const site = await startSite(t)
  const browser = await openChromium(t)
  const page = await openPage(browser, site, { view: 'produce', query: 'demo=off&lang=ko' })
  for (const [name, rows] of /** @type {[string, number][]} */ ([['penguins', 344], ['stocks', 560], ['weather', 2922]])) {
    await page.click(`[data-sample=${name}]`)
    await until(`${name} is acked`, async () => /^완료: /.test(await page.textContent('[data-note=file]')) && await page.evaluate((name) => /** @type {any} */ (globalThis).tabmq.store.model.topics.has(name), name), { timeoutMs: 60_000 })
    await until(`${name} is there`, async () => sum(await written(page, name)) === rows)
  }
  const birds = await readAll(page, 'penguins', 344)
  assert.deepEqual([...new Set(birds.map(({ key }) => key))].sort(), ['Adelie', 'Chinstrap', 'Gentoo'])
})
