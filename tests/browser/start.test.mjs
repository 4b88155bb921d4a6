// Which cluster the page opens, and what it says when one can't be opened.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { openChromium, startSite, until } from './harness.mjs'
import { weigh } from './page-weight.mjs'
import { becomes, openPage, picture, ready, says, violations } from './playground.mjs'

/** @param {import('playwright-core').Page} page */
const brokers = (page) => page.evaluate(() => /** @type {any} */ (globalThis).tabmq.cluster.brokers().length)

test('a cluster of a name and a size is made, opened again as it is, switched from, and destroyed after a question', { timeout: 180_000 }, async (t) => {
  const site = await startSite(t)
  const browser = await openChromium(t)
  const page = await openPage(browser, site)
  await page.click('[data-slot=cluster] button')
  await page.waitForSelector('dialog [data-cluster=playground]')
  assert.deepEqual(await violations(page), [])
  // What is wrong stands beside its field, and stays as it was typed.
  await page.fill('dialog [name=name]', 'no spaces')
  await page.fill('dialog [name=brokers]', '12')
  await page.click('dialog [data-form=cluster] button')
  await says(page, 'dialog [data-field=name] .error', /Letters, digits/)
  await says(page, 'dialog [data-field=brokers] .error', /from 1 to 9/)
  assert.equal(await page.inputValue('dialog [name=name]'), 'no spaces')
  await page.fill('dialog [name=name]', 'playground')
  await says(page, 'dialog [data-field=name] .error', /There is a cluster playground already/)
  await page.fill('dialog [name=name]', 'shop')
  await page.fill('dialog [name=brokers]', '1')
  await page.selectOption('dialog [name=profile]', 'kafka')
  await picture(page, 'clusters.png')
  await Promise.all([page.waitForURL(/name=shop/), page.click('dialog [data-form=cluster] button')])
  await ready(page)
  assert.equal(await brokers(page), 1)
  await says(page, '[data-slot=cluster]', /shop/)
  await page.evaluate(() => /** @type {any} */ (globalThis).tabmq.admin.createTopics({ topics: [{ topic: 'mine', numPartitions: 1 }] }))

  // It opens with what it has, also where nothing is remembered of it.
  await page.evaluate(() => localStorage.removeItem('tabmq.clusters'))
  await page.reload()
  await ready(page)
  assert.equal(await brokers(page), 1)
  await until('its topic is there', () => page.evaluate(() => /** @type {any} */ (globalThis).tabmq.store.model.topics.has('mine')))

  // Back to the first one by its link, and the end of the other from there.
  await page.click('[data-slot=cluster] button')
  await page.waitForSelector('dialog [data-cluster=playground] a')
  await Promise.all([page.waitForEvent('load'), page.click('dialog [data-cluster=playground] a')])
  await ready(page)
  assert.equal(await brokers(page), 3)
  await page.click('nav a[href="#/share"]')
  await page.click('[data-cluster=shop] [data-do=destroy]')
  await page.click('dialog button:text-is("Cancel")')
  assert.ok(await page.$('[data-cluster=shop]'))
  await page.click('[data-cluster=shop] [data-do=destroy]')
  await page.click('dialog button.danger')
  await page.waitForSelector('[data-cluster=shop]', { state: 'detached' })
  await becomes(() => page.evaluate(async () => (await indexedDB.databases()).filter(({ name }) => name.includes('shop'))), [])
})

test('a cluster that is open in another tab is not destroyed, and the page says why', { timeout: 120_000 }, async (t) => {
  const site = await startSite(t)
  const browser = await openChromium(t)
  const other = await openPage(browser, site, { query: 'demo=off&lang=en&name=busy' })
  const page = await openPage(browser, site, { view: 'share' })
  await page.click('[data-cluster=busy] [data-do=destroy]')
  await page.click('dialog button.danger')
  await says(page, '[data-note=clusters]', /busy is open in another tab/)
  assert.equal(await brokers(other), 3)
})

test('the cluster that is open is destroyed, and an empty one is there instead', { timeout: 120_000 }, async (t) => {
  const site = await startSite(t)
  const browser = await openChromium(t)
  const page = await openPage(browser, site, { view: 'share' })
  await page.evaluate(() => /** @type {any} */ (globalThis).tabmq.admin.createTopics({ topics: [{ topic: 'mine', numPartitions: 1 }] }))
  await page.click('[data-cluster=playground] [data-do=destroy]')
  await Promise.all([page.waitForEvent('load', { timeout: 60_000 }), page.click('dialog button.danger')])
  await until('it is open again', () => page.evaluate(() => document.body.dataset.ready).catch(() => null))
  assert.deepEqual(await page.evaluate(() => /** @type {any} */ (globalThis).tabmq.admin.listTopics()), [])
})

