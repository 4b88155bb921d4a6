// The work behind export and import: a cluster with its topics, their configs and records, and committed offsets.
import { checkTopicFiles } from '../../../sdk/index.js'
import { app } from '../../app.js'
import { folderOf, read, written } from './manifest.js'

const TOPIC_CONFIG = 2
/** Set on the topic itself (Kafka's TOPIC_CONFIG of DescribeConfigs). */
const OWN = 1

/**
 * @typedef {{ signal: AbortSignal, step: (done: number, of: number, key: 'exporting'|'checking'|'writing', topic: string) => void }} Tools
 * @typedef {{ topics: number, records: number, groups: number, shifted: string[], without: string[] }} Imported
 *   shifted: topics whose records have new offsets, to which groups were moved; without: those for which that is not known
 */

/** What a topic was given of its own. @param {string} topic @returns {Promise<Record<string, string>>} */
export async function ownConfigs (topic) {
  const { resources: [{ configEntries }] } = await app.admin.describeConfigs({ resources: [{ type: TOPIC_CONFIG, name: topic }] })
  const own = configEntries.filter(({ configSource, isDefault }) => configSource === undefined ? !isDefault : configSource === OWN)
  return Object.fromEntries(own.map(({ configName, configValue }) => [configName, configValue]))
}

/** All files of the .zip. @param {Tools} tools @returns {Promise<Record<string, Uint8Array>>} */
export async function exportCluster ({ signal, step }) {
  const { admin, source, store } = app
  const names = (await admin.listTopics()).sort()
  /** @type {Record<string, Uint8Array>} */
  const files = {}
  /** @type {import('./manifest.js').TopicEntry[]} */
  const topics = []
  for (const [index, topic] of names.entries()) {
    signal.throwIfAborted()
    step(index, names.length, 'exporting', topic)
    // Offsets of groups are asked for after the records: what they point at is there.
    const { topics: [{ partitions }] } = await admin.fetchTopicMetadata({ topics: [topic] })
    const offsets = await admin.fetchTopicOffsets(topic)
    topics.push({
      topic,
      replicationFactor: partitions[0].replicas.length,
      configs: await ownConfigs(topic),
      partitions: offsets.sort((a, b) => a.partition - b.partition).map(({ low, high }) => ({ start: Number(low), end: Number(high) }))
    })
    for (const [path, bytes] of Object.entries(await source.cluster.exportTopic(topic, { signal }))) files[folderOf(topic) + path] = bytes
  }
  step(names.length, names.length, 'exporting', '')
  const groups = []
  for (const { groupId } of (await admin.listGroups()).groups) {
    const found = await admin.fetchOffsets({ groupId })
    const offsets = Object.fromEntries(found.filter(({ topic }) => names.includes(topic)).map(({ topic, partitions }) =>
      [topic, Object.fromEntries(partitions.filter(({ offset }) => Number(offset) >= 0).map(({ partition, offset }) => [partition, Number(offset)]))]))
    groups.push({ group: groupId, offsets })
  }
  return { 'manifest.json': written({ name: source.name, brokers: store.model.brokers.size, topics, groups }), ...files }
}

/** What stands in the way of an import: topics that exist, groups that have members. */
export class ConflictError extends Error {
  /** @param {'topics'|'groups'} what @param {string[]} names */
  constructor (what, names) {
    super(names.join(', '))
    this.what = what
    this.names = names
  }
}

/**
 * All of it or nothing: everything is checked first, and what was begun is deleted when something fails.
 * @param {Record<string, Uint8Array>} zip @param {Tools} tools @returns {Promise<Imported>}
 */
export async function importCluster (zip, { signal, step }) {
  const { admin, source, store } = app
  const { manifest, files } = read(zip)
  const existing = new Set(await admin.listTopics())
  const taken = manifest.topics.map(({ topic }) => topic).filter((topic) => existing.has(topic))
  if (taken.length) throw new ConflictError('topics', taken)
  const busy = manifest.groups.map(({ group }) => group).filter((group) => store.model.groups.get(group)?.members.length)
  if (busy.length) throw new ConflictError('groups', busy)
  let done = 0
  const of = 2 * manifest.topics.length
  for (const { topic } of manifest.topics) {
    step(done++, of, 'checking', topic)
    await checkTopicFiles(files.get(topic), { signal }).catch((error) => {
      // The path in the .zip is the one that a person can look at.
      if (error.file !== undefined) error.message = `${folderOf(topic)}${error.message}`
      throw error
    })
  }
  /** @type {Imported} */
  const imported = { topics: 0, records: 0, groups: 0, shifted: [], without: [] }
  /** @type {string[]} */
  const created = []
  const alive = [...store.model.brokers.values()].filter(({ state }) => state === 'running').length
  try {
    for (const { topic, replicationFactor, configs, partitions } of manifest.topics) {
      signal.throwIfAborted()
      step(done++, of, 'writing', topic)
      const configEntries = Object.entries({ ...configs, 'retention.ms': configs['retention.ms'] ?? '-1' }).map(([name, value]) => ({ name, value }))
      const { records, offsetsKept } = await source.cluster.importTopic(topic, files.get(topic), { signal, configEntries, replicationFactor: Math.min(replicationFactor, alive) })
      created.push(topic)
      imported.topics++
      imported.records += records
      if (offsetsKept) continue
      // Without gaps the new offsets are the old ones less the first.
      const gapless = records === partitions.reduce((sum, { start, end }) => sum + end - start, 0)
      imported[gapless ? 'shifted' : 'without'].push(topic)
    }
    for (const { group, offsets } of manifest.groups) {
      for (const [topic, partitions] of Object.entries(offsets)) {
        if (imported.without.includes(topic) || Object.keys(partitions).length === 0) continue
        const entry = manifest.topics.find((one) => one.topic === topic)
        const by = imported.shifted.includes(topic) ? (partition) => entry.partitions[partition].start : () => 0
        await admin.setOffsets({
          groupId: group, topic,
          partitions: Object.entries(partitions).map(([partition, offset]) => ({ partition: Number(partition), offset: String(Math.max(0, offset - by(Number(partition)))) }))
        })
      }
      imported.groups++
    }
    return imported
  } catch (error) {
    if (created.length) await admin.deleteTopics({ topics: created }).catch(() => {})
    throw error
  }
}
