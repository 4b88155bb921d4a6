// What a first visitor sees: a topic, a small generator and a consumer group, all of them real. Only a new cluster gets it
// by itself, and a click ends it.
import { app } from './app.js'
import { explain } from './i18n/index.js'

const TOPIC = 'coffee-orders'
const GROUP = 'baristas'
const PARTITIONS = 3
const BATCH_EVERY_MS = 250
const BATCH_RECORDS = 5
const MEMBERS = 2
/** It may run for days: old orders go. */
const CONFIG = { 'retention.bytes': '2000000', 'segment.bytes': '500000' }

const DRINKS = ['espresso', 'cappuccino', 'flat white', 'latte', 'mocha', 'americano']
const GUESTS = ['Ann', 'Bob', 'Chloé', 'Dilek', 'Emil', 'Fatou', 'Goran', '하나', 'Ines', 'Jun']
const pick = (list) => list[Math.floor(Math.random() * list.length)]

export class Demo {
  /** @type {Set<() => void>} */ #listeners = new Set()
  /** @type {any} */ #producer = null
  /** @type {any[]} */ #consumers = []
  #timer = 0
  #sending = false
  #read = 0
  #written = 0
  /** @type {{ id: number, at: number, epoch: number } | null} */ #kill = null
  /** @type {{ leader: number, epoch: number, afterMs: number } | null} */ #election = null
  /** `none`: not a cluster for it. @type {'none'|'starting'|'running'|'stopped'} */
  state = 'none'
  failure = ''
  topic = TOPIC
  group = GROUP
  perSecond = BATCH_RECORDS * 1000 / BATCH_EVERY_MS

  /** @param {() => void} listener */
  onChange (listener) {
    this.#listeners.add(listener)
    return () => { this.#listeners.delete(listener) }
  }

  /** Starts in a cluster without topics; offers itself where it has been before. */
  async begin () {
    const topics = await app.admin.listTopics()
    if (topics.every((name) => name.startsWith('__'))) await this.start()
    else if (topics.includes(TOPIC)) this.#is('stopped')
  }

  async start () {
    this.failure = ''
    this.#is('starting')
    try {
      if (!app.store.model.topics.has(TOPIC)) {
        const replicas = Math.min(3, app.store.model.brokers.size)
        const configEntries = Object.entries(CONFIG).map(([name, value]) => ({ name, value }))
        await app.admin.createTopics({ topics: [{ topic: TOPIC, numPartitions: PARTITIONS, replicationFactor: replicas, configEntries }] })
      }
      const kafka = app.source.kafka({ clientId: 'demo' })
      this.#producer = kafka.producer()
      await this.#producer.connect()
      this.#timer = window.setInterval(() => this.#send(), BATCH_EVERY_MS)
      this.#is('running')
      for (let number = 1; number <= MEMBERS && this.state === 'running'; number++) {
        const consumer = app.source.kafka({ clientId: `barista-${number}` }).consumer({ groupId: GROUP, sessionTimeout: 6000 })
        this.#consumers.push(consumer)
        await consumer.connect()
        await consumer.subscribe({ topics: [TOPIC], fromBeginning: true })
        await consumer.run({ eachBatch: async ({ batch }) => { this.#read += batch.messages.length } })
      }
    } catch (error) {
      this.failure = explain(error)
      await this.stop()
    }
  }

  async stop () {
    clearInterval(this.#timer)
    const clients = [this.#producer, ...this.#consumers].filter(Boolean)
    this.#producer = null
    this.#consumers = []
    this.#kill = null
    this.#election = null
    this.#is('stopped')
    await Promise.allSettled(clients.map((client) => client.disconnect()))
  }

  /** The crash of who leads the first partition. */
  async killLeader () {
    const { leader, leaderEpoch } = this.#first()
    if (leader === null) return
    this.#kill = { id: leader, at: Date.now(), epoch: leaderEpoch }
    this.#election = null
    await this.#try(() => app.source.kill(leader))
  }

  async restart () {
    const { id } = this.#kill
    await this.#try(() => app.source.start(id))
    this.#kill = null
    this.#election = null
    this.#changed()
  }

  facts () {
    const { leader } = this.#first()
    return { leader, written: this.#written, read: this.#read, killed: this.#kill?.id ?? null, election: this.#kill && this.#elected() }
  }

  /** The election that the kill led to, from the timeline: it has when it was. */
  #elected () {
    if (this.#election) return this.#election
    const { at, epoch } = this.#kill
    const event = app.store.timeline.find((event) => event.type === 'partitionChanged' && event.topic === TOPIC && event.partition === 0 &&
      event.elected && event.leader !== null && event.leader !== undefined && event.leaderEpoch > epoch)
    if (event) this.#election = { leader: event.leader, epoch: event.leaderEpoch, afterMs: Math.max(0, event.at - at) }
    return this.#election
  }

  #first () {
    return app.store.model.topics.get(TOPIC)?.[0] ?? { leader: null, leaderEpoch: -1 }
  }

  /** One batch at a time: while there is no leader orders do not pile up. */
  async #send () {
    if (this.#sending || !this.#producer) return
    this.#sending = true
    const messages = Array.from({ length: BATCH_RECORDS }, () => {
      const guest = pick(GUESTS)
      return { key: guest, value: JSON.stringify({ guest, drink: pick(DRINKS), size: pick(['S', 'M', 'L']) }) }
    })
    try {
      await this.#producer.send({ topic: TOPIC, messages })
      this.#written += messages.length
    } catch (error) {
      if (this.#producer) this.failure = explain(error)
      this.#changed()
    }
    this.#sending = false
  }

  /** @param {() => Promise<unknown>} work */
  async #try (work) {
    this.failure = ''
    try {
      await work()
    } catch (error) {
      this.failure = explain(error)
    }
    this.#changed()
  }

  #is (state) {
    this.state = state
    this.#changed()
  }

  #changed () {
    for (const listener of this.#listeners) listener()
  }
}
