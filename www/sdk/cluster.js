// A cluster: one worker per broker, a MessageChannel per pair of brokers. The page starts, connects and ends them; what
// they say to each other never passes through here.
import init, { deleteDatabase, readCatalog, writeCatalog } from './tabmq.js'
import { KafkaJSConnectionError, KafkaJSNonRetriableError, TabmqClusterInUseError, TabmqOptionError, TabmqStartError } from './errors.js'
import { ClusterModel } from './model.js'
import { checkOptions } from './options.js'
import { exportTopic, importTopic } from './files.js'
import { Kafka } from './kafka.js'
import { PortSocket } from './socket.js'

const PORT = 9092
const HOST_PREFIX = 'broker-'
/** How long a closing tab may keep the lock before we say that the cluster is in use. */
const LOCK_WAIT_MS = 1500
const READY_WAIT_MS = 30000
const STOP_WAIT_MS = 30000
/** Discrete events that wait for a listener, at most. */
const EARLY_MAX = 1000
/** Events of which only the latest counts: the model has it. */
const FREQUENT = new Set(['partitionProgress', 'offsetsCommitted'])

/** @param {import('./index.js').ClusterOptions} [options] */
export async function createCluster (options = {}) {
  const cluster = new Cluster(checkOptions(options))
  try {
    await cluster._open()
  } catch (error) {
    await cluster.close()
    throw error
  }
  return cluster
}

export class Cluster {
  #options
  /** @type {WebAssembly.Module} */ #module
  #catalog
  /** @type {(value?: unknown) => void} */ #releaseLock = () => {}
  /** @type {Map<number, Worker>} Workers that announced themselves. */
  #workers = new Map()
  /** @type {Map<number, Set<MessagePort>>} The clients' ends of connections, by broker. */
  #clientPorts = new Map()
  /** @type {Map<string, object>} Faults by `from>to`. */
  #links = new Map()
  #listeners = new Set()
  /** Discrete events that nobody has listened to yet: what was found in opening is told to who comes first. @type {any[] | null} */
  #early = []
  /** @type {Set<number>} Brokers that were ended without a word to anybody. */
  #silent = new Set()
  /** @type {Map<number, number>} Each worker's wasm memory, in bytes. */
  #memory = new Map()
  #closed = false

  /** @param {ReturnType<typeof checkOptions>} options */
  constructor (options) {
    this.#options = options
    this.name = options.name
    this.model = new ClusterModel()
  }

  /** Opens the catalog, starts the brokers, and waits until each one may lead. */
  async _open () {
    const { brokers, storage } = this.#options
    const wasmUrl = this.#options.wasmUrl ?? new URL('./tabmq_bg.wasm', import.meta.url)
    this.#module = await compile(wasmUrl)
    await init({ module_or_path: this.#module })
    if (storage === 'indexeddb') await this.#lock()
    this.#catalog = await this.#openCatalog(brokers)
    await Promise.all(this.#catalog.brokers.map((id) => this.#startWorker(id)))
    await this.#until(READY_WAIT_MS, () => {
      const waiting = this.brokers().filter(({ state }) => state !== 'running')
      const failed = waiting.find(({ state }) => state === 'crashed')
      if (failed) throw new TabmqStartError(`Broker ${failed.id} crashed: ${failed.reason}`)
      return waiting.length === 0 && this.model.controller !== null
    }, () => new TabmqStartError(`Not ready within ${READY_WAIT_MS / 1000} s: ` +
      this.brokers().map(({ id, state }) => `broker ${id} is ${state}`).join(', ')))
  }

  /** One tab owns a cluster: its name is a lock that the browser frees when the tab goes. */
  async #lock () {
    if (!globalThis.navigator?.locks) {
      throw new TabmqStartError('This page has no Web Locks (they need https or localhost), so two tabs could write the same data.')
    }
    const signal = AbortSignal.timeout(LOCK_WAIT_MS)
    await new Promise((resolve, reject) => {
      navigator.locks.request(`tabmq/${this.name}`, { signal }, () => new Promise((release) => {
        this.#releaseLock = release
        resolve(undefined)
      })).catch((error) => reject(signal.aborted ? new TabmqClusterInUseError(this.name) : error))
    })
  }

