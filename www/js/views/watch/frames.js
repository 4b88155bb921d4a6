// Frames per second of this page, and the longest pause between two frames: counted only while somebody looks.

export class Frames {
  #frame = 0
  #count = 0
  #longest = 0
  #last = 0
  #since = 0
  /** Of the last seconds, newest last: seconds since the epoch, frames, ms. @type {{ at: number, fps: number, longest: number }[]} */
  seconds = []
  #max

  /** @param {number} max seconds kept */
  constructor (max) {
    this.#max = max
  }

  start () {
    this.#count = 0
    this.#longest = 0
    this.#last = this.#since = performance.now()
    const frame = (now) => {
      this.#frame = requestAnimationFrame(frame)
      this.#count++
      this.#longest = Math.max(this.#longest, now - this.#last)
      this.#last = now
      if (now - this.#since < 1000) return
      this.seconds.push({ at: Math.floor(Date.now() / 1000) - 1, fps: this.#count * 1000 / (now - this.#since), longest: this.#longest })
      if (this.seconds.length > this.#max) this.seconds.shift()
      this.#count = 0
      this.#longest = 0
      this.#since = now
    }
    this.#frame = requestAnimationFrame(frame)
  }

  stop () {
    cancelAnimationFrame(this.#frame)
  }
}
