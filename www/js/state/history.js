// What happened over the last ten minutes, a figure a second, in rings of fixed size. Events only add to sums; the seconds that
// passed are closed when the next event comes, or when somebody looks: while nothing happens nothing is done.
import { Growth } from './growth.js'
import { inWords } from './timeline.js'

export const SECONDS = 600
const MARKS_MAX = 200
const GROUPS_MAX = 16
const PERCENTILES = [0.5, 0.95, 0.99]

/**
 * `records`, `bytesIn` (into leaders' logs), `replicated`, `elections`, `isrChanges`: a second. `bytesOut`: a second, as brokers
 * count it. `p50`, `p95`, `p99`: ms from a send of this page to its ack. `stored`: bytes on all brokers. `underReplicated`:
 * partitions. NaN where nothing is known.
 * @typedef {'records'|'bytesIn'|'bytesOut'|'replicated'|'p50'|'p95'|'p99'|'elections'|'isrChanges'|'underReplicated'|'stored'} Series
 */
const COUNTED = /** @type {Series[]} */ (['records', 'bytesIn', 'replicated', 'elections', 'isrChanges'])
const SERIES = /** @type {Series[]} */ ([...COUNTED, 'bytesOut', 'p50', 'p95', 'p99', 'underReplicated', 'stored'])

export class History {
  /** The second that is being filled. */
  #second = 0
  #begun = 0
  /** @type {Map<Series | string, Float64Array>} */ #rings = new Map()
  /** @type {Map<string, Float64Array>} */ #lags = new Map()
  /** This second's. @type {Record<string, number>} */ #sums = {}
  /** Of each partition, by `topic-partition`. @type {Map<string, { end: number, leader: number | null, under: boolean }>} */
  #partitions = new Map()
  /** @type {Map<string, Map<string, number>>} */ #committed = new Map()
  #growth = new Growth()
  /** What is drawn on the charts, oldest first: ms since the epoch, and the event. @type {{ at: number, event: any, more: number }[]} */
  marks = []