  async #openCatalog (count) {
    const fresh = () => {
      const ids = Array.from({ length: count }, (_, index) => index + 1)
      return { version: 1, clusterId: randomClusterId(), brokers: ids, voters: ids.slice(0, count >= 5 ? 5 : count >= 3 ? 3 : 1) }
    }
    if (this.#options.storage === 'memory') return fresh()
    const stored = await readCatalog(`tabmq/${this.name}`).catch(storageRefused)
    if (stored) {
      const catalog = JSON.parse(stored)
      if (catalog.brokers.length !== count) {
        throw new TabmqOptionError('brokers', `cluster '${this.name}' has ${catalog.brokers.length}; open it with that many, or destroy it first`)
      }
      return catalog
    }
    const catalog = fresh()
    await writeCatalog(`tabmq/${this.name}`, JSON.stringify(catalog)).catch(storageRefused)
    return catalog
  }

  #brokerConfig (id) {
    const { profile, storage, config } = this.#options
    const replication = String(Math.min(3, this.#catalog.brokers.length))
    return {
      nodeId: id,
      clusterId: this.#catalog.clusterId,
      voters: this.#catalog.voters,
      host: HOST_PREFIX + id,
      port: PORT,
      profile,
      database: storage === 'memory' ? null : this.#database(id),
      config: { 'offsets.topic.replication.factor': replication, ...config }
    }
  }

  #database (id) {
    return `tabmq/${this.name}/${id}`
  }

