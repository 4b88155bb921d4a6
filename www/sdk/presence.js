// Which tabs have a cluster open, and which one owns it. Web Locks say it, because the browser frees them however a tab goes:
//
//   tabmq/<name>               the owner has it
//   tabmq/<name>/tab/<id>      each tab has its own for as long as it lives
//   tabmq/<name>/take over     who takes the first one away has it meanwhile, so that two don't
//
// A frozen tab keeps its locks; that it does not answer is found by asking (heartbeat.js). Tabs that have not met yet speak
// over a BroadcastChannel:
//
//   { type: 'seek', tab, meeting }     which tab owns it? I wait at the hub under `meeting`
//   { type: 'met', to, tab }           I do, and am on my way there
//   { type: 'starting', to, tab }      I am about to: ask again
//   { type: 'refused', to, why }       I do, and can't let you join
//   { type: 'owner', tab, epoch }      I do from now on
//   { type: 'handOver', to, tab }      stop, so that I can have it (`to`: several, when one page has the cluster open twice)
//   { type: 'handedOver', to, tab }    I have stopped: take the lock away from me

/** A lock that we have. */
export class Hold {
  #release
  #stolen
  /** Resolves when another tab has taken the lock away. @type {Promise<void>} */
  stolen = new Promise((resolve) => { this.#stolen = resolve })
  lost = false

  /** @param {() => void} release */
  constructor (release) {
    this.#release = release
  }

  release () {
    this.#release()
  }

  _lose () {
    this.lost = true
    this.#stolen()
  }
}

/**
 * Waits for a lock; null with `ifAvailable` when another has it.
 * @param {string} name @param {LockOptions} options @returns {Promise<Hold | null>}
 */
function lock (name, options) {
  return new Promise((resolve, reject) => {
    /** @type {Hold} */ let hold = null
    navigator.locks.request(name, options, (granted) => new Promise((release) => {
      hold = granted && new Hold(() => release(undefined))
      resolve(hold)
      if (!granted) release(undefined)
    })).catch((error) => hold ? hold._lose() : reject(error))
  })
}

export class Presence {
  id = crypto.randomUUID()
  #name
  #channel
  #own

  /** @param {string} cluster @param {(message: any) => void} heard gets what other tabs say, without what is to others */
  constructor (cluster, heard) {
    this.#name = `tabmq/${cluster}`
    this.#channel = new BroadcastChannel(this.#name)
    this.#channel.onmessage = ({ data }) => {
      if (data.to === undefined || [data.to].flat().includes(this.id)) heard(data)
    }
  }

  /** @param {any} message */
  say (message) {
    this.#channel.postMessage({ ...message, tab: this.id })
  }

  async enter () {
    this.#own = await lock(this.#tab(this.id), {})
  }

  leave () {
    this.#channel.close()
    this.#own?.release()
  }

  /** Asks for the owner's lock. @param {LockOptions} options @returns {Promise<Hold | null>} */
  claim (options) {
    return lock(this.#name, options)
  }

  /** Where one tab at a time takes the owner's lock away. @param {AbortSignal} signal @returns {Promise<Hold>} */
  turnToTakeOver (signal) {
    return lock(`${this.#name}/take over`, { signal })
  }

  /** Resolves when a tab is gone. @param {string} tab @param {AbortSignal} signal ends the wait: then it rejects */
  async gone (tab, signal) {
    const hold = await lock(this.#tab(tab), { mode: 'shared', signal })
    hold.release()
  }

  /**
   * The tab that has the owner's lock; several, when one page has the cluster open more than once. None when it is a page
   * that knows nothing of tabs. Null when nobody has the lock.
   * @returns {Promise<string[] | null>}
   */
  async owners () {
    const { held } = await navigator.locks.query()
    const owner = held.find(({ name }) => name === this.#name)
    if (!owner) return null
    const prefix = this.#tab('')
    return held.filter(({ name, clientId }) => clientId === owner.clientId && name.startsWith(prefix)).map(({ name }) => name.slice(prefix.length))
  }

  #tab (id) {
    return `${this.#name}/tab/${id}`
  }
}
