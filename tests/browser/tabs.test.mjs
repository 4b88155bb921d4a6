// One cluster in several tabs of one browser: each test drives real pages.
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { openChromium, startSite, until } from './harness.mjs'

/** @typedef {import('playwright-core').Page} Page */

/**
 * Opens so many tabs, each with the cluster, one after the other: the first one owns it.
 * @param {import('node:test').TestContext} t @param {number} count
 */
async function openTabs(t, count) {
  const site = await startSite(t)
  const browser = await openChromium(t)
  /** @type {Page[]} */
  const tabs = []
  for (let n = 0; n < count; n++) {
    const page = await browser.open(`${site.url}/pages/blank.html`)
    assert.equal(await openIn(page), n === 0 ? 'owner' : 'joined')
    tabs.push(page)
  }
  return { site, browser, tabs }
}

/** @param {Page} page @param {object} [options] */
const openIn = (page, options = {}) => page.evaluate(async (options) => {
  const { open } = await import('/pages/tabs.js')
  return (await open(options)).role
}, options)

/** @param {Page} page */
const createOrders = (page) => page.evaluate(async () => (await import('/pages/tabs.js')).createOrders())

/** @param {Page} page @param {string} tab */
const startLoad = (page, tab) => page.evaluate(async (tab) => (await import('/pages/tabs.js')).startLoad(tab), tab)
/** @param {Page} page */
const endLoad = (page) => page.evaluate(async () => (await import('/pages/tabs.js')).endLoad())
/** @param {Page} page */
const acked = (page) => page.evaluate(() => /** @type {any} */ (globalThis).load.acked.length)
/** @param {Page} page */
const role = (page) => page.evaluate(() => /** @type {any} */ (globalThis).cluster.role)
/** @param {Page} page */
const ownersSeen = (page) => page.evaluate(() => /** @type {any} */ (globalThis).owners.map(({ type, here, reason }) => ({ type, here, reason })))
/** @param {Page} page */
const readAll = (page) => page.evaluate(async () => (await import('/pages/tabs.js')).readAll())

/** Waits until so many more records are acked in a tab. @param {Page} page @param {number} more */
async function moreAcked(page, more) {
  const before = await acked(page)
  await until(`${more} more records are acked`, async () => (await acked(page)) >= before + more, { timeoutMs: 60_000 })
}

/**
 * Every acked record is there, none is there twice, and of each key they are in the order in which they were sent.
 * @param {{ key: string, value: string, partition: number, offset: number }[]} records @param {string[]} acked
 */
function checkRecords(records, acked) {
  const values = records.map(({ value }) => value)
  assert.equal(new Set(values).size, values.length, 'a record is there twice')
  const there = new Set(values)
  assert.deepEqual(acked.filter((value) => !there.has(value)), [], 'acked records are missing')
  const inOrder = records.toSorted((a, b) => a.partition - b.partition || a.offset - b.offset)
  for (const key of new Set(records.map(({ key }) => key))) {
    const numbers = inOrder.filter((record) => record.key === key).map(({ value }) => Number(value.split(':')[1]))
    assert.deepEqual(numbers, numbers.toSorted((a, b) => a - b), `key ${key} is out of order`)
  }
}

test('a second tab joins: what one produces the other consumes, and both see and command the same brokers', { timeout: 120_000 }, async (t) => {
  const { tabs: [first, second] } = await openTabs(t, 2)
  await createOrders(second)
  const produce = (page, from) => page.evaluate(async (from) => {
    const { here } = await import('/pages/tabs.js')
    const messages = Array.from({ length: 100 }, (_, at) => ({ key: `k${at % 5}`, value: `${from}:${at}` }))
    await here().cluster.kafka().producer().send({ topic: 'orders', messages })
  }, from)
  await produce(first, 'first')
  await produce(second, 'second')
  const expected = ['first', 'second'].flatMap((from) => Array.from({ length: 100 }, (_, at) => `${from}:${at}`)).sort()
  for (const page of [first, second]) {
    assert.deepEqual((await readAll(page)).map(({ value }) => value).sort(), expected)
  }
  const killed = await second.evaluate(async () => {
    const { here } = await import('/pages/tabs.js')
    const { cluster } = here()
    const events = []
    cluster.on('event', (event) => { if (event.type === 'workerState') events.push(`${event.broker} ${event.facts.state}`) })
    await cluster.kill(2)
    const down = cluster.brokers().map(({ id, state }) => `${id} ${state}`)
    let refused
    try { cluster.connect('broker-2', 9092) } catch (error) { refused = error.code }
    const error = await cluster.start(9).catch((error) => error)
    await cluster.start(2)
    const up = cluster.brokers().map(({ id, state }) => `${id} ${state}`)
    const { quota } = await cluster.storage()
    return { events, down, refused, up, error: `${error.name} ${error.option} ${error.message}`, quota: quota > 0, servers: cluster.bootstrapServers() }
  })
  assert.deepEqual(killed.down, ['1 running', '2 crashed', '3 running'])
  assert.equal(killed.refused, 'ECONNREFUSED')
  assert.deepEqual(killed.events.slice(0, 2), ['2 crashed', '2 starting'])
  assert.deepEqual(killed.up, ['1 running', '2 running', '3 running'])
  assert.match(killed.error, /TabmqOptionError id .*no broker 9/)
  assert.deepEqual(killed.servers, ['broker-1:9092', 'broker-2:9092', 'broker-3:9092'])
  assert.ok(killed.quota)
})

