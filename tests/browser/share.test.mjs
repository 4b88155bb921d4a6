// Keep and share: a cluster as a .zip and back.
import assert from 'node:assert/strict'
import { readFile, writeFile } from 'node:fs/promises'
import { test } from 'node:test'
import { deflateSync, unzipSync, zipSync } from 'fflate'
import { DEFAULTS as GENERATOR } from '../../www/js/work/generators.js'
import { DEFAULTS as MEMBER } from '../../www/js/work/members.js'
import { decode, encode } from '../../www/js/views/share/scenario.js'
import { openChromium, resultFile, startSite, until } from './harness.mjs'
import { becomes, cancelWhen, openPage, picture, ready, says, violations } from './playground.mjs'

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
  await says(page, '[data-note=keep]', /Exported/)
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
  await says(page, '[data-note=keep]', /Imported playground\.tabmq\.zip: 2 topics, 50 records, offsets of/, { timeoutMs: 60_000 })
  assert.deepEqual(await found(page), before)
  assert.deepEqual(await violations(page), [])
  await picture(page, 'share.png')

  // The same again would overwrite: it is refused whole.
  await page.setInputFiles('[name=import-zip]', path)
  await says(page, '[data-note=keep]', /Nothing was imported\. These topics exist already: clicks, orders/)

  // A topic alone, under another name.
  await page.selectOption('[name=export-what]', 'orders')
  const topic = await resultFile('orders.zip')
  assert.equal(await exported(page, topic), 'orders.zip')
  await page.setInputFiles('[name=import-zip]', topic)
  await page.waitForSelector('[name=import-as]')
  await page.click('[data-form=import-topic] button')
  await says(page, '[data-form=import-topic] .error', /There is a topic orders already/)
  assert.equal(await page.inputValue('[name=import-as]'), 'orders')
  await page.fill('[name=import-as]', 'orders-again')
  await page.click('[data-form=import-topic] button')
  await says(page, '[data-note=keep]', /Imported orders-again: 40 records/)
})

