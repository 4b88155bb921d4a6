// What is known of a cluster and who hears of it. Every event passes here, whether the brokers run in this tab or in another.
import { Metrics } from './metrics.js'
import { ClusterModel } from './model.js'

/** Discrete events that wait for a listener, at most. */
const EARLY_MAX = 1000
/** Events of which only the latest counts: the model has it. */
const FREQUENT = new Set(['partitionProgress', 'logSegments', 'logCompacting', 'consumerFetched', 'offsetsCommitted'])

export class Feed {
  model = new ClusterModel()
  /** Each worker's wasm memory, in bytes. @type {Map<number, number>} */
  memory = new Map()
  metrics = new Metrics()
  #listeners = new Set()
  /** Those that also hear of metrics. */
  #all = new Set()
  /** Discrete events that nobody has listened to yet: what was found in opening is told to who comes first. @type {any[] | null} */
  #early = []

  /** @param {any} event stamped with the time unless it is */
  emit (event) {
    const stamped = { at: performance.timeOrigin + performance.now(), ...event }
    if (event.type === 'metrics') {
      this.metrics.take(event.broker, stamped.at, event.report)
      for (const listener of this.#all) listener(stamped)
      return
    }
    if (['crashed', 'stopped'].includes(event.facts?.state)) this.metrics.forget(event.broker)
    this.model.apply(stamped)
    if (this.#early && this.#early.length < EARLY_MAX && !FREQUENT.has(event.type)) this.#early.push(stamped)
    for (const listener of [...this.#listeners]) listener(stamped)
  }

  /** Calls `listener` with each event; the first one also gets the early ones. Returns a function that ends it. */
  on (listener) {
    const early = this.#early ?? []
    this.#early = null
    for (const event of early) listener(event)
    return this.watch(listener)
  }

  /** As `on`, and leaves the early events for others. With `metrics` also what brokers count is told. */
  watch (listener, metrics = false) {
    this.#listeners.add(listener)
    if (metrics) this.#all.add(listener)
    return () => {
      this.#listeners.delete(listener)
      this.#all.delete(listener)
    }
  }

  /** Resolves when `condition` holds after some event; rejects with `late()` after `ms`. */
  until (ms, condition, late) {
    return new Promise((resolve, reject) => {
      const check = () => {
        try {
          if (condition()) done(resolve)
        } catch (error) {
          done(() => reject(error))
        }
      }
      const timer = setTimeout(() => done(() => reject(late())), ms)
      const done = (settle) => {
        clearTimeout(timer)
        this.#listeners.delete(check)
        settle()
      }
      this.#listeners.add(check)
      check()
    })
  }

  brokers () {
    return [...this.model.brokers.values()].map((broker) =>
      ({ ...broker, storageBytes: this.model.storageBytes(broker.id), memoryBytes: this.memory.get(broker.id) ?? 0 }))
  }

  /** All that a tab has to know which joins now. */
  snapshot () {
    return { ...this.model, memory: this.memory }
  }

  /** @param {any} snapshot another tab's */
  load ({ memory, ...model }) {
    Object.assign(this.model, model)
    this.memory = memory
  }

  /** The brokers are other ones from now on: what they tell is all there is. Which brokers there are stays. */
  forget () {
    this.memory.clear()
    this.metrics.clear()
    this.model.forget()
  }
}
