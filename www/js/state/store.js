// The page's state. Events of the source change it; whoever watches a slice of it is told at most once a frame. Nothing
// here asks a broker for anything.
//
//   slice      changes when
//   brokers    a broker's state, its role in the quorum, the controller
//   topics     topics, leaders, ISR
//   configs    of topics
//   progress   offsets, bytes and segments of replicas (frequent)
//   groups     a group's state, members
//   commits    committed offsets, and where clients read (frequent)
//   links      faults of a link
//   traffic    rates, twice a second while something flows or just did
//   timeline   any discrete event
//   page       the page's own state: what is selected, whether drawing is paused
//   held       how many events a pause holds back
import { ClusterModel } from '../../sdk/model.js'
import { Growth } from './growth.js'
import { History } from './history.js'
import { Meter } from './meter.js'
import { concerns } from './timeline.js'

/**
 * @typedef {'brokers'|'topics'|'configs'|'progress'|'groups'|'commits'|'links'|'traffic'|'timeline'|'page'|'held'} Slice
 * @typedef {import('../source/cluster-source.js').ClusterSource} ClusterSource
 * @typedef {import('../source/cluster-source.js').ClusterEvent} ClusterEvent
 */

const TIMELINE_MAX = 1000
const RATES_EVERY_MS = 500

/** @type {Record<string, Slice[]>} */
const TOUCHES = {
  workerState: ['brokers'],
  brokerState: ['brokers'],
  quorumRole: ['brokers'],
  controllerActive: ['brokers'],
  brokerRegistered: ['brokers'],
  brokerFenced: ['brokers'],
  brokerUnfenced: ['brokers'],
  brokerRemoved: ['brokers'],
  storageFailed: ['brokers'],
  topicCreated: ['topics'],
  topicDeleted: ['topics', 'configs', 'progress'],
  configChanged: ['configs'],
  partitionsCreated: ['topics'],
  partitionChanged: ['topics'],
  partitionRole: ['topics'],
  partitionProgress: ['progress', 'traffic'],
  logSegments: ['progress'],
  logCompacting: ['progress'],
  logCompacted: ['progress'],
  logCompactionStopped: ['progress'],
  consumerFetched: ['commits'],
  groupState: ['groups'],
  offsetsCommitted: ['commits'],
  linkChanged: ['links'],
  ownerGone: ['page'],
  ownerChanged: ['page']
}
const FREQUENT = new Set(['partitionProgress', 'logSegments', 'logCompacting', 'consumerFetched', 'offsetsCommitted'])

export class Store {
  /** @type {Set<{ slices: Set<Slice>, tell: () => void, everyMs: number, due: number, dirty: boolean }>} */
  #watchers = new Set()
  /** @type {Set<Slice>} */ #dirty = new Set()
  #frame = 0
  #timer = 0
  #detach
  /** @type {Map<string, Meter>} */ #meters = new Map()
  #growth = new Growth()

  /** @param {ClusterSource} source */
  constructor (source) {
    this.source = source
    this.model = new ClusterModel()
    /** Faults by `from>to`. @type {Map<string, import('../source/cluster-source.js').LinkFaults>} */
    this.links = new Map()
    /** Discrete events, oldest first, the latest 1000. @type {ClusterEvent[]} */
    this.timeline = []
    /** The latest discrete event by what it concerns: `broker/1`, `link/1-2`, `topic/orders`, `group/billing`. @type {Map<string, ClusterEvent>} */
    this.recent = new Map()
    /** Brokers whose storage refuses to write. @type {Set<number>} */
    this.refusing = new Set()
    /** @type {string | null} */
    this.selectedTopic = null
    /** While true nothing that changes by itself is drawn. */
    this.paused = false
    /** Discrete events held back by the pause. */
    this.heldBack = 0
    // Events of before the first snapshot are for the timeline; the snapshot has what they led to.
    this.#detach = source.subscribe((event) => this.#add(event))
    this.#take()
    /** What the charts show. It goes on during a pause. */
    this.history = new History(source)
  }

