// How often the disk is told to flush, with and without `flush.messages=1`: `node tests/browser/flushes.mjs`, on the built
// package. Needs strace, and the right to trace (root, mostly). Counts fsync and fdatasync of IndexedDB's own files while
// 100 records are sent one after another, each awaited, to one broker.
import { execFileSync, spawn } from 'node:child_process'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { openChromium, startSite } from './harness.mjs'

const SENDS = 100
/** @type {(() => unknown)[]} */
const undo = []
const t = /** @type {any} */ ({ after: (/** @type {() => unknown} */ step) => undo.push(step), diagnostic: () => {} })
const site = await startSite(t)
for (const backend of ['LevelDB', 'SQLite']) {
  const profile = await mkdtemp(join(tmpdir(), 'tabmq-flushes-'))
  const args = backend === 'SQLite' ? ['--enable-features=IdbSqliteBackingStore'] : []
  const browser = await openChromium(t, { profile, args })
  const page = await browser.open(`${site.url}/pages/blank.html`)
  for (const flush of [false, true]) {
    await page.evaluate(async (flush) => {
      const { open } = await import('/pages/scenario.js')
      const cluster = await open({ brokers: 1, config: {}, profile: 'kafka' })
      const configEntries = flush ? [{ name: 'flush.messages', value: '1' }] : []
      const topic = flush ? 'strict' : 'relaxed'
      await cluster.kafka().admin().createTopics({ topics: [{ topic, numPartitions: 1, replicationFactor: 1, configEntries }] })
      const producer = cluster.kafka().producer()
      // What comes with the first record: the producer's id, the segment's row.
      for (let n = 0; n < 3; n++) await producer.send({ topic, messages: [{ value: 'first' }] })
      Object.assign(globalThis, { cluster, producer, topic })
    }, flush)
    const pid = execFileSync('pgrep', ['-o', '-f', `user-data-dir=${profile}`], { encoding: 'utf8' }).trim()
    const traced = join(profile, 'strace')
    const strace = spawn('strace', ['-f', '-y', '-e', 'trace=fsync,fdatasync', '-o', traced, '-p', pid], { stdio: ['ignore', 'ignore', 'pipe'] })
    const attached = new Promise((resolve) => strace.stderr.once('data', resolve))
    await attached
    await page.evaluate(async (sends) => {
      const { producer, topic } = /** @type {any} */ (globalThis)
      for (let n = 0; n < sends; n++) await producer.send({ topic, messages: [{ value: `record ${n}` }] })
    }, SENDS)
    const ended = new Promise((resolve) => strace.once('exit', resolve))
    strace.kill('SIGINT')
    await ended
    const calls = (await readFile(traced, 'utf8')).split('\n').filter((line) => /f(data)?sync\(.*IndexedDB/.test(line))
    console.log(`${backend}, ${flush ? 'strict' : 'relaxed'}: ${calls.length} flushes for ${SENDS} acks`)
    await page.evaluate(() => /** @type {any} */ (globalThis).cluster.close())
  }
  await browser.close()
  await rm(profile, { recursive: true, force: true, maxRetries: 10, retryDelay: 100 })
}
for (const step of undo) await step()
process.exit(0)
