// Batches as the brokers have stored them, and what is in them. The brokers' own code reads them.
import { decodeBatches as decode, inspectBatch as inspect } from './tabmq.js'
import { DAY_MS, anything, asking, by, whole } from './kafka.js'
import { KafkaJSNonRetriableError, TabmqOptionError } from './errors.js'
import { check } from './options.js'
import { unpack } from './packed.js'

const BYTES_MAX = 1 << 20
const OPTIONS = {
  topic: { check: (v) => typeof v === 'string' && v.length > 0, want: 'a text' },
  partition: by(whole(0, 2147483647), 0),
  offset: { check: (v) => v === undefined || Number.isSafeInteger(Number(v)), want: 'a whole number' },
  maxBytes: by(whole(1, BYTES_MAX), BYTES_MAX),
  timeout: by(whole(100, DAY_MS), 30000),
  signal: anything
}

/** Reads batches, over connections of its own that stay open for the next read. */
export class BatchReader {
  #copier

  /** @param {import('./kafka.js').Kafka} kafka */
  constructor (kafka) {
    this.#copier = kafka._copier(30000)
  }

  /** @param {any} given @returns {Promise<{ bytes: Uint8Array, offset: number, logStart: number, highWatermark: number }>} */
  async fetch (given) {
    const { topic, partition, offset, maxBytes, timeout, signal } = check(given, OPTIONS)
    const from = offset === undefined ? undefined : Number(offset)
    return asking(() => this.#copier.read(topic, partition, from, maxBytes, timeout), signal)
  }

  close () {
    this.#copier.close().catch(() => {})
  }
}

/** @param {any} bytes */
function checked (bytes) {
  if (!(bytes instanceof Uint8Array)) throw new TabmqOptionError('bytes', 'must be a Uint8Array')
  return bytes
}

/** The whole batches of what `fetchBatches` gave, each with its header's fields and its records. @param {Uint8Array} bytes */
export function decodeBatches (bytes) {
  return decode(checked(bytes)).map(({ bytes: packed, numbers, ...batch }) => ({ ...batch, messages: packed ? unpack(packed, numbers) : [] }))
}

/** One whole batch, taken apart to the last byte. @param {Uint8Array} bytes */
export function inspectBatch (bytes) {
  try {
    return inspect(checked(bytes))
  } catch (error) {
    throw error instanceof TabmqOptionError ? error : new KafkaJSNonRetriableError(error.message)
  }
}
