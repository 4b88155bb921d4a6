// How much was written, from what replicas tell of their logs one after another.

/**
 * @typedef {{ logEnd: number, bytes: number }} Told what a replica told last
 * @typedef {object} Log of a partition
 * @property {boolean} begun empty, while somebody watched: all that is ever in it is written now
 * @property {number} epoch of the partition; -1 when nobody told which replicas it has
 * @property {number[]} assigned its replicas
 * @property {number} counted the offset up to which its records are counted
 * @property {Map<number, Told>} replicas by broker
 */
const EMPTY = Object.freeze({ logEnd: 0, bytes: 0 })

export class Growth {
  /** Of each partition, by topic. @type {Map<string, Log[]>} */ #topics = new Map()
  /** Bytes on all brokers. */
  stored = 0

  /** From a snapshot: nothing that it has was written just now. @param {Map<string, import('../../sdk/model.js').Partition[]>} topics */
  take (topics) {
    this.#topics.clear()
    this.stored = 0
    for (const [topic, partitions] of topics) {
      partitions.forEach(({ partitionEpoch, replicas, progress }, partition) => {
        const log = this.#log(topic, partition)
        Object.assign(log, { epoch: partitionEpoch, assigned: replicas })
        for (const [broker, { logEnd, bytes, segments }] of Object.entries(progress)) {
          // Who has a role only has told of no log yet.
          if (logEnd > 0 || segments.length) this.#tells(log, Number(broker), { logEnd, bytes })
          log.counted = Math.max(log.counted, logEnd)
        }
      })
    }
  }

  /** What begins or ends logs. @param {any} event */
  apply (event) {
    switch (event.type) {
      case 'topicCreated':
        this.#forget(event.topic)
        this.#begin(event)
        break
      case 'partitionsCreated': this.#begin(event); break
      case 'topicDeleted': this.#forget(event.topic); break
      case 'partitionChanged':
      case 'partitionRole': {
        const log = this.#log(event.topic, event.partition)
        if (event.partitionEpoch < log.epoch) return
        Object.assign(log, { epoch: event.partitionEpoch, assigned: event.replicas })
        for (const broker of [...log.replicas.keys()]) if (!log.assigned.includes(broker)) this.#loses(log, broker)
        break
      }
      case 'brokerRemoved': for (const log of [...this.#topics.values()].flat()) this.#loses(log, event.broker)
    }
  }

  /**
   * What a `partitionProgress` brings: records that are committed now and were not, and bytes by which that replica grew.
   * @param {any} event @returns {{ committed: number, bytes: number }}
   */
  progressed ({ broker, topic, partition, highWatermark, logEnd, bytes }) {
    const log = this.#log(topic, partition)
    // It goes, and told of it once more.
    if (log.epoch >= 0 && !log.assigned.includes(broker)) return { committed: 0, bytes: 0 }
    const before = log.replicas.get(broker) ?? (log.begun ? EMPTY : null)
    this.#tells(log, broker, { logEnd, bytes })
    // What a replica has when it is first heard of was not written just now: its high watermark comes later.
    const committed = before ? Math.max(0, highWatermark - log.counted) : 0
    log.counted = Math.max(log.counted, before ? highWatermark : logEnd)
    return { committed, bytes: before && logEnd > before.logEnd ? Math.max(0, bytes - before.bytes) : 0 }
  }

  /** @param {string} topic @param {number} partition @returns {Log} */
  #log (topic, partition) {
    if (!this.#topics.has(topic)) this.#topics.set(topic, [])
    return this.#topics.get(topic)[partition] ??= { begun: false, epoch: -1, assigned: [], counted: 0, replicas: new Map() }
  }

  /** The partitions that are not known yet are new. @param {{ topic: string, partitions: number }} created */
  #begin ({ topic, partitions }) {
    const known = this.#topics.get(topic)?.length ?? 0
    for (let partition = known; partition < partitions; partition++) this.#log(topic, partition).begun = true
  }

  /** @param {Log} log @param {number} broker @param {Told} told */
  #tells (log, broker, told) {
    this.stored += told.bytes - (log.replicas.get(broker)?.bytes ?? 0)
    log.replicas.set(broker, told)
  }

  /** @param {Log | undefined} log undefined: of a partition that nobody has told of @param {number} broker */
  #loses (log, broker) {
    this.stored -= log?.replicas.get(broker)?.bytes ?? 0
    log?.replicas.delete(broker)
  }

  /** @param {string} topic */
  #forget (topic) {
    for (const log of this.#topics.get(topic) ?? []) for (const broker of [...log?.replicas.keys() ?? []]) this.#loses(log, broker)
    this.#topics.delete(topic)
  }
}
