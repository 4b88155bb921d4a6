// The charts and the timeline, as somebody who watches uses them; and the rings and the histogram they draw from.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { History, SECONDS } from '../../www/js/state/history.js'
import { Latency } from '../../www/js/state/latency.js'
import { openChromium, startSite, until } from './harness.mjs'
import { becomes, goTo, openPage, picture, says, violations } from './playground.mjs'

/** A source of events that a test tells. @param {Map<string, any[]>} [topics] what it has before the first */
function telling (topics = new Map()) {
  /** @type {(event: any) => void} */
  let tell
  const source = /** @type {any} */ ({
    latency: new Latency(),
    metrics: () => null,
    snapshot: () => ({ topics, groups: new Map() }),
    subscribe: (listener) => { tell = listener; return () => {} }
  })
  return { source, tell: (type, facts) => tell({ type, broker: 1, at: 0, ...facts }) }
}
const progress = (broker, highWatermark, logEnd, bytes) => ({ broker, topic: 'orders', partition: 0, logStart: 0, highWatermark, logEnd, bytes })

test('a history closes each second with what flowed in it, the lag, and what is stored', () => {
  const { source, tell } = telling()
  let now = 1000_000
  const history = new History(source, () => now)
  tell('partitionChanged', { topic: 'orders', partition: 0, leader: 1, leaderEpoch: 0, partitionEpoch: 0, replicas: [1, 2], isr: [1, 2], elected: true })
  for (const broker of [1, 2]) tell('partitionProgress', progress(broker, 0, 0, 0))
  tell('partitionProgress', progress(1, 0, 10, 1000))
  tell('partitionProgress', progress(2, 0, 10, 1000))
  tell('partitionProgress', progress(1, 10, 10, 1000))
  tell('offsetsCommitted', { group: 'billing', topic: 'orders', partition: 0, offset: 4 })
  source.latency.record(12)
  now += 1000
  tell('partitionChanged', { topic: 'orders', partition: 0, leader: 1, leaderEpoch: 0, partitionEpoch: 1, replicas: [1, 2], isr: [1], elected: false })
  now += 1000
  const series = history.read(60, ['records', 'bytesIn', 'replicated', 'elections', 'isrChanges', 'underReplicated', 'stored', { group: 'billing' }])
  assert.deepEqual(series, [[1000, 1001], [10, 0], [1000, 0], [1000, 0], [1, 0], [0, 1], [0, 1], [2000, 2000], [6, 6]])
  const [, [p50]] = history.read(60, ['p50'])
  assert.ok(Math.abs(p50 - 12) < 1.2, String(p50))
  tell('topicDeleted', { topic: 'orders' })
  tell('groupState', { group: 'billing', state: 'Dead', generation: 2, members: [] })
  now += 1000
  assert.deepEqual(history.read(1, ['stored', { group: 'billing' }]), [[1002], [0], [null]])
})

test('a history of any length takes the same memory, and an idle one is read after hours', () => {
  const { source, tell } = telling()
  let now = 1000_000
  const history = new History(source, () => now)
  tell('partitionProgress', progress(1, 0, 0, 0))
  for (let second = 0; second < 2 * SECONDS; second++) {
    tell('partitionProgress', progress(1, second, second, second))
    tell('brokerFenced', { id: 2, at: now })
    now += 1000
  }
  const [times, records] = history.read(Infinity, ['records'])
  assert.equal(times.length, SECONDS)
  assert.ok(records.every((value) => value === 1))
  assert.ok(history.marks.length <= 200)
  now += 86_400_000
  const [later, none] = history.read(Infinity, ['records'])
  assert.equal(later.at(-1), now / 1000 - 1)
  assert.ok(none.every((value) => value === 0))
})

