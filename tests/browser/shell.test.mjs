// The frame of the page: every view in both languages and themes, narrow and wide; keys; the pause.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import en from '../../www/js/i18n/en.js'
import ko from '../../www/js/i18n/ko.js'
import { openChromium, startSite, until } from './harness.mjs'
import { becomes, goTo, openPage, picture, says, violations } from './playground.mjs'

/** @param {import('playwright-core').Page} page */
const views = (page) => page.$$eval('nav a', (links) => links.map((link) => link.getAttribute('href').slice(2)))

test('no view has an accessibility violation or scrolls sideways: light, dark, narrow, and in Korean', { timeout: 480_000 }, async (t) => {
  const site = await startSite(t)
  const browser = await openChromium(t)
  const page = await openPage(browser, site, { query: 'lang=en' })
  await page.waitForSelector('[data-demo=running]')
  await until('orders are read', async () => Number(await page.textContent('[data-demo-count=read]')) > 0)
  for (const [look, colorScheme, width, language] of /** @type {[string, 'light'|'dark', number, string][]} */ ([
    ['light', 'light', 1440, 'en'], ['dark', 'dark', 1440, 'en'], ['narrow', 'light', 360, 'en'], ['narrow-ko', 'dark', 360, 'ko'],
  ])) {
    await page.emulateMedia({ colorScheme, reducedMotion: 'reduce' })
    await page.setViewportSize({ width, height: 900 })
    await page.selectOption('select[name=lang]', language)
    for (const view of await views(page)) {
      await goTo(page, view)
      assert.deepEqual(await violations(page), [], `${view} ${look}`)
      const wide = await page.evaluate(() => document.documentElement.scrollWidth > document.documentElement.clientWidth)
      assert.equal(wide, false, `${view} scrolls sideways at ${width}`)
      await picture(page, `${view}-${look}.png`)
    }
  }
})

test('the language changes at once, is in the address or remembered, and is said to the browser', { timeout: 60_000 }, async (t) => {
  const site = await startSite(t)
  const browser = await openChromium(t)
  const page = await openPage(browser, site, { query: 'demo=off&lang=ko' })
  assert.equal(await page.getAttribute('html', 'lang'), 'ko')
  await becomes(() => page.textContent('h1'), ko['cluster.title'])
  await page.selectOption('select[name=lang]', 'en')
  await becomes(() => page.textContent('h1'), en['cluster.title'])
  assert.equal(await page.getAttribute('html', 'lang'), 'en')
  await page.selectOption('select[name=lang]', 'ko')
  await page.goto(`${site.url}/?demo=off`)
  await becomes(() => page.textContent('h1'), ko['cluster.title'])
})

test('the whole page works with the keyboard: skip link, views by number, the list of keys, themes', { timeout: 60_000 }, async (t) => {
  const site = await startSite(t)
  const browser = await openChromium(t)
  const page = await openPage(browser, site)
  await page.keyboard.press('Tab')
  assert.equal(await page.evaluate(() => document.activeElement.className), 'skip')
  await page.keyboard.press('Enter')
  assert.equal(await page.evaluate(() => document.activeElement.id), 'main')
  await page.keyboard.press('2')
  await page.waitForSelector('tabmq-topics')
  assert.equal(new URL(page.url()).hash, '#/topics')
  await until('its name is in the title', async () => /^Topics/.test(await page.title()))
  await page.keyboard.press('?')
  await page.waitForSelector('dialog[open]')
  await says(page, 'dialog', /Go to Topics/)
  assert.deepEqual(await violations(page), [])
  // Keys are off in a dialog, and where a person types.
  await page.keyboard.press('1')
  await page.keyboard.press('Escape')
  await page.waitForSelector('dialog', { state: 'detached' })
  await page.focus('[name=topic]')
  await page.keyboard.type('1t')
  assert.equal(new URL(page.url()).hash, '#/topics')
  await page.evaluate(() => /** @type {HTMLElement} */ (document.activeElement).blur())
  const ink = () => page.evaluate(() => getComputedStyle(document.body).color)
  await page.emulateMedia({ colorScheme: 'light' })
  const light = await ink()
  await page.keyboard.press('t')
  await page.keyboard.press('t')
  await until('the dark theme is on', async () => await ink() !== light)
  await page.reload()
  await until('and is remembered', async () => await ink() !== light)
})

test('a pause stops what changes by itself, says what waits, and the end of it shows the cluster as it is', { timeout: 60_000 }, async (t) => {
  const site = await startSite(t)
  const browser = await openChromium(t)
  const page = await openPage(browser, site)
  await page.waitForSelector('[data-broker="2"].running')
  await page.click('.pause')
  await page.waitForSelector('.pause.on')
  const before = await page.textContent('[data-broker="2"] .happened')
  await page.evaluate(() => /** @type {any} */ (globalThis).tabmq.cluster.kill(2))
  await says(page, '.paused', /\d+ events? (is|are) waiting/)
  assert.ok(await page.$('[data-broker="2"].running'), 'drawn as before the pause')
  assert.doesNotMatch(await page.textContent('.timeline'), /was killed/)
  assert.equal(await page.textContent('[data-broker="2"] .happened'), before)
  await page.click('.pause')
  await page.waitForSelector('[data-broker="2"].crashed')
  await says(page, '.timeline', /was killed/)
})

test('what was typed is kept beside what is wrong with it, and is still there after a look at another view', { timeout: 60_000 }, async (t) => {
  const site = await startSite(t)
  const browser = await openChromium(t)
  const page = await openPage(browser, site, { view: 'topics' })
  await page.fill('[name=topic]', '')
  await page.fill('[name=partitions]', '12')
  await page.click('text=Create topic')
  await becomes(() => page.textContent('[data-field=topic] .error'), en['form.needed'])
  await becomes(() => page.evaluate(() => document.activeElement.getAttribute('name')), 'topic')
  assert.equal(await page.getAttribute('[name=topic]', 'aria-invalid'), 'true')
  await goTo(page, 'produce')
  await goTo(page, 'topics')
  assert.equal(await page.inputValue('[name=partitions]'), '12')
})

test('a view that is not shown is not drawn', { timeout: 60_000 }, async (t) => {
  const site = await startSite(t)
  const browser = await openChromium(t)
  const page = await openPage(browser, site)
  await page.evaluate(() => {
    const card = /** @type {any} */ (document.querySelector('tabmq-broker'))
    const update = card.requestUpdate.bind(card)
    Object.assign(globalThis, { drawn: 0 })
    card.requestUpdate = (...args) => { /** @type {any} */ (globalThis).drawn++; return update(...args) }
  })
  await goTo(page, 'watch')
  await page.evaluate(async () => {
    Object.assign(globalThis, { drawn: 0 })
    await /** @type {any} */ (globalThis).tabmq.cluster.kill(2)
  })
  await says(page, '.timeline', /was killed/)
  assert.equal(await page.evaluate(() => /** @type {any} */ (globalThis).drawn), 0)
  await goTo(page, 'cluster')
  await page.waitForSelector('[data-broker="2"].crashed')
})
