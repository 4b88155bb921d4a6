// A topic goes out as Kafka's own files and comes back; a parser that is not ours reads them, too.
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { test } from 'node:test'
import { promisify } from 'node:util'
import { defer, fromRoot, openChromium, startSite } from './harness.mjs'

const scenario = '/pages/files.js'

/** Long values as their beginning and length, so that a difference can be read. */
const brief = (records) => records.map((record) => ({ ...record, value: record.value && `${record.value.slice(0, 8)}… ${record.value.length}` }))

test('an exported topic is imported under another name with every record at its offset', { timeout: 240_000 }, async (t) => {
  const site = await startSite(t)
  const browser = await openChromium(t)
  const page = await browser.open(`${site.url}/pages/blank.html`)
  const outcome = await page.evaluate(async (scenario) => {
    const { fill, open, recordsOf } = await import(scenario)
    const cluster = await open()
    const sent = await fill(cluster, 'orders')
    const exporting = []
    const files = await cluster.exportTopic('orders', { onProgress: (progress) => exporting.push(progress) })
    const importing = []
    const summary = await cluster.importTopic('copy', files, { onProgress: (progress) => importing.push(progress) })
    return {
      sent, summary, exporting, importing,
      paths: Object.keys(files).sort(),
      bytes: Object.values(files).reduce((sum, { length }) => sum + length, 0),
      old: await recordsOf(cluster, 'orders', sent),
      copied: await recordsOf(cluster, 'copy', sent),
    }
  }, scenario)
  assert.deepEqual(outcome.summary, { partitions: 3, records: outcome.sent, offsetsKept: true })
  assert.equal(outcome.old.length, outcome.sent)
  assert.deepEqual(brief(outcome.copied), brief(outcome.old))
  assert.ok(outcome.old.some(({ key }) => key === null) && outcome.old.some(({ value }) => value === null))
  assert.deepEqual(outcome.paths, [0, 1, 2].flatMap((partition) =>
    ['00000000000000000000.index', '00000000000000000000.log', '00000000000000000000.timeindex', 'leader-epoch-checkpoint']
      .map((file) => `orders-${partition}/${file}`)))
  assert.equal(outcome.exporting.at(-1).bytes, outcome.bytes)
  assert.deepEqual(outcome.importing.map(({ phase }) => phase).filter((phase, n, all) => phase !== all[n - 1]), ['checking', 'writing'])
  for (const { bytes, of } of outcome.importing) assert.ok(bytes <= of)
  assert.equal(outcome.importing.at(-1).bytes, outcome.importing.at(-1).of)

  // After a reload it is still there.
  await page.reload()
  const again = await page.evaluate(async ({ scenario, sent }) => {
    const { open, recordsOf } = await import(scenario)
    return recordsOf(await open(), 'copy', sent)
  }, { scenario, sent: outcome.sent })
  assert.deepEqual(brief(again), brief(outcome.old))
})