test('what a log holds when it is opened was not written just now', () => {
  const { source, tell } = telling()
  let now = 1000_000
  const history = new History(source, () => now)
  for (const broker of [1, 2]) tell('partitionProgress', progress(broker, 0, 900, 90_000))
  for (const highWatermark of [100, 900, 950]) tell('partitionProgress', progress(1, highWatermark, 950, 95_000))
  now += 1000
  assert.deepEqual(history.read(1, ['records', 'bytesIn']), [[1000], [50], [5000]])
})

test('what came into a new topic before its replicas first told of themselves is counted', () => {
  const { source, tell } = telling()
  let now = 1000_000
  const history = new History(source, () => now)
  tell('topicCreated', { topic: 'orders', partitions: 1, replicationFactor: 2 })
  tell('partitionChanged', { topic: 'orders', partition: 0, leader: 1, leaderEpoch: 0, partitionEpoch: 0, replicas: [1, 2], isr: [1, 2], elected: true })
  tell('partitionProgress', progress(2, 300, 500, 50_000))
  tell('partitionProgress', progress(1, 500, 500, 50_000))
  now += 1000
  assert.deepEqual(history.read(1, ['records', 'bytesIn', 'replicated', 'stored']), [[1000], [500], [50_000], [50_000], [100_000]])
  // One that has been there all the time has what it has; one that is added is new.
  tell('partitionsCreated', { topic: 'orders', partitions: 2 })
  tell('partitionProgress', { ...progress(1, 20, 20, 2000), partition: 1 })
  now += 1000
  assert.deepEqual(history.read(1, ['records', 'bytesIn']), [[1001], [20], [2000]])
  // Another of the same name begins at 0 again.
  tell('topicDeleted', { topic: 'orders' })
  tell('topicCreated', { topic: 'orders', partitions: 1, replicationFactor: 2 })
  tell('partitionProgress', progress(1, 5, 5, 500))
  now += 1000
  assert.deepEqual(history.read(1, ['records', 'stored']), [[1002], [5], [500]])
})

test('a replica of which only the role is known has told of no log: what it has was not written just now', () => {
  const replica = { logStart: 0, highWatermark: 0, logEnd: 0, bytes: 0, role: 'leader', leaderEpoch: 3, segments: [] }
  const { source, tell } = telling(new Map([['orders', [{ leader: 1, partitionEpoch: 7, replicas: [1], isr: [1], progress: { 1: replica } }]]]))
  let now = 1000_000
  const history = new History(source, () => now)
  tell('partitionProgress', progress(1, 900, 900, 90_000))
  tell('partitionProgress', progress(1, 901, 901, 90_100))
  now += 1000
  assert.deepEqual(history.read(1, ['records', 'bytesIn', 'stored']), [[1000], [1], [100], [90_100]])
})

test('a replica that has moved away stores nothing any more, though it may tell of itself once more; nor does a broker that has left', () => {
  const { source, tell } = telling()
  let now = 1000_000
  const history = new History(source, () => now)
  const change = (partitionEpoch, replicas) => tell('partitionChanged', { topic: 'orders', partition: 0, leader: 1, leaderEpoch: 0, partitionEpoch, replicas, isr: replicas, elected: false })
  change(0, [1, 2])
  for (const broker of [1, 2]) tell('partitionProgress', progress(broker, 10, 10, 1000))
  change(1, [1, 3])
  tell('partitionProgress', progress(2, 10, 10, 1000))
  tell('partitionProgress', progress(3, 10, 10, 1000))
  now += 1000
  assert.deepEqual(history.read(1, ['stored']), [[1000], [2000]])
  tell('brokerRemoved', { broker: 3 })
  now += 1000
  assert.deepEqual(history.read(1, ['stored']), [[1001], [1000]])
  // The new replica may say so before the controller does.
  tell('partitionRole', { broker: 4, topic: 'orders', partition: 0, role: 'follower', leader: 1, leaderEpoch: 0, partitionEpoch: 2, replicas: [1, 4], isr: [1] })
  tell('partitionProgress', progress(4, 10, 10, 1000))
  now += 1000
  assert.deepEqual(history.read(1, ['stored']), [[1002], [2000]])
})