test('storage that is refused is explained, and the cluster opens without it when asked', { timeout: 120_000 }, async (t) => {
  const site = await startSite(t)
  const browser = await openChromium(t)
  // What a private mode without IndexedDB does.
  await browser.context.addInitScript(() => { IDBFactory.prototype.open = () => { throw new DOMException('storage is off', 'SecurityError') } })
  const page = await openPage(browser, site)
  await page.waitForSelector('[data-failure=storage]')
  const said = await page.textContent('.failure')
  assert.match(said, /may not acknowledge what it can't keep/)
  assert.match(said, /storage is off/)
  assert.match(said, /Leave the private window/)
  assert.deepEqual(await violations(page), [])
  await picture(page, 'failure-storage.png')
  await Promise.all([page.waitForURL(/storage=memory/), page.click('[data-do=memory]')])
  await ready(page)
  assert.equal(await page.$('.failure'), null)
  assert.equal(await brokers(page), 3)
})

test('without Web Locks the page says what to do, in Korean too', { timeout: 120_000 }, async (t) => {
  const site = await startSite(t)
  const browser = await openChromium(t)
  await browser.context.addInitScript(() => Object.defineProperty(Navigator.prototype, 'locks', { get: () => undefined }))
  const page = await openPage(browser, site, { query: 'demo=off&lang=ko' })
  await page.waitForSelector('[data-failure=locks]')
  await says(page, '.failure', /https 또는 http:\/\/localhost/)
  await Promise.all([page.waitForURL(/storage=memory/), page.click('[data-do=memory]')])
  await ready(page)
  assert.equal(await brokers(page), 3)
})

test('a tab that can not join the one that has the cluster says so, and opens another cluster or takes this one over when asked', { timeout: 180_000 }, async (t) => {
  const site = await startSite(t)
  const browser = await openChromium(t)
  const first = await openPage(browser, site)
  await first.evaluate(() => /** @type {any} */ (globalThis).tabmq.admin.createTopics({ topics: [{ topic: 'mine', numPartitions: 1 }] }))
  const page = await browser.context.newPage()
  // Tabs meet in a SharedWorker; not every browser has it.
  await page.addInitScript(() => { delete globalThis.SharedWorker })
  const open = async (query) => {
    await page.goto(`${site.url}/?demo=off&${query}#/cluster`)
    await page.waitForSelector('[data-failure=inUse]')
  }
  await open('lang=ko')
  await says(page, '.failure', /다른 탭/)
  assert.deepEqual(await violations(page), [])
  await open('lang=en')
  await says(page, '.failure', /Another tab runs the brokers of playground/)
  await says(page, '.failure .said', /no SharedWorker/)
  await picture(page, 'failure-in-use.png')
  await Promise.all([page.waitForURL(/name=playground-2/), page.click('[data-do=another]')])
  await ready(page)
  await becomes(() => brokers(page), 3)

  await open('lang=en')
  await Promise.all([page.waitForURL(/takeOver=yes/), page.click('[data-do=takeOver]')])
  await ready(page)
  assert.equal(await page.evaluate(() => /** @type {any} */ (globalThis).tabmq.cluster.role), 'owner')
  await until('it has what was there', () => page.evaluate(() => /** @type {any} */ (globalThis).tabmq.store.model.topics.has('mine')))
  assert.doesNotMatch(page.url(), /takeOver/, 'loading it again takes nothing over')
  // The one that had it can't join either: it says so, and takes it back when asked.
  await says(first, '.elsewhere', /This tab has lost the cluster/)
  assert.deepEqual(await violations(first), [])
  await Promise.all([first.waitForEvent('load'), first.click('[data-do=open-here]')])
  await ready(first)
  await becomes(() => first.evaluate(() => /** @type {any} */ (globalThis).tabmq.cluster.role), 'owner')
  await says(page, '.elsewhere', /This tab has lost the cluster/)
})

test('brokers that do not come up: the page says why, and trying again helps when that has passed', { timeout: 180_000 }, async (t) => {
  const site = await startSite(t)
  const browser = await openChromium(t)
  const first = await openPage(browser, site)
  await first.close()
  await browser.context.route('**/sdk/worker.js', (route) => route.abort())
  const page = await openPage(browser, site)
  await page.waitForSelector('[data-failure=files], [data-failure=brokers]')
  await says(page, '.failure', /Broker \d did not start/)
  await browser.context.unroute('**/sdk/worker.js')
  await Promise.all([page.waitForEvent('load'), page.click('[data-do=again]')])
  await ready(page)
  assert.equal(await brokers(page), 3)
})

test('page and libraries, without the editor and the package, weigh less than 250 kB gzipped', async (t) => {
  const { page, libraries, editor, ...rest } = await weigh()
  t.diagnostic(`page ${page}, libraries ${libraries}, editor ${editor}, package ${rest.package}`)
  assert.ok(page > 50_000 && libraries > 20_000 && editor > 50_000, 'they were found')
  assert.ok(page + libraries < 250_000, `${page + libraries}`)
})
