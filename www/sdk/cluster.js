// The brokers of a cluster, in the tab that owns it: one worker per broker, a MessageChannel per pair of brokers. The page
// starts, connects and ends them; what they say to each other never passes through here.
import { deleteDatabase, keepsWhatWorkersLeave, readCatalog, writeCatalog } from './tabmq.js'
import { Connections, HOST_PREFIX, PORT } from './connections.js'
import { moveAway } from './decommission.js'
import { KafkaJSNonRetriableError, TabmqOptionError, TabmqStartError } from './errors.js'
import { Kafka } from './kafka.js'
import { checkQuorumWithout, leaveQuorum } from './voters.js'

export const READY_WAIT_MS = 30000
const STOP_WAIT_MS = 30000
/** For a worker to open its storage. */
const START_WAIT_MS = 20000
/** For a worker to close its storage before it is ended, where the browser would not. */
const END_WAIT_MS = 1000
/** How long the copies of a leaving broker's replicas may make no progress. */
const MOVE_WAIT_MS = 60000
/** Workers of one cluster, at most. */
const BROKERS_MAX = 9
/** How long another tab may keep a database open that is to be deleted. */
const DELETE_WAIT_MS = 10000

export class Cluster {
  #options
  /** @type {WebAssembly.Module} */ #module
  #catalog
  /** @type {number | null} This ownership's number, by which storage tells it from others; null without storage. */
  #epoch
  /** @type {Map<number, Worker>} Workers that announced themselves. */
  #workers = new Map()
  /** @type {Map<number, (reason: string) => void>} Those that have not yet: each one's failure. */
  #starting = new Map()
  #connections = new Connections()
  /** @type {Map<string, object>} Faults by `from>to`. */
  #links = new Map()
  #feed
  /** @type {Set<number>} Brokers that were ended without a word to anybody. */
  #silent = new Set()
  /** @type {Map<number, number>} Each worker's wasm memory, in bytes. */
  #memory
  #fenced
  #closed = false
  /** Changes of which brokers there are, one after the other. @type {Promise<any>} */ #changing = Promise.resolve()

  /**
   * @param {{ options: any, module: WebAssembly.Module, feed: import('./feed.js').Feed, epoch: number | null, fenced: () => void }} parts
   *   fenced: is called when storage says that another tab owns the cluster now
   */
  constructor ({ options, module, feed, epoch, fenced }) {
    this.#options = options
    this.#module = module
    this.#feed = feed
    this.#epoch = epoch
    this.#fenced = fenced
    this.#memory = feed.memory
    this.name = options.name
    this.model = feed.model
  }

  /** Opens the catalog, starts the brokers, and waits until each one may lead. */
  async _open () {
    await this.#openCatalog()
    await within(READY_WAIT_MS, Promise.all(this.#catalog.brokers.map((id) => this.#startWorker(id))), () =>
      new TabmqStartError(`No storage, or no worker, within ${READY_WAIT_MS / 1000} s`))
    await this.#until(READY_WAIT_MS, () => {
      if (this.#closed) throw new TabmqStartError('Closed before it was ready')
      const waiting = this.brokers().filter(({ state }) => state !== 'running')
      const failed = waiting.find(({ state }) => state === 'crashed')
      if (failed) throw new TabmqStartError(`Broker ${failed.id} crashed: ${failed.reason}`)
      return waiting.length === 0 && this.model.controller !== null
    }, () => new TabmqStartError(`Not ready within ${READY_WAIT_MS / 1000} s: ` +
      this.brokers().map(({ id, state }) => `broker ${id} is ${state}`).join(', ')))
  }