test('a group spreads over tabs, and goes on without a tab that is closed', { timeout: 120_000 }, async (t) => {
  const { tabs: [first, second, third] } = await openTabs(t, 3)
  await createOrders(first)
  for (const page of [first, second, third]) await page.evaluate(async () => (await import('/pages/tabs.js')).startReading('team'))
  const assigned = (page) => page.evaluate(() => [.../** @type {any} */ (globalThis).assigned])
  await until('each tab has a partition', async () => {
    const all = await Promise.all([first, second, third].map(assigned))
    return all.every((own) => own.length === 1) && new Set(all.flat()).size === 3
  })
  await third.close()
  await until('two tabs share the three partitions', async () => (await Promise.all([first, second].map(assigned))).flat().length === 3, { timeoutMs: 60_000 })
  // The brokers have closed the connections of the tab that is gone, without waiting for anybody's time-out.
  await startLoad(second, 'b')
  await moreAcked(second, 20)
  const { acked, failed } = await endLoad(second)
  assert.deepEqual(failed, [])
  const reads = () => Promise.all([first, second].map((page) => page.evaluate(() => /** @type {any} */ (globalThis).read)))
  await until('all is read', async () => (await reads()).flat().length >= acked.length)
  checkRecords((await reads()).flat(), acked)
})

for (const how of ['closed', 'crashed']) {
  test(`the owner's tab is ${how} under load: another goes on with the brokers, and every acked record is there once, in order`, { timeout: 240_000 }, async (t) => {
    const { browser, tabs } = await openTabs(t, 3)
    const [first, second, third] = tabs
    await createOrders(first)
    for (const [at, page] of tabs.entries()) await startLoad(page, 'abc'[at])
    await third.evaluate(async () => (await import('/pages/tabs.js')).startReading('watchers'))
    await moreAcked(second, 50)
    const fromFirst = await first.evaluate(() => /** @type {any} */ (globalThis).load.acked)
    if (how === 'closed') await first.close()
    else {
      const devtools = await browser.context.newCDPSession(first)
      devtools.send('Page.crash').catch(() => {})
      await new Promise((resolve) => first.once('crash', resolve))
    }
    const begun = performance.now()
    await moreAcked(second, 50)
    t.diagnostic(`acks again after ${Math.round(performance.now() - begun)} ms`)
    await moreAcked(third, 50)
    const roles = [await role(second), await role(third)].sort()
    assert.deepEqual(roles, ['joined', 'owner'])
    for (const page of [second, third]) {
      const seen = await ownersSeen(page)
      assert.deepEqual(seen, [{ type: 'ownerChanged', here: (await role(page)) === 'owner', reason: 'gone' }])
    }
    const loads = [await endLoad(second), await endLoad(third)]
    assert.deepEqual(loads.flatMap(({ failed }) => failed), [])
    const all = [...fromFirst, ...loads.flatMap(({ acked }) => acked)]
    checkRecords(await readAll(second), all)
    await until('the consumer that was there all the time has them, too', async () => {
      const read = await third.evaluate(() => new Set(/** @type {any} */ (globalThis).read.map(({ value }) => value)).size)
      return read >= all.length
    })
  })
}

