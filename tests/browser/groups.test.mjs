// The view Groups: groups, their members and what can be done to them, lag, offsets.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { openChromium, startSite, until } from './harness.mjs'
import { becomes, goTo, openPage, picture, says, violations } from './playground.mjs'

/** @typedef {import('playwright-core').Page} Page */

/** A topic with records in it, a second apart and an hour old. @param {Page} page @param {string} topic @param {number} records */
const fill = (page, topic, records) => page.evaluate(async ([topic, records]) => {
  const { admin, kafka, store } = /** @type {any} */ (globalThis).tabmq
  if (!store.model.topics.has(topic)) await admin.createTopics({ topics: [{ topic, numPartitions: 4, replicationFactor: 3 }] })
  const from = Math.floor(Date.now() / 1000) * 1000 - 3_600_000
  await kafka.producer().send({ topic, messages: Array.from({ length: records }, (_, n) => ({ key: `key ${n}`, value: `value ${n}`, timestamp: from + 1000 * n })) })
  return from
}, /** @type {const} */ ([topic, records]))

/** Starts members of a group by the form. @param {Page} page @param {Record<string, string>} values */
async function startMembers (page, values) {
  const form = '[data-form=members]'
  if (!await page.locator(`${form} [name=sessionTimeout]`).isVisible()) await page.click(`${form} summary`)
  for (const [name, value] of Object.entries(values)) {
    if (name === 'assignor' || name === 'commit') await page.selectOption(`${form} [name=${name}]`, value)
    else await page.fill(`${form} [name=${name}]`, value)
  }
  await page.click(`${form} button.primary`)
}

/** @param {Page} page @param {string} name */
const share = (page, name) => page.textContent(`[data-consumer="${name}"] [data-assignment]`).catch(() => '')
const group = (page) => page.textContent('[data-group]')
const number = (text) => Number(text.replace(/,/g, ''))

/** @param {Page} page */
const read = async (page) => (await page.locator('[data-count]').allTextContents()).reduce((sum, text) => sum + number(text), 0)

test('members are started, share the partitions by the assignor chosen, read, commit and leave', { timeout: 180_000 }, async (t) => {
  const site = await startSite(t)
  const browser = await openChromium(t)
  const page = await openPage(browser, site, { view: 'groups' })
  await says(page, 'tabmq-groups', /no consumer group yet/)
  await startMembers(page, { topics: 'nowhere' })
  await says(page, '[data-field=topics] .error', /There is no topic nowhere/)
  await fill(page, 'orders', 200)
  // A session that is longer than any wait here: who leaves has said so.
  await startMembers(page, { group: 'shop', topics: 'orders', members: '2', assignor: 'roundrobin', sessionTimeout: '60000' })
  await page.waitForSelector('tabmq-group')
  assert.equal(new URL(page.url()).hash, '#/groups/shop')
  await until('both have two partitions', async () => /^orders: \d \d$/.test(await share(page, 'shop-1')) && /^orders: \d \d$/.test(await share(page, 'shop-2')))
  // As round robin shares four partitions out.
  await becomes(async () => [await share(page, 'shop-1'), await share(page, 'shop-2')].sort(), ['orders: 0 2', 'orders: 1 3'])
  await until('all is read', async () => await read(page) >= 200)
  await until('all is committed', async () => (await page.locator('[data-lag]').allTextContents()).join(' ') === '0 0 0 0')
  await says(page, '[data-group]', /Stable generation \d+, 2 members · roundrobin/)
  await says(page, 'tabmq-lag table', /shop-[12]/)
  await page.waitForSelector('tabmq-lag .uplot')
  await says(page, '.marks', /shop-1 starts/)
  await picture(page, 'group.png')
  assert.deepEqual(await violations(page), [])

  // Like the others of the group, without asking again.
  await page.click('details.add summary')
  await page.click('[data-form=members] button.primary')
  await until('three share', async () => /orders: \d/.test(await share(page, 'shop-3')) && /3 members/.test(await group(page)))
  await page.click('[data-consumer=shop-2] [data-do=stop]')
  await page.waitForSelector('[data-consumer=shop-2].stopped')
  await says(page, '[data-group]', /2 members/)
  await page.click('[data-consumer=shop-2] [data-do=remove]')
  await becomes(() => page.locator('[data-consumer=shop-2]').count(), 0)
  await goTo(page, 'groups')
  // At rest again.
  await says(page, 'tabmq-table tbody', /shop.*Stable2, 2 here0orders/)
  assert.deepEqual(await violations(page), [])
})

