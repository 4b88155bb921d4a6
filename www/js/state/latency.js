// How long sends take until they are acked: a histogram with buckets an eighth of an octave wide (a value is at most 9 % off),
// over the last seconds.

const BUCKETS_AN_OCTAVE = 8
/** The lowest bucket ends at 2^-4 ms; the highest holds all from two minutes up. */
const LOWEST = -4
const BUCKETS = 22 * BUCKETS_AN_OCTAVE
/** Percentiles look back this many turns. */
const TURNS = 5

export class Latency {
  #turns = Array.from({ length: TURNS }, () => new Uint32Array(BUCKETS))
  #counts = new Uint32Array(TURNS)
  #now = 0

  /** @param {number} ms */
  record (ms) {
    const bucket = Math.floor((Math.log2(Math.max(ms, 0.01)) - LOWEST) * BUCKETS_AN_OCTAVE)
    this.#turns[this.#now][Math.min(BUCKETS - 1, Math.max(0, bucket))]++
    this.#counts[this.#now]++
  }

  /** A second has passed: the oldest is forgotten. */
  turn () {
    this.#now = (this.#now + 1) % TURNS
    this.#turns[this.#now].fill(0)
    this.#counts[this.#now] = 0
  }

  /**
   * In ms, of each share; null when nothing was acked.
   * @param {number[]} shares 0.99: 99 % took no longer
   * @returns {(number | null)[]}
   */
  percentiles (shares) {
    const count = this.#counts.reduce((sum, one) => sum + one, 0)
    if (count === 0) return shares.map(() => null)
    return shares.map((share) => {
      let left = Math.max(1, Math.ceil(share * count))
      for (let bucket = 0; bucket < BUCKETS; bucket++) {
        for (const turn of this.#turns) left -= turn[bucket]
        // The middle of the bucket.
        if (left <= 0) return 2 ** ((bucket + 0.5) / BUCKETS_AN_OCTAVE + LOWEST)
      }
      return null
    })
  }
}

/**
 * A producer whose sends are timed, from the call to the ack.
 * @template {{ sendBatch: (batch: any) => Promise<any> }} P
 * @param {P} producer @param {Latency} latency @returns {P}
 */
export function timed (producer, latency) {
  const sendBatch = producer.sendBatch.bind(producer)
  // `send` goes through it.
  producer.sendBatch = async (batch) => {
    const begun = performance.now()
    const sent = await sendBatch(batch)
    latency.record(performance.now() - begun)
    return sent
  }
  return producer
}
