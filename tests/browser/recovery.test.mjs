// Storage that has lost or changed what was stored: it is found, told with its offsets, and nothing wrong is ever read.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { openChromium, startSite, until } from './harness.mjs'

/** A page with the tools. @param {import('node:test').TestContext} t */
async function start (t) {
  const site = await startSite(t)
  const browser = await openChromium(t)
  const page = await browser.open(`${site.url}/pages/blank.html`)
  await page.evaluate(async () => {
    Object.assign(globalThis, { tools: await import('/pages/recovery.js') })
  })
  return { site, page }
}

/** @param {number} from @param {number} to */
const numbers = (from, to) => Array.from({ length: to - from }, (_, at) => [from + at, from + at])

for (const [what, how] of /** @type {const} */ ([['cut short', 'cut'], ['with a flipped bit', 'flip'], ['gone', 'remove']])) {
  test(`a chunk of the log's end that is ${what}: the log is cut there, told where, and goes on`, { timeout: 120_000 }, async (t) => {
    const { page } = await start(t)
    const outcome = await page.evaluate(async (how) => {
      const { tools } = /** @type {any} */ (globalThis)
      const options = { brokers: 1, config: { 'default.replication.factor': 1, 'min.insync.replicas': 1 } }
      const { cluster } = await tools.watched(options)
      await cluster.kafka().admin().createTopics({ topics: [{ topic: 'orders', numPartitions: 1, replicationFactor: 1 }] })
      await tools.fill(cluster, 'orders', 0, 300)
      await cluster.close()
      let at = 0
      await tools.damage(1, (store, rows) => {
        const row = rows[rows.length - 3]
        at = row.key[1]
        tools[how](store, row)
      })
      const { cluster: again, events } = await tools.watched(options)
      const told = events.filter(({ type }) => type === 'logRecovered')
      const before = await tools.readFrom(again, 'orders', 0)
      await tools.fill(again, 'orders', 1000, 1010)
      const after = await tools.readFrom(again, 'orders', 0)
      await again.close()
      return { at, told, before, after }
    }, how)
    const [{ topic, partition, end, bytesCut, reason }, ...more] = outcome.told
    assert.deepEqual([topic, partition, more], ['orders', 0, []])
    // Within the chunk some batches may be whole.
    assert.ok(end >= outcome.at && end < outcome.at + 60 && end < 300, `cut at ${end}, the chunk begins at ${outcome.at}`)
    assert.ok(bytesCut > 0, `${bytesCut} bytes cut`)
    assert.match(reason, how === 'remove' ? /the next batch begins at \d+/ : /a batch is corrupt/)
    assert.deepEqual([outcome.before.error, outcome.before.high, outcome.before.found], [null, end, numbers(0, end)])
    assert.deepEqual(outcome.after.found, [...numbers(0, end), ...numbers(1000, 1010).map(([number]) => [number - 1000 + end, number])])
  })
}

test('a closed segment that lost a chunk, on the only replica: reads there fail and say where, all others are served', { timeout: 120_000 }, async (t) => {
  const { page } = await start(t)
  const outcome = await page.evaluate(async () => {
    const { tools } = /** @type {any} */ (globalThis)
    const options = { brokers: 1, config: { 'default.replication.factor': 1, 'min.insync.replicas': 1 } }
    const { cluster } = await tools.watched(options)
    const configEntries = [{ name: 'segment.bytes', value: '50000' }]
    await cluster.kafka().admin().createTopics({ topics: [{ topic: 'orders', numPartitions: 1, replicationFactor: 1, configEntries }] })
    await tools.fill(cluster, 'orders', 0, 300)
    await cluster.close()
    await tools.damage(1, (store, rows) => tools.remove(store, rows.find(({ key }) => key[1] >= 100)))
    const { cluster: again, events } = await tools.watched(options)
    const before = await tools.readFrom(again, 'orders', 0)
    const told = await tools.toldOf(events, 'logDamaged')
    const after = await tools.readFrom(again, 'orders', told[0]?.to ?? 0)
    await again.close()
    return { told, before, after }
  })
  const [{ topic, partition, from, to }, ...more] = outcome.told
  assert.deepEqual([topic, partition, more], ['orders', 0, []])
  assert.ok(from >= 100 && to > from && to < 200, `from ${from} to ${to}`)
  assert.deepEqual([outcome.before.error, outcome.before.found], ['CORRUPT_MESSAGE', numbers(0, from)])
  assert.deepEqual([outcome.after.error, outcome.after.found], [null, numbers(to, 300)])
})

