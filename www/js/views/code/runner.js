// Runs a person's code: as a module, in a worker of its own, from a blob (no `eval`). It can't hold up the page, and it can
// always be ended. One at a time; it goes on while another view is shown.
import { app } from '../../app.js'
import { explain, t } from '../../i18n/index.js'

const LINES_MAX = 500
/** How long it may take to disconnect its clients before its worker is ended as it is. */
const STOP_WAIT_MS = 4000
const CALLS = ['kill', 'stop', 'start', 'setLink', 'brokers']

/** @typedef {{ at: number, level: 'log'|'info'|'warn'|'error'|'debug'|'page', text: string, line?: number | null }} Line */

export class Runner {
  /** @type {Worker | null} */ #worker = null
  #endLoan = () => {}
  #timer = 0
  /** @type {Set<() => void>} */ #listeners = new Set()
  /** `idle`: nothing runs. @type {'idle'|'starting'|'running'|'waiting'|'stopping'} waiting: after its last line, for clients and timers */
  state = 'idle'
  /** @type {Line[]} */ lines = []
  /** Kinds of the clients that are open. @type {string[]} */ open = []
  /** The line that failed last. @type {number | null} */ failedAt = null
  /** Lines that were more than the page keeps. */
  dropped = 0

  /** @param {() => void} listener */
  onChange (listener) {
    this.#listeners.add(listener)
    return () => { this.#listeners.delete(listener) }
  }

  get busy () { return this.state !== 'idle' }

  clear () {
    this.lines = []
    this.dropped = 0
    this.failedAt = null
    this.#changed()
  }

  /** @param {string} code @param {() => number | null} syntaxErrorLine where the editor's parser gave up: a worker does not say */
  run (code, syntaxErrorLine) {
    if (this.busy) return
    this.clear()
    this.state = 'starting'
    this.open = []
    const sandbox = new URL('./sandbox.js', import.meta.url)
    // The code begins in the second line, whatever it begins with; after a comment `finished` needs a line of its own.
    const url = URL.createObjectURL(new Blob([`import ${JSON.stringify(sandbox.href)}\n${code}\nfinished()`], { type: 'text/javascript' }))
    const worker = new Worker(url, { type: 'module', name: 'tabmq code' })
    const { port, end } = app.source.lend()
    this.#worker = worker
    this.#endLoan = end
    worker.onerror = (event) => {
      event.preventDefault()
      const line = syntaxErrorLine()
      this.#say('error', event.message || (line === null ? t('code.notLoaded') : t('code.syntax')), line)
      this.failedAt = line
      this.#over()
    }
    worker.onmessage = ({ data }) => {
      if (data.type === 'hello') {
        URL.revokeObjectURL(url)
        return worker.postMessage({ type: 'start', port }, [port])
      }
      this.#heard(worker, data)
    }
    this.#changed()
  }

  /** Its clients disconnect; when it does not answer, its worker is ended, and its connections are closed. */
  stop () {
    if (!this.#worker || this.state === 'stopping') return
    this.state = 'stopping'
    this.#worker.postMessage({ type: 'stop' })
    this.#timer = window.setTimeout(() => {
      this.#say('page', t('code.byForce'))
      this.#over()
    }, STOP_WAIT_MS)
    this.#changed()
  }

  /** @param {Worker} worker @param {any} message */
  #heard (worker, message) {
    const stopping = this.state === 'stopping'
    switch (message.type) {
      case 'ready': if (this.state === 'starting') this.state = 'running'; break
      case 'lines':
        for (const { level, text } of message.lines) this.#push({ at: Date.now(), level, text })
        this.dropped += message.dropped
        break
      case 'failed':
        this.failedAt = message.line
        this.#push({ at: Date.now(), level: 'error', text: message.message, line: message.line })
        break
      case 'clients': this.open = message.open; break
      case 'finished': if (this.state === 'running') this.state = 'waiting'; break
      case 'call': this.#call(worker, message); return
      case 'ended':
        this.#say('page', stopping ? t('code.stopped') : t('code.done'))
        this.#over()
    }
    this.#changed()
  }

  async #call (worker, { id, name, given }) {
    try {
      if (!CALLS.includes(name)) throw new TypeError(name)
      const value = name === 'brokers' ? app.source.cluster.brokers() : await app.source[name](...given)
      worker.postMessage({ type: 'answer', id, value })
    } catch (error) {
      worker.postMessage({ type: 'answer', id, error: { name: error.name, message: explain(error) } })
    }
  }

  #over () {
    clearTimeout(this.#timer)
    this.#worker?.terminate()
    this.#worker = null
    this.#endLoan()
    this.state = 'idle'
    this.open = []
    this.#changed()
  }

  /** @param {Line['level']} level @param {string} text @param {number | null} [line] */
  #say (level, text, line = null) {
    this.#push({ at: Date.now(), level, text, line })
  }

  /** @param {Line} line */
  #push (line) {
    this.lines.push(line)
    if (this.lines.length <= LINES_MAX) return
    this.lines.shift()
    this.dropped++
  }

  #changed () {
    for (const listener of this.#listeners) listener()
  }
}

/** The page's one. */
export const runner = new Runner()
