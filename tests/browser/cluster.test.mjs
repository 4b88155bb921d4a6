// The view of the cluster, as a visitor and as an engineer use it.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { openChromium, startSite, until } from './harness.mjs'
import { becomes, openPage, picture, says } from './playground.mjs'

const count = async (page, name) => Number((await page.textContent(`[data-demo-count=${name}]`)).replace(/,/g, ''))

test('a first visitor sees records flow within ten seconds, kills a leader with one click, and sees the election', { timeout: 120_000 }, async (t) => {
  const site = await startSite(t)
  const browser = await openChromium(t)
  const begun = performance.now()
  const page = await openPage(browser, site, { query: 'lang=en' })
  await until('orders are written and read', async () => await page.$('[data-demo=running]') && await count(page, 'written') > 0 && await count(page, 'read') > 0)
  const seconds = (performance.now() - begun) / 1000
  t.diagnostic(`something real is visible after ${seconds.toFixed(1)} s`)
  assert.ok(seconds < 10, `${seconds} s`)
  await says(page, '.story .lead', /A producer writes 20 orders a second into topic coffee-orders/)
  await page.waitForSelector('[data-flow]', { state: 'attached' })

  const button = await page.textContent('[data-do=kill-leader]')
  const leader = /broker (\d)/.exec(button)[1]
  await page.click('[data-do=kill-leader]')
  await page.waitForSelector(`[data-broker="${leader}"].crashed`)
  await says(page, '[data-election]', new RegExp(`Broker ${leader} died\\. After .* the controller elected broker \\d leader of coffee-orders-0`))
  await picture(page, 'cluster-election.png')
  const written = await count(page, 'written')
  await until('orders go on', async () => await count(page, 'written') > written)
  await page.click('[data-do=restart]')
  await page.waitForSelector(`[data-broker="${leader}"].running`, { timeout: 60_000 })

  await page.click('[data-do=stop-demo]')
  await page.waitForSelector('[data-demo=stopped]')
  await page.reload()
  await page.waitForSelector('[data-demo=stopped]')
  assert.equal(await page.$('[data-demo=running]'), null, 'a returning visitor starts it himself')
})

test('a cluster that somebody works with gets no demo', { timeout: 60_000 }, async (t) => {
  const site = await startSite(t)
  const browser = await openChromium(t)
  const page = await openPage(browser, site)
  await page.evaluate(() => /** @type {any} */ (globalThis).tabmq.admin.createTopics({ topics: [{ topic: 'mine', numPartitions: 1, replicationFactor: 3 }] }))
  await page.goto(`${site.url}/?lang=en&again#/cluster`)
  await page.waitForSelector('body[data-ready]')
  await until('its topic is known', () => page.evaluate(() => /** @type {any} */ (globalThis).tabmq.store.model.topics.has('mine')))
  assert.deepEqual(await page.evaluate(() => /** @type {any} */ (globalThis).tabmq.store.userTopics()), ['mine'])
  assert.equal(await page.$('[data-demo]'), null)
})

test('a link is cut one way, delayed and made lossy from its panel, with the keyboard too, and repaired', { timeout: 120_000 }, async (t) => {
  const site = await startSite(t)
  const browser = await openChromium(t)
  const page = await openPage(browser, site)
  await page.focus('[data-link="1-2"]')
  await page.keyboard.press('Enter')
  await page.waitForSelector('tabmq-link-panel')
  assert.equal(new URL(page.url()).hash, '#/cluster/link-1-2')
  const links = () => page.evaluate(() => Object.fromEntries(/** @type {any} */ (globalThis).tabmq.store.links))
  await page.check('[data-direction="1>2"] [name=cut]')
  await becomes(async () => (await links())['1>2'], { cut: true, delayMs: 0, lossRatio: 0 })
  assert.equal((await links())['2>1']?.cut ?? false, false)
  await says(page, '[data-link="1-2"]', /1→2 cut/)
  // What happened stands there.
  await says(page, '.link-panel .happened', /Broker 1: link to broker 2: cut/)
  await page.selectOption('[data-direction="2>1"] [name=delay]', '100')
  await page.selectOption('[data-direction="2>1"] [name=loss]', '0.05')
  await says(page, '[data-link="1-2"]', /2→1 \+100 ms, loses 5%/)
  await page.click('.link-panel [data-do=heal]')
  await until('it is repaired', async () => !/cut|loses/.test(await page.textContent('[data-link="1-2"]')))
  await becomes(async () => Object.values(await links()).filter(({ cut, delayMs, lossRatio }) => cut || delayMs || lossRatio), [])
})