test('a leader whose closed segment has a flipped bit steps aside, consumers read on, and it fetches what it lost', { timeout: 180_000 }, async (t) => {
  const { page } = await start(t)
  const outcome = await page.evaluate(async () => {
    const { tools } = /** @type {any} */ (globalThis)
    const { leaderOf } = await import('/pages/scenario.js')
    const { cluster, events } = await tools.watched({})
    const configEntries = [{ name: 'segment.bytes', value: '1000000' }]
    await cluster.kafka().admin().createTopics({ topics: [{ topic: 'orders', numPartitions: 1, replicationFactor: 3, configEntries }] })
    // More than a broker keeps of a partition's end in memory.
    await tools.fill(cluster, 'orders', 0, 400, 20_000)
    const leader = await leaderOf(cluster, 'orders', 0)
    await tools.damage(leader, (store, rows) => tools.flip(store, rows.find(({ key }) => key[1] >= 50)))
    const read = await tools.readFrom(cluster, 'orders', 0)
    const told = await tools.toldOf(events, 'logDamaged')
    const next = await leaderOf(cluster, 'orders', 0)
    Object.assign(globalThis, { cluster, leader })
    return { leader, next, told, read }
  })
  assert.deepEqual([outcome.read.error, outcome.read.found], [null, numbers(0, 400)])
  const [{ broker, topic, from, to }, ...more] = outcome.told
  assert.deepEqual([broker, topic, more], [outcome.leader, 'orders', []])
  assert.ok(from >= 50 && from < 110 && to > from, `from ${from} to ${to}`)
  assert.notEqual(outcome.next, outcome.leader)
  await until('the damaged replica is in sync again', () => page.evaluate(() => {
    const { cluster, leader } = /** @type {any} */ (globalThis)
    return cluster.model.topics.get('orders')[0].isr.includes(leader)
  }), { timeoutMs: 60_000 })
  // Nobody else is left who could have it from elsewhere.
  const again = await page.evaluate(async () => {
    const { cluster, leader, tools } = /** @type {any} */ (globalThis)
    const { leaderOf } = await import('/pages/scenario.js')
    let led = await leaderOf(cluster, 'orders', 0)
    for (let round = 0; led !== leader && round < 4; round++) {
      await cluster.stop(led)
      const stopped = led
      led = await leaderOf(cluster, 'orders', 0)
      const read = led === leader ? await tools.readFrom(cluster, 'orders', 0) : null
      await cluster.start(stopped)
      if (read) return read
      while (!cluster.model.topics.get('orders')[0].isr.includes(stopped)) await new Promise((resolve) => setTimeout(resolve, 20))
      led = await leaderOf(cluster, 'orders', 0)
    }
    return led === leader ? tools.readFrom(cluster, 'orders', 0) : `broker ${leader} never led again`
  })
  assert.deepEqual([again.error, again.found], [null, numbers(0, 400)])
})

test('the page says on its timeline what was damaged', { timeout: 120_000 }, async (t) => {
  const { site, page } = await start(t)
  await page.evaluate(async () => {
    const { tools } = /** @type {any} */ (globalThis)
    const { cluster } = await tools.watched({ name: 'test', config: { 'default.replication.factor': 3, 'min.insync.replicas': 2, 'num.partitions': 6 } })
    await cluster.kafka().admin().createTopics({ topics: [{ topic: 'orders', numPartitions: 1, replicationFactor: 3 }] })
    await tools.fill(cluster, 'orders', 0, 100)
    await cluster.close()
    await tools.damage(2, (store, rows) => tools.cut(store, rows.at(-1)))
  })
  await page.goto(`${site.url}/?name=test`)
  await until('the cut is on the timeline', async () =>
    /[Bb]roker 2\s*recovered orders-0: cut at offset \d+ \([\d.]+ kB gone\), a batch is corrupt/.test(await page.textContent('tabmq-timeline')))
})
