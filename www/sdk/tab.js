// A cluster as a tab has it. One tab owns it: the brokers are that tab's workers. The others join it: their connections go to
// the same brokers. When the owner goes, one of the others becomes the owner and opens the brokers from storage; clients
// find that their connections are closed, and connect again, as they do when brokers are restarted.
//
//   opening -> owner      the lock was free, or was taken over
//   opening -> joined     the owner let us in
//   joined  -> waiting    the owner closed, crashed, handed over, or did not answer any more
//   joined  -> owner      its lock came to us, or we took over
//   waiting -> joined     another tab became the owner
//   waiting -> owner      the lock came to us
//   owner   -> waiting    we handed over; or were frozen, and the lock was taken from us
//   any     -> closed     by a call; the cluster was destroyed; taken from a tab that does not share
//
// An owner that is gone without knowing it (frozen, or a worker that outlives its page) can't write: see `beginOwnership`.
import init, { beginOwnership } from './tabmq.js'
import { BatchReader } from './batches.js'
import { Cluster, READY_WAIT_MS, checkLink, deleteData, storageRefused, within } from './cluster.js'
import { HOST_PREFIX, PORT, refused } from './connections.js'
import { KafkaJSConnectionError, KafkaJSNonRetriableError, TabmqClusterInUseError, TabmqOptionError, TabmqStartError } from './errors.js'
import { Feed } from './feed.js'
import { exportTopic, importTopic } from './files.js'
import { changeVoter } from './voters.js'
import { Guests } from './guests.js'
import { Joined } from './joined.js'
import { Kafka, anything, asking } from './kafka.js'
import { lend } from './lent.js'
import { check, checkOptions } from './options.js'
import { Presence } from './presence.js'
import { Search } from './search.js'
import { PortSocket } from './socket.js'

/** How long a closing tab may keep the lock before we say that the cluster is in use. */
const LOCK_WAIT_MS = 1500
/** How long an owner may take to stop before the lock is taken from it. */
const HAND_OVER_WAIT_MS = 3000
/** How long other tabs may take to take over before it is our turn. */
const TURN_WAIT_MS = 15000
/** Pause before an owner that failed to start tries again, unless another tab does. */
const RETRY_MS = 3000

/** @param {import('./index.js').ClusterOptions} [options] */
export async function createCluster (options = {}) {
  const tab = new ClusterTab(checkOptions(options))
  try {
    await tab._open()
  } catch (error) {
    await tab.close()
    throw error
  }
  return tab
}

export class ClusterTab {
  #options
  /** @type {WebAssembly.Module} */ #module
  #feed = new Feed()
  /** @type {Presence} */ #presence
  /** @type {'opening' | 'owner' | 'joined' | 'waiting' | 'closed'} */ #role = 'opening'
  /** The owner's. @type {{ hold: import('./presence.js').Hold | null, cluster: Cluster, guests: Guests | null } | null} */
  #owning = null
  /** @type {Joined | null} */ #joined = null
  /** @type {Search | null} */ #search = null
  /** Our place in the queue for the lock. @type {AbortController | null} */
  #queued = null
  /** We are taking over: neither queue nor search. */
  #taking = false
  /** The owner that we asked to hand over has. */
  #handed = () => {}
  /** `createCluster` waits for it. @type {{ resolve: (value?: any) => void, reject: (error: any) => void } | null} */
  #opening = null
  /** The latest ownership that we know of. */
  #epoch = 0
  /** Why the last owner is none any more. */
  #reason = 'closed'
  /** Of `fetchBatches`. @type {BatchReader | null} */
  #reader = null

  /** @param {ReturnType<typeof checkOptions>} options */
  constructor (options) {
    this.#options = options
    this.name = options.name
    this.model = this.#feed.model
  }

  get role () {
    return this.#role
  }

