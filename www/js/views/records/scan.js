// Search through a topic, slice by slice, so that the page stays responsive; and its newest records as they come.
import { app } from '../../app.js'
import { rowsOf } from './cache.js'
import { preview } from './bytes.js'

/** Of one slice. */
const SLICE_BYTES = 128 * 1024
/** A page that is to be drawn within a frame does not work longer than that at a time. */
const WORK_MS = 12
const TIMEOUT_MS = 15000
export const MATCHES_MAX = 1000
const TAIL_MAX = 2000
/** A tail that is so many records behind goes on at the end. */
const BEHIND_MAX = 20000

/** @typedef {{ partition: number, offset: number, timestamp: number, key: string | null, value: string | null, headers: number, control: boolean, transactional: boolean }} Brief a record for a list */

/** @param {import('./cache.js').Row} row @returns {Brief} */
export function brief ({ partition, offset, timestamp, key, value, headers, batch }) {
  return { partition, offset, timestamp, key: preview(key), value: preview(value), headers: Object.keys(headers).length, control: batch.control, transactional: batch.transactional }
}

/** Lets the page draw and listen. */
const breathe = () => new Promise((resolve) => setTimeout(resolve))

/**
 * @param {{ topic: string, ranges: { partition: number, from: number, to: number }[], test: (row: any) => boolean, signal: AbortSignal,
 *   found: (row: Brief) => void, progress: (done: number, of: number) => void }} search ranges: offsets, `to` exclusive
 * @returns {Promise<{ looked: number, full: boolean }>} full: it ended because there were enough
 */
export async function search ({ topic, ranges, test, signal, found, progress }) {
  const of = ranges.reduce((sum, { from, to }) => sum + Math.max(0, to - from), 0)
  let done = 0
  let looked = 0
  let matches = 0
  for (const { partition, from, to } of ranges) {
    let next = from
    while (next < to) {
      const { bytes, highWatermark, logStart } = await app.source.fetchBatches({ topic, partition, offset: next, maxBytes: SLICE_BYTES, timeout: TIMEOUT_MS, signal })
        .catch((error) => {
          if (error.type !== 'OFFSET_OUT_OF_RANGE') throw error
          // Retention was faster: go on where the log begins now.
          return app.source.fetchBatches({ topic, partition, maxBytes: SLICE_BYTES, timeout: TIMEOUT_MS, signal })
        })
      next = Math.max(next, logStart)
      const slice = rowsOf(partition, bytes)
      let started = performance.now()
      for (const row of slice.rows) {
        if (row.offset < next || row.offset >= to) continue
        looked++
        if (test(row)) {
          found(brief(row))
          if (++matches >= MATCHES_MAX) return { looked, full: true }
        }
        if (performance.now() - started > WORK_MS) {
          await breathe()
          signal.throwIfAborted()
          started = performance.now()
        }
      }
      const reached = Math.min(to, slice.next ?? Math.max(next + 1, highWatermark))
      progress(done + reached - from, of)
      next = reached
      await breathe()
      signal.throwIfAborted()
    }
    done += Math.max(0, to - from)
  }
  return { looked, full: false }
}

/** The newest records of some partitions, from now on. */
export class Tail {
  #topic
  #changed
  /** @type {Map<number, number>} The next offset of each partition. */ #next
  #busy = false
  #abort = new AbortController()
  /** @type {Brief[]} */ rows = []
  /** Records that were passed over: they came faster than they could be shown. */
  passed = 0
  paused = false
  failure = ''

  /** @param {string} topic @param {Map<number, number>} from @param {() => void} changed */
  constructor (topic, from, changed) {
    this.#topic = topic
    this.#next = new Map(from)
    this.#changed = changed
  }

  /** Records committed that are not shown yet. @param {Map<number, number>} ends high watermarks by partition */
  waiting (ends) {
    let count = 0
    for (const [partition, end] of ends) count += Math.max(0, end - (this.#next.get(partition) ?? end))
    return count
  }

  /** Fetches what has come, if anything has and nothing is under way. @param {Map<number, number>} ends @param {(row: any) => boolean} test */
  async take (ends, test) {
    if (this.#busy || this.paused) return
    this.#busy = true
    try {
      for (const [partition, end] of ends) {
        let next = this.#next.get(partition) ?? end
        if (end - next > BEHIND_MAX) {
          this.passed += end - next - 100
          next = end - 100
        }
        if (end <= next) continue
        const { bytes, logStart } = await app.source.fetchBatches({ topic: this.#topic, partition, offset: next, maxBytes: SLICE_BYTES, timeout: TIMEOUT_MS, signal: this.#abort.signal })
        const slice = rowsOf(partition, bytes)
        this.rows.push(...slice.rows.filter((row) => row.offset >= next && test(row)).map(brief))
        this.#next.set(partition, Math.max(slice.next ?? end, logStart))
      }
      this.failure = ''
      if (this.rows.length > TAIL_MAX) this.rows = this.rows.slice(-TAIL_MAX)
    } catch (error) {
      if (!this.#abort.signal.aborted) {
        this.failure = error
        // What was deleted while it was read is passed over.
        if (error.type === 'OFFSET_OUT_OF_RANGE') this.#next = new Map(ends)
      }
    }
    this.#busy = false
    if (!this.#abort.signal.aborted) this.#changed()
  }

  end () {
    this.#abort.abort()
  }
}