test('the import of a cluster is cancelled: what it had created is gone, and it works the next time', { timeout: 120_000 }, async (t) => {
  const site = await startSite(t)
  const browser = await openChromium(t)
  const page = await openPage(browser, site, { view: 'share' })
  await fill(page)
  const path = await resultFile('cancelled.tabmq.zip')
  await exported(page, path)
  await page.goto(`${site.url}/?demo=off&lang=en&name=copy#/share`)
  await ready(page)
  // When the second topic is written, the first one is there.
  await cancelWhen(page, 'keep', { words: 'Writing orders' })
  await page.setInputFiles('[name=import-zip]', path)
  await says(page, '[data-note=keep]', /^Cancelled\. What was begun is deleted again/)
  await becomes(() => page.evaluate(() => /** @type {any} */ (globalThis).tabmq.admin.listTopics()), [])
  await page.setInputFiles('[name=import-zip]', path)
  await says(page, '[data-note=keep].good', /2 topics, 50 records/, { timeoutMs: 60_000 })
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

/** @type {import('../../www/js/views/share/scenario.js').Scenario} */
const SCENARIO = {
  brokers: 3,
  topics: [{ topic: 'orders', partitions: 2, replicas: 3, configs: { 'retention.ms': '3600000' } }],
  generators: [{ ...GENERATOR, topic: 'orders', rate: 50 }],
  members: [{ ...MEMBER, group: 'billing', topics: ['orders'], clientId: 'reader-1' }],
  links: [{ from: 1, to: 2, cut: false, delayMs: 100, lossRatio: 0.05 }],
  down: [3]
}
/** Any JSON as the text of a link. @param {any} value */
const linkOf = (value) => `1.${Buffer.from(deflateSync(Buffer.from(JSON.stringify(value)))).toString('base64url')}`

test('a scenario comes back from its link as it was, and one of twenty topics fits into two thousand characters', () => {
  assert.deepEqual(decode(encode(SCENARIO)), { scenario: SCENARIO, unknown: [] })
  const large = { ...SCENARIO, topics: Array.from({ length: 20 }, (_, n) => ({ ...SCENARIO.topics[0], topic: `topic-${n}` })), generators: Array.from({ length: 10 }, (_, n) => ({ ...SCENARIO.generators[0], topic: `topic-${n}` })) }
  assert.ok(encode(large).length < 2000)
  const random = Array.from({ length: 200 }, () => ({ ...SCENARIO.topics[0], topic: Math.random().toString(36).repeat(3) }))
  assert.throws(() => encode({ ...SCENARIO, topics: random }), { why: 'long' })
})

test('a bad link says which part; what the page does not know is named', () => {
  const wrong = (change, facts) => {
    const value = structuredClone(/** @type {any} */ (SCENARIO))
    change(value)
    assert.throws(() => decode(linkOf(value)), facts)
  }
  assert.throws(() => decode('2.abc'), { why: 'version', detail: '2' })
  for (const text of ['', 'hello', '1.!!', '1.AAAA', encode(SCENARIO).slice(0, -6)]) assert.throws(() => decode(text), { why: 'text' }, text)
  assert.throws(() => decode(linkOf([1])), { why: 'json' })
  wrong((value) => { value.brokers = 12 }, { why: 'wrong', place: 'brokers' })
  wrong((value) => { value.topics[0].partitions = 'six' }, { why: 'wrong', place: 'topics[0].partitions' })
  wrong((value) => { delete value.generators[0].topic; value.generators[0].topic = '' }, { why: 'missing', place: 'generators[0].topic' })
  wrong((value) => { value.members[0].topics = [] }, { why: 'missing', place: 'members[0].topics' })
  wrong((value) => { value.links[0].to = 7 }, { why: 'wrong', place: 'links[0].to' })
  wrong((value) => { value.down = [0] }, { why: 'wrong', place: 'down[0]' })
  const { unknown, scenario } = decode(linkOf({ ...SCENARIO, weather: 'rain', topics: [{ ...SCENARIO.topics[0], colour: 'red' }] }))
  assert.deepEqual(unknown, ['weather', 'topics[0].colour'])
  assert.deepEqual(scenario, SCENARIO)
})

test('a link is made of what is on, opened elsewhere, shown before anything is done, and put on step by step', { timeout: 240_000 }, async (t) => {
  const site = await startSite(t)
  const browser = await openChromium(t)
  const page = await openPage(browser, site, { view: 'share' })
  await page.goto(`${site.url}/?lang=en#/share?scenario=${encode(SCENARIO)}`)
  await page.reload()
  await page.waitForSelector('[data-scenario=good]')
  const carried = await page.textContent('[data-scenario=good]')
  for (const part of [/orders \(2 partitions\)/, /50\/s into orders/, /reader-1 \(billing\)/, /1→2 \+100 ms loses 5%/, /Broker 3/]) assert.match(carried, part)
  assert.deepEqual(await page.evaluate(() => /** @type {any} */ (globalThis).tabmq.admin.listTopics()), [], 'nothing was done yet')
  assert.deepEqual(await violations(page), [])
  await page.click('[data-do=apply]')
  await says(page, '[data-note=scenario]', /The scenario is on/, { timeoutMs: 60_000 })
  await becomes(() => page.locator('.done li').count(), 5)
  await becomes(() => page.evaluate(() => /** @type {any} */ (globalThis).tabmq.store.model.brokers.get(3).state), 'crashed')
  await until('records flow', () => page.evaluate(() => /** @type {any} */ (globalThis).tabmq.store.rate('records/orders') > 10), { timeoutMs: 60_000 })
  await until('the group reads', () => page.evaluate(() => /** @type {any} */ (globalThis).tabmq.store.model.groups.get('billing')?.members.length === 1), { timeoutMs: 60_000 })
  await page.click('[data-do=link]')
  await page.waitForSelector('#scenario-link')
  await picture(page, 'scenario.png')
  const link = await page.inputValue('#scenario-link')
  const again = decode(new URLSearchParams(new URL(link).hash.split('?')[1]).get('scenario'))
  assert.deepEqual(again, { scenario: SCENARIO, unknown: [] })

  // In a cluster of its own, from the same link, with what the page does not know named.
  await page.goto(`${site.url}/?lang=en&name=other#/share?scenario=${linkOf({ ...SCENARIO, weather: 'rain' })}`)
  await page.waitForSelector('[data-unknown]')
  await says(page, '[data-unknown]', /does not know: weather/)
  await Promise.all([page.waitForURL(/name=scenario-2/), page.click('[data-do=apply-new]')])
  await ready(page)
  await page.waitForSelector('[data-scenario=good]')
  assert.equal(await page.evaluate(() => /** @type {any} */ (globalThis).tabmq.cluster.name), 'scenario-2')

  await page.goto(`${site.url}/?lang=en&name=scenario-2#/share?scenario=${encode(SCENARIO).slice(0, -5)}`)
  await page.waitForSelector('[data-scenario=bad]')
  await says(page, '[data-scenario=bad]', /cut or changed/)
})

test('a scenario is cancelled on its way: the page says which steps were done, and goes on from there when asked again', { timeout: 120_000 }, async (t) => {
  const site = await startSite(t)
  const browser = await openChromium(t)
  const topics = Array.from({ length: 8 }, (_, n) => ({ ...SCENARIO.topics[0], topic: `topic-${n}` }))
  const page = await browser.open(`${site.url}/?lang=en#/share?scenario=${encode({ ...SCENARIO, topics, generators: [], members: [] })}`)
  await page.waitForSelector('[data-scenario=good]')
  await cancelWhen(page, 'scenario', { beyond: 2 })
  await page.click('[data-do=apply]')
  await says(page, '[data-note=scenario]', /^Cancelled\. \d of 10 steps were done/)
  const done = await page.locator('.done li').count()
  assert.ok(done >= 3 && done < 10, `${done} steps`)
  await becomes(async () => (await page.evaluate(() => /** @type {any} */ (globalThis).tabmq.admin.listTopics())).length, done)
  assert.deepEqual(await page.evaluate(() => [.../** @type {any} */ (globalThis).tabmq.store.links.values()].filter(({ delayMs }) => delayMs > 0)), [], 'no fault yet')
  await page.click('[data-do=apply]')
  await says(page, '[data-note=scenario]', /The scenario is on/, { timeoutMs: 60_000 })
  await becomes(() => page.locator('.done li').count(), 10)
})

test('what the page did can be copied as commands, quoted for the shell', { timeout: 120_000 }, async (t) => {
  const site = await startSite(t)
  const browser = await openChromium(t, { options: { permissions: ['clipboard-read', 'clipboard-write'] } })
  const page = await openPage(browser, site, { view: 'share' })
  await page.evaluate(async () => {
    const { admin, kafka, source } = /** @type {any} */ (globalThis).tabmq
    await admin.createTopics({ topics: [{ topic: 'orders', numPartitions: 6, replicationFactor: 3, configEntries: [{ name: 'retention.ms', value: '60000' }] }] })
    await kafka.producer().send({ topic: 'orders', messages: [{ key: 'ann', value: 'it\'s {"a": 1}' }] })
    await admin.createTopics({ topics: [{ topic: 'orders' }] }).catch(() => {})
    await source.kill(2)
  })
  // What failed is not listed.
  await becomes(() => page.locator('.actions-done li').count(), 3)
  await page.click('tabmq-commands button:text("Copy as")')
  const said = await page.textContent('dialog')
  assert.match(said, /kafka-topics\.sh --bootstrap-server localhost:9092 --create --topic orders \\\n {2}--partitions 6 --replication-factor 3 \\\n {2}--config retention\.ms=60000/)
  assert.match(said, /kcat -b localhost:9092 -P -t orders -X acks=all [^]*-k ann [^]*<\(printf %s 'it'\\''s \{"a": 1\}'\)/)
  assert.match(said, /await producer\.send\(\{ topic: 'orders', messages: \[\{ key: 'ann', value: 'it\\'s \{"a": 1\}' \}\] \}\)/)
  assert.match(said, /# broker 2 was killed: kill -9/)
  await page.click('dialog section:nth-of-type(2) button')
  await until('it is on the clipboard', async () => /kcat -b localhost:9092 -P/.test(await page.evaluate(() => navigator.clipboard.readText())))
})
