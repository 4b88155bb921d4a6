// Keep and share: a cluster as a .zip and back.
import assert from 'node:assert/strict'
import { readFile, writeFile } from 'node:fs/promises'
import { test } from 'node:test'
import { unzipSync, zipSync } from 'fflate'
import { openChromium, resultFile, startSite, until } from './harness.mjs'
import { openPage, ready, violations } from './playground.mjs'

/** A cluster with two topics, one of them with a config of its own, and a group that has read a part. @param {import('playwright-core').Page} page */
const fill = (page) => page.evaluate(async () => {
  const { admin, kafka } = /** @type {any} */ (globalThis).tabmq
  await admin.createTopics({ topics: [
    { topic: 'orders', numPartitions: 2, replicationFactor: 3, configEntries: [{ name: 'segment.bytes', value: '600000' }] },
    { topic: 'clicks', numPartitions: 1, replicationFactor: 2 }
  ] })
  const producer = kafka.producer()
  await producer.send({ topic: 'orders', messages: Array.from({ length: 40 }, (_, n) => ({ partition: n % 2, key: `k${n}`, value: `order ${n}` })) })
  await producer.send({ topic: 'clicks', messages: Array.from({ length: 10 }, (_, n) => ({ value: `click ${n}` })) })
  await admin.setOffsets({ groupId: 'billing', topic: 'orders', partitions: [{ partition: 0, offset: '7' }, { partition: 1, offset: '20' }] })
})

/** What of it can be seen from outside. @param {import('playwright-core').Page} page */
const found = (page) => page.evaluate(async () => {
  const { admin, kafka } = /** @type {any} */ (globalThis).tabmq
  const { topics } = await admin.fetchTopicMetadata({ topics: ['orders', 'clicks'] })
  const { resources: [{ configEntries }] } = await admin.describeConfigs({ resources: [{ type: 2, name: 'orders' }] })
  const values = []
  const consumer = kafka.consumer({ groupId: `look-${Math.random()}` })
  await consumer.subscribe({ topics: ['orders', 'clicks'], fromBeginning: true })
  await new Promise((resolve) => {
    consumer.run({ eachMessage: async ({ topic, partition, message }) => {
      values.push(`${topic}-${partition}@${message.offset} ${new TextDecoder().decode(message.value)}`)
      if (values.length === 50) resolve(undefined)
    } })
  })
  await consumer.disconnect()
  return {
    topics: topics.map(({ name, partitions }) => `${name} ${partitions.length} ${partitions[0].replicas.length}`).sort(),
    segmentBytes: configEntries.find(({ configName }) => configName === 'segment.bytes').configValue,
    offsets: (await admin.fetchOffsets({ groupId: 'billing' })).flatMap(({ topic, partitions }) => partitions.map(({ partition, offset }) => `${topic}-${partition} ${offset}`)).sort(),
    values: values.sort()
  }
})

/** @param {import('playwright-core').Page} page @param {string} path */
async function exported (page, path) {
  const [download] = await Promise.all([page.waitForEvent('download'), page.click('[data-do=export]')])
  await download.saveAs(path)
  await until('it says so', async () => /Exported/.test(await page.textContent('[data-note=keep]')))
  return download.suggestedFilename()
}

