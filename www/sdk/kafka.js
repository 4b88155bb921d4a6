// kafkajs's shape over the Rust clients: Kafka, admin, producer, consumer.
import { AdminHost, ConsumerHost, CopierHost, partitionOfKey as hashed } from './tabmq.js'
import { KafkaJSNonRetriableError, KafkaJSTimeout, TabmqOptionError, typed } from './errors.js'
import { check } from './options.js'
import { unpack } from './packed.js'
import { Sends } from './sends.js'

export const CompressionTypes = Object.freeze({ None: 0, GZIP: 1, Snappy: 2, LZ4: 3, ZSTD: 4 })
export const ConfigResourceTypes = Object.freeze({ TOPIC: 2, BROKER: 4 })
export const AssignerProtocol = Object.freeze({ RANGE: 'range', ROUND_ROBIN: 'roundrobin' })
export const PartitionAssigners = Object.freeze({ range: 'range', roundRobin: 'roundrobin' })
export const logLevel = Object.freeze({ NOTHING: 0, ERROR: 1, WARN: 2, INFO: 4, DEBUG: 5 })

const unused = () => { throw new KafkaJSNonRetriableError('This partitioner runs inside the producer.') }
/** Markers: these two are the Rust producer's own. */
export const Partitioners = Object.freeze({
  DefaultPartitioner: () => unused,
  RoundRobinPartitioner: () => unused
})

const utf8 = new TextEncoder()

/**
 * The partition that a producer's own partitioner puts records of this key into (murmur2, as Java's client). A cluster must
 * have been opened: the module answers.
 * @param {string | Uint8Array} key @param {number} partitions how many the topic has
 */
export function partitionOfKey (key, partitions) {
  if (!Number.isInteger(partitions) || partitions < 1) throw new TabmqOptionError('partitions', 'must be a whole number from 1')
  return hashed(typeof key === 'string' ? utf8.encode(key) : key, partitions)
}

const EVENTS = Object.freeze({
  GROUP_JOIN: 'consumer.group_join', REBALANCING: 'consumer.rebalancing', CRASH: 'consumer.crash', STOP: 'consumer.stop',
  CONNECT: 'consumer.connect', DISCONNECT: 'consumer.disconnect'
})

const codecs = Object.values(CompressionTypes)
export const whole = (min, max) => ({ check: (v) => v === undefined || (Number.isInteger(v) && v >= min && v <= max), want: `a whole number from ${min} to ${max}` })
const flag = { check: (v) => typeof v === 'boolean', want: 'true or false' }
export const func = { check: (v) => v === undefined || typeof v === 'function', want: 'a function' }
const text = { check: (v) => typeof v === 'string' && v.length > 0, want: 'a text' }
export const list = { check: (v) => Array.isArray(v), want: 'a list' }
export const anything = { check: () => true, want: '' }
export const by = (rule, value) => ({ ...rule, default: value })
export const DAY_MS = 86400000

/** Awaits `work`; its failure is typed. An aborted signal ends the wait, not what was sent. */
export async function asking (work, signal) {
  try {
    if (!signal) return await work()
    signal.throwIfAborted()
    return await Promise.race([
      work(),
      new Promise((resolve, reject) => signal.addEventListener('abort', () => reject(signal.reason), { once: true }))
    ])
  } catch (failure) {
    throw typed(failure)
  }
}

export class Kafka {
  #connect
  #client

  /** @param {Pick<import('./tab.js').ClusterTab, 'connect' | 'bootstrapServers'>} cluster @param {any} options */
  constructor (cluster, options) {
    const { clientId, requestTimeout } = check(options, {
      clientId: by(text, 'tabmq'), requestTimeout: by(whole(100, DAY_MS), 30000), logLevel: anything, retry: anything, brokers: anything
    })
    this.#connect = (host, port) => cluster.connect(host, port)
    const brokers = cluster.bootstrapServers().map((server) => [server.split(':')[0], Number(server.split(':')[1])])
    this.#client = { clientId, brokers, requestTimeoutMs: requestTimeout }
  }

