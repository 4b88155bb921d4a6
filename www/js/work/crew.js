// Workers that the page has set to work, by id: what generators and members of groups have in common.
import { app } from '../app.js'

/** How long a worker may take to end in good order, in ms. */
const STOP_WAIT_MS = 8000
/** Figures of all of them are told to the views at most this often, in ms. */
const FIGURES_EVERY_MS = 250

/**
 * @template S, E
 * @typedef {{ id: string, spec: S, state: 'starting' | 'running' | 'stopping' | 'stopped' | 'crashed' | 'failed', error: any, figures: any } & E} Worker
 */

/** @template S */
export class Crew {
  /** @type {Set<() => void>} */ #listeners = new Set()
  /** @type {Map<string, any>} By id: what is told of it, and its worker. */
  #entries = new Map()
  #role
  #heard
  #next = 0
  #soon = 0

  /** @param {string} role @param {(entry: any, message: any) => void} heard what else a worker tells */
  constructor (role, heard = () => {}) {
    this.#role = role
    this.#heard = heard
  }

  /** @param {() => void} listener @returns {() => void} what ends it */
  onChange (listener) {
    this.#listeners.add(listener)
    return () => { this.#listeners.delete(listener) }
  }

  changed () {
    for (const listener of this.#listeners) listener()
  }

  list () {
    return [...this.#entries.values()]
  }

  /** @param {string} id */
  get (id) {
    return this.#entries.get(id)
  }

  /** @param {S} spec @param {any} extra more of what is told of it @param {string} [id] of one that is started again @returns {string} its id */
  launch (spec, extra, id = `${this.#role}-${++this.#next}`) {
    const entry = { id, spec, state: 'starting', error: null, figures: null, startedAt: Date.now(), ...extra }
    this.#entries.set(id, entry)
    const worker = new Worker(new URL('./worker.js', import.meta.url), { type: 'module', name: `tabmq ${this.#role}` })
    const { port, end } = app.source.lend()
    Object.assign(entry, {
      post: (message) => worker.postMessage(message),
      /** Ends the thread; its connections are closed, as an operating system would. */
      terminate: () => {
        worker.terminate()
        end()
        entry.gone()
      }
    })
    entry.ended = new Promise((resolve) => { entry.gone = resolve })
    worker.onmessage = ({ data }) => this.#told(entry, data)
    worker.onerror = (event) => {
      event.preventDefault()
      this.#told(entry, { type: 'failed', error: { message: event.message ?? 'its script could not be loaded' } })
    }
    worker.postMessage({ type: 'start', role: this.#role, spec, port }, [port])
    this.changed()
    return id
  }

  /** In good order; by force after eight seconds. @param {string} id */
  async stop (id) {
    const entry = this.#entries.get(id)
    if (!entry || !['starting', 'running'].includes(entry.state)) return entry?.ended
    entry.state = 'stopping'
    this.changed()
    entry.post({ type: 'stop' })
    const timer = setTimeout(() => this.#end(entry, 'stopped'), STOP_WAIT_MS)
    await entry.ended
    clearTimeout(timer)
  }

  /** At once, as when a process dies. @param {string} id */
  crash (id) {
    const entry = this.#entries.get(id)
    if (entry && ['starting', 'running', 'stopping'].includes(entry.state)) this.#end(entry, 'crashed')
  }

  /** Takes one that has ended off the list. @param {string} id */
  remove (id) {
    this.#entries.delete(id)
    this.changed()
  }

  #end (entry, state) {
    if (entry.state === 'failed') state = 'failed'
    entry.state = state
    entry.terminate()
    this.changed()
  }

  #told (entry, message) {
    switch (message.type) {
      case 'started': if (entry.state === 'starting') entry.state = 'running'; break
      case 'figures':
        this.#heard(entry, message)
        // A pause holds figures back, like all that changes by itself.
        if (app.store.paused && entry.figures) return
        entry.figures = message.figures
        this.#soon ||= window.setTimeout(() => {
          this.#soon = 0
          this.changed()
        }, FIGURES_EVERY_MS)
        return
      case 'failed':
        Object.assign(entry, { state: 'failed', error: message.error })
        return this.#end(entry, 'failed')
      case 'ended': return this.#end(entry, 'stopped')
      default: this.#heard(entry, message)
    }
    this.changed()
  }
}