test('a broker whose links are all cut is fenced, says so on its card, and comes back when they are repaired', { timeout: 120_000 }, async (t) => {
  const site = await startSite(t)
  const browser = await openChromium(t)
  const page = await openPage(browser, site)
  const controller = await page.evaluate(() => /** @type {any} */ (globalThis).tabmq.store.model.controller)
  const [victim, other] = [1, 2, 3].filter((id) => id !== controller)
  const pair = (a, b) => [a, b].sort().join('-')
  for (const peer of [controller, other]) {
    await page.click(`[data-link="${pair(victim, peer)}"]`)
    await page.waitForSelector(`.link-panel [data-direction="${victim}>${peer}"]`)
    await page.click('.link-panel [data-do=cut]')
    await page.waitForSelector(`[data-link="${pair(victim, peer)}"].cut`)
  }
  await says(page, '.timeline', new RegExp(`(?<!un)fenced broker ${victim}`), { timeoutMs: 60_000 })
  for (const peer of [controller, other]) {
    await page.click(`[data-link="${pair(victim, peer)}"]`)
    await page.waitForSelector(`.link-panel [data-direction="${victim}>${peer}"]`)
    await page.click('.link-panel [data-do=heal]')
  }
  // The newest stands first.
  await says(page, '.timeline', new RegExp(`unfenced broker ${victim}\\b[^]*(?<!un)fenced broker ${victim}\\b`), { timeoutMs: 60_000 })
})

test('a broker that was killed silently is found out by its heartbeat only, and starts again', { timeout: 120_000 }, async (t) => {
  const site = await startSite(t)
  const browser = await openChromium(t)
  const page = await openPage(browser, site)
  const victim = await page.evaluate(() => [1, 2, 3].find((id) => id !== /** @type {any} */ (globalThis).tabmq.store.model.controller))
  await page.click(`[data-broker="${victim}"] [data-do=more]`)
  await page.click('dialog [data-do=killSilently]')
  await page.waitForSelector(`[data-broker="${victim}"].crashed`)
  const happened = `[data-broker="${victim}"] .happened`
  await says(page, happened, /was killed|is fenced: no heartbeat/)
  await says(page, happened, /is fenced: no heartbeat/, { timeoutMs: 60_000 })
  await page.click(`[data-broker="${victim}"] [data-do=start]`)
  await page.waitForSelector(`[data-broker="${victim}"].running`, { timeout: 60_000 })
})

test('the timeline links each event to what it concerns', { timeout: 60_000 }, async (t) => {
  const site = await startSite(t)
  const browser = await openChromium(t)
  const page = await openPage(browser, site)
  await page.evaluate(() => /** @type {any} */ (globalThis).tabmq.admin.createTopics({ topics: [{ topic: 'mine', numPartitions: 1, replicationFactor: 3 }] }))
  await page.click('.timeline a[href="#/topics/mine"] >> nth=0')
  await page.waitForSelector('tabmq-topics')
  await says(page, 'tabmq-topic h1', /^mine$/)
  await page.goBack()
  await page.click('.timeline a.who >> nth=0')
  await page.waitForSelector('.broker.pointed')
})

test('why an even number of voters buys nothing is said when that is the case, and only then', { timeout: 60_000 }, async (t) => {
  const site = await startSite(t)
  const browser = await openChromium(t)
  const page = await openPage(browser, site)
  assert.equal(await page.$('[data-even-voters]'), null)
  await page.evaluate(() => {
    const { store } = /** @type {any} */ (globalThis).tabmq
    Object.defineProperty(store.source, 'voters', { value: [1, 2, 3, 4] })
    store.changed('brokers')
  })
  await page.waitForSelector('[data-even-voters]')
  await says(page, '[data-even-voters]', /4 voters need a majority of 3, so only 1 may fail: no more than with 3/)
})
