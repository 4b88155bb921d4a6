// Clients in a worker of the user's own, and where the package says a key goes.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { openChromium, startSite } from './harness.mjs'

test('a worker with a lent client produces, also after the leader was killed, and the page consumes it; partitionOfKey tells where', { timeout: 120_000 }, async (t) => {
  const site = await startSite(t)
  const browser = await openChromium(t)
  const page = await browser.open(`${site.url}/pages/blank.html`)
  const found = await page.evaluate(async () => {
    const { createCluster, partitionOfKey } = await import(/** @type {any} */ ('/sdk/index.js'))
    const { leaderOf } = await import(/** @type {any} */ ('/pages/scenario.js'))
    const cluster = await createCluster({ name: 'lent', brokers: 3, profile: 'lab' })
    const admin = cluster.kafka().admin()
    await admin.createTopics({ topics: [{ topic: 'orders', numPartitions: 5, replicationFactor: 3 }] })
    const worker = new Worker('/pages/lent-worker.js', { type: 'module' })
    const ask = (message, transfer = []) => new Promise((resolve) => {
      worker.onmessage = ({ data }) => resolve(data)
      worker.postMessage(message, transfer)
    })
    const { port, end } = cluster.lend()
    const answers = [await ask({ port, values: ['ann', 'bob', '하나'] }, [port])]
    await cluster.kill(await leaderOf(cluster, 'orders', partitionOfKey('ann', 5)))
    answers.push(await ask({ values: ['ann'] }))
    worker.terminate()
    end()
    const read = []
    const consumer = cluster.kafka().consumer({ groupId: 'g', maxPollRecords: 1 })
    await consumer.subscribe({ topic: 'orders', fromBeginning: true })
    const sizes = new Set()
    await new Promise((resolve) => consumer.run({
      eachBatch: async ({ batch }) => {
        sizes.add(batch.messages.length)
        for (const { key } of batch.messages) read.push([new TextDecoder().decode(key), batch.partition])
        if (read.length === 4) resolve(undefined)
      }
    }))
    const told = ['ann', 'bob', '하나'].map((key) => [key, partitionOfKey(key, 5)])
    const bytes = partitionOfKey(new TextEncoder().encode('ann'), 5)
    let refused = ''
    try { partitionOfKey('ann', 0) } catch (error) { refused = error.message }
    await consumer.disconnect()
    await cluster.destroy()
    return { answers, read, sizes: [...sizes], told, bytes, refused }
  })
  assert.deepEqual(found.answers, [{ acked: true }, { acked: true }])
  const order = (one, other) => String(one).localeCompare(String(other))
  assert.deepEqual(found.read.sort(order), [...found.told, found.told[0]].sort(order))
  assert.deepEqual(found.sizes, [1], 'one record at a time, as maxPollRecords has it')
  assert.equal(found.bytes, found.told[0][1])
  assert.match(found.refused, /partitions/)
})
