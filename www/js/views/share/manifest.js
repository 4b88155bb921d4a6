// A cluster in one .zip:
//
//   manifest.json                       what is in it, versioned: below
//   topics/<topic>/<topic>-<p>/….log    the records of a topic, as Kafka's own files (cluster.exportTopic)
//
//   { "format": "tabmq cluster", "version": 1, "name": "shop", "brokers": 3,
//     "topics": [{ "topic": "orders", "replicationFactor": 3, "configs": { "retention.ms": "60000" },
//                  "partitions": [{ "start": 0, "end": 12 }] }],
//     "groups": [{ "group": "billing", "offsets": { "orders": { "0": 7 } } }] }
//
// start: the first offset; end: that of the next record. Whatever this page does not know is refused, with its place.

export const FORMAT = 'tabmq cluster'
export const VERSION = 1
export const MANIFEST = 'manifest.json'
const FOLDER = 'topics/'

/**
 * @typedef {{ topic: string, replicationFactor: number, configs: Record<string, string>, partitions: { start: number, end: number }[] }} TopicEntry
 * @typedef {{ group: string, offsets: Record<string, Record<string, number>> }} GroupEntry
 * @typedef {{ name: string, brokers: number, topics: TopicEntry[], groups: GroupEntry[] }} Manifest
 */

/** What is wrong with a file, and where in it. The view says it in the reader's language. */
export class ManifestError extends Error {
  /** @param {string} file @param {string} place @param {'json'|'format'|'version'|'missing'|'wrong'|'unknown'|'twice'|'stray'|'noFiles'} why @param {string} [detail] */
  constructor (file, place, why, detail = '') {
    super(`${file}, ${place}: ${why} ${detail}`.trim())
    Object.assign(this, { file, place, why, detail })
  }
}

/** @param {Manifest} manifest */
export function written (manifest) {
  return new TextEncoder().encode(JSON.stringify({ format: FORMAT, version: VERSION, ...manifest }, null, 2))
}

/** Where a topic's files are. @param {string} topic */
export const folderOf = (topic) => `${FOLDER}${topic}/`

/** @param {Record<string, Uint8Array>} files */
export const isCluster = (files) => Object.hasOwn(files, MANIFEST)

/**
 * The manifest, and each topic's files by their path in the topic.
 * @param {Record<string, Uint8Array>} files
 * @returns {{ manifest: Manifest, files: Map<string, Record<string, Uint8Array>> }}
 */
export function read (files) {
  const manifest = parse(files[MANIFEST])
  /** @type {Map<string, Record<string, Uint8Array>>} */
  const byTopic = new Map(manifest.topics.map(({ topic }) => [topic, {}]))
  for (const [path, bytes] of Object.entries(files)) {
    if (path === MANIFEST) continue
    const topic = path.startsWith(FOLDER) ? path.slice(FOLDER.length).split('/')[0] : undefined
    const own = topic === undefined ? undefined : byTopic.get(topic)
    if (!own) throw new ManifestError(path, '', 'stray')
    own[path.slice(folderOf(topic).length)] = bytes
  }
  for (const { topic } of manifest.topics) if (Object.keys(byTopic.get(topic)).length === 0) throw new ManifestError(MANIFEST, topic, 'noFiles', folderOf(topic))
  return { manifest, files: byTopic }
}

/** @param {Uint8Array} bytes @returns {Manifest} */
function parse (bytes) {
  let found
  try {
    found = JSON.parse(new TextDecoder().decode(bytes))
  } catch (error) {
    throw new ManifestError(MANIFEST, '', 'json', error.message)
  }
  const fields = object(found, '', ['format', 'version', 'name', 'brokers', 'topics', 'groups'])
  if (fields.format !== FORMAT) throw new ManifestError(MANIFEST, 'format', 'format')
  if (fields.version !== VERSION) throw new ManifestError(MANIFEST, 'version', 'version', String(fields.version))
  const names = new Set()
  const topics = list(fields.topics, 'topics').map((one, index) => {
    const at = `topics[${index}]`
    const { topic, replicationFactor, configs, partitions } = object(one, at, ['topic', 'replicationFactor', 'configs', 'partitions'])
    text(topic, `${at}.topic`)
    if (names.has(topic)) throw new ManifestError(MANIFEST, `${at}.topic`, 'twice', topic)
    names.add(topic)
    for (const [name, value] of Object.entries(object(configs, `${at}.configs`))) text(value, `${at}.configs.${name}`)
    return {
      topic, configs, replicationFactor: whole(replicationFactor, `${at}.replicationFactor`),
      partitions: list(partitions, `${at}.partitions`).map((partition, number) => {
        const { start, end } = object(partition, `${at}.partitions[${number}]`, ['start', 'end'])
        return { start: whole(start, `${at}.partitions[${number}].start`), end: whole(end, `${at}.partitions[${number}].end`) }
      })
    }
  })
  const groups = list(fields.groups, 'groups').map((one, index) => {
    const at = `groups[${index}]`
    const { group, offsets } = object(one, at, ['group', 'offsets'])
    text(group, `${at}.group`)
    for (const [topic, partitions] of Object.entries(object(offsets, `${at}.offsets`))) {
      const known = topics.find((entry) => entry.topic === topic)
      if (!known) throw new ManifestError(MANIFEST, `${at}.offsets.${topic}`, 'missing', topic)
      for (const [partition, offset] of Object.entries(object(partitions, `${at}.offsets.${topic}`))) {
        whole(offset, `${at}.offsets.${topic}.${partition}`)
        if (!known.partitions[Number(partition)]) throw new ManifestError(MANIFEST, `${at}.offsets.${topic}.${partition}`, 'wrong')
      }
    }
    return { group, offsets }
  })
  return { name: text(fields.name, 'name'), brokers: whole(fields.brokers, 'brokers'), topics, groups }
}

/** @param {any} value @param {string} place @param {string[]} [fields] those there are; all when it is left out */
function object (value, place, fields) {
  if (value === null || typeof value !== 'object' || Array.isArray(value)) throw new ManifestError(MANIFEST, place, 'wrong')
  const strange = fields && Object.keys(value).find((name) => !fields.includes(name))
  if (strange) throw new ManifestError(MANIFEST, place ? `${place}.${strange}` : strange, 'unknown')
  const gone = fields?.find((name) => !Object.hasOwn(value, name))
  if (gone) throw new ManifestError(MANIFEST, place ? `${place}.${gone}` : gone, 'wrong')
  return value
}

/** @param {any} value @param {string} place @returns {any[]} */
function list (value, place) {
  if (!Array.isArray(value)) throw new ManifestError(MANIFEST, place, 'wrong')
  return value
}

/** @param {any} value @param {string} place @returns {string} */
function text (value, place) {
  if (typeof value !== 'string' || value === '') throw new ManifestError(MANIFEST, place, 'wrong')
  return value
}

/** @param {any} value @param {string} place @returns {number} */
function whole (value, place) {
  if (!Number.isSafeInteger(value) || value < 0) throw new ManifestError(MANIFEST, place, 'wrong')
  return value
}
