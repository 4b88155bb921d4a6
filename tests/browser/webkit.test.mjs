// A smoke of the built page in WebKit: three brokers, produce, consume, kill, reload.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { resultFile, startSite, until } from './harness.mjs'
import { openWebKit } from './webkit.mjs'

test('the page works in WebKit: produce, consume, kill a leader, reload', { timeout: 240_000 }, async (t) => {
  const site = await startSite(t)
  const webkit = await openWebKit(t)
  if (!webkit) return
  const text = (selector) => webkit.execute('return document.querySelector(arguments[0])?.textContent ?? ""', [selector])
  const ready = () => until('the page is ready', () => webkit.execute('return document.body.dataset.ready ?? document.body.dataset.failed'), { timeoutMs: 60_000 })
  const goTo = async (view) => {
    await webkit.click(`nav a[href="#/${view}"]`)
    await until(`the view ${view} is there`, () => webkit.execute('return document.querySelector(arguments[0]) !== null', [`tabmq-${view} h1`]))
  }
  await webkit.navigate(`${site.url}/?demo=off&lang=en#/topics`)
  assert.equal(await ready(), 'true', await text('[role=alert]'))
  await webkit.click('tabmq-topics form button')
  await until('the topic is there', async () => /Created orders/.test(await text('[data-note=topic]')))
  await goTo('produce')
  await webkit.click('[data-form=produce] button.primary')
  await until('the record is acked', async () => /Acked: orders/.test(await text('[data-note=produce]')))
  await goTo('groups')
  const read = () => webkit.execute('return [...document.querySelectorAll("[data-count]")].reduce((sum, count) => sum + Number(count.textContent), 0)')
  await webkit.click('[data-form=members] button.primary')
  await until('the record is read', async () => await read() === 1, { timeoutMs: 60_000 })

  await goTo('topics')
  await webkit.click('a.topic-link')
  const leaderOf = () => webkit.execute('return document.querySelector("[data-partition=\\"0\\"] [data-leader]")?.dataset.leader ?? ""')
  const leader = await until('the partition is shown', leaderOf)
  await goTo('cluster')
  await until('its card is there', async () => await text(`[data-broker="${leader}"] [data-do=kill]`) !== '')
  await webkit.click(`[data-broker="${leader}"] [data-do=kill]`)
  await goTo('topics')
  await webkit.click('a.topic-link')
  await until('another broker leads partition 0', async () => {
    const now = await leaderOf()
    return now !== leader && /^\d$/.test(now)
  }, { timeoutMs: 60_000 })
  for (let n = 2; n <= 7; n++) {
    await goTo('produce')
    await webkit.click('[data-form=produce] button.primary')
    await webkit.execute('location.hash = "#/groups/readers"')
    await until(`record ${n} is read`, async () => await read() === n, { timeoutMs: 60_000 })
  }
  await webkit.screenshot(await resultFile('webkit.png'))

  await goTo('topics')
  await webkit.click('a.topic-link')
  await webkit.reload()
  assert.equal(await ready(), 'true', await text('[role=alert]'))
  const total = () => webkit.execute('return [...document.querySelectorAll("[data-high-watermark]")].reduce((sum, cell) => sum + Number(cell.textContent), 0)')
  await until('the seven records are there after the reload', async () => await total() === 7, { timeoutMs: 60_000 })
})

test('in WebKit brokers whose workers are ended in the middle of writes start again, and their cluster can be destroyed', { timeout: 240_000 }, async (t) => {
  const site = await startSite(t)
  const webkit = await openWebKit(t, { scriptTimeoutMs: 180_000 })
  if (!webkit) return
  await webkit.navigate(`${site.url}/pages/blank.html`)
  const report = await webkit.executeAsync(`
    const done = arguments[0]
    import('/pages/ended-workers.js').then(({ endedWorkers }) => endedWorkers({ kills: 12 })).then(done, (error) => done({ failed: String(error) }))`)
  assert.deepEqual(report.left, [], report.failed)
  // What makes a worker's end harmful there, only now and then.
  assert.equal(report.commits['not begun'], 0)
  assert.ok(report.commits.begun > 100, JSON.stringify(report.commits))
})
