// The page's state: the cluster's own model, and the page's. Events change it; views are drawn from it, at most once a
// frame.

const TIMELINE_MAX = 500

export class Store {
  #views = []
  #scheduled = false
  /** Each replica's high watermark, by broker, topic and partition. @type {Map<string, number>} */
  #highWatermarks = new Map()

  /** @param {any} cluster */
  constructor (cluster) {
    this.cluster = cluster
    this.model = cluster.model
    /** @type {any[]} Discrete events, oldest first. */
    this.timeline = []
    this.selectedTopic = null
    /** Brokers whose storage refuses to write. @type {Set<number>} */
    this.refusing = new Set()
  }

  /** Draws `view` now and after each change. @param {(store: Store) => void} view */
  show (view) {
    this.#views.push(view)
    view(this)
  }

  /** @param {any} event */
  add (event) {
    if (event.type === 'storageFailed') this.refusing.add(event.broker)
    if (event.type === 'workerState') this.refusing.delete(event.broker)
    if (event.type === 'partitionProgress') this.#progressed(event)
    if (event.type !== 'partitionProgress' && event.type !== 'offsetsCommitted') {
      this.timeline.push(event)
      if (this.timeline.length > TIMELINE_MAX) this.timeline.shift()
    }
    this.changed()
  }

  /** A high watermark that rises says that writes reach storage again. */
  #progressed ({ broker, topic, partition, highWatermark }) {
    const replica = `${broker}/${topic}/${partition}`
    if (highWatermark > (this.#highWatermarks.get(replica) ?? 0)) this.refusing.delete(broker)
    this.#highWatermarks.set(replica, highWatermark)
  }

  changed () {
    if (this.#scheduled) return
    this.#scheduled = true
    requestAnimationFrame(() => {
      this.#scheduled = false
      for (const view of this.#views) view(this)
    })
  }

  /** Topics a person made, by name. */
  userTopics () {
    return [...this.model.topics.keys()].filter((name) => !name.startsWith('__')).sort()
  }
}
