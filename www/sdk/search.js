// How a tab finds the one that owns the cluster: it asks all tabs, and meets the one that answers at the hub.
import { Heartbeat } from './heartbeat.js'

/** How long an owner that answered may take to come to the hub. */
const MEET_WAIT_MS = 5000

/**
 * Waits at the hub for the other tab of a meeting.
 * @param {string} meeting @param {string | URL | undefined} hubUrl
 */
export function meet (meeting, hubUrl) {
  const hub = hubUrl
    ? new SharedWorker(hubUrl, { type: 'module' })
    : new SharedWorker(new URL('./hub.js', import.meta.url), { type: 'module' })
  /** @type {Promise<MessagePort>} */
  const port = new Promise((resolve) => {
    hub.port.onmessage = ({ ports: [end] }) => {
      hub.port.close()
      resolve(end)
    }
  })
  hub.port.postMessage(meeting)
  return { port, end: () => hub.port.close() }
}

export class Search {
  #presence
  #hubUrl
  #on
  #beats
  #meeting
  #apart = undefined
  #stopped = false

  /**
   * @param {import('./presence.js').Presence} presence @param {string | URL | undefined} hubUrl
   * @param {{ found: (port: MessagePort) => void, refused: (why: string) => void, apart: () => void, silent: () => void }} on
   *   found: the owner is at the other end; refused: it lets nobody join; apart: it is there, but does not come to our hub;
   *   silent: nobody answers
   */
  constructor (presence, hubUrl, on) {
    this.#presence = presence
    this.#hubUrl = hubUrl
    this.#on = on
    this.#arrange()
    this.#beats = new Heartbeat(() => this.ask(), () => {
      this.stop()
      on.silent()
    })
  }

  #arrange () {
    const id = crypto.randomUUID()
    const { port, end } = meet(id, this.#hubUrl)
    this.#meeting = { id, end }
    port.then((end) => {
      if (this.#stopped || this.#meeting.id !== id) return end.close()
      this.stop()
      this.#on.found(end)
    })
  }

  ask () {
    this.#presence.say({ type: 'seek', meeting: this.#meeting.id })
  }

  /** @param {any} message `met`, `starting` or `refused` */
  heard (message) {
    if (this.#stopped) return
    this.#beats.answered()
    if (message.type === 'starting') return
    if (message.type === 'refused') {
      this.stop()
      return this.#on.refused(message.why)
    }
    this.#apart ??= setTimeout(() => {
      this.#apart = undefined
      this.#meeting.end()
      this.#arrange()
      this.#on.apart()
    }, MEET_WAIT_MS)
  }

  stop () {
    this.#stopped = true
    this.#meeting.end()
    this.#beats?.stop()
    clearTimeout(this.#apart)
  }
}
