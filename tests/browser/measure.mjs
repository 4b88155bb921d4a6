// The figures in README.md, as measured on this machine: `make build && node tests/browser/measure.mjs`.
// Ready: from `createCluster` (3 brokers, IndexedDB on the real disk) to its promise; cold: a fresh profile, warm: after
// a reload. Kill: from `kill` of a partition's leader to the first ack of the new one (acks=all, lab profile).
import { execFileSync } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { cpus, tmpdir } from 'node:os'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { readFileSync, readdirSync } from 'node:fs'
import { chromium } from 'playwright-core'
import { serve } from '../../scripts/serve.mjs'
import { fromRoot } from './harness.mjs'

const ROUNDS = 5
const site = await serve({ mounts: { '/': fromRoot('dist'), '/pages/': fromRoot('tests/browser/pages') } })
const median = (numbers) => [...numbers].sort((a, b) => a - b)[numbers.length >> 1]
const cold = []
const warm = []
const failover = []
for (let round = 0; round < ROUNDS; round++) {
  const profile = await mkdtemp(join(tmpdir(), 'tabmq-measure-'))
  const context = await chromium.launchPersistentContext(profile, {
    executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium', args: ['--no-sandbox', '--disable-gpu', '--disable-dev-shm-usage'],
  })
  const page = await context.newPage()
  await page.goto(`${site.url}/pages/blank.html`)
  const ready = () => page.evaluate(async () => {
    const { open } = await import('/pages/scenario.js')
    const started = performance.now()
    await open()
    return performance.now() - started
  })
  cold.push(await ready())
  failover.push(await page.evaluate(async () => {
    const { leaderOf } = await import('/pages/scenario.js')
    const cluster = globalThis.cluster
    const admin = cluster.kafka().admin()
    await admin.createTopics({ topics: [{ topic: 'one', numPartitions: 1, replicationFactor: 3 }] })
    const producer = cluster.kafka().producer()
    await producer.send({ topic: 'one', messages: [{ value: 'before' }] })
    const leader = await leaderOf(cluster, 'one', 0)
    const started = performance.now()
    await cluster.kill(leader)
    await producer.send({ topic: 'one', messages: [{ value: 'after' }] })
    return performance.now() - started
  }))
  await page.reload()
  warm.push(await ready())
  await context.close()
  await rm(profile, { recursive: true, force: true, maxRetries: 10, retryDelay: 100 })
}
await site.close()

const sdk = fromRoot('dist/sdk')
const shipped = readdirSync(sdk).filter((name) => /\.(js|wasm)$/.test(name))
const size = shipped.reduce((sum, name) => sum + gzipSync(readFileSync(join(sdk, name)), { level: 9 }).length, 0)
const line = (name, numbers) => console.log(`${name}: median ${Math.round(median(numbers))} ms (${numbers.map(Math.round).join(', ')})`)
console.log(`${cpus().length} x ${cpus()[0].model}; ${execFileSync(process.env.CHROMIUM ?? '/usr/bin/chromium', ['--version', '--no-sandbox']).toString().trim()}`)
line('ready, cold', cold)
line('ready, warm', warm)
line('kill to ack', failover)
console.log(`package: ${Math.round(size / 1000)} kB gzipped`)
