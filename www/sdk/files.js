// Export and import of a topic: Kafka's own files, over Kafka's protocol.
import { FilesReader } from './tabmq.js'
import { TabmqFileError, TabmqOptionError } from './errors.js'
import { DAY_MS, anything, asking, by, func, list, whole } from './kafka.js'
import { check } from './options.js'

const TOPIC_CONFIG = 2
/** Partitions written at a time: each has a file in the wasm's memory. */
const WRITERS = 4
/** Kafka's default of max.message.bytes. */
const BATCH_BYTES_DEFAULT = 1048588
const COMMON = { timeout: by(whole(100, DAY_MS), 30000), signal: anything, onProgress: func }
const IMPORT = { ...COMMON, replicationFactor: by(whole(-1, 32767), -1), configEntries: by(list, []) }

/**
 * @param {import('./tab.js').ClusterTab} cluster @param {string} topic @param {any} given
 * @returns {Promise<Record<string, Uint8Array>>}
 */
export async function exportTopic (cluster, topic, given) {
  const options = check(given, COMMON)
  checkName(topic)
  return withClients(cluster, options, async (admin, copier) => {
    const { signal, onProgress } = options
    const { topics: [{ partitions }] } = await admin.fetchTopicMetadata({ topics: [topic] })
    const { resources: [{ configEntries }] } = await admin.describeConfigs({ resources: [{ type: TOPIC_CONFIG, name: topic }] })
    const segmentBytes = Number(configEntries.find(({ configName }) => configName === 'segment.bytes').configValue)
    /** @type {Map<string, Uint8Array[]>} */
    const files = new Map()
    let bytes = 0
    for (let partition = 0; partition < partitions.length; partition++) {
      const source = copier.export(topic, partition, segmentBytes)
      for (let pieces; (pieces = await asking(() => source.next(), signal));) {
        for (const [path, piece] of pieces) {
          if (!files.has(path)) files.set(path, [])
          files.get(path).push(piece)
          bytes += piece.length
        }
        onProgress?.({ partition, partitions: partitions.length, bytes })
      }
      source.free()
    }
    return Object.fromEntries([...files].map(([path, pieces]) => [path, joined(pieces)]))
  })
}

/**
 * @param {import('./tab.js').ClusterTab} cluster @param {string} topic @param {Record<string, Uint8Array>} files
 * @param {any} given
 */
export async function importTopic (cluster, topic, files, given) {
  const options = check(given, IMPORT)
  checkName(topic)
  const facts = await checkFiles(files, options)
  return withClients(cluster, options, async (admin, copier) => {
    const { signal, replicationFactor, configEntries, onProgress } = options
    const configs = new Map([['retention.ms', '-1']])
    if (facts.batchBytesMax > BATCH_BYTES_DEFAULT) configs.set('max.message.bytes', String(facts.batchBytesMax))
    for (const { name, value } of configEntries) configs.set(name, value)
    await admin.createTopics({
      topics: [{
        topic,
        numPartitions: facts.partitions.length,
        replicationFactor,
        configEntries: [...configs].map(([name, value]) => ({ name, value }))
      }],
      // The copier waits for leaders; a failure from here on deletes the topic again.
      waitForLeaders: false,
      signal
    })
    const of = sum(facts.partitions.flatMap(({ logs }) => logs.map((path) => files[path].length)))
    let bytes = 0
    let offsetsKept = facts.partitions.every(({ start }) => start === 0)
    const write = async (partition, logs) => {
      for (const path of logs) {
        const kept = await asking(() => copier.append(topic, partition, files[path]), signal)
        offsetsKept &&= kept
        bytes += files[path].length
        onProgress?.({ phase: 'writing', bytes, of })
      }
    }
    try {
      await inTurn(facts.partitions.map(({ logs }, partition) => () => write(partition, logs)))
    } catch (error) {
      // Half a topic under this name would only be in the way of the next attempt.
      await admin.deleteTopics({ topics: [topic] }).catch(() => {})
      throw error
    }
    return { partitions: facts.partitions.length, records: sum(facts.partitions.map(({ records }) => records)), offsetsKept }
  })
}

/**
 * What a topic of such files would be; a wrong one is refused.
 * @param {Record<string, Uint8Array>} files @param {any} [given]
 */
export async function checkTopicFiles (files, given = {}) {
  const { partitions } = await checkFiles(files, check(given, { signal: anything, onProgress: func }))
  return { partitions: partitions.length, records: sum(partitions.map(({ records }) => records)) }
}

/** Runs `work` with an admin and a copier of its own, and closes them however it ends. */
async function withClients (cluster, { timeout }, work) {
  const kafka = cluster.kafka({ clientId: 'tabmq-files', requestTimeout: Math.min(timeout, 10000) })
  const admin = kafka.admin({ timeout })
  const copier = kafka._copier(timeout)
  try {
    return await work(admin, copier)
  } finally {
    await admin.disconnect().catch(() => {})
    await copier.close().catch(() => {})
  }
}

/** What the files hold; a wrong one is refused before anything is created. */
async function checkFiles (files, { signal, onProgress }) {
  if (files === null || typeof files !== 'object' || Array.isArray(files)) throw new TabmqOptionError('files', 'must be an object of bytes by path')
  const entries = Object.entries(files)
  const wrong = entries.find(([, bytes]) => !(bytes instanceof Uint8Array))
  if (wrong) throw new TabmqOptionError('files', `'${wrong[0]}' must be a Uint8Array`)
  const reader = new FilesReader()
  const of = sum(entries.map(([, bytes]) => bytes.length))
  let done = 0
  try {
    for (const [path, bytes] of entries) {
      signal?.throwIfAborted()
      reader.read(path, bytes)
      done += bytes.length
      onProgress?.({ phase: 'checking', bytes: done, of })
      // A file may take a while, and the page is to stay alive.
      await new Promise((resolve) => setTimeout(resolve))
    }
    return reader.finish()
  } catch (error) {
    throw error?.file === undefined ? error : new TabmqFileError(error)
  } finally {
    reader.free()
  }
}

/** Runs the jobs, a few at a time; the first failure ends it once those under way have ended. */
async function inTurn (jobs) {
  const waiting = jobs.values()
  let failed = false
  const run = async () => {
    for (const job of waiting) {
      if (failed) return
      try {
        await job()
      } catch (error) {
        failed = true
        throw error
      }
    }
  }
  const ends = await Promise.allSettled(Array.from({ length: WRITERS }, run))
  const failure = ends.find(({ status }) => status === 'rejected')
  if (failure) throw /** @type {PromiseRejectedResult} */ (failure).reason
}

function checkName (topic) {
  if (typeof topic !== 'string' || topic === '') throw new TabmqOptionError('topic', 'must be a text')
}

/** @param {Uint8Array[]} pieces */
function joined (pieces) {
  const whole = new Uint8Array(sum(pieces.map(({ length }) => length)))
  let at = 0
  for (const piece of pieces) {
    whole.set(piece, at)
    at += piece.length
  }
  return whole
}

const sum = (numbers) => numbers.reduce((total, number) => total + number, 0)