  /** Becomes the owner, or joins it. */
  async _open () {
    const { storage, tabs, takeOver, wasmUrl } = this.#options
    this.#module = await compile(wasmUrl ?? new URL('./tabmq_bg.wasm', import.meta.url))
    await init({ module_or_path: this.#module })
    if (storage === 'memory') return this.#own(null)
    if (!globalThis.navigator?.locks) {
      throw new TabmqStartError('This page has no Web Locks (they need https or localhost), so two tabs could write the same data.')
    }
    this.#presence = new Presence(this.name, (message) => this.#heard(message))
    await this.#presence.enter()
    const hold = await this.#presence.claim({ ifAvailable: true }) ?? (takeOver && await this.#take())
    if (hold && await this.#own(hold)) return
    const alone = tabs === 'exclusive' ? undefined
      : globalThis.SharedWorker ? null : 'this browser has no SharedWorker, through which tabs share one'
    if (alone !== null) return this.#ownSoon(alone)
    let timer
    await new Promise((resolve, reject) => {
      this.#opening = { resolve, reject }
      timer = setTimeout(() => reject(new TabmqStartError(`Neither joined nor ready within ${READY_WAIT_MS / 1000} s`)), READY_WAIT_MS)
      this.#wait()
    }).finally(() => {
      clearTimeout(timer)
      this.#opening = null
    })
  }

  /** A tab that was just closed may have the lock a moment longer. */
  async #ownSoon (why) {
    const signal = AbortSignal.timeout(LOCK_WAIT_MS)
    const hold = await this.#presence.claim({ signal }).catch((error) => {
      throw signal.aborted ? new TabmqClusterInUseError(this.name, why) : error
    })
    if (!await this.#own(hold)) throw new TabmqClusterInUseError(this.name)
  }

  /**
   * Opens the brokers here. False when the cluster was taken from us meanwhile; throws when they do not start.
   * @param {import('./presence.js').Hold | null} hold
   */
  async #own (hold) {
    if (this.#role === 'closed') {
      hold?.release()
      return false
    }
    const options = this.#options
    const fresh = this.#role === 'opening'
    const owning = this.#owning = { hold, cluster: null, guests: null }
    this.#search?.stop()
    this.#joined?.end('gone')
    const isOurs = () => this.#owning === owning
    hold?.stolen.then(() => this.#dethroned(owning, 'taken over'))
    try {
      const epoch = hold && await within(READY_WAIT_MS, beginOwnership(`tabmq/${this.name}`).catch(storageRefused), () =>
        new TabmqStartError(`Storage has not answered within ${READY_WAIT_MS / 1000} s`))
      // Who was frozen between the lock and here may have lost it; its number would be the latest all the same.
      if (hold && !(await this.#presence.owners())?.includes(this.#presence.id)) this.#dethroned(owning, 'taken over')
      if (!isOurs()) return false
      this.#feed.forget()
      this.#role = 'owner'
      owning.cluster = new Cluster({ options, module: this.#module, feed: this.#feed, epoch, fenced: () => this.#dethroned(owning, 'fenced') })
      if (hold) {
        this.#epoch = epoch
        owning.guests = this.#invite(owning.cluster, epoch)
      }
      if (!fresh) this.#feed.emit({ type: 'ownerChanged', broker: null, here: true, reason: this.#reason })
      await owning.cluster._open()
      owning.guests?.ready()
      return true
    } catch (error) {
      if (!isOurs()) return false
      this.#resign('failed')
      hold?.release()
      throw error
    }
  }

  #invite (cluster, epoch) {
    const { hubUrl, profile, config, tabs } = this.#options
    if (tabs === 'exclusive') return null
    const commands = {
      kill: (...args) => cluster.kill(...args),
      stop: (...args) => cluster.stop(...args),
      start: (...args) => cluster.start(...args),
      addBroker: () => cluster.addBroker(),
      decommission: (...args) => cluster.decommission(...args),
      setLink: (...args) => cluster.setLink(...args),
      destroy: () => this.destroy()
    }
    const guests = new Guests({
      presence: this.#presence, cluster, feed: this.#feed, hubUrl, commands,
      // Who inherits the cluster goes on with it as it is.
      welcome: { epoch, settings: { profile, config } }
    })
    this.#presence.say({ type: 'owner', epoch })
    return guests
  }

  /** Ends our being the owner, but for the lock. */
  #resign (reason) {
    const owning = this.#owning
    this.#owning = null
    owning.guests?.end(reason)
    owning.cluster?.end()
    this.#reason = reason
    if (this.#role === 'owner') this.#role = this.#opening ? 'opening' : 'waiting'
  }

  /** The cluster is another tab's. */
  #dethroned (owning, reason) {
    if (this.#owning !== owning) return
    this.#resign(reason)
    owning.hold.release()
    this.#makeWay()
  }

  /** Another tab wants the cluster, and has our lock in a moment. */
  async #handOver (to) {
    if (!this.#owning?.hold) return
    const { hold } = this.#owning
    this.#resign('handed over')
    this.#presence.say({ type: 'handedOver', to })
    this.#makeWay()
    await Promise.race([hold.stolen, new Promise((resolve) => setTimeout(resolve, HAND_OVER_WAIT_MS))])
    hold.release()
  }

  #makeWay () {
    this.#feed.emit({ type: 'ownerGone', broker: null, reason: this.#reason })
    if (this.#options.tabs === 'shared' && globalThis.SharedWorker) return this.#wait()
    this.#feed.emit({ type: 'ownerChanged', broker: null, here: false, reason: this.#reason })
    this.close()
  }

  /** Waits for the lock, or for an owner to join, whichever comes first. */
  #wait () {
    if (this.#role === 'closed' || this.#taking || this.#owning) return
    this.#search?.stop()
    this.#queue()
    this.#search = new Search(this.#presence, this.#options.hubUrl, {
      found: (port) => this.#join(port),
      refused: (why) => this.#turnedAway(why),
      apart: () => { if (this.#opening) this.#turnedAway('its page is of another build, so that the two can\'t meet') },
      silent: () => this.#replace(null)
    })
  }

  #queue () {
    if (this.#queued) return
    const queued = this.#queued = new AbortController()
    this.#presence.claim({ signal: queued.signal }).then((hold) => {
      if (this.#queued !== queued) return hold.release()
      this.#queued = null
      return this.#inherit(hold)
    }, () => {})
  }

  #leaveQueue () {
    this.#queued?.abort()
    this.#queued = null
  }

  /** The lock came to us. */
  async #inherit (hold) {
    try {
      if (await this.#own(hold)) this.#opening?.resolve()
    } catch (error) {
      if (this.#opening) return this.#opening.reject(error)
      this.#feed.emit({ type: 'ownerFailed', broker: null, reason: error.message })
      setTimeout(() => { if (!this.#owning) this.#wait() }, RETRY_MS)
    }
  }

  /** The owner is at the other end of this port. */
  #join (port) {
    const joined = this.#joined = new Joined({
      port,
      feed: this.#feed,
      presence: this.#presence,
      welcomed: ({ epoch, settings, known }) => {
        if (epoch < this.#epoch) return false
        this.#epoch = epoch
        Object.assign(this.#options, settings, { brokers: undefined })
        this.#feed.load(known)
        if (this.#role === 'opening') return true
        this.#role = 'joined'
        this.#feed.emit({ type: 'ownerChanged', broker: null, here: false, reason: this.#reason })
        return true
      },
      ready: () => {
        this.#role = 'joined'
        this.#opening?.resolve()
      },
      ended: (reason) => this.#parted(joined, reason)
    })
  }

  /** The link with the owner has ended. */
  #parted (joined, reason) {
    if (this.#joined !== joined) return
    this.#joined = null
    if (this.#role === 'joined') this.#role = 'waiting'
    this.#reason = reason
    this.#feed.emit({ type: 'ownerGone', broker: null, reason })
    for (const { id } of this.#feed.brokers()) {
      this.#feed.emit({ type: 'workerState', broker: id, facts: { state: 'stopped', quorumRole: '', reason: `the tab that ran it: ${reason}` } })
    }
    if (reason === 'destroyed') return this.close()
    if (reason === 'silent' && !this.#taking) return this.#replace(joined.owner)
    this.#wait()
  }

  /** The owner lets nobody join. */
  #turnedAway (why) {
    const error = new TabmqClusterInUseError(this.name, why)
    if (this.#opening) return this.#opening.reject(error)
    this.#feed.emit({ type: 'ownerChanged', broker: null, here: false, reason: error.message })
    this.close()
  }

  /** Nobody answers: takes the cluster from the tab that has it. @param {string | null} owner */
  async #replace (owner) {
    const owners = await this.#presence.owners()
    // Its lock is free: it will come to us, or to another tab.
    if (owners === null) return this.#wait()
    if (owners.length === 0) return this.#turnedAway('its page is of another version, which does not share it')
    const hold = await this.#take(owner ?? owners[0]).catch(() => null)
    if (hold) this.#inherit(hold)
    else this.#wait()
  }

  /**
   * Takes the lock from the tab that has it: it is asked to stop first, and not waited for long. Null when `from` has it no more.
   * @param {string} [from]
   */
  async #take (from) {
    const signal = AbortSignal.timeout(TURN_WAIT_MS)
    const turn = await this.#presence.turnToTakeOver(signal).catch((error) => {
      throw signal.aborted ? new KafkaJSConnectionError('Other tabs are taking the cluster over') : error
    })
    this.#taking = true
    try {
      const owners = (await this.#presence.owners())?.filter((id) => id !== this.#presence.id) ?? []
      if (from && !owners.includes(from)) return null
      this.#search?.stop()
      if (owners.length > 0) await this.#askForIt(owners)
      this.#leaveQueue()
      // It has not answered.
      this.#joined?.end('silent')
      return await this.#presence.claim({ steal: true })
    } finally {
      this.#taking = false
      turn.release()
    }
  }

  #askForIt (owners) {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, HAND_OVER_WAIT_MS)
      this.#handed = () => {
        clearTimeout(timer)
        resolve(undefined)
      }
      this.#presence.say({ type: 'handOver', to: owners })
    })
  }

  /** What other tabs say. See presence.js. */
  #heard (message) {
    switch (message.type) {
      case 'seek':
        if (this.#owning?.guests) this.#owning.guests.seek(message)
        else if (this.#owning?.hold) {
          const exclusive = this.#options.tabs === 'exclusive'
          this.#presence.say(exclusive
            ? { type: 'refused', to: message.tab, why: 'it was opened there without sharing it' }
            : { type: 'starting', to: message.tab })
        }
        break
      case 'met':
      case 'starting':
      case 'refused': this.#search?.heard(message); break
      case 'owner':
        if (message.epoch < this.#epoch) break
        if (this.#owning?.hold) this.#dethroned(this.#owning, 'taken over')
        else if (this.#joined && this.#joined.owner !== message.tab) this.#joined.end('replaced')
        else this.#search?.ask()
        break
      case 'handOver': this.#handOver(message.tab); break
      case 'handedOver': this.#handed(); break
    }
  }

  /** Makes this tab the owner. The one that is it now stops in good order; when it does not answer the cluster is taken from it. */
  async takeOver () {
    if (this.#owning) return
    if (this.#role === 'closed') throw this.#nobody()
    try {
      const hold = await this.#take()
      if (await this.#own(hold)) return
    } catch (error) {
      this.#wait()
      throw error
    }
    throw new KafkaJSConnectionError('Another tab has taken the cluster over meanwhile')
  }

  /** Who does what is asked of the cluster. */
  #nobody () {
    return this.#role === 'closed'
      ? new KafkaJSNonRetriableError(`The cluster '${this.name}' is closed in this tab`)
      : new KafkaJSConnectionError(`No tab runs the cluster '${this.name}' at the moment`)
  }

  async #command (name, ...args) {
    if (this.#owning?.cluster) return this.#owning.cluster[name](...args)
    if (this.#joined) return this.#joined.call(name, args)
    throw this.#nobody()
  }

  /** @returns {(import('./model.js').Broker & { storageBytes: number, memoryBytes: number })[]} */
  brokers () {
    return this.#feed.brokers()
  }

  /** Ends a broker's worker at once: a crash. With `silent`, not even its connections are closed. */
  async kill (id, options = {}) {
    return this.#command('kill', id, options)
  }

  /** Controlled shutdown: leadership moves first. */
  async stop (id) {
    return this.#command('stop', id)
  }

  /** Starts a stopped or crashed broker; resolves when it may lead again. */
  async start (id) {
    return this.#command('start', id)
  }

  /** Adds a broker while the others work; resolves with its id when it may lead. It has no partitions yet. */
  async addBroker () {
    return this.#command('addBroker')
  }

  /** Moves a broker's replicas to the others, stops it, and deletes its data. `decommission` events tell how far that is. */
  async decommission (id, given = {}) {
    const { signal } = check(given, { signal: anything })
    return asking(() => this.#command('decommission', id), signal)
  }

  /** Makes a broker a voter of the quorum; an even number of voters stands no more failures than one less. */
  async addVoter (id) {
    return changeVoter(this, id, true)
  }

  /** Makes a voter a broker that only follows the quorum. */
  async removeVoter (id) {
    return changeVoter(this, id, false)
  }

  /** What the brokers count, by Kafka's names, each broker's and the sum: half a second old. */
  metrics () {
    return this.#feed.metrics.read(performance.timeOrigin + performance.now())
  }

  /** Sets the faults of one direction of a link: `{ cut, delayMs, lossRatio }`. */
  setLink (from, to, faults = {}) {
    const checked = checkLink(faults)
    if (this.#owning?.cluster) this.#owning.cluster.setLink(from, to, checked)
    else if (this.#joined) this.#joined.call('setLink', [from, to, checked]).catch(() => {})
    else throw this.#nobody()
  }

  /** Calls `listener` with each event; returns a function that ends it. */
  on (name, listener) {
    if (name !== 'event') throw new TabmqOptionError('name', `there is no event '${name}', only 'event'`)
    return this.#feed.on(listener)
  }

  /** `host:port` of each broker, for a client's bootstrap list. */
  bootstrapServers () {
    return [...this.model.brokers.keys()].map((id) => `${HOST_PREFIX}${id}:${PORT}`)
  }

  /**
   * A connection to a broker: a port of raw Kafka bytes in any chunking, `null` for close. Throws (ECONNREFUSED) when
   * the broker is not running.
   * @param {string} host @param {number} port @returns {MessagePort}
   */
  connect (host, port) {
    return this._connect(host, port)
  }

  /** For lent.js too: `given` is the broker's end of a connection that `guest` has. @param {MessagePort | null} given */
  _connect (host, port, given = null, guest = 0) {
    const end = this.#owning?.cluster ?? this.#joined
    if (!end) throw refused(host, port)
    return end.connect(host, port, given, guest)
  }

  /** A client for another worker: see lent.js. */
  lend () {
    // A joined tab's connections are all closed when it goes, those it lent with the others.
    return lend({ cluster: this, module: this.#module, disconnect: (number) => this.#owning?.cluster?.disconnectGuest(number) })
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

  /** Batches of a partition as the leader has stored them, from `offset` on. */
  async fetchBatches (options = {}) {
    if (this.#role === 'closed') throw this.#nobody()
    this.#reader ??= new BatchReader(this.kafka({ clientId: 'tabmq-reader', requestTimeout: 10000 }))
    return this.#reader.fetch(options)
  }

  /** A topic as Kafka's own files, by path. */
  async exportTopic (topic, options = {}) {
    return exportTopic(this, topic, options)
  }

  /** A new topic of Kafka's own files. */
  async importTopic (topic, files, options = {}) {
    return importTopic(this, topic, files, options)
  }

  /** Closes the cluster in this tab; the data stays, and another tab that has joined goes on with the brokers. */
  async close () {
    this.#shut('closed')?.release()
    this.#presence?.leave()
  }

  /** All but giving the lock away: it is given back. */
  #shut (reason) {
    if (this.#role === 'closed') return null
    const hold = this.#owning?.hold
    this.#reader?.close()
    this.#reader = null
    this.#search?.stop()
    this.#leaveQueue()
    this.#joined?.leave()
    this.#joined = null
    if (this.#owning) this.#resign(reason)
    this.#role = 'closed'
    return hold
  }

  /** Closes in all tabs, and deletes all data. */
  async destroy () {
    if (this.#options.storage === 'memory') return this.close()
    if (this.#joined) {
      // The owner says good-bye when it is done.
      await this.#joined.call('destroy', []).catch((error) => { if (this.#role !== 'closed') throw error })
      return
    }
    this.#owning?.cluster?.end()
    const hold = this.#owning?.hold ?? await this.#presence.claim({ ifAvailable: true })
    if (!hold) throw new TabmqClusterInUseError(this.name, 'this tab has closed it')
    try {
      await deleteData(this.name)
    } finally {
      this.#shut('destroyed')
      hold.release()
      this.#presence.leave()
    }
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