test('a cluster is exported, and imported into a new one: topics, configs, records, offsets of groups', { timeout: 240_000 }, async (t) => {
  const site = await startSite(t)
  const browser = await openChromium(t)
  const page = await openPage(browser, site, { view: 'share' })
  await fill(page)
  const before = await found(page)
  const path = await resultFile('playground.tabmq.zip')
  assert.equal(await exported(page, path), 'playground.tabmq.zip')
  const manifest = JSON.parse(Buffer.from(unzipSync(await readFile(path))['manifest.json']).toString())
  assert.equal(manifest.format, 'tabmq cluster')
  assert.deepEqual(manifest.topics.map(({ topic }) => topic), ['clicks', 'orders'])
  assert.equal(manifest.topics[1].configs['segment.bytes'], '600000')

  await page.goto(`${site.url}/?demo=off&lang=en&name=copy#/share`)
  await ready(page)
  await page.setInputFiles('[name=import-zip]', path)
  await until('it is imported', async () => /Imported playground\.tabmq\.zip: 2 topics, 50 records, offsets of/.test(await page.textContent('[data-note=keep]')), { timeoutMs: 60_000 })
  assert.deepEqual(await found(page), before)
  assert.deepEqual(await violations(page), [])
  await page.screenshot({ path: await resultFile('share.png'), fullPage: true })

  // The same again would overwrite: it is refused whole.
  await page.setInputFiles('[name=import-zip]', path)
  await until('it says what is in the way', async () => /Nothing was imported\. These topics exist already: clicks, orders/.test(await page.textContent('[data-note=keep]')))

  // A topic alone, under another name.
  await page.selectOption('[name=export-what]', 'orders')
  const topic = await resultFile('orders.zip')
  assert.equal(await exported(page, topic), 'orders.zip')
  await page.setInputFiles('[name=import-zip]', topic)
  await page.waitForSelector('[name=import-as]')
  await page.click('[data-form=import-topic] button')
  assert.match(await page.textContent('[data-form=import-topic] .error'), /There is a topic orders already/)
  assert.equal(await page.inputValue('[name=import-as]'), 'orders')
  await page.fill('[name=import-as]', 'orders-again')
  await page.click('[data-form=import-topic] button')
  await until('it is imported', async () => /Imported orders-again: 40 records/.test(await page.textContent('[data-note=keep]')))
})

test('a file that is wrong is refused whole, with its place, in words', { timeout: 240_000 }, async (t) => {
  const site = await startSite(t)
  const browser = await openChromium(t)
  const page = await openPage(browser, site, { view: 'share' })
  await fill(page)
  const path = await resultFile('whole.tabmq.zip')
  await exported(page, path)
  const whole = unzipSync(await readFile(path))
  await page.goto(`${site.url}/?demo=off&lang=en&name=wrong#/share`)
  await ready(page)

  /** @param {string} name @param {Record<string, Uint8Array>} files */
  const says = async (name, files) => {
    const file = await resultFile(name)
    await writeFile(file, zipSync(files, { level: 0 }))
    await page.setInputFiles('[name=import-zip]', file)
    await until(`${name} is refused`, async () => (await page.textContent('[data-note=keep]')).includes(name) && await page.$('[data-note=keep].bad'))
    assert.deepEqual(await page.evaluate(() => /** @type {any} */ (globalThis).tabmq.admin.listTopics()), [], name)
    const text = await page.textContent('[data-note=keep]')
    assert.match(text, /Nothing was imported/)
    return text
  }
  const changed = (change) => {
    const manifest = JSON.parse(Buffer.from(whole['manifest.json']).toString())
    change(manifest)
    return { ...whole, 'manifest.json': Buffer.from(JSON.stringify(manifest)) }
  }
  const log = Object.keys(whole).find((one) => /topics\/orders\/orders-1\/.*\.log$/.test(one))
  const broken = whole[log].slice()
  broken[broken.length - 3] ^= 0xff
  assert.match(await says('changed.zip', { ...whole, [log]: broken }), /topics\/orders\/orders-1\/0{20}\.log, byte \d+/)
  assert.match(await says('cut.zip', { ...whole, [log]: whole[log].slice(0, -5) }), /topics\/orders\/orders-1\/0{20}\.log, byte \d+/)
  assert.match(await says('newer.zip', changed((manifest) => { manifest.version = 2 })), /version 2 is newer than this page/)
  assert.match(await says('unknown.zip', changed((manifest) => { manifest.topics[0].colour = 'red' })), /topics\[0\]\.colour: this page does not know it/)
  assert.match(await says('lost.zip', changed((manifest) => { manifest.topics.push({ ...manifest.topics[0], topic: 'lost' }) })), /files of topic lost are missing/)
  assert.match(await says('stray.zip', { ...whole, 'notes.txt': Buffer.from('x') }), /notes\.txt: it belongs to no topic/)
  assert.match(await says('json.zip', { ...whole, 'manifest.json': Buffer.from('{') }), /manifest\.json: not JSON/)
})