test('what is refused is named, and leaves no topic behind', { timeout: 240_000 }, async (t) => {
  const site = await startSite(t)
  const browser = await openChromium(t)
  const page = await browser.open(`${site.url}/pages/blank.html`)
  const { errors, topics, second, kept } = await page.evaluate(async (scenario) => {
    const { fill, open } = await import(scenario)
    const cluster = await open({ storage: 'memory' })
    const admin = cluster.kafka().admin()
    const errorOf = async (work) => {
      try { await work() } catch ({ name, message, type, code, file, byte, option, retriable }) { return { name, message, type, code, file, byte, option, retriable } }
    }
    await fill(cluster, 'orders')
    const files = await cluster.exportTopic('orders')
    const log = 'orders-1/00000000000000000000.log'
    const second = 12 + new DataView(files[log].buffer).getInt32(8)
    const flipped = files[log].slice()
    flipped[second + 65] ^= 4
    const stop = new AbortController()
    const errors = {
      cut: await errorOf(() => cluster.importTopic('cut', { ...files, [log]: files[log].slice(0, second + 100) })),
      flipped: await errorOf(() => cluster.importTopic('flipped', { ...files, [log]: flipped })),
      foreign: await errorOf(() => cluster.importTopic('foreign', { ...files, 'orders-0/notes.txt': new Uint8Array(3) })),
      nothing: await errorOf(() => cluster.importTopic('nothing', {})),
      notBytes: await errorOf(() => cluster.importTopic('bytes', { [log]: 'text' })),
      option: await errorOf(() => cluster.importTopic('option', files, { partitions: 3 })),
      existing: await errorOf(() => cluster.importTopic('orders', files)),
      name: await errorOf(() => cluster.importTopic('not a name', files)),
      unknown: await errorOf(() => cluster.exportTopic('nowhere')),
      // The brokers refuse in the middle, where something was written already.
      tooLarge: await errorOf(() => cluster.importTopic('small', files, { configEntries: [{ name: 'max.message.bytes', value: '500' }] })),
      aborted: await errorOf(() => cluster.importTopic('aborted', files, {
        signal: stop.signal, onProgress: ({ phase }) => { if (phase === 'writing') stop.abort() },
      })),
    }
    // An export whose first records were deleted can't keep its offsets.
    await admin.deleteTopicRecords({ topic: 'orders', partitions: [{ partition: 1, offset: '20' }] })
    const { offsetsKept } = await cluster.importTopic('later', await cluster.exportTopic('orders'))
    return { errors, topics: await admin.listTopics(), second, kept: offsetsKept }
  }, scenario)
  const log = 'orders-1/00000000000000000000.log'
  for (const [name, file, byte, words] of /** @type {[string, string, number, RegExp][]} */ ([
    ['cut', log, second, /cut short/], ['flipped', log, second, /checksum/],
    ['foreign', 'orders-0/notes.txt', 0, /not a file that Kafka keeps/], ['nothing', '(no file)', 0, /no \.log/],
  ])) {
    assert.deepEqual([errors[name].name, errors[name].file, errors[name].byte], ['TabmqFileError', file, byte])
    assert.match(errors[name].message, words)
    assert.ok(errors[name].message.startsWith(`${file}, byte ${byte}: `), errors[name].message)
    assert.equal(errors[name].retriable, false)
  }
  assert.deepEqual([errors.notBytes.name, errors.notBytes.option], ['TabmqOptionError', 'files'])
  assert.deepEqual([errors.option.name, errors.option.option], ['TabmqOptionError', 'partitions'])
  assert.equal(errors.existing.type, 'TOPIC_ALREADY_EXISTS')
  assert.equal(errors.name.type, 'INVALID_TOPIC_EXCEPTION')
  assert.equal(errors.unknown.type, 'UNKNOWN_TOPIC_OR_PARTITION')
  assert.equal(errors.tooLarge.type, 'MESSAGE_TOO_LARGE')
  assert.equal(errors.aborted.name, 'AbortError')
  assert.equal(kept, false)
  assert.deepEqual(topics.sort(), ['later', 'orders'])
})

test('kafka-python reads an export, and its indexes lead to every offset', { timeout: 240_000 }, async (t) => {
  const site = await startSite(t)
  const browser = await openChromium(t)
  const page = await browser.open(`${site.url}/pages/blank.html`)
  const { files, records } = await page.evaluate(async (scenario) => {
    const { fill, open, recordsOf } = await import(scenario)
    const cluster = await open({ storage: 'memory' })
    // Small segments, and a change of leaders, so that there is more than one of everything.
    const sent = await fill(cluster, 'orders', { configEntries: [{ name: 'segment.bytes', value: '10000' }], kill: true })
    const files = await cluster.exportTopic('orders')
    const text = (bytes) => btoa(String.fromCharCode(...bytes))
    return {
      files: Object.entries(files).map(([path, bytes]) => [path, text(bytes)]),
      records: await recordsOf(cluster, 'orders', sent),
    }
  }, scenario)
  const folder = await mkdtemp(join(tmpdir(), 'tabmq-export-'))
  defer(t, () => rm(folder, { recursive: true, force: true }))
  for (const [path, base64] of files) {
    await mkdir(dirname(join(folder, path)), { recursive: true })
    await writeFile(join(folder, path), Buffer.from(base64, 'base64'))
  }
  const { stdout, stderr } = await promisify(execFile)(
    fromRoot('scripts/kafka-python.sh'), [fromRoot('tests/kafka-python/read_topic.py'), folder], { maxBuffer: 1 << 28, timeout: 200_000 })
  if (stdout.trim() === 'SKIPPED') return t.skip(stderr.trim())
  const { partitions, indexed } = JSON.parse(stdout)
  const read = Object.entries(partitions).flatMap(([name, all]) => all.map((record) =>
    ({ partition: Number(name.split('-')[1]), ...record, offset: String(record.offset), timestamp: String(record.timestamp) })))
  const codecs = new Set(read.map(({ compression }) => compression))
  assert.deepEqual([...codecs].sort(), [0, 1])
  assert.deepEqual(brief(read.map(({ compression, ...record }) => record)), brief(records))
  assert.ok(files.filter(([path]) => path.endsWith('.log')).length > 6, 'several segments')
  assert.ok(indexed > 6, `${indexed} index entries`)
  const checkpoints = files.filter(([path]) => path.endsWith('leader-epoch-checkpoint'))
  assert.ok(checkpoints.some(([, base64]) => Number(atob(base64).split('\n')[1]) > 1), 'several leader epochs')
})
