// The generators of this page. A spec is plain data: it can be stored, put into a link, and started again.
import { app } from '../app.js'
import { Crew } from './crew.js'

/**
 * @typedef {object} GeneratorSpec
 * @property {string} topic created when it is not there
 * @property {number} rate records a second
 * @property {number} count how many records in all; 0: until it is stopped
 * @property {'uniform' | 'zipf' | 'hot' | 'none'} distribution of keys
 * @property {number} keys how many different ones
 * @property {number} size of a value, in bytes
 * @property {number} producers
 * @property {-1 | 0 | 1} acks
 * @property {number} linger in ms
 * @property {number} batchSize in bytes
 * @property {0 | 1 | 2 | 3 | 4} compression of CompressionTypes
 * @property {boolean} idempotent
 * @property {string} clientId
 *
 * @typedef {{ sent: number, acked: number, failed: number, inFlight: number, perSecond: number, medianMs: number | null,
 *   highMs: number | null, seconds: number, skipped: number, error: any }} GeneratorFigures
 */

/** @type {GeneratorSpec} */
export const DEFAULTS = Object.freeze({
  topic: 'generated', rate: 100, count: 0, distribution: 'uniform', keys: 100, size: 100, producers: 1, acks: -1, linger: 5,
  batchSize: 1 << 20, compression: 0, idempotent: true, clientId: 'generator'
})

const PARTITIONS = 6
/** @type {Crew<GeneratorSpec>} */
const crew = new Crew('generator', (_, { took = [] }) => {
  for (const ms of took) app.source.latency?.record(ms)
})

export const onGenerators = (/** @type {() => void} */ listener) => crew.onChange(listener)
/** @returns {{ id: string, spec: GeneratorSpec, state: string, error: any, figures: GeneratorFigures | null }[]} */
export const list = () => crew.list()
/** Resolves when it has ended. @param {string} id */
export const stop = (id) => crew.stop(id)
/** @param {string} id */
export const remove = (id) => crew.remove(id)

/**
 * Starts one; what the spec leaves out is as in DEFAULTS. Rejects when its topic can't be created.
 * @param {Partial<GeneratorSpec>} given @param {string} [again] the id of one that has ended @returns {Promise<string>} its id
 */
export async function start (given, again = undefined) {
  const spec = { ...DEFAULTS, ...given }
  await ensureTopic(spec.topic)
  app.actions.add('generate', [spec])
  return crew.launch(spec, {}, again)
}

/** @param {string} topic */
export async function ensureTopic (topic) {
  if (app.store.model.topics.has(topic)) return
  const replicationFactor = Math.min(3, app.store.model.brokers.size)
  await app.admin.createTopics({ topics: [{ topic, numPartitions: PARTITIONS, replicationFactor }] }).catch((error) => {
    // Made just now, and the event that tells of it is still on its way.
    if (error.type !== 'TOPIC_ALREADY_EXISTS') throw error
  })
}
