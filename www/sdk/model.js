// What is known of the cluster, from its events alone. The page draws it; nobody asks a broker for it.

/**
 * @typedef {{ id: number, state: 'starting'|'running'|'stopping'|'stopped'|'crashed', registered: boolean,
 *   roles: string[], quorumRole: string, quorumEpoch: number, reason?: string }} Broker
 * @typedef {{ logStart: number, highWatermark: number, logEnd: number, bytes: number, role: string, leaderEpoch: number,
 *   segments: [number, number][], compacting: number|null }} Replica `segments`: base offset and bytes of each; the last is active,
 *   its bytes as they were. `compacting`: how far its compaction is, in thousandths; null while there is none
 * @typedef {{ leader: number|null, leaderEpoch: number, partitionEpoch: number, replicas: number[],
 *   adding: number[], removing: number[], isr: number[], elr: number[],
 *   progress: Record<number, Replica>, readers: Record<string, { offset: number, at: number }> }} Partition `readers`: where
 *   each client last asked for records, by its client id
 * @typedef {{ state: string, generation: number, members: { id: string, clientId: string }[],
 *   committed: Record<string, number> }} Group
 */

const NO_PROGRESS = Object.freeze({ logStart: 0, highWatermark: 0, logEnd: 0, bytes: 0, role: '', leaderEpoch: -1, segments: [], compacting: null })

export class ClusterModel {
  constructor () {
    /** @type {Map<number, Broker>} */
    this.brokers = new Map()
    /** @type {number|null} The active controller. */
    this.controller = null
    /** @type {Map<string, Partition[]>} By topic. */
    this.topics = new Map()
    /** @type {Map<string, Group>} By group id. */
    this.groups = new Map()
    /** @type {Map<string, { cut: boolean, delayMs: number, lossRatio: number }>} Faults of links, by `from>to`. */
    this.links = new Map()
  }

  /** All but which brokers there are. */
  forget () {
    this.controller = null
    this.topics.clear()
    this.groups.clear()
    this.links.clear()
  }

  /** @param {any} event */
  apply (event) {
    const broker = this.brokers.get(event.broker)
    switch (event.type) {
      case 'workerState':
        this.brokers.set(event.broker, { registered: false, quorumRole: '', quorumEpoch: 0, ...broker, ...event.facts })
        if (event.facts.state !== 'running' && this.controller === event.broker) this.controller = null
        if (['crashed', 'stopped'].includes(event.facts.state)) {
          for (const partition of [...this.topics.values()].flat()) if (partition?.progress[event.broker]) partition.progress[event.broker].compacting = null
        }
        break
      case 'brokerRemoved':
        this.brokers.delete(event.broker)
        for (const partition of [...this.topics.values()].flat()) delete partition?.progress[event.broker]
        break
      case 'brokerState':
        if (broker && broker.state !== 'stopping') broker.state = event.state === 'running' ? 'running' : 'starting'
        break
      case 'quorumRole':
        if (broker) Object.assign(broker, { quorumRole: event.role, quorumEpoch: event.epoch })
        if (event.role !== 'leader' && this.controller === event.broker) this.controller = null
        break
      case 'quorumVoters':
        // Each node tells what its own log says; the leader's is ahead of the others.
        if (broker?.quorumRole === 'leader' || this.controller === null) {
          for (const one of this.brokers.values()) one.roles = event.voters.includes(one.id) ? ['broker', 'controller'] : ['broker']
        }
        break
      case 'controllerActive': this.controller = event.broker; break
      case 'linkChanged': {
        const { cut, delayMs, lossRatio } = event
        this.links.set(`${event.broker}>${event.to}`, { cut, delayMs, lossRatio })
        break
      }
      case 'topicDeleted': this.topics.delete(event.topic); break
      case 'partitionChanged':
      case 'partitionRole': this.#partition(event); break
      case 'partitionProgress': {
        const { logStart, highWatermark, logEnd, bytes } = event
        this.#replica(event, { logStart, highWatermark, logEnd, bytes })
        break
      }
      case 'logSegments': this.#replica(event, { segments: event.segments }); break
      case 'logCompacting': this.#replica(event, { compacting: event.permille }); break
      case 'logCompacted':
      case 'logCompactionStopped': this.#replica(event, { compacting: null }); break
      case 'consumerFetched': {
        // One may come after its topic's end.
        const known = this.topics.get(event.topic)?.[event.partition]
        if (known) known.readers[event.clientId] = { offset: event.offset, at: event.at }
        break
      }
      case 'groupState': {
        const members = event.members.map(([id, clientId]) => ({ id, clientId }))
        const { state, generation } = event
        if (state === 'Dead') this.groups.delete(event.group)
        else this.groups.set(event.group, { committed: {}, ...this.groups.get(event.group), state, generation, members })
        break
      }
      case 'offsetsCommitted': {
        const group = this.groups.get(event.group) ??
          { state: 'Empty', generation: 0, members: [], committed: {} }
        group.committed[`${event.topic}-${event.partition}`] = event.offset
        this.groups.set(event.group, group)
        break
      }
    }
  }

  /** The bytes of all logs on a broker, as it told them last. */
  storageBytes (broker) {
    let bytes = 0
    for (const partitions of this.topics.values()) {
      for (const partition of partitions) bytes += partition?.progress[broker]?.bytes ?? 0
    }
    return bytes
  }

  #at (topic, partition) {
    if (!this.topics.has(topic)) this.topics.set(topic, [])
    const partitions = this.topics.get(topic)
    partitions[partition] ??= {
      leader: null, leaderEpoch: -1, partitionEpoch: -1, replicas: [], adding: [], removing: [], isr: [], elr: [], progress: {}, readers: {}
    }
    return partitions[partition]
  }

  #partition (event) {
    const known = this.#at(event.topic, event.partition)
    // Brokers tell of a change when they replay it, so an older one can come last.
    if (event.partitionEpoch >= known.partitionEpoch) {
      const { leader, leaderEpoch, partitionEpoch, replicas, isr } = event
      Object.assign(known, { leader: leader ?? null, leaderEpoch, partitionEpoch, replicas, isr })
      if (event.type === 'partitionChanged') Object.assign(known, { adding: event.adding, removing: event.removing, elr: event.elr })
      // What a replica that is none any more was at has gone with it.
      for (const id of Object.keys(known.progress)) if (!replicas.includes(Number(id))) delete known.progress[id]
    }
    if (event.type === 'partitionRole') {
      known.progress[event.broker] = { ...NO_PROGRESS, ...known.progress[event.broker], role: event.role, leaderEpoch: event.leaderEpoch }
    }
  }

  /** What a broker tells of its replica. @param {any} event @param {Partial<Replica>} facts */
  #replica ({ topic, partition, broker }, facts) {
    const known = this.#at(topic, partition)
    if (known.partitionEpoch >= 0 && !known.replicas.includes(broker)) return
    known.progress[broker] = { ...NO_PROGRESS, ...known.progress[broker], ...facts }
  }
}
