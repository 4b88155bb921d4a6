// The owner's ends of its links with joined tabs: lets them in, hands their connections to the brokers, tells them every
// event, and does what they ask. What is said is in joined.js.
import { flattened } from './errors.js'
import { COMMANDS } from './joined.js'
import { meet } from './search.js'

/** Meetings that are remembered, so that none is gone to twice. */
const MEETINGS_MAX = 100

export class Guests {
  #presence
  #cluster
  #feed
  #welcome
  #hubUrl
  #commands
  /** @type {Map<string, { port: MessagePort, number: number, left: AbortController }>} By tab. */
  #links = new Map()
  #meetings = new Set()
  #next = 0
  /** Events on their way to the guests. @type {any[]} */
  #events = []
  #ready = false
  #unwatch

  /**
   * @param {{ presence: import('./presence.js').Presence, cluster: import('./cluster.js').Cluster,
   *   feed: import('./feed.js').Feed, welcome: { epoch: number, settings: any }, hubUrl: string | URL | undefined,
   *   commands: Record<string, (...args: any[]) => any> }} parts
   */
  constructor ({ presence, cluster, feed, welcome, hubUrl, commands }) {
    this.#presence = presence
    this.#cluster = cluster
    this.#feed = feed
    this.#welcome = welcome
    this.#hubUrl = hubUrl
    this.#commands = commands
    this.#unwatch = feed.watch((event) => this.#tell(event), true)
  }

  /** A tab looks for the owner. @param {{ tab: string, meeting: string }} message */
  async seek ({ tab, meeting }) {
    if (!globalThis.SharedWorker) {
      return this.#presence.say({ type: 'refused', to: tab, why: 'its browser has no SharedWorker, through which tabs meet' })
    }
    this.#presence.say({ type: 'met', to: tab })
    if (this.#meetings.has(meeting)) return
    this.#meetings.add(meeting)
    if (this.#meetings.size > MEETINGS_MAX) this.#meetings.delete(this.#meetings.values().next().value)
    this.#admit(tab, await meet(meeting, this.#hubUrl).port)
  }

  #admit (tab, port) {
    if (!this.#unwatch) return port.close()
    this.#drop(tab)
    const link = { port, number: ++this.#next, left: new AbortController() }
    this.#links.set(tab, link)
    port.onmessage = ({ data, ports }) => this.#heard(tab, link, data, ports)
    this.#presence.gone(tab, link.left.signal).then(() => this.#drop(tab), () => {})
    // What is still on its way to the others is in the snapshot.
    this.#flush()
    port.postMessage({ type: 'welcome', tab: this.#presence.id, ...this.#welcome, known: this.#feed.snapshot(), reach: this.#cluster.reach() })
    if (this.#ready) port.postMessage({ type: 'ready' })
  }

  async #heard (tab, link, message, ports) {
    switch (message.type) {
      case 'ping': link.port.postMessage({ type: 'pong' }); break
      case 'connect': this.#cluster.connectClient(message.broker, ports[0], link.number); break
      case 'leave': this.#drop(tab); break
      case 'call': {
        const { id, name, args } = message
        try {
          if (!Object.hasOwn(COMMANDS, name)) throw new Error(`'${name}' is nothing that one tab can ask of another`)
          link.port.postMessage({ type: 'result', id, value: await this.#commands[name](...args) })
        } catch (error) {
          link.port.postMessage({ type: 'result', id, error: flattened(error) })
        }
      }
    }
  }

  /** One message for all that happens in a turn. */
  #tell (event) {
    if (this.#links.size === 0) return
    if (this.#events.length === 0) queueMicrotask(() => this.#flush())
    this.#events.push(event)
  }

  #flush () {
    if (this.#events.length === 0) return
    const message = { type: 'events', events: this.#events, memory: this.#feed.memory, reach: this.#cluster.reach() }
    this.#events = []
    for (const { port } of this.#links.values()) port.postMessage(message)
  }

  #drop (tab) {
    const link = this.#links.get(tab)
    if (!link) return
    this.#links.delete(tab)
    link.left.abort()
    link.port.onmessage = null
    link.port.close()
    this.#cluster.disconnectGuest(link.number)
  }

  /** All brokers have been running. */
  ready () {
    this.#ready = true
    for (const { port } of this.#links.values()) port.postMessage({ type: 'ready' })
  }

  /** Tells all that this tab stops. @param {string} reason */
  end (reason) {
    this.#unwatch()
    this.#unwatch = null
    this.#flush()
    for (const [tab, { port }] of this.#links) {
      port.postMessage({ type: 'bye', reason })
      this.#drop(tab)
    }
  }
}
