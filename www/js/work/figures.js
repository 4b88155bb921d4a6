// What a worker counts and tells the page a few times a second.

const LATENCIES = 512
const WINDOW_MS = 5000

/** Latencies of the last sends, at most 512 of the last five seconds. Times are in ms. */
export class Latencies {
  #at = new Float64Array(LATENCIES)
  #took = new Float64Array(LATENCIES)
  #next = 0

  /** @param {number} now @param {number} took */
  add (now, took) {
    const place = this.#next++ % LATENCIES
    this.#at[place] = now
    this.#took[place] = took
  }

  /** @param {number} now @param {number[]} ratios 0.5 for the median @returns {(number | null)[]} null without any */
  percentiles (now, ratios) {
    const kept = Math.min(this.#next, LATENCIES)
    const took = []
    for (let place = 0; place < kept; place++) if (now - this.#at[place] <= WINDOW_MS) took.push(this.#took[place])
    took.sort((a, b) => a - b)
    return ratios.map((ratio) => took.length ? took[Math.min(took.length - 1, Math.floor(took.length * ratio))] : null)
  }
}

/** An error as plain data: its class does not cross to the page. @param {any} error */
export const plain = (error) => ({ name: error?.name, type: error?.type, message: String(error?.message ?? error), option: error?.option })