  /** @param {import('../source/cluster-source.js').ClusterSource} source @param {() => number} [now] ms since the epoch */
  constructor (source, now = () => Date.now()) {
    this.source = source
    this.now = now
    for (const name of SERIES) this.#rings.set(name, new Float64Array(SECONDS).fill(NaN))
    this.#begun = this.#second = Math.floor(now() / 1000)
    this.#zero()
    this.#take()
    this.end = source.subscribe((event) => this.#add(event))
  }

  /** Groups that have a lag, by name. */
  groups () {
    return [...this.#lags.keys()].sort()
  }

  /**
   * The last seconds as a chart takes them: times, then the values of each series; null where nothing is known.
   * @param {number} seconds at most `SECONDS` @param {(Series | { group: string })[]} series
   * @returns {(number | null)[][]}
   */
  read (seconds, series) {
    this.#roll()
    const last = this.#second - 1
    const first = Math.max(this.#begun, last - Math.min(seconds, SECONDS) + 1)
    const times = []
    for (let at = first; at <= last; at++) times.push(at)
    return [times, ...series.map((one) => {
      const ring = typeof one === 'string' ? this.#rings.get(one) : this.#lags.get(one.group)
      return times.map((at) => {
        const value = ring?.[at % SECONDS]
        return value === undefined || Number.isNaN(value) ? null : value
      })
    })]
  }

  /** From the cluster as it is. */
  #take () {
    const { topics, groups } = this.source.snapshot()
    this.#partitions.clear()
    this.#committed.clear()
    this.#growth.take(topics)
    for (const [topic, partitions] of topics) {
      partitions.forEach(({ leader, replicas, isr, progress }, partition) => {
        const known = this.#at(topic, partition)
        Object.assign(known, { leader, under: isr.length < replicas.length })
        for (const { highWatermark } of Object.values(progress)) known.end = Math.max(known.end, highWatermark)
      })
    }
    for (const [group, { committed }] of groups) this.#committed.set(group, new Map(Object.entries(committed)))
  }

  #at (topic, partition) {
    const name = `${topic}-${partition}`
    if (!this.#partitions.has(name)) this.#partitions.set(name, { end: 0, leader: null, under: false })
    return this.#partitions.get(name)
  }

  /** @param {any} event */
  #add (event) {
    this.#roll()
    this.#growth.apply(event)
    switch (event.type) {
      case 'partitionProgress': return this.#progressed(event)
      case 'offsetsCommitted': {
        if (!this.#committed.has(event.group)) this.#committed.set(event.group, new Map())
        this.#committed.get(event.group).set(`${event.topic}-${event.partition}`, event.offset)
        return
      }
      case 'partitionChanged': {
        const known = this.#at(event.topic, event.partition)
        known.leader = event.leader ?? null
        known.under = event.isr.length < event.replicas.length
        this.#sums[event.elected ? 'elections' : 'isrChanges']++
        break
      }
      case 'topicDeleted':
        for (const name of [...this.#partitions.keys()]) {
          if (name.slice(0, name.lastIndexOf('-')) !== event.topic) continue
          this.#partitions.delete(name)
          for (const offsets of this.#committed.values()) offsets.delete(name)
        }
        break
      case 'groupState':
        if (event.state === 'Dead') this.#committed.delete(event.group)
        break
      case 'ownerChanged': this.#take()
    }
    this.#mark(event)
  }

  /** @param {any} event */
  #progressed (event) {
    const { broker, topic, partition, highWatermark } = event
    const known = this.#at(topic, partition)
    known.end = Math.max(known.end, highWatermark)
    const { committed, bytes } = this.#growth.progressed(event)
    if (!topic.startsWith('__')) this.#sums.records += committed
    this.#sums[known.leader === broker || known.leader === null ? 'bytesIn' : 'replicated'] += bytes
  }

  /** Events that explain what the charts show. @param {any} event */
  #mark (event) {
    const words = inWords(event)
    const told = event.type === 'linkChanged' || event.type === 'controllerActive' ||
      (words !== null && words.tone === 'bad') || (event.type === 'partitionChanged' && event.elected)
    if (!words || !told || event.topic?.startsWith('__')) return
    const last = this.marks.at(-1)
    // A broker that dies has many elections: one line says it.
    if (last && last.event.type === event.type && event.at - last.at < 1000) {
      last.more++
      return
    }
    this.marks.push({ at: event.at, event, more: 0 })
    if (this.marks.length > MARKS_MAX) this.marks.shift()
  }

  #zero () {
    for (const name of COUNTED) this.#sums[name] = 0
  }

  /** Closes the seconds that have passed. */
  #roll () {
    const second = Math.floor(this.now() / 1000)
    if (second <= this.#second) return
    // The clock may have jumped; more than the ring holds need not be written.
    if (second - this.#second > SECONDS) {
      this.#second = second - SECONDS
      this.#zero()
    }
    const lags = this.#lagNow()
    const bytesOut = this.source.metrics?.()?.meters.BytesOutPerSec?.rate
    for (; this.#second < second; this.#second++) {
      const slot = this.#second % SECONDS
      for (const name of COUNTED) this.#rings.get(name)[slot] = this.#sums[name]
      this.#zero()
      const { latency } = this.source
      const percentiles = latency?.percentiles(PERCENTILES) ?? []
      latency?.turn()
      PERCENTILES.forEach((share, index) => { this.#rings.get(`p${share * 100}`)[slot] = percentiles[index] ?? NaN })
      this.#rings.get('bytesOut')[slot] = bytesOut ?? NaN
      this.#rings.get('stored')[slot] = this.#growth.stored
      this.#rings.get('underReplicated')[slot] = this.#under()
      for (const [group, ring] of this.#lags) ring[slot] = lags.get(group) ?? NaN
    }
  }

  #under () {
    let count = 0
    for (const { under } of this.#partitions.values()) if (under) count++
    return count
  }

  #lagNow () {
    /** @type {Map<string, number>} */
    const lags = new Map()
    for (const [group, offsets] of this.#committed) {
      let lag = 0
      for (const [name, offset] of offsets) lag += Math.max(0, (this.#partitions.get(name)?.end ?? offset) - offset)
      lags.set(group, lag)
      if (!this.#lags.has(group) && this.#lags.size < GROUPS_MAX) this.#lags.set(group, new Float64Array(SECONDS).fill(NaN))
    }
    for (const [group, ring] of this.#lags) if (!lags.has(group) && ring.every(Number.isNaN)) this.#lags.delete(group)
    return lags
  }
}