test('percentiles are within a bucket of the truth, and forget after five turns', () => {
  const latency = new Latency()
  for (let ms = 1; ms <= 1000; ms++) latency.record(ms)
  for (const [index, share] of [0.5, 0.95, 0.99].entries()) {
    const found = latency.percentiles([0.5, 0.95, 0.99])[index]
    assert.ok(Math.abs(found / (share * 1000) - 1) < 0.1, `${share}: ${found}`)
  }
  for (let turn = 0; turn < 5; turn++) latency.turn()
  assert.deepEqual(latency.percentiles([0.5]), [null])
})

/** The figure of a series, as text. @param {import('playwright-core').Page} page */
const figure = (page, chart, index = 0) => page.locator(`[data-chart=${chart}] .figure`).nth(index).locator('dd b').textContent()

test('charts show what flows, with the figures beside them; a leader that dies is marked, told, and leads to where it is', { timeout: 180_000 }, async (t) => {
  const site = await startSite(t)
  const browser = await openChromium(t)
  const page = await openPage(browser, site, { query: 'lang=en' })
  await page.waitForSelector('[data-demo=running]')
  await goTo(page, 'watch')
  await until('records flow', async () => Number((await figure(page, 'records')).replace(/[^\d.]/g, '')) > 5)
  await until('bytes flow into leaders', async () => /[1-9].*\/s/.test(await figure(page, 'bytes')))
  await until('and to followers', async () => /[1-9].*\/s/.test(await figure(page, 'bytes', 1)))
  for (const index of [0, 1, 2]) await until('sends are timed', async () => /\d+ ms/.test(await figure(page, 'latency', index)))
  await until('the group has a lag', async () => /^[\d,]+ records?$/.test(await figure(page, 'lag')))
  await says(page, '[data-chart=lag] .figure dt', /baristas/)
  await until('frames are counted', async () => Number(await figure(page, 'frames')) > 0)
  await until('what is stored is told', async () => /[1-9]/.test(await figure(page, 'stored')))
  await page.waitForSelector('[data-chart=records] canvas')

  const leader = await page.evaluate(() => /** @type {any} */ (globalThis).tabmq.store.model.topics.get('coffee-orders')[0].leader)
  await page.evaluate((id) => /** @type {any} */ (globalThis).tabmq.cluster.kill(id), leader)
  await says(page, '.marks', new RegExp(`Broker ${leader} was killed`))
  await until('partitions are under-replicated', async () => Number(await figure(page, 'isr')) > 0)
  await says(page, '.timeline', /elected broker \d leader of coffee-orders-\d/)
  await picture(page, 'watch-killed.png')

  // The timeline by kind, broker and topic; the choice is in the address.
  await page.selectOption('[data-filter] [name=kind]', 'elections')
  await page.selectOption('[data-filter] [name=topic]', 'coffee-orders')
  await until('only elections are listed', async () => !/was killed|is running/.test(await page.textContent('.timeline')))
  assert.match(page.url(), /#\/watch\?kind=elections&topic=coffee-orders/)
  await says(page, '.timeline', /coffee-orders-\d/)
  await page.selectOption('[data-filter] [name=kind]', 'brokers')
  await page.selectOption('[data-filter] [name=topic]', '')
  await page.selectOption('[data-filter] [name=broker]', String(leader))
  // Only that broker is listed.
  await says(page, '.timeline', /was killed/)
  await page.click('.timeline a.who >> nth=0')
  await page.waitForSelector('.broker.pointed')
  await page.goBack()
  await page.waitForSelector('tabmq-watch')
  await becomes(() => page.inputValue('[data-filter] [name=broker]'), String(leader))
})

test('a pause holds the charts, and the seconds of the pause are there after it', { timeout: 120_000 }, async (t) => {
  const site = await startSite(t)
  const browser = await openChromium(t)
  const page = await openPage(browser, site, { query: 'lang=en' })
  await page.waitForSelector('[data-demo=running]')
  await goTo(page, 'watch')
  const drawn = () => page.evaluate(() => /** @type {any} */ (document.querySelector('[data-chart=records] tabmq-chart')).data[0].at(-1))
  await until('seconds pass', async () => await drawn() > 0)
  await page.click('.pause')
  await page.waitForSelector('.pause.on')
  const held = await drawn()
  const now = () => page.evaluate(() => Math.floor(Date.now() / 1000))
  const begun = await now()
  await until('three seconds have passed', async () => await now() > begun + 3)
  assert.equal(await drawn(), held)
  await page.click('.pause')
  await until('the charts go on', async () => await drawn() > held + 2)
  const times = await page.evaluate(() => /** @type {any} */ (document.querySelector('[data-chart=records] tabmq-chart')).data[0])
  assert.ok(times.every((at, index) => index === 0 || at === times[index - 1] + 1), 'no second is missing')
})

test('what happened while another view was shown is on the charts', { timeout: 120_000 }, async (t) => {
  const site = await startSite(t)
  const browser = await openChromium(t)
  const page = await openPage(browser, site)
  await page.evaluate(async () => {
    const { admin, kafka } = /** @type {any} */ (globalThis).tabmq
    await admin.createTopics({ topics: [{ topic: 'mine', numPartitions: 1, replicationFactor: 3 }] })
    await kafka.producer().send({ topic: 'mine', messages: Array.from({ length: 500 }, () => ({ value: 'x' })) })
  })
  await page.evaluate(() => { document.documentElement.classList.add('dark') })
  await goTo(page, 'watch')
  await says(page, '[data-chart=records]', /highest 500\/s/)
  assert.deepEqual(await violations(page), [])
})

test('in Korean what brokers give as reasons is Korean, too; and what a broker that is back brings to many partitions is one line, with each in it', { timeout: 120_000 }, async (t) => {
  const site = await startSite(t)
  const browser = await openChromium(t)
  const page = await openPage(browser, site, { view: 'watch', query: 'demo=off&lang=ko' })
  await page.evaluate(async () => {
    const { kafka, admin } = /** @type {any} */ (globalThis).tabmq
    await admin.createTopics({ topics: [{ topic: 'orders', numPartitions: 8, replicationFactor: 3 }] })
    const consumer = kafka.consumer({ groupId: 'billing' })
    await consumer.subscribe({ topics: ['orders'] })
    await consumer.run({ eachMessage: async () => {} })
  })
  await says(page, '.timeline', /멤버 1개가 들어옴/)
  await says(page, '.timeline', /리더 \S+의 할당이 커밋됨/)
  assert.doesNotMatch(await page.locator('.timeline').textContent(), /joined|assignment|loaded/)

  const inSync = (count) => page.waitForFunction((count) => /** @type {any} */ (globalThis).tabmq.store.model.topics.get('orders').every(({ isr }) => isr.length === count), count)
  await inSync(3)
  await page.evaluate(() => /** @type {any} */ (globalThis).tabmq.cluster.kill(3))
  await inSync(2)
  await page.evaluate(() => /** @type {any} */ (globalThis).tabmq.cluster.start(3))
  await inSync(3)
  await says(page, '.timeline details', /orders의 파티션 \d+개에서 동기화된 레플리카가 바뀜/)
  const before = await page.locator('.timeline details >> nth=0').locator('div').count()
  assert.ok(before >= 4, `${before} changes are in one line`)
  await page.click('.timeline details >> nth=0 >> summary')
  await page.click('.timeline details >> nth=0 >> a:text("orders-") >> nth=0')
  await page.waitForSelector('tabmq-topic')
  assert.deepEqual(await violations(page), [])
})
