// In the worker of a person's code: what that code finds there, what it says, and its end in good order. runner.js makes the
// worker from `import "…/sandbox.js"`, the code, and `finished()`.
//
//   to the page                                            to the worker
//   { type: 'hello' }                                      { type: 'start', port }  what cluster.lend() gave
//   { type: 'ready' }                                      { type: 'stop' }
//   { type: 'lines', lines, dropped }                      { type: 'answer', id, value | error }
//   { type: 'failed', message, line }
//   { type: 'finished' }  the code's last line has been reached
//   { type: 'clients', open }  { type: 'ended' }
//   { type: 'call', id, name, given }  of CALLS
import { CompressionTypes, ConfigResourceTypes, Partitioners, clientOf } from '../../../sdk/index.js'

/** The first line of the worker's source is ours. */
const LINES_BEFORE = 1
const FLUSH_EVERY_MS = 50
/** Lines in one go; what is beyond is counted. */
const LINES_MAX = 100
const TEXT_MAX = 2000
const CALLS = ['kill', 'stop', 'start', 'setLink', 'brokers']

const decoder = new TextDecoder()
const post = (message) => self.postMessage(message)

/** @type {{ level: string, text: string }[]} */
let lines = []
let dropped = 0
let flushedAt = -Infinity
let flushing = 0

function flush () {
  timers.clear(flushing)
  flushing = 0
  flushedAt = performance.now()
  if (lines.length || dropped) post({ type: 'lines', lines, dropped })
  lines = []
  dropped = 0
}

/** Not by a timer alone: an endless loop has none. @param {string} level @param {any[]} values */
function say (level, values) {
  if (lines.length < LINES_MAX) lines.push({ level, text: values.map(shown).join(' ').slice(0, TEXT_MAX) })
  else dropped++
  if (performance.now() - flushedAt > FLUSH_EVERY_MS) flush()
  else flushing ||= timers.set(flush, FLUSH_EVERY_MS)
}

/** A value as a person reads it: bytes as text, objects as JSON. @param {any} value */
function shown (value) {
  if (typeof value === 'string') return value
  if (value instanceof Uint8Array) return decoder.decode(value)
  if (value instanceof Error) return `${value.name}: ${value.message}`
  if (typeof value === 'bigint' || typeof value === 'function' || typeof value === 'symbol' || value === undefined) return String(value)
  const seen = new Set()
  try {
    return JSON.stringify(value, (key, one) => {
      if (one instanceof Uint8Array) return decoder.decode(one)
      if (one instanceof Map || one instanceof Set) return [...one]
      if (typeof one === 'bigint') return String(one)
      if (one !== null && typeof one === 'object') {
        if (seen.has(one)) return '…'
        seen.add(one)
      }
      return one
    }, 1).replace(/\n\s*/g, ' ')
  } catch (error) {
    return String(value)
  }
}

for (const level of ['log', 'info', 'warn', 'error', 'debug']) console[level] = (...values) => say(level, values)

/** Where in the code: Chromium, Firefox and Safari all have `blob:…:line:column` in a stack. @param {any} error @param {number} [known] */
function lineOf (error, known) {
  const found = known ?? Number(/blob:[^\s)]*?:(\d+):\d+/.exec(error?.stack ?? '')?.[1])
  return Number.isFinite(found) && found > LINES_BEFORE ? found - LINES_BEFORE : null
}

/** @param {any} error @param {number} [line] */
function failed (error, line) {
  flush()
  const message = error instanceof Error ? (error['type'] && error['type'] !== error.message ? `${error['type']}: ${error.message}` : `${error.name}: ${error.message}`) : shown(error)
  post({ type: 'failed', message, line: lineOf(error, line) })
  // What threw at its top never reaches its last line. Nothing is left of it then but what is open.
  timers.set(() => { if (waiting.size === 0 && open.size === 0 && asked.size === 0) end() }, 0)
}
self.addEventListener('error', (event) => {
  event.preventDefault()
  failed(event.error ?? event.message, event.error?.stack ? undefined : event.lineno)
})
self.addEventListener('unhandledrejection', (event) => {
  event.preventDefault()
  failed(event.reason)
})