  close () {
    this.#detach()
    this.history.end()
    clearTimeout(this.#timer)
    cancelAnimationFrame(this.#frame)
    this.#watchers.clear()
  }

  /**
   * Calls `tell` after a frame in which one of `slices` changed, at most every `everyMs`. Returns what ends it.
   * @param {string[]} slices @param {() => void} tell @param {{ everyMs?: number }} [options]
   */
  watch (slices, tell, { everyMs = 0 } = {}) {
    const watcher = { slices: new Set(/** @type {Slice[]} */ (slices)), tell, everyMs, due: 0, dirty: false }
    this.#watchers.add(watcher)
    if (watcher.slices.has('traffic')) this.#tick()
    return () => { this.#watchers.delete(watcher) }
  }

  /** The page itself changed something: drawn also while paused. @param {Slice} [slice] */
  changed (slice = 'page') {
    this.#dirty.add(slice)
    this.#schedule()
  }

  /** Stops drawing what changes by itself, or goes on, from the state as it is then. @param {boolean} paused */
  pause (paused) {
    if (paused === this.paused) return
    this.paused = paused
    if (!paused) {
      if (this.heldBack) for (const event of this.timeline.slice(-this.heldBack)) this.#remember(event)
      this.heldBack = 0
      this.#take()
      this.#tick()
    }
    this.changed('page')
  }

  /** Brokers in the order of their ids. */
  brokers () {
    return [...this.model.brokers.values()].sort((a, b) => a.id - b.id)
  }

  /** Topics a person made, by name. */
  userTopics () {
    return [...this.model.topics.keys()].filter((name) => !name.startsWith('__')).sort()
  }

  /** What a broker leads and follows of the topics a person made, and how many of its replicas are out of sync. @param {number} id */
  duties (id) {
    const leads = []
    const follows = []
    let outOfSync = 0
    for (const topic of this.userTopics()) {
      const partitions = this.model.topics.get(topic)
      const of = (test) => partitions.flatMap((partition, index) => test(partition) ? [index] : [])
      const led = of(({ leader }) => leader === id)
      const followed = of(({ leader, replicas }) => leader !== id && replicas.includes(id))
      if (led.length) leads.push({ topic, partitions: led })
      if (followed.length) follows.push({ topic, partitions: followed })
      outOfSync += partitions.filter(({ replicas, isr }) => replicas.includes(id) && !isr.includes(id)).length
    }
    return { leads, follows, outOfSync }
  }

  /** @param {number} from @param {number} to */
  link (from, to) {
    return this.links.get(`${from}>${to}`) ?? { cut: false, delayMs: 0, lossRatio: 0 }
  }

  /**
   * What flows, a second: `replicated/1>2` (bytes broker 2 fetched of what 1 leads), `written/1` (bytes into logs that 1
   * leads), `records/orders` (records committed), `total/records`.
   * @param {string} what
   */
  rate (what) {
    return this.#meters.get(what)?.perSecond(performance.now()) ?? 0
  }

  /** @param {ClusterEvent} event */
  #remember (event) {
    // An internal topic's elections would push what a person did off the cards.
    if (event.topic?.startsWith('__')) return
    for (const { kind, id } of concerns(event)) this.recent.set(`${kind}/${id}`, event)
  }

  #take () {
    const { brokers, controller, topics, groups, links } = this.source.snapshot()
    Object.assign(this.model, { brokers, controller, topics, groups })
    this.links = links
    this.#growth.take(topics)
    for (const slices of Object.values(TOUCHES)) for (const slice of slices) this.#dirty.add(slice)
    this.#dirty.add('timeline')
    this.#schedule()
  }

  /** @param {ClusterEvent} event */
  #add (event) {
    const frequent = FREQUENT.has(event.type)
    if (!frequent) {
      this.timeline.push(event)
      if (this.timeline.length > TIMELINE_MAX) this.timeline.shift()
      if (!this.paused) this.#remember(event)
    }
    if (this.paused) {
      // The snapshot at the end of the pause has the rest.
      if (!frequent) {
        this.heldBack++
        this.changed('held')
      }
      return
    }
    if (event.type === 'storageFailed') this.refusing.add(event.broker)
    if (event.type === 'workerState') {
      this.refusing.delete(event.broker)
      if (['crashed', 'stopped'].includes(event.facts.state)) this.#silence(event.broker)
    }
    if (event.type === 'linkChanged') this.links.set(`${event.broker}>${event.to}`, { cut: event.cut, delayMs: event.delayMs, lossRatio: event.lossRatio })
    this.#growth.apply(event)
    if (event.type === 'partitionProgress') this.#progressed(event)
    // Other brokers, of which the source knows no more than it has been told.
    if (event.type === 'ownerChanged') {
      this.refusing.clear()
      return this.#take()
    }
    this.model.apply(event)
    for (const slice of TOUCHES[event.type] ?? []) this.#dirty.add(slice)
    if (!frequent) this.#dirty.add('timeline')
    this.#schedule()
  }