test('a tab takes over from an owner at work, which joins; nothing acked is lost or doubled', { timeout: 240_000 }, async (t) => {
  const { tabs: [first, second] } = await openTabs(t, 2)
  await createOrders(first)
  await startLoad(first, 'a')
  await startLoad(second, 'b')
  await moreAcked(first, 30)
  await second.evaluate(() => /** @type {any} */ (globalThis).cluster.takeOver())
  assert.equal(await role(second), 'owner')
  await until('the former owner has joined', async () => (await role(first)) === 'joined')
  await moreAcked(first, 30)
  await moreAcked(second, 30)
  assert.deepEqual(await ownersSeen(second), [{ type: 'ownerChanged', here: true, reason: 'handed over' }])
  assert.deepEqual(await ownersSeen(first), [{ type: 'ownerChanged', here: false, reason: 'handed over' }])
  const loads = [await endLoad(first), await endLoad(second)]
  assert.deepEqual(loads.flatMap(({ failed }) => failed), [])
  checkRecords(await readAll(first), loads.flatMap(({ acked }) => acked))
})

test('an owner whose page hangs is replaced, and its brokers, which are still at work, can write and ack nothing more', { timeout: 240_000 }, async (t) => {
  const { browser, tabs: [first, second, third] } = await openTabs(t, 3)
  await createOrders(first)
  const send = (value) => third.evaluate(async (value) => {
    const messages = [0, 1, 2].map((partition) => ({ key: `${value}${partition}`, value: `${value}:${partition}`, partition }))
    return /** @type {any} */ (globalThis).deaf.producer.send({ topic: 'orders', timeout: 5000, messages }).then(() => 'acked', ({ message }) => message)
  }, value)
  await third.evaluate(async () => {
    const deaf = await (await import('/pages/tabs.js')).deafClient()
    await deaf.admin.fetchTopicOffsets('orders')
  })
  assert.equal(await send('before'), 'acked')
  await third.evaluate(() => /** @type {any} */ (globalThis).deaf.close())

  // Only the page's own thread: its workers run on.
  const devtools = await browser.context.newCDPSession(first)
  await devtools.send('Debugger.enable')
  await devtools.send('Debugger.pause')
  await second.evaluate(() => /** @type {any} */ (globalThis).cluster.takeOver())
  assert.equal(await role(second), 'owner')
  await until('the third tab has joined the new owner', async () => (await ownersSeen(third)).length > 0)
  assert.equal(await role(third), 'joined')
  const stillThere = await third.evaluate(() => /** @type {any} */ (globalThis).deaf.admin.fetchTopicOffsets('orders'))
  assert.deepEqual(stillThere.map(({ high }) => high), ['1', '1', '1'], 'the old brokers answer what needs no storage')
  assert.notEqual(await send('zombie'), 'acked')
  await third.evaluate(async () => {
    const messages = [0, 1, 2].map((partition) => ({ key: `after${partition}`, value: `after:${partition}`, partition }))
    await /** @type {any} */ (globalThis).cluster.kafka().producer().send({ topic: 'orders', messages })
  })

  await devtools.send('Debugger.resume')
  await devtools.send('Debugger.disable')
  await until('the page that hung has joined', async () => (await role(first)) === 'joined')
  assert.deepEqual((await ownersSeen(first)).map(({ here }) => here), [false])
  const values = (await readAll(first)).map(({ value }) => value).sort()
  assert.deepEqual(values, ['after:0', 'after:1', 'after:2', 'before:0', 'before:1', 'before:2'])
})

test('a frozen owner is replaced without anybody asking; when it wakes up under load nothing acked is lost or doubled', { timeout: 300_000 }, async (t) => {
  const { tabs: [first, second] } = await openTabs(t, 2)
  await createOrders(first)
  await startLoad(first, 'a')
  await startLoad(second, 'b')
  await moreAcked(first, 30)
  const pid = await rendererOf(first)
  const begun = performance.now()
  process.kill(pid, 'SIGSTOP')
  try {
    await until('the second tab is the owner', async () => (await role(second)) === 'owner', { timeoutMs: 60_000 })
    // A transaction that was stopped in the middle holds the others up for a minute.
    await until('it goes on', async () => (await second.evaluate(() => /** @type {any} */ (globalThis).cluster.brokers().every(({ state }) => state === 'running'))), { timeoutMs: 120_000 })
    await moreAcked(second, 50)
    t.diagnostic(`acks again ${Math.round(performance.now() - begun)} ms after the owner was frozen`)
  } finally {
    process.kill(pid, 'SIGCONT')
  }
  await until('the frozen tab has joined', async () => (await role(first)) === 'joined', { timeoutMs: 60_000 })
  await moreAcked(first, 30)
  await moreAcked(second, 30)
  const loads = [await endLoad(first), await endLoad(second)]
  assert.deepEqual(loads.flatMap(({ failed }) => failed), [])
  checkRecords(await readAll(second), loads.flatMap(({ acked }) => acked))
})

