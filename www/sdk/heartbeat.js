// Finds out that somebody has stopped answering. Time in which we ourselves were frozen, asleep or busy says nothing about
// others: after such a pause it counts anew.

const BEAT_MS = 1000
/** Beats without an answer: then it is silent. */
const SILENT_BEATS = 8
/** A beat this late was our own pause. */
const LATE_MS = 3000

export class Heartbeat {
  #unanswered = 0
  #last = performance.now()
  #timer

  /** @param {() => void} ask at once, then every second @param {() => void} silent is called once; that ends it */
  constructor (ask, silent) {
    ask()
    this.#timer = setInterval(() => {
      const now = performance.now()
      if (now - this.#last > LATE_MS) this.#unanswered = 0
      this.#last = now
      this.#unanswered++
      if (this.#unanswered <= SILENT_BEATS) return ask()
      this.stop()
      silent()
    }, BEAT_MS)
  }

  answered () {
    this.#unanswered = 0
  }

  stop () {
    clearInterval(this.#timer)
  }
}