  /** Starts a broker's worker and connects it; resolves when the worker has announced itself. */
  async #startWorker (id) {
    const roles = this.#catalog.voters.includes(id) ? ['broker', 'controller'] : ['broker']
    this.#emit({ type: 'workerState', broker: id, facts: { id, state: 'starting', roles, registered: false, reason: undefined } })
    const worker = this.#options.workerUrl
      ? new Worker(this.#options.workerUrl, { type: 'module', name: `tabmq broker ${id}` })
      : new Worker(new URL('./worker.js', import.meta.url), { type: 'module', name: 'tabmq broker' })
    await new Promise((resolve, reject) => {
      const failed = (reason) => {
        worker.terminate()
        this.#emit({ type: 'workerState', broker: id, facts: { state: 'crashed', reason } })
        reject(new TabmqStartError(`Broker ${id} did not start: ${reason}`))
      }
      worker.onerror = (event) => {
        event.preventDefault()
        if (this.#workers.get(id) === worker) this.#crashed(id, event.message)
        else failed(event.message ?? 'its script could not be loaded')
      }
      worker.onmessage = ({ data }) => {
        switch (data.type) {
          case 'ready':
            this.#silent.delete(id)
            this.#workers.set(id, worker)
            resolve(undefined)
            break
          case 'failed': failed(data.reason); break
          case 'crashed': if (this.#workers.get(id) === worker) this.#crashed(id, data.reason); else failed(data.reason); break
          case 'stopped': this.#gone(id, 'stopped', false); break
          case 'events':
            this.#memory.set(id, data.memoryBytes)
            for (const event of data.events) this.#emit({ ...event, broker: id })
            break
        }
      }
      worker.postMessage({ type: 'open', module: this.#module, config: this.#brokerConfig(id) })
    })
    for (const [other, peer] of this.#workers) {
      if (other === id) continue
      const { port1, port2 } = new MessageChannel()
      worker.postMessage({ type: 'connectPeer', broker: other }, [port1])
      peer.postMessage({ type: 'connectPeer', broker: id }, [port2])
      this.#applyLink(id, other)
      this.#applyLink(other, id)
    }
  }

  #crashed (id, reason) {
    this.#gone(id, 'crashed', false, reason)
  }

  /** Ends a worker. As an operating system would, its peers' and clients' connections are closed - unless silent. */
  #gone (id, state, silent, reason = undefined) {
    const worker = this.#workers.get(id)
    if (!worker) return
    this.#workers.delete(id)
    worker.terminate()
    if (silent) this.#silent.add(id)
    if (!silent) {
      for (const peer of this.#workers.values()) peer.postMessage({ type: 'disconnectPeer', broker: id })
      for (const port of this.#clientPorts.get(id) ?? []) hangUp(port)
    }
    this.#clientPorts.delete(id)
    this.#emit({ type: 'workerState', broker: id, facts: { state, quorumRole: '', reason } })
  }

  #emit (event) {
    const stamped = { at: performance.timeOrigin + performance.now(), ...event }
    this.model.apply(stamped)
    if (this.#early && this.#early.length < EARLY_MAX && !FREQUENT.has(event.type)) this.#early.push(stamped)
    for (const listener of [...this.#listeners]) listener(stamped)
  }

  /** Resolves when `condition` holds after some event; rejects with `late()` after `ms`. */
  #until (ms, condition, late) {
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

  #running (id) {
    const worker = this.#workers.get(id)
    if (!worker) throw new TabmqOptionError('id', `broker ${id} is not running`)
    return worker
  }

  /** @returns {import('./model.js').Broker[]} */
  brokers () {
    return [...this.model.brokers.values()].map((broker) =>
      ({ ...broker, storageBytes: this.model.storageBytes(broker.id), memoryBytes: this.#memory.get(broker.id) ?? 0 }))
  }

  /** Ends a broker's worker at once: a crash. With `silent`, not even its connections are closed. */
  async kill (id, { silent = false } = {}) {
    this.#running(id)
    this.#gone(id, 'crashed', silent, 'killed')
  }

  /** Controlled shutdown: leadership moves first. */
  async stop (id) {
    this.#running(id).postMessage({ type: 'shutDown' })
    this.#emit({ type: 'workerState', broker: id, facts: { state: 'stopping' } })
    await this.#until(STOP_WAIT_MS, () => !this.#workers.has(id),
      () => new KafkaJSNonRetriableError(`Broker ${id} did not stop within ${STOP_WAIT_MS / 1000} s`))
  }

  /** Starts a stopped or crashed broker; resolves when it may lead again. */
  async start (id) {
    if (!this.#catalog.brokers.includes(id)) throw new TabmqOptionError('id', `there is no broker ${id}`)
    if (this.#workers.has(id)) throw new TabmqOptionError('id', `broker ${id} is running`)
    await this.#startWorker(id)
    await this.#until(READY_WAIT_MS, () => this.model.brokers.get(id)?.state === 'running',
      () => new TabmqStartError(`Broker ${id} was not back within ${READY_WAIT_MS / 1000} s`))
  }

  /** Sets the faults of one direction of a link: `{ cut, delayMs, lossRatio }`. */
  setLink (from, to, { cut = false, delayMs = 0, lossRatio = 0, ...unknown } = {}) {
    const name = Object.keys(unknown)[0]
    if (name) throw new TabmqOptionError(name, 'is not an option of setLink')
    if (!(delayMs >= 0 && delayMs <= 60000)) throw new TabmqOptionError('delayMs', 'must be from 0 to 60000')
    if (!(lossRatio >= 0 && lossRatio <= 1)) throw new TabmqOptionError('lossRatio', 'must be from 0 to 1')
    this.#links.set(`${from}>${to}`, { cut, delayMs, lossRatio })
    this.#applyLink(from, to)
    this.#emit({ type: 'linkChanged', broker: from, to, cut, delayMs, lossRatio })
  }

  #applyLink (from, to) {
    const link = this.#links.get(`${from}>${to}`)
    if (link) this.#workers.get(from)?.postMessage({ type: 'setLink', broker: to, ...link })
  }

  /** Calls `listener` with each event; returns a function that ends it. */
  on (name, listener) {
    if (name !== 'event') throw new TabmqOptionError('name', `there is no event '${name}', only 'event'`)
    const early = this.#early ?? []
    this.#early = null
    for (const event of early) listener(event)
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  /** `host:port` of each broker, for a client's bootstrap list. */
  bootstrapServers () {
    return this.#catalog.brokers.map((id) => `${HOST_PREFIX}${id}:${PORT}`)
  }

  /**
   * A connection to a broker: a port of raw Kafka bytes in any chunking, `null` for close. Throws (ECONNREFUSED) when
   * the broker is not running.
   * @param {string} host @param {number} port @returns {MessagePort}
   */
  connect (host, port) {
    const id = Number(host.startsWith(HOST_PREFIX) ? host.slice(HOST_PREFIX.length) : NaN)
    const worker = port === PORT ? this.#workers.get(id) : undefined
    if (!worker && !this.#silent.has(id)) {
      throw Object.assign(new KafkaJSConnectionError(`connect ECONNREFUSED ${host}:${port}`), { code: 'ECONNREFUSED' })
    }
    const { port1, port2 } = new MessageChannel()
    // A host that went silent refuses nothing: nobody answers.
    if (!worker) return port1
    worker.postMessage({ type: 'connectClient' }, [port2])
    if (!this.#clientPorts.has(id)) this.#clientPorts.set(id, new Set())
    const ports = this.#clientPorts.get(id)
    ports.add(port1)
    const close = port1.close.bind(port1)
    port1.close = () => {
      ports.delete(port1)
      close()
    }
    return port1
  }

  /** For unmodified kafkajs: `new Kafka({ brokers: cluster.bootstrapServers(), socketFactory: cluster.socketFactory() })`. */
  socketFactory () {
    return ({ host, port, onConnect }) => new PortSocket(this.connect(host, port), onConnect)
  }

  /** Installs `globalThis.__kafkaConnect(host, port)`, for clients bundled apart. */
  exposeConnect () {
    globalThis.__kafkaConnect = (host, port) => this.connect(host, port)
  }

  /** A kafkajs-shaped client of this cluster. */
  kafka (options = {}) {
    return new Kafka(this, options)
  }

  /** What the browser keeps for this origin, and how much it would: bytes. `persisted`: it will not clear it by itself. */
  async storage () {
    const { usage, quota } = await navigator.storage.estimate()
    return { usage, quota, persisted: await navigator.storage.persisted() }
  }

  /** Asks the browser not to clear this origin's storage by itself; true when it agrees. It may ask the user. */
  async persist () {
    return navigator.storage.persist()
  }

  /** A topic as Kafka's own files, by path. */
  async exportTopic (topic, options = {}) {
    return exportTopic(this, topic, options)
  }

  /** A new topic of Kafka's own files. */
  async importTopic (topic, files, options = {}) {
    return importTopic(this, topic, files, options)
  }

  /** Stops the brokers in good order; the data stays. */
  async close () {
    if (this.#closed) return
    this.#closed = true
    for (const id of [...this.#workers.keys()]) this.#gone(id, 'stopped', false)
    this.#releaseLock()
  }

  /** Closes, and deletes all data. */
  async destroy () {
    await this.close()
    if (this.#options.storage === 'memory') return
    for (const id of this.#catalog.brokers) await deleteDatabase(this.#database(id))
    await deleteDatabase(`tabmq/${this.name}`)
  }

  async [Symbol.asyncDispose ?? Symbol.for('Symbol.asyncDispose')] () {
    await this.close()
  }
}

async function compile (url) {
  const response = await fetch(url)
  if (!response.ok) throw new TabmqStartError(`${url} could not be loaded: HTTP ${response.status}`)
  // A server that does not know .wasm files names another type, which compileStreaming refuses.
  if (response.headers.get('content-type')?.startsWith('application/wasm')) return WebAssembly.compileStreaming(response)
  return WebAssembly.compile(await response.arrayBuffer())
}

function storageRefused (error) {
  throw new TabmqStartError(`The browser refuses storage (private mode, or no space left): ${error?.message ?? error}`, { cause: error })
}

/** The port's other end died with its worker: say to its holder what the worker would have said. */
function hangUp (port) {
  port.dispatchEvent(new MessageEvent('message', { data: null }))
}

function randomClusterId () {
  const bytes = crypto.getRandomValues(new Uint8Array(16))
  return btoa(String.fromCharCode(...bytes)).replace(/\+/g, '-').replace(/\//g, '_').replace(/=/g, '')
}
