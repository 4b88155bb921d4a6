// A cluster whose brokers run in another tab, the owner. Connections go straight to the brokers' workers; what is asked of
// the cluster itself goes to the owner's page, over one port:
//
//   to the owner                          from it
//   { type: 'connect', broker } + port    { type: 'welcome', tab, epoch, settings, known, reach }
//   { type: 'call', id, name, args }      { type: 'result', id, value } or { ..., error }
//   { type: 'ping' }                      { type: 'pong' }
//   { type: 'leave' }                     { type: 'events', events, memory, reach }
//                                         { type: 'ready' }: its brokers have all been running
//                                         { type: 'bye', reason }: it stops
//
// The owner may go without a word: then its lock is free. Or be frozen: then it does not answer.
import { Connections } from './connections.js'
import { KafkaJSConnectionError, KafkaJSTimeout, restored } from './errors.js'
import { Heartbeat } from './heartbeat.js'

/** What a joined tab may ask the owner to do, and how long that may take, in ms: a little more than it gives itself. */
export const COMMANDS = Object.freeze({ kill: 10000, stop: 35000, start: 65000, addBroker: 65000, decommission: 30 * 60000, setLink: 10000, destroy: 60000 })

export class Joined {
  #port
  #feed
  #presence
  #on
  #connections = new Connections()
  /** @type {{ up: number[], silent: number[] }} */
  #reach = { up: [], silent: [] }
  /** @type {Map<number, (result: any) => void>} */
  #calls = new Map()
  #nextCall = 0
  #beats
  #left = new AbortController()
  /** The owner's tab, once it has spoken. */
  owner = null

  /**
   * @param {{ port: MessagePort, feed: import('./feed.js').Feed, presence: import('./presence.js').Presence,
   *   welcomed: (welcome: { epoch: number, settings: any, known: any }) => boolean, ready: () => void, ended: (reason: string) => void }} parts
   *   welcomed: false when this owner is not the latest we know of
   */
  constructor ({ port, feed, presence, ...on }) {
    this.#port = port
    this.#feed = feed
    this.#presence = presence
    this.#on = on
    port.onmessage = ({ data }) => this.#heard(data)
    this.#beats = new Heartbeat(() => port.postMessage({ type: 'ping' }), () => this.end('silent'))
  }

  #heard (message) {
    this.#beats.answered()
    switch (message.type) {
      case 'welcome':
        this.owner = message.tab
        this.#reach = message.reach
        if (!this.#on.welcomed(message)) return this.end('outdated')
        this.#presence.gone(message.tab, this.#left.signal).then(() => this.end('gone'), () => {})
        break
      case 'events':
        this.#feed.memory = message.memory
        this.#reached(message.reach)
        for (const event of message.events) this.#feed.emit(event)
        break
      case 'ready': this.#on.ready(); break
      case 'result': this.#calls.get(message.id)?.(message); break
      case 'bye': this.end(message.reason); break
    }
  }

  /** The connections of brokers that are gone are closed here: they don't go through the owner. */
  #reached (reach) {
    const { up } = this.#reach
    this.#reach = reach
    const gone = up.filter((id) => !reach.up.includes(id) && !reach.silent.includes(id))
    const back = reach.up.filter((id) => !up.includes(id))
    for (const id of [...gone, ...back]) this.#connections.hangUp(id)
  }

  /** @param {string} host @param {number} port @param {MessagePort | null} [given] as `Cluster.connect` has it @returns {MessagePort} */
  connect (host, port, given = null) {
    return this.#connections.open(host, port, (id) => this.#reach.up.includes(id), (id) => this.#reach.silent.includes(id),
      (id, end) => this.#port.postMessage({ type: 'connect', broker: id }, [end]), given)
  }

  /** Asks the owner for one of COMMANDS. @param {string} name @param {any[]} args */
  call (name, args) {
    const id = ++this.#nextCall
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        this.#calls.delete(id)
        reject(new KafkaJSTimeout(`The tab that runs the cluster did not answer '${name}' within ${COMMANDS[name] / 1000} s`))
      }, COMMANDS[name])
      this.#calls.set(id, ({ value, error }) => {
        clearTimeout(timer)
        this.#calls.delete(id)
        if (error) reject(restored(error))
        else resolve(value)
      })
      this.#port.postMessage({ type: 'call', id, name, args })
    })
  }

  /** Tells the owner that this tab is done. */
  leave () {
    this.#port.postMessage({ type: 'leave' })
    this.#close('left')
  }

  /** The owner is gone, or no owner any more. @param {string} reason */
  end (reason) {
    if (this.#left.signal.aborted) return
    this.#close(reason)
    this.#on.ended(reason)
  }

  #close (reason) {
    this.#left.abort()
    this.#beats.stop()
    this.#port.onmessage = null
    this.#port.close()
    this.#connections.hangUpAll()
    const error = new KafkaJSConnectionError(`The tab that ran the cluster went away (${reason}): it may have done what was asked, or not`)
    for (const answer of [...this.#calls.values()]) answer({ error })
  }
}
