// A person's own code: it runs, says what it does, is told where it fails, and can always be ended.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { openChromium, startSite, until } from './harness.mjs'
import { goTo, openPage, picture, says, violations } from './playground.mjs'

const EDITOR = '[data-editor=code]'
/** @param {import('playwright-core').Page} page */
const output = (page) => page.textContent('.output')
/** @param {import('playwright-core').Page} page */
const idle = (page) => until('nothing runs', async () => await page.$('[data-state=idle]'), { timeoutMs: 60_000 })

/** Types over what is in the editor, as a person would, and runs it. @param {import('playwright-core').Page} page @param {string} code */
async function run (page, code) {
  await page.waitForSelector(EDITOR)
  await page.click(EDITOR)
  await page.keyboard.press('Control+a')
  await page.keyboard.press('Delete')
  await page.keyboard.insertText(code)
  await page.keyboard.press('Control+Enter')
}

/** A cluster of one broker in memory: what is tested is the page's. @param {any} browser @param {any} site */
async function openSmall (browser, site) {
  await browser.context.addInitScript(() => location.protocol === 'http:' && localStorage.setItem('tabmq.clusters', JSON.stringify({ small: { brokers: 1, profile: 'lab' } })))
  return openPage(browser, site, { view: 'code', query: 'demo=off&lang=en&name=small&storage=memory' })
}

/** @param {import('playwright-core').Page} page */
const evictions = (page) => page.evaluate(() => [.../** @type {any} */ (globalThis).tabmq.store.model.groups.values()].map(({ members }) => members.length))

test('each snippet runs on a new cluster and does what its name says', { timeout: 300_000 }, async (t) => {
  const site = await startSite(t)
  const browser = await openChromium(t)
  const page = await openPage(browser, site, { view: 'code' })
  await page.waitForSelector(EDITOR)
  assert.deepEqual(await violations(page), [])
  /** @param {string} id */
  const start = async (id) => {
    await page.selectOption('[name=snippet]', id)
    await page.click('[data-do=run]')
  }
  await start('produce')
  await says(page, '.output', /ann -> partition \d offset \d[^]*Done\./, { timeoutMs: 60_000 })
  await idle(page)
  assert.equal(await page.locator('.output .error').count(), 0, await output(page))

  await start('group')
  for (const words of [/reader-a has/, /reader-b has/, /reader-a partition/, /reader-b partition/]) await says(page, '.output', words, { timeoutMs: 60_000 })
  await picture(page, 'code-group.png')
  // It goes on while another view is shown, and is in that view.
  await goTo(page, 'watch')
  await says(page, '[data-chart=lag]', /shop-readers/)
  await goTo(page, 'code')
  await page.click('[data-do=stop]')
  await idle(page)
  await says(page, '.output', /its clients are disconnected/)
  await until('its members have left', async () => (await evictions(page)).every((count) => count === 0))

  await start('replay')
  await says(page, '.output', /first @ 9[^]*again @ 7[^]*again @ 9[^]*done/, { timeoutMs: 60_000 })
  await idle(page)

  await start('acks')
  await says(page, '.output', /acks -1 acked[^]*is killed[^]*acks 1 acked[^]*acks -1 refused[^]*is back[^]*acks -1 acked/, { timeoutMs: 60_000 })
  await idle(page)

  await start('idempotent')
  await says(page, '.output', /leads and is killed now[^]*200 sent, 200 in the log/, { timeoutMs: 60_000 })
  await idle(page)

  await start('admin')
  await says(page, '.output', /shop - leaders[^]*shop-readers shop-\d lag/, { timeoutMs: 60_000 })
  await idle(page)
  assert.equal(await page.locator('.output .error').count(), 0, await output(page))
})

test('what fails is told with its line: a throw, a rejection, an error in a callback, and what is no JavaScript', { timeout: 240_000 }, async (t) => {
  const site = await startSite(t)
  const browser = await openChromium(t)
  const page = await openSmall(browser, site)
  const failsAt = async (code, line, message) => {
    await run(page, code)
    await until(`it fails at line ${line}`, async () => await page.locator(`.output .error [data-line="${line}"]`).count() === 1)
    await says(page, '.output .error', message)
    await idle(page)
  }
  await failsAt('console.log(1)\n\nthrow new Error("on three")', 3, /Error: on three/)
  await failsAt('const f = () => {\n  nothing()\n}\nf()', 2, /ReferenceError: nothing is not defined/)
  await failsAt('setTimeout(() => {\n  throw new TypeError("late")\n}, 10)', 2, /TypeError: late/)
  await failsAt('const ok = 1\nconst = 2\n', 2, /not JavaScript/)
  await page.click('.output [data-line="2"]')
  await until('the editor has the focus', async () => await page.evaluate(() => document.activeElement.shadowRoot?.activeElement?.getAttribute('data-editor')) === 'code')
  await run(page, 'console.log("two")\nawait kafka.producer({ idempotentt: true })')
  await says(page, '.output', /idempotentt: is not an option here/)
})

test('an endless loop holds nothing up, and is ended; what it printed is there', { timeout: 240_000 }, async (t) => {
  const site = await startSite(t)
  const browser = await openChromium(t)
  const page = await openSmall(browser, site)
  await run(page, 'const consumer = kafka.consumer({ groupId: "stuck", sessionTimeout: 6000 })\nawait kafka.admin().createTopics({ topics: [{ topic: "one" }] })\nawait consumer.subscribe({ topics: ["one"] })\nawait consumer.run({ eachMessage: async () => {} })\nfor (let n = 0; ; n++) console.log("turn", n)')
  await says(page, '.output', /turn \d/)
  // Single keys type, they do not switch views; and the page is alive.
  await page.click(EDITOR)
  await page.keyboard.type('1')
  assert.equal(new URL(page.url()).hash, '#/code')
  await goTo(page, 'cluster')
  await page.waitForSelector('.broker.running')
  await goTo(page, 'code')
  await page.click('[data-do=stop]')
  await idle(page)
  await says(page, '.output', /its worker was ended/)
  assert.ok(await page.locator('.output li').count() <= 510)
  await until('the group finds out', async () => (await evictions(page)).every((count) => count === 0), { timeoutMs: 60_000 })
})

test('what was typed is kept for each snippet, over a reload too, and can be as it was again', { timeout: 240_000 }, async (t) => {
  const site = await startSite(t)
  const browser = await openChromium(t)
  const page = await openSmall(browser, site)
  await run(page, 'console.log("mine")')
  await says(page, '.output', /mine/)
  await page.selectOption('[name=snippet]', 'admin')
  await says(page, EDITOR, /describeCluster/)
  await page.selectOption('[name=snippet]', 'produce')
  await page.reload()
  await says(page, EDITOR, /mine/)
  await page.click('[data-do=reset]')
  await says(page, EDITOR, /Records of one key/)
})
