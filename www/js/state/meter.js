// How much flows a second, right now.

const BUCKET_MS = 250
const BUCKETS = 8

/** A sum over a sliding window of two seconds. Times are in ms and never go back. */
export class Meter {
  #amounts = new Float64Array(BUCKETS)
  #bucket = 0
  /** Everything ever added. */
  total = 0

  /** @param {number} now @param {number} amount */
  add (now, amount) {
    this.#forget(now)
    this.#amounts[this.#bucket % BUCKETS] += amount
    this.total += amount
  }

  /** @param {number} now */
  perSecond (now) {
    this.#forget(now)
    let sum = 0
    for (const amount of this.#amounts) sum += amount
    return sum * 1000 / (BUCKET_MS * BUCKETS)
  }

  #forget (now) {
    const bucket = Math.floor(now / BUCKET_MS)
    for (let gone = Math.max(this.#bucket + 1, bucket - BUCKETS + 1); gone <= bucket; gone++) this.#amounts[gone % BUCKETS] = 0
    this.#bucket = Math.max(this.#bucket, bucket)
  }
}
