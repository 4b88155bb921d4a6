// A generator, in its worker: producers that send records at a rate.
import { Latencies, plain } from './figures.js'
import { Keys } from './keys.js'
import { Meter } from '../state/meter.js'

const TICK_MS = 20
const FIGURES_EVERY_MS = 250
/** What could not be sent in time is made up for up to this long; the rest is left out, and the page says so. */
const BACKLOG_MS = 1000
/** Records that wait for their acks, at most, as time at the rate wanted: beyond it the brokers are too slow. */
const IN_FLIGHT_MS = 2000
const IN_FLIGHT_MIN = 1000
const IN_FLIGHT_BYTES_MAX = 24 << 20
/** Records of one send: a longer one would hold the figures up. */
const SEND_RECORDS_MAX = 2000
/** Latencies in one message, at most. */
const TOLD_MAX = 100
const FILLER = 'the quick brown fox jumps over the lazy dog; '

export class Generator {
  #spec
  #tell
  #keys
  #utf8 = new TextEncoder()
  #filler
  /** @type {any[]} */ #producers
  #turn = 0
  #started = performance.now()
  /** @type {any} */ #timer = 0
  /** @type {any} */ #figuresTimer = 0
  #made = 0
  #skipped = 0
  #inFlight = 0
  #sent = 0
  #acked = 0
  #failed = 0
  #rate = new Meter()
  #latencies = new Latencies()
  /** Of the sends since the last figures: the page has its own histogram. @type {number[]} */ #took = []
  /** @type {any} */ #error = null
  #ending = false

  /**
   * @param {{ kafka: (options: any) => any }} client @param {import('./generators.js').GeneratorSpec} spec
   * @param {(message: any) => void} tell
   */
  constructor (client, spec, tell) {
    this.#spec = spec
    this.#tell = tell
    this.#keys = new Keys(spec.distribution, spec.keys)
    this.#filler = FILLER.repeat(Math.ceil(spec.size / FILLER.length))
    const { idempotent, linger, batchSize } = spec
    this.#producers = Array.from({ length: spec.producers }, (_, index) =>
      client.kafka({ clientId: `${spec.clientId}-${index + 1}` }).producer({ idempotent, linger, batchSize }))
  }

  start () {
    this.#started = performance.now()
    this.#timer = setInterval(() => this.#tick(), TICK_MS)
    this.#figuresTimer = setInterval(() => this.#figures(), FIGURES_EVERY_MS)
    this.#figures()
  }

  /** Resolves when all that was sent is answered. */
  async stop () {
    if (this.#ending) return
    this.#ending = true
    clearInterval(this.#timer)
    await Promise.allSettled(this.#producers.map((producer) => producer.disconnect()))
    clearInterval(this.#figuresTimer)
    this.#figures()
    this.#tell({ type: 'ended' })
  }

  #tick () {
    const { rate, count, size } = this.#spec
    const elapsed = performance.now() - this.#started
    let due = Math.floor(rate * elapsed / 1000) - this.#made - this.#skipped
    const late = due - Math.ceil(rate * BACKLOG_MS / 1000)
    if (late > 0) {
      this.#skipped += late
      due -= late
    }
    if (count) due = Math.min(due, count - this.#made)
    const room = Math.min(Math.max(IN_FLIGHT_MIN, rate * IN_FLIGHT_MS / 1000), IN_FLIGHT_BYTES_MAX / Math.max(size, 1)) - this.#inFlight
    due = Math.min(due, Math.max(0, Math.floor(room)))
    while (due > 0) {
      // A tick's records are shared out, so that each producer has some of every moment.
      const each = Math.min(SEND_RECORDS_MAX, Math.max(1, Math.ceil(due / this.#producers.length)), due)
      this.#send(this.#producers[this.#turn++ % this.#producers.length], each)
      due -= each
    }
    if (count && this.#made >= count && this.#inFlight === 0) this.stop()
  }

  /** @param {any} producer @param {number} records */
  async #send (producer, records) {
    const { topic, acks, compression } = this.#spec
    const messages = Array.from({ length: records }, (_, index) => this.#record(this.#made + index + 1))
    this.#made += records
    this.#sent += records
    this.#inFlight += records
    const began = performance.now()
    try {
      await producer.sendBatch({ topicMessages: [{ topic, messages }], acks, compression })
      const now = performance.now()
      this.#acked += records
      this.#rate.add(now, records)
      this.#latencies.add(now, now - began)
      if (this.#took.length < TOLD_MAX) this.#took.push(now - began)
      this.#error = null
    } catch (error) {
      this.#failed += records
      this.#error = plain(error)
    }
    this.#inFlight -= records
  }

  /** @param {number} n */
  #record (n) {
    const key = this.#keys.next()
    const { size } = this.#spec
    const head = `{"n":${n},"at":${Date.now()},"text":"`
    const room = size - head.length - 2
    return { key: key?.bytes ?? null, value: this.#utf8.encode(room > 0 ? `${head}${this.#filler.slice(0, room)}"}` : `${head}"}`) }
  }

  #figures () {
    const now = performance.now()
    const [median, high] = this.#latencies.percentiles(now, [0.5, 0.99])
    const took = this.#took
    this.#took = []
    this.#tell({
      type: 'figures',
      took,
      figures: {
        sent: this.#sent, acked: this.#acked, failed: this.#failed, inFlight: this.#inFlight, perSecond: this.#rate.perSecond(now),
        medianMs: median, highMs: high, seconds: (now - this.#started) / 1000, skipped: this.#skipped, error: this.#error
      }
    })
  }
}