  /**
   * Which brokers there are: as stored, since brokers are added and leave. `created` is how many there were at first; ids
   * from `next` on were never given; the databases of those in `gone` are still to be deleted.
   */
  async #openCatalog () {
    const { brokers: asked, storage } = this.#options
    const stored = storage === 'memory' ? undefined : await readCatalog(`tabmq/${this.name}`).catch(storageRefused)
    if (!stored) {
      const ids = Array.from({ length: asked ?? 1 }, (_, index) => index + 1)
      const count = ids.length
      const voters = ids.slice(0, count >= 5 ? 5 : count >= 3 ? 3 : 1)
      return this.#saveCatalog({ version: 1, clusterId: randomClusterId(), brokers: ids, voters, created: count, next: count + 1, gone: [] })
    }
    const catalog = JSON.parse(stored)
    const { brokers } = catalog
    catalog.created ??= brokers.length
    catalog.next ??= Math.max(...brokers) + 1
    catalog.gone ??= []
    if (asked !== undefined && asked !== brokers.length && asked !== catalog.created) {
      const created = catalog.created === brokers.length ? '' : ` and was created with ${catalog.created}`
      throw new TabmqOptionError('brokers', `cluster '${this.name}' has ${brokers.length}${created}; leave it out, or destroy the cluster first`)
    }
    this.#catalog = catalog
    // What can't be deleted now is kept in mind until the next opening.
    await this.#deleteGone().catch(() => {})
  }

  async #saveCatalog (catalog) {
    if (this.#options.storage !== 'memory') {
      await writeCatalog(`tabmq/${this.name}`, JSON.stringify(catalog), this.#epoch).catch(storageRefused)
    }
    this.#catalog = catalog
  }

  /** Deletes the databases of brokers that have left. */
  async #deleteGone () {
    if (this.#catalog.gone.length === 0) return
    if (this.#options.storage !== 'memory') {
      for (const id of this.#catalog.gone) await deleted(this.#database(id), `broker ${id}, which has left,`)
    }
    await this.#saveCatalog({ ...this.#catalog, gone: [] })
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
      ownerEpoch: this.#epoch,
      database: storage === 'memory' ? null : this.#database(id),
      config: { 'offsets.topic.replication.factor': replication, ...config }
    }
  }

  #database (id) {
    return `tabmq/${this.name}/${id}`
  }

  /** Starts a broker's worker and connects it; resolves when the worker has announced itself. */
  async #startWorker (id) {
    if (this.#closed) throw new TabmqStartError('The cluster was closed')
    const roles = this.#catalog.voters.includes(id) ? ['broker', 'controller'] : ['broker']
    this.#emit({ type: 'workerState', broker: id, facts: { id, state: 'starting', roles, registered: false, reason: undefined } })
    const worker = this.#options.workerUrl
      ? new Worker(this.#options.workerUrl, { type: 'module', name: `tabmq broker ${id}` })
      : new Worker(new URL('./worker.js', import.meta.url), { type: 'module', name: 'tabmq broker' })
    await new Promise((resolve, reject) => {
      const failed = (reason) => {
        clearTimeout(deadline)
        this.#starting.delete(id)
        worker.terminate()
        this.#emit({ type: 'workerState', broker: id, facts: { state: 'crashed', reason } })
        reject(new TabmqStartError(`Broker ${id} did not start: ${reason}`))
      }
      const deadline = setTimeout(() => failed(`its storage did not answer within ${START_WAIT_MS / 1000} s; if no other tab has it, the browser has to be restarted`), START_WAIT_MS)
      this.#starting.set(id, failed)
      worker.onerror = (event) => {
        event.preventDefault()
        if (this.#workers.get(id) === worker) this.#crashed(id, event.message)
        else failed(event.message ?? 'its script could not be loaded')
      }
      worker.onmessage = ({ data }) => {
        switch (data.type) {
          case 'ready':
            clearTimeout(deadline)
            if (this.#silent.delete(id)) this.#connections.hangUp(id)
            this.#starting.delete(id)
            this.#workers.set(id, worker)
            resolve(undefined)
            break
          case 'failed': failed(data.reason); break
          case 'crashed':
            if (this.#workers.get(id) === worker) this.#crashed(id, data.reason)
            else failed(data.reason)
            if (data.fenced) this.#fenced()
            break
          case 'stopped': this.#gone(id, 'stopped', false); break
          case 'metrics': this.#emit({ type: 'metrics', broker: id, report: data.report }); break
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
    endWorker(worker)
    if (silent) this.#silent.add(id)
    else {
      for (const peer of this.#workers.values()) peer.postMessage({ type: 'disconnectPeer', broker: id })
      this.#connections.hangUp(id)
    }
    this.#emit({ type: 'workerState', broker: id, facts: { state, quorumRole: '', reason } })
  }

  #emit (event) {
    this.#feed.emit(event)
  }

  #until (ms, condition, late) {
    return this.#feed.until(ms, condition, late)
  }

  #running (id) {
    const worker = this.#workers.get(id)
    if (!worker) throw new TabmqOptionError('id', `broker ${id} is not running`)
    return worker
  }

  brokers () {
    return this.#feed.brokers()
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
    await this.#ready(id)
  }

  async #ready (id) {
    await this.#until(READY_WAIT_MS, () => this.model.brokers.get(id)?.state === 'running',
      () => new TabmqStartError(`Broker ${id} was not ready within ${READY_WAIT_MS / 1000} s`))
  }

  /** Waits for earlier changes of which brokers there are. */
  #inTurn (change) {
    const turn = this.#changing.then(change)
    this.#changing = turn.catch(() => {})
    return turn
  }

  /** Adds a broker while the others work; resolves with its id when it may lead. It has no partitions yet. */
  addBroker () {
    return this.#inTurn(async () => {
      const { brokers, next: id } = this.#catalog
      if (brokers.length >= BROKERS_MAX) throw new KafkaJSNonRetriableError(`A cluster has at most ${BROKERS_MAX} brokers here`)
      // First of all it is written down: a reload meanwhile starts it as well.
      await this.#saveCatalog({ ...this.#catalog, brokers: [...brokers, id], next: id + 1 })
      try {
        await this.#startWorker(id)
      } catch (error) {
        // Nobody has heard of it.
        await this.#forget(id)
        throw error
      }
      await this.#ready(id)
      return id
    })
  }

  /**
   * Takes a broker out of the cluster for good: its replicas move to the others while they are read and written, it votes no
   * longer, it stops, and its data is deleted. `decommission` events tell how far that is. When it fails, what was begun goes on.
   */
  decommission (id) {
    return this.#inTurn(async () => {
      const { brokers } = this.#catalog
      if (!brokers.includes(id)) throw new TabmqOptionError('id', `there is no broker ${id}`)
      const servers = () => brokers.map((broker) => `${HOST_PREFIX}${broker}:${PORT}`)
      const admin = new Kafka({ connect: (host, port) => this.connect(host, port), bootstrapServers: servers }, { clientId: 'decommission' }).admin()
      try {
        await checkQuorumWithout(admin, id, this.#runningBut(id))
        for (let left = await this.#moveAway(admin, id); ; left = await this.#moveAway(admin, id)) {
          if (left === 0 && !this.#workers.has(id)) break
          // Created on it meanwhile, by a controller that thought it would come back.
          if (left > 0 && !this.#workers.has(id)) await this.start(id)
          else if (left === 0) {
            await leaveQuorum(admin, id)
            this.#tellLeaving(id, 'stopping')
            await this.stop(id)
          }
        }
        // It may have been away all the while.
        const voters = await leaveQuorum(admin, id)
        await admin._unregisterBroker(id)
        await this.#forget(id, voters)
        this.#tellLeaving(id, 'gone')
      } finally {
        await admin.disconnect()
      }
    })
  }

  #tellLeaving (id, phase, partitions = 0, of = 0) {
    this.#emit({ type: 'decommission', broker: id, phase, partitions, of })
  }

  #runningBut (id) {
    return this.brokers().filter((broker) => broker.state === 'running' && broker.id !== id).map((broker) => broker.id)
  }

  /** Moves all replicas off a broker, and waits until they are gone; gives how many there were. */
  async #moveAway (admin, id) {
    const held = await moveAway(admin, this.model, id, this.#runningBut(id))
    // A broker that answers may be behind; what the brokers told is as new as can be.
    const told = () => [...this.model.topics.values()].flat().filter((partition) => partition?.replicas.includes(id)).length
    if (held.length === 0 && told() === 0) return 0
    if (held.length === 0) {
      const was = told()
      await this.#until(MOVE_WAIT_MS, () => told() !== was, () => new KafkaJSNonRetriableError(
        `The brokers do not agree on what broker ${id} has; call it again to go on`))
      return was
    }
    const onIt = () => held.filter(({ topic, partition }) => this.model.topics.get(topic)?.[partition]?.replicas.includes(id)).length
    let left = -1
    let copied = -1
    while (left !== 0) {
      const progress = () => {
        if (this.#closed) throw new KafkaJSNonRetriableError('The cluster was closed')
        const now = onIt()
        const bytes = this.brokers().reduce((sum, { storageBytes }) => sum + storageBytes, 0)
        const moved = now !== left || bytes > copied
        if (now !== left) {
          left = now
          this.#tellLeaving(id, 'moving', now, held.length)
        }
        copied = bytes
        return moved
      }
      await this.#until(MOVE_WAIT_MS, progress, () => new KafkaJSNonRetriableError(
        `${left} of ${held.length} partitions are still on broker ${id}, and nothing moved for ${MOVE_WAIT_MS / 1000} s; call it again to go on`))
    }
    return held.length
  }

  /** A broker is no more: its data is deleted. `voters` are who a new one asks for the quorum from then on. */
  async #forget (id, voters = this.#catalog.voters) {
    this.#gone(id, 'stopped', false)
    const { brokers, gone } = this.#catalog
    await this.#saveCatalog({ ...this.#catalog, voters, brokers: brokers.filter((other) => other !== id), gone: [...gone, id] })
    for (const link of [...this.#links.keys()]) if (link.split('>').includes(String(id))) this.#links.delete(link)
    this.#memory.delete(id)
    this.#silent.delete(id)
    this.#emit({ type: 'brokerRemoved', broker: id })
    await this.#deleteGone()
  }

  /** Sets the faults of one direction of a link: `{ cut, delayMs, lossRatio }`. */
  setLink (from, to, faults) {
    const { cut, delayMs, lossRatio } = checkLink(faults)
    this.#links.set(`${from}>${to}`, { cut, delayMs, lossRatio })
    this.#applyLink(from, to)
    this.#emit({ type: 'linkChanged', broker: from, to, cut, delayMs, lossRatio })
  }

  #applyLink (from, to) {
    const link = this.#links.get(`${from}>${to}`)
    if (link) this.#workers.get(from)?.postMessage({ type: 'setLink', broker: to, ...link })
  }

  /** Which brokers can be connected to, and which do not even refuse. */
  reach () {
    return { up: [...this.#workers.keys()], silent: [...this.#silent] }
  }

  /**
   * See `ClusterTab`. @param {string} host @param {number} port
   * @param {MessagePort | null} given the broker's end of a connection that is lent, with the number of who has it
   * @param {number} guest @returns {MessagePort}
   */
  connect (host, port, given = null, guest = 0) {
    return this.#connections.open(host, port, (id) => this.#workers.has(id), (id) => this.#silent.has(id),
      (id, end) => this.connectClient(id, end, guest), given)
  }

  /** Takes a connection to its broker; `guest` is the number of the joined tab or of the lent client it comes from, 0 for our own. */
  connectClient (id, end, guest) {
    const worker = this.#workers.get(id)
    if (worker) worker.postMessage({ type: 'connectClient', guest }, [end])
    else if (!this.#silent.has(id)) {
      end.postMessage(null)
      end.close()
    }
  }

  /** A joined tab or a lent client is gone: its connections are closed, as an operating system would. */
  disconnectGuest (guest) {
    for (const worker of this.#workers.values()) worker.postMessage({ type: 'disconnectGuest', guest })
  }

  /** Ends the brokers; the data stays. */
  end () {
    if (this.#closed) return
    this.#closed = true
    for (const failed of [...this.#starting.values()]) failed('the cluster was closed')
    for (const id of [...this.#workers.keys()]) this.#gone(id, 'stopped', false)
    this.#connections.hangUpAll()
  }

}

/** Deletes all data of a cluster that nobody has open. @param {string} name */
export async function deleteData (name) {
  const stored = await readCatalog(`tabmq/${name}`).catch(storageRefused)
  const { brokers = [], gone = [] } = stored ? JSON.parse(stored) : {}
  for (const database of [...[...brokers, ...gone].map((id) => `tabmq/${name}/${id}`), `tabmq/${name}`]) {
    await deleted(database, `'${name}'`)
  }
}

/** Deletes a database. @param {string} database @param {string} whose */
function deleted (database, whose) {
  return within(DELETE_WAIT_MS, deleteDatabase(database), () =>
    new KafkaJSNonRetriableError(`The data of ${whose} can't be deleted: another tab, or the browser for a worker that was ended, still has it open`))
}

/** Ends a worker at once; or, where the browser keeps what it leaves, when it has let go of its storage. @param {Worker} worker */
function endWorker (worker) {
  if (!keepsWhatWorkersLeave()) return worker.terminate()
  const late = setTimeout(() => worker.terminate(), END_WAIT_MS)
  // It is gone already, as far as anybody is told.
  worker.onerror = (event) => event.preventDefault()
  worker.onmessage = ({ data }) => {
    if (data.type !== 'ended') return
    clearTimeout(late)
    worker.terminate()
  }
  worker.postMessage({ type: 'end' })
}

/** @param {any} faults @returns {{ cut: boolean, delayMs: number, lossRatio: number }} */
export function checkLink ({ cut = false, delayMs = 0, lossRatio = 0, ...unknown } = {}) {
  const name = Object.keys(unknown)[0]
  if (name) throw new TabmqOptionError(name, 'is not an option of setLink')
  if (!(delayMs >= 0 && delayMs <= 60000)) throw new TabmqOptionError('delayMs', 'must be from 0 to 60000')
  if (!(lossRatio >= 0 && lossRatio <= 1)) throw new TabmqOptionError('lossRatio', 'must be from 0 to 1')
  return { cut, delayMs, lossRatio }
}

/** @template T @param {number} ms @param {Promise<T>} work @param {() => Error} late @returns {Promise<T>} */
export function within (ms, work, late) {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(late()), ms)
    work.then(resolve, reject).finally(() => clearTimeout(timer))
  })
}

/** @returns {never} */
export function storageRefused (error) {
  throw new TabmqStartError(`The browser refuses storage (private mode, or no space left): ${error?.message ?? error}`, { cause: error })
}

function randomClusterId () {
  const bytes = crypto.getRandomValues(new Uint8Array(16))
  return btoa(String.fromCharCode(...bytes)).replace(/\+/g, '-').replace(/\//g, '_').replace(/=/g, '')
}
