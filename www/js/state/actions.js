// What a person did with this page, as far as other tools could do it: the calls of the page's own admin, producers and
// consumers, and what was done to brokers and links. The latest are kept; commands/ words them.

const ACTIONS_MAX = 200
/** Calls of an admin that change something. */
export const CHANGES = ['createTopics', 'deleteTopics', 'createPartitions', 'alterConfigs', 'deleteTopicRecords', 'setOffsets', 'resetOffsets', 'deleteGroups',
  'alterPartitionReassignments', 'electLeaders']
export const SOURCE_CHANGES = ['kill', 'stop', 'start', 'addBroker', 'decommission', 'setLink']
/** Of a longer send only the first records are kept. */
const MESSAGES_MAX = 3

/** @typedef {{ at: number, what: string, given: any[] }} Action */

export class Actions {
  /** Oldest first. @type {Action[]} */
  list = []
  /** @type {Set<() => void>} */ #listeners = new Set()

  /** @param {() => void} listener */
  onChange (listener) {
    this.#listeners.add(listener)
    return () => { this.#listeners.delete(listener) }
  }

  /** @param {string} what @param {any[]} given */
  add (what, given) {
    this.list.push({ at: Date.now(), what, given })
    if (this.list.length > ACTIONS_MAX) this.list.shift()
    for (const listener of this.#listeners) listener()
  }

  clear () {
    this.list = []
    for (const listener of this.#listeners) listener()
  }

  /** The same source, whose changes are written down when they have worked. @template {object} S @param {S} source @returns {S} */
  source (source) {
    return this.#recording(source, SOURCE_CHANGES)
  }

  /** The same client, whose changes are written down when they have worked. @template {{ admin: any, producer: any, consumer: any }} K @param {K} kafka @returns {K} */
  kafka (kafka) {
    return /** @type {K} */ (new Proxy(kafka, {
      get: (target, name) => {
        if (name === 'admin') return (options) => this.#recording(target.admin(options), CHANGES)
        if (name === 'producer') return (options) => this.#producer(target.producer(options))
        const value = target[name]
        return typeof value === 'function' ? value.bind(target) : value
      }
    }))
  }

  /** @template {object} T @param {T} object @param {string[]} names @returns {T} */
  #recording (object, names) {
    return new Proxy(object, {
      get: (target, name) => {
        const value = target[name]
        if (typeof value !== 'function') return value
        if (!names.includes(String(name))) return value.bind(target)
        return (...given) => {
          const answer = value.apply(target, given)
          const worked = () => this.add(String(name), given)
          if (typeof answer?.then === 'function') answer.then(worked, () => {})
          else worked()
          return answer
        }
      }
    })
  }

  #producer (producer) {
    const send = producer.send.bind(producer)
    producer.send = async (record) => {
      const sent = await send(record)
      const { topic, messages, acks, compression } = record
      this.add('send', [{ topic, acks, compression, messages: messages.slice(0, MESSAGES_MAX), more: Math.max(0, messages.length - MESSAGES_MAX) }])
      return sent
    }
    return producer
  }
}
