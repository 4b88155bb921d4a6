// A voter that leaves: in every browser, as each deletes a database and ends a worker in its own way.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { BROWSERS, runPage } from './every-browser.mjs'
import { openChromium, startSite } from './harness.mjs'

const ids = (/** @type {number[]} */ list) => list.sort().join()

for (const [name, open] of Object.entries(BROWSERS)) {
  test(`in ${name} the broker that votes and leads the quorum leaves it, its partitions and the cluster under load; another one takes its vote`, { timeout: 300_000 }, async (t) => {
    const site = await startSite(t)
    const browser = await open(t)
    if (!browser) return
    const { before, after, added, more, roles, fewer, acked, rows } = await runPage(browser, site.url, { module: 'leaving-voter', call: 'leave' })
    const others = [1, 2, 3].filter((id) => id !== before.leaderId)
    assert.deepEqual([ids(before.voters), ids(before.observers)], ['1,2,3', '4'])
    assert.ok(others.includes(after.leaderId), JSON.stringify(after))
    assert.equal(ids(after.voters), ids(others))
    assert.equal(added, 5)
    assert.equal(ids(more.voters), ids([...others, 5]))
    assert.equal(roles, 'broker,controller')
    assert.deepEqual([ids(fewer.voters), fewer.observers.includes(5)], [ids(others), true])
    assert.equal(acked, rows)

    // A page that opens it later finds the brokers that are left, and all that was written.
    const later = await runPage(browser, site.url, { module: 'leaving-voter', call: 'openLater', options: { acked } })
    assert.deepEqual([later.read.count, later.read.wrong], [acked, []])
    assert.equal(ids(later.voters), ids(others))
    assert.equal(ids(later.shown), ids([...others, 4, 5]))
    assert.ok(!later.databases.includes(`tabmq/test/${before.leaderId}`), later.databases.join())
  })
}

test('a voter that the quorum or a topic can not do without is told why, and stays', { timeout: 120_000 }, async (t) => {
  const site = await startSite(t)
  const browser = await openChromium(t)
  const page = await browser.open(`${site.url}/pages/blank.html`)
  const outcome = await page.evaluate(async (scenario) => {
    const { open } = await import(scenario)
    const refused = async (work) => { try { await work(); return 'done' } catch (error) { return `${error.name}: ${error.message}` } }
    const alone = await open({ brokers: 1, storage: 'memory', config: {} })
    const last = await refused(() => alone.decommission(1))
    await alone.destroy()
    const cluster = await open({ brokers: 4, storage: 'memory' })
    const admin = cluster.kafka().admin()
    const { leaderId } = await admin.describeQuorum()
    const [killed, leaving] = [1, 2, 3].filter((id) => id !== leaderId)
    await cluster.kill(killed)
    const majority = await refused(() => cluster.decommission(leaving))
    await cluster.start(killed)
    await admin.createTopics({ topics: [{ topic: 'wide', numPartitions: 1, replicationFactor: 4 }] })
    const few = await refused(() => cluster.decommission(leaving))
    const { voters } = await admin.describeQuorum()
    return { last, majority, few, leaderId, leaving, voters: voters.length, states: cluster.brokers().map(({ state }) => state) }
  }, '/pages/scenario.js')
  const { leaderId, leaving } = outcome
  assert.match(outcome.last, /KafkaJSNonRetriableError: Broker 1 is the quorum's only voter: make another broker a voter first/)
  assert.match(outcome.majority, new RegExp(`KafkaJSNonRetriableError: Without broker ${leaving} .* 2 of them have to run, and only ${leaderId} does`))
  assert.match(outcome.few, new RegExp(`Topic 'wide' has 4 replicas, and without broker ${leaving} only 3 brokers run`))
  assert.equal(outcome.voters, 3)
  assert.deepEqual(outcome.states, Array(4).fill('running'))
})
