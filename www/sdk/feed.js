// What is known of a cluster and who hears of it. Every event passes here, whether the brokers run in this tab or in another.
import { ClusterModel } from './model.js'

/** Discrete events that wait for a listener, at most. */
const EARLY_MAX = 1000
/** Events of which only the latest counts: the model has it. */
const FREQUENT = new Set(['partitionProgress', 'offsetsCommitted'])

export class Feed {
  model = new ClusterModel()
  /** Each worker's wasm memory, in bytes. @type {Map<number, number>} */
  memory = new Map()
  #listeners = new Set()
  /** Discrete events that nobody has listened to yet: what was found in opening is told to who comes first. @type {any[] | null} */
  #early = []

  /** @param {any} event stamped with the time unless it is */
  emit (event) {
    const stamped = { at: performance.timeOrigin + performance.now(), ...event }
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

  /** As `on`, and leaves the early events for others. */
  watch (listener) {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
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
    this.model.forget()
  }
}