  admin (options = {}) {
    return new Admin(this.#client, options, this.#connect)
  }

  producer (options = {}) {
    return new Producer(this.#client, options, this.#connect)
  }

  consumer (options) {
    return new Consumer(this.#client, options, this.#connect)
  }

  /** For files.js: reads and writes whole batches. @param {number} patienceMs */
  _copier (patienceMs) {
    return new CopierHost(this.#client, patienceMs, this.#connect)
  }
}

const SEND = {
  topicMessages: by(list, []),
  acks: { default: -1, check: (v) => v === -1 || v === 0 || v === 1, want: '-1, 0 or 1' },
  timeout: by(whole(1, DAY_MS), undefined),
  compression: { default: 0, check: (v) => codecs.includes(v), want: `of CompressionTypes: ${Object.entries(CompressionTypes).map((pair) => pair.join(' ')).join(', ')}` },
  signal: anything
}

class Producer {
  #sends
  #choose

  constructor (client, given, connect) {
    const options = check(given, {
      idempotent: by(flag, true),
      createPartitioner: by(func, Partitioners.DefaultPartitioner),
      linger: by(whole(0, 60000), 0),
      batchSize: by(whole(1, 16 << 20), 1 << 20),
      bufferMemory: by(whole(1 << 16, 1 << 30), 32 << 20),
      deliveryTimeout: by(whole(100, DAY_MS), 120000),
      maxInFlightRequests: anything,
      allowAutoTopicCreation: anything,
      transactionalId: { check: (v) => v === undefined, want: 'left out: transactions are not there yet' },
      metadataMaxAge: anything,
      retry: anything
    })
    const own = Object.values(Partitioners).includes(options.createPartitioner)
    this.#choose = own ? null : options.createPartitioner()
    this.#sends = new Sends(client, {
      idempotent: options.idempotent,
      roundRobin: options.createPartitioner === Partitioners.RoundRobinPartitioner,
      lingerMs: options.linger,
      batchBytes: options.batchSize,
      bufferBytes: options.bufferMemory,
      deliveryTimeoutMs: options.deliveryTimeout
    }, connect)
  }

  /** kafkajs's habit; connections open when they are needed. */
  async connect () {}

  async send ({ topic, messages, ...rest }) {
    return this.sendBatch({ topicMessages: [{ topic, messages }], ...rest })
  }

  async sendBatch (given) {
    const { topicMessages, acks, timeout, compression, signal } = check(given, SEND)
    for (const { topic, messages } of topicMessages) {
      if (typeof topic !== 'string' || topic === '') throw new TabmqOptionError('topic', 'must be a text')
      if (!Array.isArray(messages)) throw new TabmqOptionError('messages', 'must be a list')
    }
    return asking(async () => {
      const topics = this.#choose ? await Promise.all(topicMessages.map((one) => this.#chosen(one))) : topicMessages
      return this.#sends.send({ topics, acks, timeout, compression })
    }, signal)
  }

  async #chosen ({ topic, messages }) {
    const count = await this.#sends.partitionCount(topic)
    const partitionMetadata = Array.from({ length: count }, (_, partitionId) => ({ partitionId, leader: -1 }))
    return { topic, messages, choose: (message) => this.#choose({ topic, partitionMetadata, message }) }
  }

  /** Resolves when all that was sent is answered. */
  async disconnect () {
    await asking(() => this.#sends.close()).catch((error) => { if (!/closed/.test(error.message)) throw error })
  }

  async [Symbol.asyncDispose ?? Symbol.for('Symbol.asyncDispose')] () {
    await this.disconnect()
  }
}

class Consumer {
  #host
  #listeners = new Map()
  #running
  #stopped = false
  /** @type {(value?: unknown) => void} */ #assigned = () => {}
  #paused = new Map()
  events = EVENTS

  constructor (client, given, connect) {
    const options = check(given ?? {}, {
      groupId: { check: (v) => typeof v === 'string' && v.length > 0, want: 'a text: the name of the group' },
      partitionAssigners: by(list, ['range', 'roundrobin']),
      sessionTimeout: by(whole(1, DAY_MS), 30000),
      rebalanceTimeout: by(whole(1, DAY_MS), 60000),
      maxPollInterval: by(whole(1, DAY_MS), undefined),
      maxPollRecords: by(whole(1, 1 << 30), undefined),
      heartbeatInterval: by(whole(1, DAY_MS), 1000),
      maxBytes: by(whole(1, 1 << 30), 10 << 20),
      maxBytesPerPartition: by(whole(1, 1 << 30), 1 << 20),
      maxWaitTimeInMs: by(whole(0, 600000), 500),
      minBytes: anything,
      metadataMaxAge: anything,
      allowAutoTopicCreation: anything,
      readUncommitted: anything,
      retry: anything
    })
    const unknown = options.partitionAssigners.find((name) => name !== 'range' && name !== 'roundrobin')
    if (unknown) throw new TabmqOptionError('partitionAssigners', `${unknown} is not 'range' or 'roundrobin'`)
    this.#client = client
    this.#connect = connect
    this.#options = options
  }

  #client
  #connect
  #options

  #open (autoCommitMs) {
    const { groupId, partitionAssigners, sessionTimeout, rebalanceTimeout, heartbeatInterval } = this.#options
    const { maxPollInterval = rebalanceTimeout, maxPollRecords } = this.#options
    const { maxBytes, maxBytesPerPartition, maxWaitTimeInMs } = this.#options
    this.#host = new ConsumerHost(this.#client, {
      groupId, assignors: partitionAssigners, sessionTimeoutMs: sessionTimeout, maxPollIntervalMs: maxPollInterval, maxPollRecords,
      heartbeatIntervalMs: heartbeatInterval, autoCommitMs: autoCommitMs, maxBytes, maxBytesPerPartition, maxWaitMs: maxWaitTimeInMs
    }, this.#connect, (type, payload) => this.#heard(type, payload))
  }

  #subscriptions = []

  async connect () {}

  async subscribe (given) {
    const { topic, topics, fromBeginning } = check(given, { topic: anything, topics: anything, fromBeginning: by(flag, false) })
    const names = topics ?? (topic === undefined ? [] : [topic])
    if (names.length === 0 || names.some((name) => typeof name !== 'string')) throw new TabmqOptionError('topics', 'must be a list of topic names')
    if (this.#running) throw new KafkaJSNonRetriableError('Cannot subscribe to topics while the consumer is running')
    this.#subscriptions.push({ names, fromBeginning })
  }

  /** Resolves when the first assignment is there. */
  async run (given) {
    const options = check(given, {
      eachMessage: by(func, undefined), eachBatch: by(func, undefined), autoCommit: by(flag, true),
      autoCommitInterval: by(whole(1, DAY_MS), undefined), autoCommitThreshold: anything,
      partitionsConsumedConcurrently: by(whole(1, 1000), 1), eachBatchAutoResolve: by(flag, true)
    })
    if (!options.eachMessage === !options.eachBatch) throw new TabmqOptionError('eachMessage', 'or eachBatch must be given, one of both')
    if (this.#running) return
    this.#open(options.autoCommit ? options.autoCommitInterval ?? 100 : null)
    await asking(async () => {
      for (const { names, fromBeginning } of this.#subscriptions) await this.#host.subscribe(names, fromBeginning)
      await this.#host.start()
    })
    const first = new Promise((resolve) => { this.#assigned = resolve })
    this.#running = this.#loop(options)
    await Promise.race([first, this.#running])
  }

  /**
   * Takes batches as they come, up to so many partitions at a time; of a partition one after the other.
   * @param {any} options
   */
  async #loop ({ partitionsConsumedConcurrently: concurrent, ...options }) {
    const busy = new Set()
    while (!this.#stopped) {
      if (busy.size >= concurrent) {
        await Promise.race(busy)
        continue
      }
      const batches = await asking(() => this.#host.poll(concurrent - busy.size, 1000)).catch((error) => {
        if (!this.#stopped) this.#emit(EVENTS.CRASH, { error, groupId: this.#options.groupId, restart: false })
        this.#stopped = true
        return []
      })
      for (const batch of batches) {
        const work = this.#process(batch, options).finally(() => busy.delete(work))
        busy.add(work)
      }
    }
    await Promise.all(busy)
  }

  /** @param {any} raw @param {any} options */
  async #process ({ topic, partition, highWatermark, bytes, numbers }, { eachMessage, eachBatch, eachBatchAutoResolve }) {
    const messages = unpack(bytes, numbers)
    let next = Number(messages[0].offset)
    const resolveOffset = (offset) => { next = Math.max(next, Number(offset) + 1) }
    const pause = () => {
      this.pause([{ topic, partitions: [partition] }])
      return () => this.resume([{ topic, partitions: [partition] }])
    }
    const heartbeat = async () => {}
    try {
      if (eachMessage) {
        for (const message of messages) {
          if (this.#stopped || this.#isPaused(topic, partition)) break
          await eachMessage({ topic, partition, message, heartbeat, pause })
          resolveOffset(message.offset)
        }
      } else {
        const batch = {
          topic, partition, highWatermark, messages, isEmpty: () => messages.length === 0,
          firstOffset: () => messages[0]?.offset ?? null, lastOffset: () => messages.at(-1).offset
        }
        await eachBatch({
          batch, resolveOffset, heartbeat, pause, commitOffsetsIfNecessary: async () => {},
          isRunning: () => !this.#stopped, isStale: () => false, uncommittedOffsets: () => ({ topics: [] })
        })
        if (eachBatchAutoResolve) resolveOffset(batch.lastOffset())
      }
    } catch (error) {
      // As kafkajs: the batch is read again from the message that failed, a little later.
      this.#emit(EVENTS.CRASH, { error, groupId: this.#options.groupId, restart: true })
      await new Promise((resolve) => setTimeout(resolve, 300))
    }
    // A consumer that closed meanwhile takes nothing more, and that is no error of the handler's.
    await this.#host.processed(topic, partition, next).catch(() => {})
  }

  #heard (type, payload) {
    if (type === 'assigned') {
      this.#emit(EVENTS.GROUP_JOIN, { groupId: this.#options.groupId, ...payload })
      this.#assigned()
    } else if (type === 'crashed') {
      this.#emit(EVENTS.CRASH, { error: typed(payload), groupId: this.#options.groupId, restart: false })
    } else {
      this.#emit(EVENTS.REBALANCING, { groupId: this.#options.groupId, lost: type === 'lost' })
    }
  }

  on (name, listener) {
    if (!Object.values(EVENTS).includes(name)) throw new TabmqOptionError('eventName', `must be one of ${Object.values(EVENTS).join(', ')}`)
    if (!this.#listeners.has(name)) this.#listeners.set(name, new Set())
    this.#listeners.get(name).add(listener)
    return () => this.#listeners.get(name).delete(listener)
  }

  #emit (type, payload) {
    for (const listener of this.#listeners.get(type) ?? []) listener({ type, timestamp: Date.now(), payload })
  }

  #isPaused (topic, partition) {
    const partitions = this.#paused.get(topic)
    return partitions !== undefined && (partitions.size === 0 || partitions.has(partition))
  }

  pause (topics) {
    for (const { topic, partitions = [] } of topics) {
      this.#paused.set(topic, new Set([...partitions.length ? this.#paused.get(topic) ?? [] : [], ...partitions]))
    }
    this.#tellPaused(topics, true)
  }

  resume (topics) {
    for (const { topic, partitions = [] } of topics) {
      const left = new Set([...this.#paused.get(topic) ?? []].filter((partition) => partitions.length && !partitions.includes(partition)))
      if (left.size) this.#paused.set(topic, left)
      else this.#paused.delete(topic)
    }
    this.#tellPaused(topics, false)
  }

  #tellPaused (topics, paused) {
    this.#started().setPaused(topics.map(({ topic, partitions = [] }) => [topic, partitions]), paused)
      .catch((failure) => this.#emit(EVENTS.CRASH, { error: typed(failure), restart: false }))
  }

  paused () {
    return [...this.#paused].map(([topic, partitions]) => ({ topic, partitions: [...partitions] }))
  }

  seek ({ topic, partition, offset }) {
    this.#started().seek(topic, partition, Number(offset))
      .catch((failure) => this.#emit(EVENTS.CRASH, { error: typed(failure), restart: false }))
  }

  async commitOffsets (offsets) {
    await asking(() => this.#started().commit(offsets.map(({ topic, partition, offset, metadata }) => [topic, partition, Number(offset), metadata])))
  }

  #started () {
    if (!this.#host) throw new KafkaJSNonRetriableError('The consumer is not running: call run first')
    return this.#host
  }

  async stop () {
    if (this.#stopped) return
    this.#stopped = true
    if (!this.#host) return
    // Closing answers the poll under way and waits for what the handlers still have.
    const closed = asking(() => this.#host.close())
    await this.#running
    await closed.catch((error) => { if (!/closed/.test(error.message)) throw error })
    this.#emit(EVENTS.STOP, {})
  }

  async disconnect () {
    await this.stop()
    this.#emit(EVENTS.DISCONNECT, {})
  }

  /** `for await (const { topic, partition, message } of consumer)`: a message counts as processed when the next is asked for. */
  async * [Symbol.asyncIterator] () {
    const queue = []
    /** @type {(value?: unknown) => void} */
    let wake = () => {}
    const ended = this.run({
      partitionsConsumedConcurrently: 100,
      eachMessage: (payload) => new Promise((resolve) => {
        queue.push({ payload, resolve })
        wake()
      })
    })
    try {
      await ended
      while (!this.#stopped) {
        if (queue.length === 0) {
          await Promise.race([new Promise((resolve) => { wake = resolve }), this.#running])
          continue
        }
        const { payload, resolve } = queue.shift()
        yield payload
        resolve()
      }
    } finally {
      for (const { resolve } of queue) resolve()
      await this.stop()
    }
  }

  async [Symbol.asyncDispose ?? Symbol.for('Symbol.asyncDispose')] () {
    await this.disconnect()
  }
}

export class Admin {
  #host
  #timeout

  constructor (client, given, connect) {
    const { timeout } = check(given, { timeout: by(whole(1, DAY_MS), 30000), retry: anything })
    this.#timeout = timeout
    this.#host = new AdminHost(client, timeout, connect)
  }

  async connect () {}

  async disconnect () {
    await this.#call('close')
  }

  #call (call, args = {}, signal) {
    return asking(() => this.#host.call({ call, ...args }), signal)
  }

  async createTopics (given) {
    const { topics, validateOnly, waitForLeaders, signal } = check(given, {
      topics: by(list, []), validateOnly: by(flag, false), waitForLeaders: by(flag, true), timeout: anything, signal: anything
    })
    const specs = topics.map((topic) => check(topic, {
      topic: text, numPartitions: by(whole(-1, 2147483647), -1), replicationFactor: by(whole(-1, 32767), -1),
      configEntries: by(list, []), replicaAssignment: { check: (v) => v === undefined, want: 'left out' }
    }))
    await this.#call('createTopics', {
      validateOnly,
      topics: specs.map(({ topic, numPartitions, replicationFactor, configEntries }) => ({
        topic, partitions: numPartitions, replicationFactor, configs: configEntries.map(({ name, value }) => [name, String(value)])
      }))
    }, signal)
    if (waitForLeaders && !validateOnly) await this.#leaders(specs.map(({ topic }) => topic))
    return true
  }

  /** Resolves when every partition has a leader, as the brokers tell. */
  async #leaders (topics) {
    const deadline = Date.now() + this.#timeout
    for (;;) {
      const ready = await this.#call('fetchTopicMetadata', { topics }).then(
        (found) => found.every(({ partitions }) => partitions.every(({ leader }) => leader >= 0)),
        (error) => { if (error.type !== 'UNKNOWN_TOPIC_OR_PARTITION') throw error; return false })
      if (ready) return
      if (Date.now() > deadline) throw new KafkaJSTimeout(`Topics ${topics.join(', ')} had no leaders within ${this.#timeout} ms`)
      await new Promise((resolve) => setTimeout(resolve, 10))
    }
  }

  async deleteTopics ({ topics }) {
    await this.#call('deleteTopics', { topics })
  }

  async createPartitions ({ topicPartitions }) {
    return this.#call('createPartitions', { topics: topicPartitions.map(({ topic, count }) => [topic, count]) })
  }

  async listTopics () {
    return (await this.#call('fetchTopicMetadata')).filter(({ internal }) => !internal).map(({ name }) => name)
  }

  async fetchTopicMetadata ({ topics = undefined } = {}) {
    return { topics: await this.#call('fetchTopicMetadata', { topics }) }
  }

  async fetchTopicOffsets (topic) {
    const high = await this.#call('listOffsets', { topic, timestamp: -1 })
    const low = await this.#call('listOffsets', { topic, timestamp: -2 })
    return high.map(({ partition, offset }) =>
      ({ partition, offset, high: offset, low: low.find((other) => other.partition === partition)?.offset ?? '0' }))
  }

  async fetchTopicOffsetsByTimestamp (topic, timestamp) {
    if (timestamp === undefined) return this.#call('listOffsets', { topic, timestamp: -1 })
    const found = await this.#call('listOffsets', { topic, timestamp })
    if (found.every(({ offset }) => offset !== '-1')) return found
    // As kafkajs: nothing that new means the end.
    const high = await this.#call('listOffsets', { topic, timestamp: -1 })
    return found.map((one) => one.offset === '-1' ? high.find(({ partition }) => partition === one.partition) : one)
  }

  async fetchOffsets ({ groupId, topics }) {
    const asked = topics && await Promise.all(topics.map(async (topic) => {
      const { topics: [{ partitions }] } = await this.fetchTopicMetadata({ topics: [topic] })
      return [topic, partitions.map(({ partitionId }) => partitionId)]
    }))
    return this.#call('fetchOffsets', { group: groupId, topics: asked })
  }

  async setOffsets ({ groupId, topic, partitions }) {
    await this.#call('setOffsets', { group: groupId, topic, partitions: partitions.map(({ partition, offset }) => [partition, Number(offset)]) })
  }

  async resetOffsets ({ groupId, topic, earliest = false }) {
    const partitions = await this.#call('listOffsets', { topic, timestamp: earliest ? -2 : -1 })
    await this.setOffsets({ groupId, topic, partitions })
  }

  async deleteTopicRecords ({ topic, partitions }) {
    await this.#call('deleteRecords', { topic, partitions: partitions.map(({ partition, offset }) => [partition, Number(offset)]) })
  }

  async describeCluster () {
    return this.#call('describeCluster')
  }

  /** Who votes in the quorum of the metadata log, who only follows, and how far each one is. */
  async describeQuorum () {
    return this.#call('describeQuorum')
  }

  /** Makes a broker that has caught up a voter (KIP-853). Made again until the timeout while it has not. */
  async addRaftVoter ({ voterId, voterDirectoryId, host, port }) {
    await this.#call('addRaftVoter', { id: voterId, directory: voterDirectoryId, host, port })
  }

  /** Makes a voter a broker that only follows. */
  async removeRaftVoter ({ voterId, voterDirectoryId }) {
    await this.#call('removeRaftVoter', { id: voterId, directory: voterDirectoryId })
  }

  async describeConfigs ({ resources }) {
    return { resources: await this.#call('describeConfigs', { resources: resources.map(({ type, name }) => [type, name]) }) }
  }

  async alterConfigs ({ resources }) {
    return this.#call('alterConfigs', {
      resources: resources.map(({ type, name, configEntries }) => [type, name, configEntries.map(({ name, value }) => [name, value ?? undefined])])
    })
  }

  /** Moves partitions to other replicas, preferred leader first; `replicas: null` cancels what is under way (KIP-455). */
  async alterPartitionReassignments (given) {
    const { topics } = check(given, { topics: list, timeout: anything })
    const ids = (replicas) => replicas === null || (Array.isArray(replicas) && replicas.every((id) => Number.isInteger(id) && id >= 0))
    await this.#call('alterPartitionReassignments', {
      topics: topics.map(({ topic, partitionAssignment }) => {
        if (typeof topic !== 'string') throw new TabmqOptionError('topics', 'must name each topic')
        if (!Array.isArray(partitionAssignment)) throw new TabmqOptionError('partitionAssignment', 'must be a list')
        return [topic, partitionAssignment.map(({ partition, replicas }) => {
          if (!Number.isInteger(partition) || partition < 0) throw new TabmqOptionError('partition', 'must be a whole number from 0')
          if (!ids(replicas)) throw new TabmqOptionError('replicas', 'must be a list of broker ids, or null')
          return [partition, replicas ?? undefined]
        })]
      })
    })
  }

  /** Partitions whose replicas are on their way. (kafkajs gives `name` and `partition` where its types have `topic` and `partitionIndex`.) */
  async listPartitionReassignments (given = {}) {
    const { topics } = check(given, { topics: anything, timeout: anything })
    const found = await this.#call('listPartitionReassignments', { topics: topics?.map(({ topic, partitions }) => [topic, partitions]) })
    return {
      topics: found.map(({ topic, partitions }) =>
        ({ topic, name: topic, partitions: partitions.map((one) => ({ partition: one.partitionIndex, ...one })) }))
    }
  }

  /** Elects leaders now: the preferred replicas, or (`electionType: 'unclean'`) any, where nobody leads. */
  async electLeaders (given = {}) {
    const { electionType, topics } = check(given, {
      electionType: { default: 'preferred', check: (v) => v === 'preferred' || v === 'unclean', want: "'preferred' or 'unclean'" },
      topics: anything,
      timeout: anything
    })
    const partitions = topics?.map(({ topic, partitions }) => [topic, partitions])
    return { topics: await this.#call('electLeaders', { unclean: electionType === 'unclean', partitions }) }
  }

  /** For cluster.js: the cluster forgets a broker that has left. @param {number} id */
  async _unregisterBroker (id) {
    await this.#call('unregisterBroker', { id }).catch((error) => {
      // It was, by an earlier call whose answer did not come.
      if (error.type !== 'BROKER_ID_NOT_REGISTERED') throw error
    })
  }

  async listGroups () {
    return { groups: (await this.#call('listGroups')).map(({ groupId, protocolType }) => ({ groupId, protocolType })) }
  }

  async describeGroups (groupIds) {
    const groups = await Promise.all(groupIds.map((group) => this.#call('describeGroup', { group })))
    return { groups: groups.flat() }
  }

  async deleteGroups (groupIds) {
    await Promise.all(groupIds.map((group) => this.#call('deleteGroup', { group })))
    return groupIds.map((groupId) => ({ groupId, errorCode: 0 }))
  }

  async [Symbol.asyncDispose ?? Symbol.for('Symbol.asyncDispose')] () {
    await this.disconnect()
  }
}
