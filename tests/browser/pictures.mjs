// The pictures in README.md: `make build && node tests/browser/pictures.mjs`. Each is the page itself, with the demo and a little
// more going on; look at them before you commit them.
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { chromium } from 'playwright-core'
import { serve } from '../../scripts/serve.mjs'
import { CHROMIUM, fromRoot, until } from './harness.mjs'
import { ready, says } from './playground.mjs'

const site = await serve({ mounts: { '/': fromRoot('dist') } })
const profile = await mkdtemp(join(tmpdir(), 'tabmq-pictures-'))
const context = await chromium.launchPersistentContext(profile, {
  executablePath: CHROMIUM, viewport: { width: 1280, height: 800 }, args: ['--no-sandbox', '--disable-gpu', '--disable-dev-shm-usage'],
})
const page = await context.newPage()
const take = (name) => page.screenshot({ path: fromRoot(`docs/${name}.png`), animations: 'disabled' })
const go = (hash) => page.evaluate((hash) => { location.hash = hash }, hash)

await page.goto(`${site.url}/?lang=en#/cluster`)
await ready(page)
await until('orders flow', async () => Number(await page.textContent('[data-demo-count=read]').catch(() => '0')) > 100)
await page.evaluate(async () => {
  const { admin, cluster, kafka } = /** @type {any} */ (globalThis).tabmq
  await admin.createTopics({ topics: [{ topic: 'payments', numPartitions: 3, replicationFactor: 3, configEntries: [{ name: 'segment.bytes', value: '12000' }, { name: 'retention.ms', value: '3600000' }] }] })
  const producer = kafka.producer()
  for (let turn = 0; turn < 40; turn++) {
    await producer.send({ topic: 'payments', messages: Array.from({ length: 30 }, (_, n) => ({ key: `card-${n}`, headers: { trace: `t${turn}-${n}` }, value: JSON.stringify({ card: n, amount: (n * 37 + turn * 11) % 500, currency: 'EUR' }) })) })
  }
  await admin.deleteTopicRecords({ topic: 'payments', partitions: [{ partition: 0, offset: '60' }] })
  for (const [groupId, share] of /** @type {[string, number][]} */ ([['settlement', 0.8], ['audit', 0.35]])) {
    const ends = await admin.fetchTopicOffsets('payments')
    await admin.setOffsets({ groupId, topic: 'payments', partitions: ends.map(({ partition, low, high }) => ({ partition, offset: String(Math.floor(Number(low) + (Number(high) - Number(low)) * share)) })) })
  }
  const [generators, members] = await Promise.all(['/js/work/generators.js', '/js/work/members.js'].map((path) => import(path)))
  await generators.start({ topic: 'clicks', rate: 300, distribution: 'zipf', keys: 50 })
  for (const [index, perSecond] of [0, 60].entries()) members.start({ group: 'dashboard', topics: ['clicks'], clientId: `dashboard-${index + 1}`, perSecond })
})
await until('the group reads', () => page.evaluate(() => /** @type {any} */ (globalThis).tabmq.store.model.groups.get('dashboard')?.members.length === 2), { timeoutMs: 60_000 })

await go('#/topics/payments')
await page.waitForSelector('[data-reader=audit]')
await take('topic')
await go('#/records?topic=payments&partition=0&offset=65')
await page.click('summary:has-text("The batch\'s bytes")')
await says(page, '[data-hex-field]', /key\s+of record/)
await page.$eval('.hex', (hex) => hex.scrollIntoView({ block: 'center' }))
await take('bytes')
await go('#/cluster')
await page.click('[data-do=kill-leader]')
await says(page, '[data-election]', /the controller elected broker/)
await take('screenshot')
await page.click('[data-do=restart]')
await page.emulateMedia({ colorScheme: 'dark' })
await go('#/watch')
// So that there are some seconds of frames on the chart.
await until('frames are counted', async () => await page.evaluate(() => /** @type {any} */ (document.querySelector('[data-chart=frames] tabmq-chart'))?.data[1].filter((value) => value !== null).length) > 8)
await take('watch')
await context.close()
await site.close()
await rm(profile, { recursive: true, force: true, maxRetries: 10, retryDelay: 100 })