// Timers and clients that are still there keep the code running after its last line.
const timers = { set: self.setTimeout.bind(self), clear: self.clearTimeout.bind(self) }
const every = { set: self.setInterval.bind(self), clear: self.clearInterval.bind(self) }
/** @type {Set<number>} */
const waiting = new Set()
/** @type {Map<any, string>} Clients that are connected, and what they are. */
const open = new Map()
let lastLine = false

function settled () {
  if (lastLine && waiting.size === 0 && open.size === 0) end()
}
const scope = /** @type {any} */ (self)
scope.setTimeout = (run, ms, ...given) => {
  const id = timers.set(() => {
    waiting.delete(id)
    try { run(...given) } finally { settled() }
  }, ms)
  waiting.add(id)
  return id
}
scope.setInterval = (run, ms, ...given) => {
  const id = every.set(run, ms, ...given)
  waiting.add(id)
  return id
}
scope.clearTimeout = scope.clearInterval = (id) => {
  timers.clear(id)
  every.clear(id)
  waiting.delete(id)
  settled()
}

/** @param {any} client @param {string} kind */
function kept (client, kind) {
  open.set(client, kind)
  post({ type: 'clients', open: [...open.values()] })
  const disconnect = client.disconnect.bind(client)
  client.disconnect = async () => {
    await disconnect()
    if (open.delete(client)) post({ type: 'clients', open: [...open.values()] })
    settled()
  }
  return client
}

const stop = new AbortController()
let calls = 0
/** @type {Map<number, { resolve: (value: any) => void, reject: (error: any) => void }>} */
const asked = new Map()
const call = (name) => (...given) => new Promise((resolve, reject) => {
  const id = ++calls
  asked.set(id, { resolve, reject })
  post({ type: 'call', id, name, given })
})

async function end () {
  lastLine = false
  stop.abort()
  for (const id of waiting) { timers.clear(id); every.clear(id) }
  waiting.clear()
  await Promise.allSettled([...open.keys()].map((client) => client.disconnect()))
  flush()
  post({ type: 'ended' })
}

/** @type {MessagePort} */
const port = await new Promise((resolve) => {
  self.onmessage = ({ data }) => {
    switch (data.type) {
      case 'start': resolve(data.port); break
      case 'stop': end(); break
      case 'answer': {
        const { resolve: answered, reject } = asked.get(data.id)
        asked.delete(data.id)
        if (data.error) reject(Object.assign(new Error(data.error.message), { name: data.error.name }))
        else answered(data.value)
      }
    }
  }
  post({ type: 'hello' })
})
const client = await clientOf(port)
let made = 0
const given = (options = {}) => {
  const kafka = client.kafka({ clientId: `code-${++made}`, ...options })
  return {
    producer: (settings) => kept(kafka.producer(settings), 'producer'),
    consumer: (settings) => kept(kafka.consumer(settings), 'consumer'),
    admin: (settings) => kept(kafka.admin(settings), 'admin')
  }
}

Object.assign(scope, {
  /** kafkajs-shaped, of the cluster that is open. */
  kafka: given({ clientId: 'code' }),
  /** kafkajs's way to get one: `new Kafka({ clientId: 'shop' })`. */
  Kafka: function (options) { const { clientId } = options ?? {}; return given({ ...clientId && { clientId } }) },
  CompressionTypes, ConfigResourceTypes, Partitioners,
  /** What can be done to brokers and links. */
  cluster: Object.fromEntries(CALLS.map((name) => [name, call(name)])),
  /** Aborts when the code is stopped. */
  signal: stop.signal,
  sleep: (ms) => new Promise((resolve) => scope.setTimeout(resolve, ms)),
  /** Bytes as text. */
  text: (bytes) => bytes === null || bytes === undefined ? null : decoder.decode(bytes),
  finished () {
    lastLine = true
    flush()
    post({ type: 'finished' })
    settled()
  }
})
post({ type: 'ready' })