test('a member that crashes keeps its partitions until its session times out; one that is stuck is out after max.poll.interval.ms and comes back', { timeout: 240_000 }, async (t) => {
  const site = await startSite(t)
  const browser = await openChromium(t)
  const page = await openPage(browser, site, { view: 'groups' })
  await fill(page, 'orders', 40)
  await startMembers(page, { group: 'shop', topics: 'orders', members: '2', sessionTimeout: '6000', maxPollInterval: '4000' })
  await until('both have partitions', async () => /orders: \d \d/.test(await share(page, 'shop-1')) && /orders: \d \d/.test(await share(page, 'shop-2')), { timeoutMs: 60_000 })
  const began = Date.now()
  await page.click('[data-consumer=shop-1] [data-do=crash]')
  await page.waitForSelector('[data-consumer=shop-1].crashed')
  await says(page, '[data-consumer=shop-1]', /session\.timeout\.ms \(6,000\)/)
  assert.match(await group(page), /2 members/, 'nobody has noticed')
  await page.waitForSelector('.worker.other.crashed')
  await until('the other one has all', async () => await share(page, 'shop-2') === 'orders: 0 1 2 3', { timeoutMs: 60_000 })
  // The session runs from the last heartbeat, and that is three seconds old at most, or a little more.
  assert.ok(Date.now() - began > 2000, 'not before its session was over')
  await says(page, '.marks', /shop-1 crashes/)
  await page.click('[data-consumer=shop-1] [data-do=again]')
  await until('it is back', async () => /orders: \d \d$/.test(await share(page, 'shop-1')), { timeoutMs: 60_000 })

  await page.click('[data-consumer=shop-1] [data-do=stick]')
  await fill(page, 'orders', 40)
  await page.waitForSelector('[data-consumer=shop-1].stuck')
  await says(page, '[data-consumer=shop-1]', /Its heartbeats go on/)
  await page.waitForSelector('[data-consumer=shop-1].out', { timeout: 60_000 })
  await until('the other one reads what it had', async () => await share(page, 'shop-2') === 'orders: 0 1 2 3', { timeoutMs: 60_000 })
  await until('lag is gone', async () => (await page.locator('[data-lag]').allTextContents()).join(' ') === '0 0 0 0', { timeoutMs: 60_000 })
  await says(page, '[data-group]', /1 member/)
  await says(page, '.marks', /shop-1 exceeded max\.poll\.interval\.ms/)
  await picture(page, 'group-out.png')
  await page.click('[data-consumer=shop-1] [data-do=resume]')
  await until('it joins again', async () => /orders: \d \d$/.test(await share(page, 'shop-1')), { timeoutMs: 60_000 })
})

test('a slow member falls behind, and lag grows and falls with its pace; commits are as chosen', { timeout: 180_000 }, async (t) => {
  const site = await startSite(t)
  const browser = await openChromium(t)
  const page = await openPage(browser, site, { view: 'groups' })
  await fill(page, 'orders', 400)
  await startMembers(page, { group: 'slow', topics: 'orders', members: '1', perSecond: '10', commit: 'manual' })
  await until('it reads, slowly', async () => await read(page) > 0, { timeoutMs: 60_000 })
  await says(page, '[data-group]', /\d+ records behind/)
  assert.ok(await read(page) < 200)
  await page.selectOption('[data-consumer=slow-1] [name=pace]', '0')
  await until('it catches up', async () => await read(page) >= 400, { timeoutMs: 60_000 })
  // And has committed it.
  await says(page, '[data-group]', /\b0 records behind/)
  await goTo(page, 'groups')
  await startMembers(page, { group: 'silent', topics: 'orders', members: '1', perSecond: '', commit: 'none' })
  await until('all is read', async () => await read(page) >= 400, { timeoutMs: 60_000 })
  await says(page, 'tabmq-lag', /committed nothing yet/)
})

