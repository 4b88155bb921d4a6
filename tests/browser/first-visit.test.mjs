// docs/FIRST_VISIT.md, gone by its own words.
import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { test } from 'node:test'
import en from '../../www/js/i18n/en.js'
import { fromRoot, openChromium, startSite, until } from './harness.mjs'
import { ready, says } from './playground.mjs'

const text = await readFile(fromRoot('docs/FIRST_VISIT.md'), 'utf8')
const labels = [...text.matchAll(/\*\*([^*]+)\*\*/g)].map(([, label]) => label.replace(/\s+/g, ' '))

test('each label that the first visit names is on the page under that name', () => {
  const texts = Object.values(en).flatMap((entry) => typeof entry === 'string' ? [entry] : Object.values(entry))
  const said = texts.map((entry) => new RegExp(`^${entry.replace(/[.*+?^$()|[\]\\]/g, '\\$&').replace(/\{\w+\}/g, '.+')}$`))
  assert.ok(labels.length > 15, `${labels.length} labels`)
  assert.deepEqual(labels.filter((label) => !said.some((pattern) => pattern.test(label))), [])
})

test('the first visit can be gone as it is written', { timeout: 240_000 }, async (t) => {
  const site = await startSite(t)
  const browser = await openChromium(t)
  const page = await browser.open(`${site.url}/?lang=en`)
  await ready(page)
  const press = (name) => page.getByRole('button', { name, exact: true }).click()
  const go = async (name) => {
    await page.getByRole('navigation').getByRole('link', { name, exact: true }).click()
    await page.waitForSelector(`nav a[aria-current=page]:has-text("${name}")`)
  }

  await until('orders are read', async () => Number(await page.textContent('[data-demo-count=read]').catch(() => '0')) > 0)
  await page.waitForSelector('[data-flow]', { state: 'attached' })
  await page.getByRole('button', { name: /^Kill the leader of coffee-orders-0 \(broker \d\)$/ }).click()
  await says(page, '[data-election]', /the controller elected broker \d leader of coffee-orders-0, in epoch \d+.*orders go on/)
  await page.getByRole('button', { name: /^Start broker \d again$/ }).click()
  await until('all are in sync again', () => page.evaluate(() => /** @type {any} */ (globalThis).tabmq.store.model.topics.get('coffee-orders').every(({ isr }) => isr.length === 3)), { timeoutMs: 60_000 })

  await go('Topics')
  await page.getByRole('link', { name: 'coffee-orders', exact: true }).click()
  await page.waitForSelector('[data-partition="0"] .pin.committed')
  await page.getByRole('link', { name: 'Browse records' }).click()
  await page.click('.virtual-row >> nth=1')
  await page.click('summary:has-text("The batch\'s bytes")')
  await page.hover('.hex-bytes [data-at="16"]')
  await says(page, '[data-hex-field]', /magic/)

  await go('Produce')
  await press('50,000 a second')
  await press('Start generator')
  await until('records are acked', async () => Number((await page.textContent('[data-figure=acked]').catch(() => '0')).replace(/,/g, '')) > 1000, { timeoutMs: 60_000 })
  await go('Watch')
  await says(page, '[data-chart=records]', /highest [\d,.]{3,}\/s/)
  await go('Produce')
  await press('Stop')
  await page.waitForSelector('[data-generator].stopped', { timeout: 60_000 })

  await go('Groups')
  await press('Start')
  await page.waitForSelector('tabmq-group')
  await until('both members have partitions', async () => (await page.locator('[data-assignment]').allTextContents()).filter((one) => /\d/.test(one)).length === 2, { timeoutMs: 60_000 })
  await page.getByRole('button', { name: 'Crash', exact: true }).first().click()
  await says(page, '.marks', /crashes/, { timeoutMs: 60_000 })

  await go('Code')
  await press('Run')
  await says(page, '.output', /Done\./, { timeoutMs: 60_000 })
  await go('Keep')
  await press('Make a link of what is on now')
  assert.match(await page.inputValue('#scenario-link'), /#\/share\?scenario=/)
  await Promise.all([page.waitForEvent('download'), press('Export')])
})
