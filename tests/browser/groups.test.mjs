// The view Groups: groups, their members and what can be done to them, lag, offsets.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { openChromium, resultFile, startSite, until } from './harness.mjs'
import { goTo, openPage, violations } from './playground.mjs'

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
  assert.match(await page.textContent('tabmq-groups'), /no consumer group yet/)
  await startMembers(page, { topics: 'nowhere' })
  assert.match(await page.textContent('[data-field=topics] .error'), /There is no topic nowhere/)
  await fill(page, 'orders', 200)
  await startMembers(page, { group: 'shop', topics: 'orders', members: '2', assignor: 'roundrobin', sessionTimeout: '6000' })
  await page.waitForSelector('tabmq-group')
  assert.equal(new URL(page.url()).hash, '#/groups/shop')
  await until('both have two partitions', async () => /^orders: \d \d$/.test(await share(page, 'shop-1')) && /^orders: \d \d$/.test(await share(page, 'shop-2')))
  const shares = [await share(page, 'shop-1'), await share(page, 'shop-2')].sort()
  assert.deepEqual(shares, ['orders: 0 2', 'orders: 1 3'], 'as round robin shares four partitions out')
  await until('all is read', async () => await read(page) >= 200)
  await until('all is committed', async () => (await page.locator('[data-lag]').allTextContents()).join(' ') === '0 0 0 0')
  assert.match(await group(page), /Stable generation \d+, 2 members · roundrobin/)
  await until('the table says who reads what', async () => /shop-[12]/.test(await page.textContent('tabmq-lag table')))
  await page.waitForSelector('tabmq-lag .uplot')
  assert.match(await page.textContent('.marks'), /shop-1 starts/)
  await page.screenshot({ path: await resultFile('group.png'), fullPage: true })
  assert.deepEqual(await violations(page), [])

  // Like the others of the group, without asking again.
  await page.click('details.add summary')
  await page.click('[data-form=members] button.primary')
  await until('three share', async () => /orders: \d/.test(await share(page, 'shop-3')) && /3 members/.test(await group(page)))
  await page.click('[data-consumer=shop-2] [data-do=stop]')
  await page.waitForSelector('[data-consumer=shop-2].stopped')
  await until('two share', async () => /2 members/.test(await group(page)), { timeoutMs: 5000 })
  await page.click('[data-consumer=shop-2] [data-do=remove]')
  assert.equal(await page.locator('[data-consumer=shop-2]').count(), 0)
  await goTo(page, 'groups')
  await until('the list has it, at rest again', async () =>
    /shop.*Stable2, 2 here0orders/.test(await page.textContent('tabmq-table tbody')))
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
  assert.match(await page.textContent('[data-consumer=shop-1]'), /session\.timeout\.ms \(6,000\)/)
  assert.match(await group(page), /2 members/, 'nobody has noticed')
  await page.waitForSelector('.worker.other.crashed')
  await until('the other one has all', async () => await share(page, 'shop-2') === 'orders: 0 1 2 3', { timeoutMs: 60_000 })
  assert.ok(Date.now() - began > 3000, 'not before its session was over')
  await until('the chart has the mark', async () => /shop-1 crashes/.test(await page.textContent('.marks')))
  await page.click('[data-consumer=shop-1] [data-do=again]')
  await until('it is back', async () => /orders: \d \d$/.test(await share(page, 'shop-1')), { timeoutMs: 60_000 })

  await page.click('[data-consumer=shop-1] [data-do=stick]')
  await fill(page, 'orders', 40)
  await page.waitForSelector('[data-consumer=shop-1].stuck')
  await until('its handler does not come back', async () => /Its heartbeats go on/.test(await page.textContent('[data-consumer=shop-1]')))
  await page.waitForSelector('[data-consumer=shop-1].out', { timeout: 60_000 })
  await until('the other one reads what it had', async () => await share(page, 'shop-2') === 'orders: 0 1 2 3', { timeoutMs: 60_000 })
  await until('lag is gone', async () => (await page.locator('[data-lag]').allTextContents()).join(' ') === '0 0 0 0', { timeoutMs: 60_000 })
  assert.match(await group(page), /1 member/)
  assert.match(await page.textContent('.marks'), /shop-1 exceeded max\.poll\.interval\.ms/)
  await page.screenshot({ path: await resultFile('group-out.png'), fullPage: true })
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
  await until('lag is shown', async () => /\d+ records behind/.test(await group(page)))
  assert.ok(await read(page) < 200)
  await page.selectOption('[data-consumer=slow-1] [name=pace]', '0')
  await until('it catches up', async () => await read(page) >= 400, { timeoutMs: 60_000 })
  await until('and has committed it', async () => /0 records behind/.test(await group(page)))
  await goTo(page, 'groups')
  await startMembers(page, { group: 'silent', topics: 'orders', members: '1', perSecond: '', commit: 'none' })
  await until('all is read', async () => await read(page) >= 400, { timeoutMs: 60_000 })
  assert.match(await page.textContent('tabmq-lag'), /committed nothing yet/)
})

test('offsets are reset to the earliest, the latest, a time and an offset; refused in words while there are members; the group is deleted', { timeout: 240_000 }, async (t) => {
  const site = await startSite(t)
  const browser = await openChromium(t)
  const page = await openPage(browser, site, { view: 'groups' })
  const begun = await fill(page, 'orders', 80)
  await startMembers(page, { group: 'shop', topics: 'orders', members: '1', sessionTimeout: '6000' })
  await until('all is read', async () => await read(page) >= 80, { timeoutMs: 60_000 })
  await until('and committed', async () => (await page.locator('[data-lag]').allTextContents()).join(' ') === '0 0 0 0')
  const note = () => page.textContent('[data-note=reset]')
  await page.click('[data-do=preview]')
  await until('it is refused', async () => /Not now: shop is Stable with 1 member/.test(await note()))
  assert.equal(await page.locator('[data-plan]').count(), 0)
  await page.click('[data-do=delete]')
  await page.click('dialog button.danger')
  await until('so is its end', async () => /NON_EMPTY_GROUP: shop has 1 members/.test(await page.textContent('tabmq-toasts')))

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
    await until('it is done', async () => /^Reset \d partitions? of orders/.test(await note()) && await page.locator('[data-plan]').count() === 0)
  }
  await reset('earliest')
  assert.deepEqual(await committed(), [0, 0, 0, 0])
  await until('the view shows the lag', async () => /80 records behind/.test(await group(page)))
  assert.match(await page.textContent('.marks'), /offsets of orders reset/)
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
  await until('it is the nearest there is', async () => /the nearest there is/.test(await page.textContent('[data-plan]')))
  await page.fill('[data-form=reset] [name=offset]', 'x')
  await page.fill('[data-form=reset] [name=partition]', '9')
  await page.click('[data-do=preview]')
  assert.match(await page.textContent('[data-form=reset] [data-field=offset] .error'), /whole number from 0/)
  assert.match(await page.textContent('[data-form=reset] [data-field=partition] .error'), /orders has partitions 0 to 3/)
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
  await until('the list is shown without it', async () => /no consumer group yet/.test(await page.textContent('tabmq-groups')))
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
  await until('what it has is shown', async () => /orders: 0 1 2 3/.test(await page.textContent('.worker.other')))
  assert.match(await page.textContent('.worker.other'), /elsewhere다른 클라이언트/)
  await page.evaluate(() => { location.hash = '#/groups/nowhere' })
  await until('one that is not there', async () => /nowhere 그룹이 없습니다/.test(await page.textContent('tabmq-group')))
})
