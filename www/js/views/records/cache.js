// Records of a topic as they are looked at: fetched by pieces where they are missing, and forgotten when there are too many.
import { app } from '../../app.js'
import { explain } from '../../i18n/index.js'
import { decodeBatches } from '../../../sdk/index.js'

/** What one fetch asks for. */
const PIECE_BYTES = 128 * 1024
/** Pieces kept, at most: the ones looked at last. */
const PIECES_MAX = 48
/** Whoever scrolls fast passes most of what is in sight. */
const SETTLE_MS = 30
const TIMEOUT_MS = 15000

/**
 * @typedef {import('../../../sdk/index.js').BatchHeader & { at: number, size: number, error?: string, messages: any[] }} Batch
 * @typedef {{ partition: number, offset: number, timestamp: number, key: Uint8Array | null, value: Uint8Array | null,
 *   headers: Record<string, any>, batch: Batch, raw: Uint8Array }} Row raw: the batch's bytes
 * @typedef {{ partition: number, from: number, to: number, rows: Map<number, Row>, used: number }} Piece offsets it covers
 */

/** The rows of what a fetch brought. @param {number} partition @param {Uint8Array} bytes */
export function rowsOf (partition, bytes) {
  /** @type {Row[]} */ const rows = []
  /** @type {Batch[]} */ const batches = decodeBatches(bytes)
  for (const batch of batches) {
    const raw = bytes.subarray(batch.at, batch.at + batch.size)
    for (const { offset, timestamp, key, value, headers } of batch.messages) {
      rows.push({ partition, offset: Number(offset), timestamp: Number(timestamp), key, value, headers, batch, raw })
    }
  }
  return { rows, batches, next: batches.length ? batches[batches.length - 1].lastOffset + 1 : null }
}

export class RecordCache {
  #topic
  #changed
  /** @type {Piece[]} */ #pieces = []
  /** In order, as rows asked for them. @type {Map<string, { partition: number, offset: number }>} */ #wanted = new Map()
  /** @type {{ partition: number, offset: number, abort: AbortController } | null} */ #asking = null
  #timer = 0
  #clock = 0
  failure = ''

  /** @param {string} topic @param {() => void} changed something arrived */
  constructor (topic, changed) {
    this.#topic = topic
    this.#changed = changed
  }

  /** Before rows are drawn: what was wanted then is not any more, unless it is asked for again. */
  begin () {
    this.#wanted.clear()
  }

  /**
   * A record; null when there is none at that offset; undefined while it is on its way.
   * @param {number} partition @param {number} offset @returns {Row | null | undefined}
   */
  at (partition, offset) {
    const piece = this.#pieces.find((one) => one.partition === partition && one.from <= offset && offset < one.to)
    if (piece) {
      piece.used = ++this.#clock
      return piece.rows.get(offset) ?? null
    }
    this.#wanted.set(`${partition}-${offset}`, { partition, offset })
    if (!this.#timer) this.#timer = window.setTimeout(() => { this.#timer = 0; this.#ask() }, SETTLE_MS)
    return undefined
  }

  /** Waits for one record. @param {number} partition @param {number} offset @returns {Promise<Row | null>} */
  async get (partition, offset) {
    const found = this.at(partition, offset)
    if (found !== undefined) return found
    await this.#fetch(partition, offset, new AbortController().signal)
    return this.at(partition, offset) ?? null
  }

  retry () {
    this.failure = ''
    this.#changed()
  }

  end () {
    clearTimeout(this.#timer)
    this.#asking?.abort.abort()
    this.#pieces = []
  }

  async #ask () {
    if (this.failure) return
    if (this.#asking) {
      // What was asked for is out of sight: this comes first.
      if (this.#wanted.has(`${this.#asking.partition}-${this.#asking.offset}`)) return
      this.#asking.abort.abort()
    }
    const [first] = this.#wanted.values()
    if (!first) return
    const asking = this.#asking = { ...first, abort: new AbortController() }
    try {
      await this.#fetch(first.partition, first.offset, asking.abort.signal)
    } catch (error) {
      if (!asking.abort.signal.aborted) this.failure = explain(error)
    }
    if (this.#asking !== asking) return
    this.#asking = null
    this.#changed()
  }

  /** @param {number} partition @param {number} offset @param {AbortSignal} signal */
  async #fetch (partition, offset, signal) {
    let found
    try {
      found = await app.source.fetchBatches({ topic: this.#topic, partition, offset, maxBytes: PIECE_BYTES, timeout: TIMEOUT_MS, signal })
    } catch (error) {
      if (error.type !== 'OFFSET_OUT_OF_RANGE') throw error
      // Deleted meanwhile: there is nothing here.
      this.#keep({ partition, from: offset, to: offset + 1, rows: new Map(), used: 0 })
      return
    }
    const { rows, batches, next } = rowsOf(partition, found.bytes)
    // Nothing came: below the high watermark that is where compaction has left nothing up to it.
    const to = next ?? Math.max(offset + 1, found.highWatermark)
    this.#keep({ partition, from: Math.min(offset, batches[0]?.baseOffset ?? offset), to: Math.max(to, offset + 1), rows: new Map(rows.map((row) => [row.offset, row])), used: 0 })
  }

  /** @param {Piece} piece */
  #keep (piece) {
    piece.used = ++this.#clock
    this.#pieces.push(piece)
    if (this.#pieces.length <= PIECES_MAX) return
    this.#pieces.sort((a, b) => b.used - a.used)
    this.#pieces.length = PIECES_MAX
  }
}
