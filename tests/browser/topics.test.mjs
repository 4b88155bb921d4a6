// Topics, as a person keeps them: the table, a topic's page, its configs, what is warned of.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { openChromium, startSite, until } from './harness.mjs'
import { becomes, goTo, openPage, picture, ready, says, violations } from './playground.mjs'

/** @typedef {import('playwright-core').Page} Page */

/** @param {import('node:test').TestContext} t @param {string} [hash] */
async function open (t, hash = 'topics') {
  const site = await startSite(t)
  const browser = await openChromium(t)
  const page = await openPage(browser, site, { view: hash })
  return { site, browser, page }
}

/** @param {Page} page @param {any} spec */
const createTopic = (page, spec) => page.evaluate((topic) => /** @type {any} */ (globalThis).tabmq.admin.createTopics({ topics: [topic] }), spec)

/** @param {Page} page @param {string} topic @param {number} count @param {any} [options] */
const produce = (page, topic, count, options = {}) => page.evaluate(async ({ topic, count, partition, size = 10 }) => {
  const producer = /** @type {any} */ (globalThis).tabmq.kafka.producer()
  const value = 'v'.repeat(size)
  for (let sent = 0; sent < count; sent += 100) {
    await producer.send({ topic, messages: Array.from({ length: Math.min(100, count - sent) }, (_, n) => ({ key: `k${sent + n}`, value, partition })) })
  }
  await producer.disconnect()
}, { topic, count, ...options })

/** @param {Page} page @param {string} selector */
const figure = async (page, selector) => Number((await page.textContent(selector)).replace(/,/g, ''))

test('the table counts what is in each topic, as it comes, and sorts by any column', { timeout: 90_000 }, async (t) => {
  const { page } = await open(t)
  await createTopic(page, { topic: 'few', numPartitions: 2, replicationFactor: 3 })
  await createTopic(page, { topic: 'many', numPartitions: 3, replicationFactor: 1 })
  await produce(page, 'many', 1500)
  await produce(page, 'few', 20)
  const cells = (topic) => page.$$eval(`tr[data-key="${topic}"] td`, (all) => all.slice(0, 7).map((cell) => cell.textContent.trim()))
  await until('both are counted', async () => (await cells('many'))[3] === '1,500' && (await cells('few'))[3] === '20')
  const [, partitions, replication, , size, , under] = await cells('many')
  assert.deepEqual([partitions, replication, under], ['3', '1', '0'])
  assert.match(size, /^\d+(\.\d)? kB$/)
  await until('the rate falls by itself', async () => (await cells('many'))[5] === '–')
  const names = () => page.$$eval('a.topic-link', (links) => links.map((link) => link.textContent))
  await page.click('th button:has-text("Records")')
  await becomes(names, ['many', 'few'])
  await page.click('th button:has-text("Records")')
  await becomes(names, ['few', 'many'])
  await page.evaluate(() => /** @type {any} */ (globalThis).tabmq.cluster.kill(3))
  await until('the lost replicas are counted', async () => (await cells('few'))[6] === '2')
  assert.equal(await page.$('a.topic-link:text-is("__consumer_offsets")'), null)
  assert.deepEqual(await violations(page), [])
})

