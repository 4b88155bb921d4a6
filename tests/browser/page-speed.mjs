// How the page keeps up, on this machine: `make build && node tests/browser/page-speed.mjs`. Not a test: it needs the machine to
// itself. First a million records are scrolled through by the wheel. Then a generator of the page produces 50,000 records/s (100
// bytes, acks=all, three brokers, IndexedDB on the real disk), a minute with the cluster view open and a minute through all views
// in turn; then page memory over ten minutes.
//
//   frames      of the page's own requestAnimationFrame, in whole seconds
//   tasks       what the browser calls a long task (50 ms and more) of the page's thread; the percentile is over frames, each
//               with the longest task that ended in it
//   memory      the page's JavaScript heap after a collection, and the wasm memory of its brokers; the slope is a line through
//               all looks
//
//   --rate 50000   --seconds 60   --minutes 10 (0: no memory)   --size 100   --producers 2   --scroll 1000000 (0: no scrolling)
import { execFileSync } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { cpus, loadavg, tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { chromium } from 'playwright-core'
import { serve } from '../../scripts/serve.mjs'
import { CHROMIUM, fromRoot } from './harness.mjs'
import { goTo, ready } from './playground.mjs'

const given = parseArgs({ options: Object.fromEntries(['rate', 'seconds', 'minutes', 'size', 'producers', 'scroll'].map((name) => [name, { type: /** @type {'string'} */ ('string') }])) }).values
const option = (name, otherwise) => Number(given[name] ?? otherwise)
const [rate, seconds, minutes, size, producers, scroll] = [option('rate', 50_000), option('seconds', 60), option('minutes', 10), option('size', 100), option('producers', 2), option('scroll', 1_000_000)]
/** How long each view is looked at, when they are gone through. */
const VIEW_MS = 4000
/** How long records are scrolled through, and how far a turn of the wheel goes, in pixels. */
const SCROLL_MS = 15_000
const WHEEL_PX = 240
const SEND_RECORDS = 10_000
/** Between two looks at the memory. */
const MEMORY_EVERY_MS = 30_000

const site = await serve({ mounts: { '/': fromRoot('dist') } })
const profile = await mkdtemp(join(tmpdir(), 'tabmq-speed-'))
const context = await chromium.launchPersistentContext(profile, {
  executablePath: CHROMIUM, viewport: { width: 1440, height: 900 },
  args: ['--no-sandbox', '--disable-gpu', '--disable-dev-shm-usage', '--enable-precise-memory-info']
})
const page = await context.newPage()
const devtools = await context.newCDPSession(page)
await devtools.send('Performance.enable')
await page.goto(`${site.url}/?demo=off&lang=en#/cluster`)
await ready(page)
console.log(`${cpus().length} x ${cpus()[0].model}, load ${loadavg()[0].toFixed(1)}; ${execFileSync(CHROMIUM, ['--version', '--no-sandbox']).toString().trim()}`)

/** Frames, and long tasks by the frame in which they ended. */
await page.evaluate(() => {
  const measured = { frames: [], tasks: [] }
  const frame = (at) => {
    measured.frames.push(at)
    requestAnimationFrame(frame)
  }
  requestAnimationFrame(frame)
  new PerformanceObserver((list) => { for (const { startTime, duration } of list.getEntries()) measured.tasks.push({ end: startTime + duration, duration }) }).observe({ type: 'longtask' })
  Object.assign(globalThis, { measured })
})

const wait = (ms) => new Promise((resolve) => setTimeout(resolve, ms))
const figures = () => page.evaluate(async (path) => (await import(path)).list()[0].figures, '/js/work/generators.js')
const percentile = (numbers, ratio) => [...numbers].sort((a, b) => a - b)[Math.min(numbers.length - 1, Math.floor(numbers.length * ratio))]

/** Frames and tasks while `work` goes on. @param {string} name @param {() => Promise<unknown>} work */
async function smoothness (name, work) {
  await page.evaluate(() => { Object.assign(/** @type {any} */ (globalThis).measured, { frames: [], tasks: [] }) })
  await work()
  /** @type {{ frames: number[], tasks: { end: number, duration: number }[] }} */
  const { frames, tasks } = await page.evaluate(() => /** @type {any} */ (globalThis).measured)
  const perSecond = new Map()
  for (const at of frames) perSecond.set(Math.floor((at - frames[0]) / 1000), (perSecond.get(Math.floor((at - frames[0]) / 1000)) ?? 0) + 1)
  const whole = [...perSecond.values()].slice(0, -1)
  let task = 0
  const longest = frames.slice(1).map((at) => {
    let most = 0
    while (task < tasks.length && tasks[task].end <= at) most = Math.max(most, tasks[task++].duration)
    return most
  })
  console.log(`${name}\n  frames/s: median ${percentile(whole, 0.5)}, 5th percentile ${percentile(whole, 0.05)}, least ${Math.min(...whole)}`)
  const high = percentile(longest, 0.99)
  console.log(`  tasks: ${tasks.length} of 50 ms and more, longest ${Math.round(Math.max(0, ...tasks.map(({ duration }) => duration)))} ms; 99th percentile over frames ${high ? `${Math.round(high)} ms` : 'under 50 ms'}`)
}

/** The same while records flow. @param {string} name @param {() => Promise<unknown>} work */
async function measure (name, work) {
  const before = await figures()
  const began = performance.now()
  await smoothness(name, work)
  const took = (performance.now() - began) / 1000
  const after = await figures()
  console.log(`  ${Math.round((after.acked - before.acked) / took)} records/s acked (${after.failed - before.failed} failed, ${after.skipped - before.skipped} left out), latency ${Math.round(after.medianMs)} ms median, ${Math.round(after.highMs)} ms p99`)
}

/** By the wheel, from the first record on, until the time is over or the end is reached. @param {number} count */
async function scrollThrough (count) {
  await page.evaluate(async ([count, each]) => {
    const { admin, kafka } = /** @type {any} */ (globalThis).tabmq
    await admin.createTopics({ topics: [{ topic: 'scroll', numPartitions: 1, replicationFactor: 1 }] })
    const producer = kafka.producer({ batchSize: 500_000 })
    for (let sent = 0; sent < count; sent += each) await producer.send({ topic: 'scroll', messages: Array.from({ length: Math.min(each, count - sent) }, (_, n) => ({ key: `key ${sent + n}`, value: `record ${sent + n}` })) })
    await producer.disconnect()
    location.hash = '#/records?topic=scroll&partition=0'
  }, /** @type {const} */ ([count, SEND_RECORDS]))
  await page.waitForFunction(() => document.querySelector('.virtual-row')?.textContent.includes('record 0'))
  await page.hover('.virtual')
  const end = performance.now() + SCROLL_MS
  let turns = 0
  await smoothness(`scrolling ${count} records`, async () => {
    for (; performance.now() < end; turns++) await page.mouse.wheel(0, WHEEL_PX)
  })
  const [first, missing] = await page.$$eval('.virtual-row', (rows) => [[...rows[0].querySelectorAll('span')].map((cell) => cell.textContent.trim()).join(' | '), rows.filter((row) => !/record \d/.test(row.textContent)).length])
  console.log(`  ${turns} turns of the wheel, as far as: ${first}; ${missing} of the rows in sight without their record yet`)
}

async function memory () {
  await devtools.send('HeapProfiler.collectGarbage')
  const { metrics } = await devtools.send('Performance.getMetrics')
  const named = Object.fromEntries(metrics.map(({ name, value }) => [name, value]))
  const brokers = await page.evaluate(() => /** @type {any} */ (globalThis).tabmq.cluster.brokers().map(({ memoryBytes }) => memoryBytes))
  return { heap: named.JSHeapUsedSize, nodes: named.Nodes, listeners: named.JSEventListeners, brokers }
}

if (scroll > 0) await scrollThrough(scroll)
await goTo(page, 'cluster')
await page.evaluate(async ([path, spec]) => {
  const { start } = await import(/** @type {string} */ (path))
  await start(spec)
}, /** @type {const} */ (['/js/work/generators.js', { topic: 'speed', rate, size, producers, linger: 20, keys: 10_000, distribution: 'zipf' }]))
await page.waitForFunction(async (path) => (await import(path)).list()[0].figures?.acked > 0, '/js/work/generators.js')
// So that the disk is not full in ten minutes.
await page.evaluate(() => /** @type {any} */ (globalThis).tabmq.admin.alterConfigs({ resources: [{ type: 2, name: 'speed', configEntries: [{ name: 'retention.bytes', value: '50000000' }, { name: 'segment.bytes', value: '10000000' }] }] }))
await wait(5000)
await measure('cluster view', () => wait(seconds * 1000))
const views = await page.$$eval('nav a', (links) => links.map((link) => link.getAttribute('href').slice(2)))
await measure(`all views in turn (${views.join(', ')})`, async () => {
  const end = performance.now() + seconds * 1000
  for (let turn = 0; performance.now() < end; turn++) {
    await goTo(page, views[turn % views.length])
    await wait(VIEW_MS)
  }
})
if (minutes > 0) {
  await goTo(page, 'cluster')
  const mb = (value) => (value / 1e6).toFixed(1)
  const end = performance.now() + minutes * 60_000
  /** @type {[number, number][]} Minutes, bytes. */
  const looks = []
  do {
    const { heap, nodes, listeners, brokers } = await memory()
    const at = minutes - (end - performance.now()) / 60_000
    looks.push([at, heap])
    console.log(`memory after ${Math.round(at * 60)} s: heap ${mb(heap)} MB, ${nodes} nodes, ${listeners} listeners; brokers ${brokers.map(mb).join(', ')} MB`)
    await wait(Math.min(MEMORY_EVERY_MS, Math.max(0, end - performance.now())))
  } while (performance.now() < end)
  console.log(`memory: the heap grew by ${mb(looks.at(-1)[1] - looks[0][1])} MB over ${minutes} minutes; slope ${(slope(looks) / 1e6).toFixed(2)} MB a minute`)
}
/** Of the line that fits best. @param {[number, number][]} points */
function slope (points) {
  const mean = (index) => points.reduce((sum, point) => sum + point[index], 0) / points.length
  const [x, y] = [mean(0), mean(1)]
  return points.reduce((sum, point) => sum + (point[0] - x) * (point[1] - y), 0) / (points.reduce((sum, point) => sum + (point[0] - x) ** 2, 0) || 1)
}
await context.close()
await site.close()
await rm(profile, { recursive: true, force: true, maxRetries: 10, retryDelay: 100 })