test('offsets are reset to the earliest, the latest, a time and an offset; refused in words while there are members; the group is deleted', { timeout: 240_000 }, async (t) => {
  const site = await startSite(t)
  const browser = await openChromium(t)
  const page = await openPage(browser, site, { view: 'groups' })
  const begun = await fill(page, 'orders', 80)
  await startMembers(page, { group: 'shop', topics: 'orders', members: '1', sessionTimeout: '6000' })
  await until('all is read', async () => await read(page) >= 80, { timeoutMs: 60_000 })
  await until('and committed', async () => (await page.locator('[data-lag]').allTextContents()).join(' ') === '0 0 0 0')
  await page.click('[data-do=preview]')
  await says(page, '[data-note=reset]', /Not now: shop is Stable with 1 member/)
  assert.equal(await page.locator('[data-plan]').count(), 0)
  await page.click('[data-do=delete]')
  await page.click('dialog button.danger')
  await says(page, 'tabmq-toasts', /NON_EMPTY_GROUP: shop has 1 members/)

  await page.click('[data-consumer=shop-1] [data-do=stop]')
  await until('it is empty', async () => /Empty/.test(await group(page)))
  const committed = () => page.evaluate(async () => {
    const [{ partitions }] = await /** @type {any} */ (globalThis).tabmq.admin.fetchOffsets({ groupId: 'shop', topics: ['orders'] })
    return partitions.map(({ offset }) => Number(offset))
  })
  const ends = await page.evaluate(async () => (await /** @type {any} */ (globalThis).tabmq.admin.fetchTopicOffsets('orders')).map(({ high }) => Number(high)))
  const reset = async (to, more = {}) => {
    await page.selectOption('[data-form=reset] [name=to]', to)
    for (const [name, value] of Object.entries(more)) await page.fill(`[data-form=reset] [name=${name}]`, value)
    await page.click('[data-do=preview]')
    await page.waitForSelector('[data-plan]')
    await page.click('[data-do=reset]')
    await page.waitForSelector('[data-plan]', { state: 'detached' })
    await says(page, '[data-note=reset]', /^Reset \d partitions? of orders/)
  }
  await reset('earliest')
  assert.deepEqual(await committed(), [0, 0, 0, 0])
  await says(page, '[data-group]', /80 records behind/)
  await says(page, '.marks', /offsets of orders reset/)
  await reset('latest')
  assert.deepEqual(await committed(), ends)
  // The field takes local time.
  const local = await page.evaluate((at) => new Date(at - new Date(at).getTimezoneOffset() * 60_000).toISOString().slice(0, 19), begun + 40_000)
  await reset('time', { time: local })
  const from = await committed()
  assert.equal(ends.reduce((sum, end, partition) => sum + end - from[partition], 0), 40)
  await reset('offset', { offset: '3', partition: '1' })
  assert.deepEqual(await committed(), [from[0], 3, from[2], from[3]])
  await page.fill('[data-form=reset] [name=offset]', '999999')
  await page.click('[data-do=preview]')
  await says(page, '[data-plan]', /the nearest there is/)
  await page.fill('[data-form=reset] [name=offset]', 'x')
  await page.fill('[data-form=reset] [name=partition]', '9')
  await page.click('[data-do=preview]')
  await says(page, '[data-form=reset] [data-field=offset] .error', /whole number from 0/)
  await says(page, '[data-form=reset] [data-field=partition] .error', /orders has partitions 0 to 3/)
  assert.deepEqual(await violations(page), [])

  // What was reset is read again.
  await page.fill('[data-form=reset] [name=partition]', '')
  await reset('earliest')
  await page.click('[data-consumer=shop-1] [data-do=again]')
  await until('all is read again', async () => await read(page) >= 80, { timeoutMs: 60_000 })
  await page.click('[data-consumer=shop-1] [data-do=stop]')
  await until('it is empty', async () => /Empty/.test(await group(page)))
  await page.click('[data-do=delete]')
  await page.click('dialog button.danger')
  await says(page, 'tabmq-groups', /no consumer group yet/)
})

test('a group of another client is shown with its members and what they have', { timeout: 120_000 }, async (t) => {
  const site = await startSite(t)
  const browser = await openChromium(t)
  const page = await openPage(browser, site, { view: 'groups', query: 'demo=off&lang=ko' })
  await fill(page, 'orders', 8)
  await page.evaluate(async () => {
    const consumer = /** @type {any} */ (globalThis).tabmq.cluster.kafka({ clientId: 'elsewhere' }).consumer({ groupId: 'theirs' })
    await consumer.subscribe({ topics: ['orders'], fromBeginning: true })
    await consumer.run({ eachMessage: async () => {} })
  })
  await page.click('tr[data-key=theirs] a')
  await page.waitForSelector('.worker.other')
  await says(page, '.worker.other', /elsewhere다른 클라이언트[^]*orders: 0 1 2 3/)
  await page.evaluate(() => { location.hash = '#/groups/nowhere' })
  await says(page, 'tabmq-group', /nowhere 그룹이 없습니다/)
})