/** The process of a page: of this test's renderers the one that works while the page does. @param {Page} page */
async function rendererOf(page) {
  const ticks = (pid) => {
    const [user, system] = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1].split(' ').slice(11, 13)
    return Number(user) + Number(system)
  }
  const before = new Map(ownRenderers().map((pid) => [pid, ticks(pid)]))
  await page.evaluate(() => {
    const end = performance.now() + 1500
    while (performance.now() < end);
  })
  const worked = [...before].map(([pid, then]) => ({ pid, ticks: ticks(pid) - then }))
  return worked.toSorted((a, b) => b.ticks - a.ticks)[0].pid
}

/** Renderers among the descendants of this process. */
function ownRenderers() {
  const lines = execFileSync('ps', ['-eo', 'pid=,ppid=,args='], { encoding: 'utf8' }).trim().split('\n').map((line) => line.trim().split(/\s+/))
  const parents = new Map(lines.map(([pid, parent]) => [pid, parent]))
  const isOurs = (pid) => pid !== undefined && (pid === String(process.pid) || isOurs(parents.get(pid)))
  return lines.filter(([pid, , ...args]) => args.includes('--type=renderer') && isOurs(pid)).map(([pid]) => Number(pid))
}

test('a new tab takes over in opening, and leaving it gives the brokers back', { timeout: 180_000 }, async (t) => {
  const { site, browser, tabs: [first] } = await openTabs(t, 1)
  await createOrders(first)
  const second = await browser.open(`${site.url}/pages/blank.html`)
  assert.equal(await openIn(second, { takeOver: true }), 'owner')
  await until('the former owner has joined', async () => (await role(first)) === 'joined')
  await startLoad(first, 'a')
  await moreAcked(first, 20)
  await second.evaluate(() => /** @type {any} */ (globalThis).cluster.close())
  await until('the brokers are back', async () => (await role(first)) === 'owner')
  await moreAcked(first, 20)
  const { acked, failed } = await endLoad(first)
  assert.deepEqual(failed, [])
  checkRecords(await readAll(first), acked)
})

test('who asks not to share is told so, also by an owner that does not', { timeout: 120_000 }, async (t) => {
  const { site, browser, tabs: [first] } = await openTabs(t, 1)
  const errorIn = (page, options) => page.evaluate(async (options) => {
    const { open } = await import('/pages/tabs.js')
    return open(options).then(() => null, ({ name, message }) => ({ name, message }))
  }, options)
  const second = await browser.open(`${site.url}/pages/blank.html`)
  const alone = await errorIn(second, { tabs: 'exclusive' })
  assert.equal(alone?.name, 'TabmqClusterInUseError')
  assert.match(alone.message, /another tab/)
  assert.equal(await openIn(second, { name: 'own', tabs: 'exclusive' }), 'owner')
  const refused = await errorIn(first, { name: 'own' })
  assert.equal(refused?.name, 'TabmqClusterInUseError')
  assert.match(refused.message, /opened there without sharing/)
  const option = await errorIn(first, { tabs: 'some' })
  assert.equal(option?.name, 'TabmqOptionError')
  // In memory each tab has its own.
  assert.equal(await openIn(first, { name: 'm', storage: 'memory', brokers: 1, config: {} }), 'owner')
  assert.equal(await openIn(second, { name: 'm', storage: 'memory', brokers: 1, config: {} }), 'owner')
})

test('a cluster that one tab destroys is closed in all of them, and its data is gone', { timeout: 120_000 }, async (t) => {
  const { tabs: [first, second] } = await openTabs(t, 2)
  await second.evaluate(() => /** @type {any} */ (globalThis).cluster.destroy())
  await until('both are closed', async () => (await role(first)) === 'closed' && (await role(second)) === 'closed')
  const left = await first.evaluate(async () => (await indexedDB.databases()).map(({ name }) => name))
  assert.deepEqual(left, [])
  const error = await first.evaluate(() => /** @type {any} */ (globalThis).cluster.kill(1).catch(({ name, message }) => `${name} ${message}`))
  assert.match(error, /KafkaJSNonRetriableError .*closed in this tab/)
})

test('a page whose browser has no SharedWorker says why it can not join', { timeout: 120_000 }, async (t) => {
  const { site, browser } = await openTabs(t, 1)
  const second = await browser.open(`${site.url}/pages/blank.html`)
  const error = await second.evaluate(async () => {
    delete (/** @type {any} */ (globalThis).SharedWorker)
    const { open } = await import('/pages/tabs.js')
    return open().then(() => null, ({ name, message }) => `${name}: ${message}`)
  })
  assert.match(error, /TabmqClusterInUseError: .*no SharedWorker/)
})
