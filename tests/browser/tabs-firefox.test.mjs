// Several tabs in Firefox: its SharedWorkers, locks and ports are others than Chromium's.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { startSite, until } from './harness.mjs'
import { openFirefox } from './firefox.mjs'

test('in Firefox a second tab joins, and goes on with the brokers when the first is closed in mid-produce', { timeout: 300_000 }, async (t) => {
  const site = await startSite(t)
  const firefox = await openFirefox(t, { scriptTimeoutMs: 120_000 })
  /** Calls a function of pages/tabs.js in the tab that is driven now. @param {string} call @param {...any} args */
  const run = async (call, ...args) => {
    const answer = await firefox.executeAsync(`const [call, args, done] = arguments
      const id = Math.random()
      addEventListener('message', function heard ({ data }) {
        const answer = JSON.parse(data)
        if (answer.id !== id || answer.call) return
        removeEventListener('message', heard)
        done(data)
      })
      postMessage(JSON.stringify({ id, call, args }), '*')`, [call, args])
    const { value, error } = JSON.parse(answer)
    assert.equal(error, undefined)
    return value
  }
  const openTab = async () => {
    await firefox.navigate(`${site.url}/pages/driven.html`)
    await until('the page listens', () => firefox.execute('return document.documentElement.dataset.ready'))
    return run('openedAs')
  }
  const first = await firefox.tab()
  assert.equal(await openTab(), 'owner')
  await run('createOrders')
  const second = await firefox.newTab()
  assert.equal(await openTab(), 'joined')
  await run('startLoad', 'b')
  await until('records are acked', async () => await run('ackedSoFar') > 30)
  await firefox.goTo(first)
  await firefox.closeTab()
  await firefox.goTo(second)
  await until('the second tab has the brokers', async () => await run('role') === 'owner', { timeoutMs: 60_000 })
  const before = await run('ackedSoFar')
  await until('more records are acked', async () => await run('ackedSoFar') > before + 30, { timeoutMs: 60_000 })
  const { acked, failed } = await run('endLoad')
  assert.deepEqual(failed, [])
  const read = (await run('readAll')).map(({ value }) => value)
  assert.equal(new Set(read).size, read.length, 'a record is there twice')
  const there = new Set(read)
  assert.deepEqual(acked.filter((value) => !there.has(value)), [], 'acked records are missing')
})