  /** What really flowed: the growth of a replica's log since it told last. @param {ClusterEvent} event */
  #progressed (event) {
    const { broker, topic, partition, highWatermark } = event
    const known = this.model.topics.get(topic)?.[partition]
    // A high watermark that rises says that writes reach storage again.
    if (highWatermark > (known?.progress[broker]?.highWatermark ?? Infinity)) this.refusing.delete(broker)
    const { committed, bytes } = this.#growth.progressed(event)
    const now = performance.now()
    const leader = known?.leader ?? broker
    if (bytes) this.#meter(leader === broker ? `written/${broker}` : `replicated/${leader}>${broker}`).add(now, bytes)
    if (committed) {
      this.#meter(`records/${topic}`).add(now, committed)
      if (!topic.startsWith('__')) this.#meter('total/records').add(now, committed)
    }
    this.#tick()
  }

  /** Nothing flows to or from a broker that is gone, however much just did. @param {number} broker */
  #silence (broker) {
    for (const name of [...this.#meters.keys()]) {
      if (name === `written/${broker}` || name.startsWith(`replicated/${broker}>`) || (name.startsWith('replicated/') && name.endsWith(`>${broker}`))) this.#meters.delete(name)
    }
    this.#dirty.add('traffic')
  }

  #meter (name) {
    if (!this.#meters.has(name)) this.#meters.set(name, new Meter())
    return this.#meters.get(name)
  }

  /** Rates fall by themselves: as long as somebody watches them and something flowed lately, they are told again. */
  #tick () {
    if (this.#timer || this.paused) return
    if (![...this.#watchers].some(({ slices }) => slices.has('traffic'))) return
    this.#timer = window.setTimeout(() => {
      this.#timer = 0
      const now = performance.now()
      if ([...this.#meters.values()].some((meter) => meter.perSecond(now) > 0)) this.#tick()
      if (!this.paused) this.changed('traffic')
    }, RATES_EVERY_MS)
  }

  #schedule () {
    if (this.#frame) return
    this.#frame = requestAnimationFrame((now) => {
      this.#frame = 0
      const dirty = this.#dirty
      this.#dirty = new Set()
      let later = false
      for (const watcher of [...this.#watchers]) {
        if (!watcher.dirty && ![...dirty].some((slice) => watcher.slices.has(slice))) continue
        // 8 ms: a frame that comes a little early is still the frame that was meant.
        if (watcher.due > now + 8 && !dirty.has('page')) {
          watcher.dirty = true
          later = true
          continue
        }
        Object.assign(watcher, { dirty: false, due: now + watcher.everyMs })
        watcher.tell()
      }
      if (later) this.#schedule()
    })
  }
}