test('a topic is made with configs of its own, the page warns before it is unsafe, and what is wrong is beside its field', { timeout: 90_000 }, async (t) => {
  const { page } = await open(t)
  await page.fill('[name=topic]', 'ledger')
  await page.fill('[name=partitions]', '2')
  await page.fill('[name=replicas]', '2')
  await until('two replicas of which two must be in sync', async () => /as soon as one replica is away/.test(await page.textContent('[data-form=create] [data-unsafe]').catch(() => '')))
  await page.fill('[name=replicas]', '1')
  await until('one replica', async () => /One replica/.test(await page.textContent('[data-form=create] [data-unsafe]')))
  await page.fill('[name=replicas]', '3')
  await until('three are safe', async () => await page.$('[data-form=create] [data-unsafe]') === null)
  await page.click('summary:has-text("configs of its own")')
  await page.fill('[name=configs]', 'retention.ms=60000\nmin.insync.replicas')
  await page.click('text=Create topic')
  await says(page, '[data-field=configs] .error', /Line 2, “min\.insync\.replicas”: a config is name=value/)
  await page.fill('[name=configs]', 'retention.ms=a while')
  await page.click('text=Create topic')
  await until('the broker refuses the value', async () => /INVALID_CONFIG.*retention\.ms/.test((await page.locator('[data-field=configs] .error').allTextContents()).join()))
  assert.equal(await page.inputValue('[name=configs]'), 'retention.ms=a while')
  assert.equal(await page.inputValue('[name=topic]'), 'ledger')
  await page.fill('[name=configs]', 'retention.ms=60000\nmin.insync.replicas=3')
  await until('all three must be in sync', async () => /3 replicas and min\.insync\.replicas = 3/.test(await page.textContent('[data-form=create] [data-unsafe]')))
  await page.click('[data-form=create] button:has-text("Copy as")')
  const copied = await page.textContent('dialog')
  assert.match(copied, /kafka-topics\.sh --bootstrap-server localhost:9092 --create --topic ledger \\\n {2}--partitions 2 --replication-factor 3 \\\n {2}--config retention\.ms=60000 \\\n {2}--config min\.insync\.replicas=3/)
  assert.match(copied, /createTopics\(\{ topics: \[\{ topic: 'ledger', numPartitions: 2, replicationFactor: 3, configEntries: \[\{ name: 'retention\.ms', value: '60000' \}/)
  assert.deepEqual(await violations(page), [])
  await page.keyboard.press('Escape')
  await page.click('text=Create topic')
  await page.waitForSelector('[data-note=topic].good')
  await until('the table warns, too', async () => /no spare replica/.test(await page.textContent('tr[data-key=ledger]')))
  await page.click('a.topic-link')
  await until('and the topic itself', async () => /3 replicas and min\.insync\.replicas = 3/.test(await page.textContent('tabmq-topic [data-unsafe]')))
  await becomes(() => page.$$eval('tr:has(.changed) td:first-child code', (all) => all.map((one) => one.textContent)), ['min.insync.replicas', 'retention.ms'])
})

test('configs: changed ones stand out with their default beside them; editing, a refused value, and back to the default', { timeout: 90_000 }, async (t) => {
  const { page } = await open(t)
  await createTopic(page, { topic: 'orders', numPartitions: 1, replicationFactor: 3 })
  await page.click('a.topic-link')
  await says(page, 'tabmq-topic-configs', /Every config has its default/)
  await page.check('[name=all-configs]')
  const row = (name) => page.$$eval(`tr[data-key="${name}"] td`, (cells) => cells.slice(0, 3).map((cell) => cell.textContent.trim().replace(/\s+/g, ' ')))
  await becomes(() => row('retention.ms'), ['retention.ms', '604800000 7 days', '604800000 7 days'])
  await page.click('[data-config="retention.ms"]')
  await page.fill('dialog [name=value]', '-7')
  assert.deepEqual(await violations(page), [])
  await page.click('dialog button.primary')
  await until('the broker says why not', async () => /INVALID_CONFIG/.test((await page.locator('dialog .error').allTextContents()).join()))
  assert.equal(await page.inputValue('dialog [name=value]'), '-7')
  await page.fill('dialog [name=value]', '3600000')
  await page.click('dialog button:has-text("Copy as")')
  await says(page, 'dialog.wide', /kafka-configs\.sh .*--alter --entity-type topics --entity-name orders \\\n {2}--add-config retention\.ms=3600000/)
  await page.keyboard.press('Escape')
  await page.click('dialog button.primary')
  await page.waitForSelector('dialog', { state: 'detached' })
  await page.uncheck('[name=all-configs]')
  await becomes(() => row('retention.ms'), ['retention.ms changed', '3600000 60 min', '604800000 7 days'])
  const configs = await page.evaluate(() => /** @type {any} */ (globalThis).tabmq.admin.describeConfigs({ resources: [{ type: 2, name: 'orders' }] }))
  assert.equal(configs.resources[0].configEntries.find(({ configName }) => configName === 'retention.ms').configValue, '3600000')
  await page.click('[data-config="retention.ms"]')
  await page.click('dialog [data-do=reset]')
  await says(page, 'tabmq-topic-configs', /Every config has its default/)
})

test('a config that is changed elsewhere is shown by itself, told on the timeline, and held by a pause', { timeout: 90_000 }, async (t) => {
  const { page } = await open(t)
  await createTopic(page, { topic: 'orders', numPartitions: 1, replicationFactor: 3, configEntries: [{ name: 'segment.ms', value: '60000' }] })
  await page.click('a.topic-link')
  const changed = () => page.$$eval('tr:has(.changed)', (rows) => rows.map((row) => [...row.querySelectorAll('td')].slice(0, 2).map((cell) => cell.querySelector('code').textContent).join('=')))
  await becomes(changed, ['segment.ms=60000'])
  // Another client: the page's own is not asked.
  const alter = (name, value) => page.evaluate(async ([name, value]) => {
    const admin = /** @type {any} */ (globalThis).tabmq.cluster.kafka({ clientId: 'elsewhere' }).admin()
    await admin.alterConfigs({ resources: [{ type: 2, name: 'orders', configEntries: [{ name, value }] }] })
    await admin.disconnect()
  }, [name, value])
  await alter('retention.ms', '3600000')
  await becomes(changed, ['retention.ms=3600000', 'segment.ms=60000'])
  await page.click('.pause')
  await page.waitForSelector('.pause.on')
  await alter('retention.ms', null)
  await says(page, '.paused', /1 event is waiting/)
  assert.deepEqual(await changed(), ['retention.ms=3600000', 'segment.ms=60000'])
  await page.click('.pause')
  await becomes(changed, ['segment.ms=60000'])
  await goTo(page, 'watch')
  await says(page, '.timeline', /set retention\.ms of orders back to its default[^]*set retention\.ms of orders to 3600000/)
  assert.doesNotMatch(await page.textContent('.timeline'), /segment\.ms/, 'what it was created with is told by its creation')
})

test('a partition is drawn to scale: segments, log start, watermark, and where a group has committed and reads', { timeout: 120_000 }, async (t) => {
  const { page, site } = await open(t)
  await createTopic(page, { topic: 'orders', numPartitions: 1, replicationFactor: 3, configEntries: [{ name: 'segment.bytes', value: '20000' }] })
  await produce(page, 'orders', 1000, { size: 100 })
  await page.evaluate(async () => {
    const { cluster, admin } = /** @type {any} */ (globalThis).tabmq
    const consumer = cluster.kafka({ clientId: 'clerk-1' }).consumer({ groupId: 'clerks' })
    let read = 0
    await consumer.subscribe({ topics: ['orders'], fromBeginning: true })
    await new Promise((resolve) => consumer.run({ autoCommit: false, eachMessage: async () => { if (++read === 1000) resolve(undefined) } }))
    await consumer.commitOffsets([{ topic: 'orders', partition: 0, offset: '250' }])
    await admin.deleteTopicRecords({ topic: 'orders', partitions: [{ partition: 0, offset: '100' }] })
  })
  await page.click('a.topic-link')
  const partition = '[data-partition="0"]'
  await until('the offsets are told', async () => await figure(page, `${partition} [data-log-start]`) === 100 && await figure(page, `${partition} [data-high-watermark]`) === 1000)
  const segments = await until('four segments or more', async () => {
    const told = await figure(page, `${partition} [data-segments]`)
    return told >= 4 && told
  })
  await until('each is drawn', async () => await page.locator(`${partition} .track .segment`).count() === segments)
  await until('what the group has committed and read is told', async () =>
    /clerks committed 250 reads at 1,000 lag 750/.test((await page.textContent('[data-reader=clerks]')).replace(/\s+/g, ' ')))
  // From the log start, at the left, to the log end offset, at the right.
  const places = await page.evaluate(() => {
    const bar = document.querySelector('[data-partition="0"] .track').getBoundingClientRect()
    const share = (selector) => [...document.querySelectorAll(`[data-partition="0"] ${selector}`)].map((one) => {
      const { left, right } = one.getBoundingClientRect()
      return [(left - bar.left) / bar.width, (right - bar.left) / bar.width]
    })
    return { segments: share('.track .segment'), committed: share('.pin.committed'), position: share('.pin.position') }
  })
  const near = (share, wanted, what) => assert.ok(Math.abs(share - wanted) < 0.01, `${what}: ${share}, not ${wanted}`)
  near(places.segments[0][0], 0, 'the first segment')
  near(places.segments.at(-1)[1], 1, 'the last segment')
  places.segments.slice(1).forEach(([from], index) => near(from, places.segments[index][1], `segment ${index + 1} follows`))
  near((places.committed[0][0] + places.committed[0][1]) / 2, 150 / 900, 'the committed offset')
  near(places.position[0][1], 1, 'the position')
  assert.deepEqual(await violations(page), [])
  // What brokers tell when they open their logs is the same.
  await page.goto(`${site.url}/?demo=off&lang=en#/topics/orders`)
  await page.reload()
  await ready(page)
  await until('the segments are there after a reload', async () => await figure(page, `${partition} [data-segments]`) === segments)
  await picture(page, 'topic.png')
})

test('each replica says its role, epoch and how far it is, also while one is down', { timeout: 120_000 }, async (t) => {
  const { page } = await open(t)
  await createTopic(page, { topic: 'orders', numPartitions: 1, replicationFactor: 3 })
  await produce(page, 'orders', 50)
  await page.click('a.topic-link')
  const leader = await page.getAttribute('[data-leader]', 'data-leader')
  await page.evaluate((id) => /** @type {any} */ (globalThis).tabmq.cluster.kill(Number(id)), leader)
  await until('another leads, in epoch 1', async () => ![null, leader].includes(await page.getAttribute('[data-leader]', 'data-leader')) && /epoch 1/.test(await page.textContent('[data-leader]')))
  await produce(page, 'orders', 30)
  const row = async (id) => (await page.locator(`[data-replica="${id}"] td`).allTextContents()).map((cell) => cell.trim().replace(/\s+/g, ' ')).join(' ')
  await until('the lost one is behind', async () => /out of sync down/.test(await row(leader)))
  await until('the page warns', async () => /1 partition is under-replicated/.test(await page.textContent('[data-under]')))
  const now = await page.getAttribute('[data-leader]', 'data-leader')
  await until('the leader has all', async () => /leader 1 0 80 80 0/.test(await row(now)))
  await page.evaluate((id) => /** @type {any} */ (globalThis).tabmq.cluster.start(Number(id)), leader)
  // Where it is the preferred leader, it may lead again at once.
  await until('and it catches up', async () => /(in sync 1|leader 2) 0 \d+ 80 0/.test(await row(leader)), { timeoutMs: 60_000 })
  await until('nothing to warn of', async () => await page.$('[data-under]') === null)
})

test('more partitions, fewer are refused; a topic is deleted after a question, and the address of one that is not there says so', { timeout: 90_000 }, async (t) => {
  const { page } = await open(t)
  await createTopic(page, { topic: 'orders', numPartitions: 2, replicationFactor: 3 })
  await page.click('a.topic-link')
  await page.click('[data-do=partitions]')
  await page.fill('dialog [name=count]', '2')
  await page.click('dialog button.primary')
  await says(page, 'dialog .error', /A whole number from 3 to/)
  assert.deepEqual(await violations(page), [])
  await page.fill('dialog [name=count]', '5')
  await page.click('dialog button.primary')
  await until('five are drawn', async () => await page.locator('tabmq-topic [data-partition]').count() === 5)
  await page.evaluate(() => { location.hash = '#/topics/orders?partition=4' })
  await page.waitForSelector('[data-partition="4"].pointed')
  await page.click('[data-do=delete]')
  await page.click('dialog button:has-text("Cancel")')
  await says(page, 'tabmq-topic h1', /^orders$/)
  await page.click('[data-do=delete]')
  await page.click('dialog button.danger')
  await until('it is gone', async () => /There is no topic yet/.test(await page.textContent('tabmq-topics')))
  await page.evaluate(() => { location.hash = '#/topics/nowhere' })
  await until('the address says so', async () => /There is no topic nowhere/.test(await page.textContent('tabmq-topics')))
  await goTo(page, 'topics')
  await page.waitForSelector('[data-form=create]')
})

test('replicas are moved to other brokers with their progress in sight, a move that can\'t end is cancelled, and wrong ids are told', { timeout: 180_000 }, async (t) => {
  const { page } = await open(t)
  await createTopic(page, { topic: 'orders', numPartitions: 2, replicationFactor: 2, configEntries: [{ name: 'min.insync.replicas', value: '1' }] })
  await produce(page, 'orders', 300, { partition: 0 })
  await page.click('a.topic-link')
  const replicasOf = () => page.evaluate(() => /** @type {any} */ (globalThis).tabmq.store.model.topics.get('orders')[0].replicas)
  const before = await replicasOf()
  const free = [1, 2, 3].find((id) => !before.includes(id))
  const typed = async (text) => {
    await page.click('[data-do=move]')
    await page.fill('dialog [name=p0]', text)
    await page.click('dialog button.primary')
  }
  await typed('1, x')
  await says(page, '[data-field=p0] .error', /Broker ids, separated by commas/)
  await page.fill('dialog [name=p0]', '1, 7')
  await says(page, '[data-field=p0] .error', /There is no broker 7/)
  await page.fill('dialog [name=p0]', '1, 1')
  await says(page, '[data-field=p0] .error', /one replica of a partition only/)
  assert.deepEqual(await violations(page), [])
  const wanted = [free, before[0]]
  await page.fill('dialog [name=p0]', wanted.join(', '))
  await page.click('dialog button:has-text("Copy as")')
  await says(page, 'dialog.wide', new RegExp(`kafka-reassign-partitions\\.sh [^]*"replicas":\\[${wanted}\\][^]*--execute`))
  await page.keyboard.press('Escape')
  await page.click('dialog button.primary')
  await becomes(replicasOf, wanted)
  await until('the new replica has all', async () => {
    const cells = await page.locator(`[data-partition="0"] [data-replica="${free}"] td`).allTextContents()
    return cells[5] === '300'
  })
  await page.waitForSelector('[data-moving]', { state: 'detached' })
  // To a broker that is down: it does not end by itself.
  await page.evaluate((id) => /** @type {any} */ (globalThis).tabmq.cluster.kill(id), before[1])
  await page.waitForFunction((id) => /** @type {any} */ (globalThis).tabmq.store.model.brokers.get(id).state === 'crashed', before[1])
  await typed([...wanted, before[1]].join(', '))
  await page.waitForSelector('[data-moving]')
  await says(page, '[data-moving]', new RegExp(`to broker ${before[1]}; leaves –`))
  await picture(page, 'topic-moving.png')
  assert.deepEqual(await violations(page), [])
  await page.click('[data-do=cancel-move]')
  await page.waitForSelector('[data-moving]', { state: 'detached' })
  await becomes(replicasOf, wanted)
})

test('leadership is given back to the preferred replica by a click', { timeout: 120_000 }, async (t) => {
  const { page } = await open(t)
  await createTopic(page, { topic: 'orders', numPartitions: 1, replicationFactor: 3 })
  await page.click('a.topic-link')
  const partition = () => page.evaluate(() => /** @type {any} */ (globalThis).tabmq.store.model.topics.get('orders')[0])
  // The brokers do the same by and by: then the order is turned once more.
  await until('the preferred replica was made leader by hand', async () => {
    const { leader, replicas } = await partition()
    if (await page.$('[data-do=elect-one]') === null) {
      if (leader === replicas[0]) {
        await page.evaluate((replicas) => /** @type {any} */ (globalThis).tabmq.admin.alterPartitionReassignments({ topics: [{ topic: 'orders', partitionAssignment: [{ partition: 0, replicas }] }] }), [...replicas.slice(1), replicas[0]])
      }
      return false
    }
    await page.click('[data-do=elect-one]', { timeout: 2000 }).catch(() => {})
    return /1 partition is led by its preferred replica again/.test(await page.textContent('.toasts'))
  }, { timeoutMs: 60_000 })
  await until('it leads', async () => {
    const { leader, replicas } = await partition()
    return leader === replicas[0] && await page.getAttribute('[data-leader]', 'data-leader') === String(leader)
  })
})

test('a compaction shows how far each broker is, is cancelled half-way without loss, and done again by a click', { timeout: 180_000 }, async (t) => {
  const { page } = await open(t)
  await createTopic(page, { topic: 'prices', numPartitions: 1, replicationFactor: 3, configEntries: [
    { name: 'cleanup.policy', value: 'compact' }, { name: 'segment.bytes', value: '1048576' }, { name: 'min.cleanable.dirty.ratio', value: '1' }
  ] })
  // Each key again and again: all but the last segment can be cleaned to almost nothing.
  await page.evaluate(async () => {
    const producer = /** @type {any} */ (globalThis).tabmq.kafka.producer()
    const filler = 'v'.repeat(900)
    for (let round = 0; round < 120; round++) {
      await producer.send({ topic: 'prices', messages: Array.from({ length: 200 }, (_, n) => ({ key: `k${n}`, value: `${round} ${filler}` })) })
    }
    await producer.disconnect()
    const shared = /** @type {any} */ (globalThis)
    shared.told = []
    shared.tabmq.cluster.on('event', ({ type, broker }) => { if (type.startsWith('logCompact')) shared.told.push(`${type} ${broker}`) })
  })
  await goTo(page, 'topics')
  await page.click('a.topic-link:text-is("prices")')
  await says(page, '[data-not-compacted]', /is not compacted now, because its min.cleanable.dirty.ratio is 1/)

  /** Presses Cancel as soon as a bar has moved: on a fast machine a click from here would come when all is over. */
  const cancelled = page.evaluate(() => new Promise((resolve) => {
    const watch = new MutationObserver(() => {
      const bars = [...document.querySelectorAll('[data-compacting] progress')].map((bar) => /** @type {HTMLProgressElement} */ (bar).value)
      const button = /** @type {HTMLButtonElement | null} */ (document.querySelector('[data-do="cancel-compaction"]:enabled'))
      if (!button || !bars.some((value) => value > 0)) return
      watch.disconnect()
      const words = document.querySelector('[data-compacting]').textContent.replace(/\s+/g, ' ')
      button.click()
      resolve({ bars, words })
    })
    watch.observe(document.body, { attributes: true, characterData: true, childList: true, subtree: true })
  }))
  // From elsewhere, so that nothing but the events tells the page.
  await page.evaluate(() => /** @type {any} */ (globalThis).tabmq.admin.alterConfigs({ resources: [{ type: 2, name: 'prices', configEntries: [{ name: 'min.cleanable.dirty.ratio', value: '0.3' }] }] }))
  const { words } = await cancelled
  assert.match(words, /1 partition is being compacted.*Partition 0.*broker \d: \d+%/)
  await says(page, '[data-not-compacted]', /is not compacted now/)
  await becomes(() => page.locator('[data-compacting]').count(), 0)
  const told = () => page.evaluate(() => [...new Set(/** @type {any} */ (globalThis).told)].sort())
  await until('a broker stopped', async () => (await told()).some((line) => line.startsWith('logCompactionStopped')))
  const latest = () => page.evaluate(async () => {
    const { kafka, admin } = /** @type {any} */ (globalThis).tabmq
    const [{ high }] = await admin.fetchTopicOffsets('prices')
    const consumer = kafka.consumer({ groupId: `look-${Math.random()}` })
    await consumer.subscribe({ topics: ['prices'], fromBeginning: true })
    const values = new Map()
    await new Promise((resolve) => consumer.run({ eachMessage: async ({ message }) => {
      values.set(String(message.key), new TextDecoder().decode(message.value).split(' ')[0])
      if (Number(message.offset) === Number(high) - 1) resolve(undefined)
    } }))
    await consumer.disconnect()
    return [values.size, ...new Set(values.values())]
  })
  assert.deepEqual(await latest(), [200, '119'], 'the latest of each key is there')

  await page.click('[data-do="compact-again"]')
  await becomes(() => page.locator('[data-not-compacted]').count(), 0)
  await until('every broker has compacted it', async () => (await told()).filter((line) => line.startsWith('logCompacted')).length === 3, { timeoutMs: 90_000 })
  await becomes(() => page.locator('[data-compacting]').count(), 0)
  const { resources: [{ configEntries }] } = await page.evaluate(() => /** @type {any} */ (globalThis).tabmq.admin.describeConfigs({ resources: [{ type: 2, name: 'prices' }] }))
  assert.equal(configEntries.find(({ configName }) => configName === 'min.cleanable.dirty.ratio').configValue, '0.3', 'as it was before')
  assert.deepEqual(await latest(), [200, '119'])
})
