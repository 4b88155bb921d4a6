// Messages on their way to and from the Rust clients: all bytes in one array and all numbers in another. src/web/packed.rs
// is the other side, and says what lies where.
import { TabmqOptionError } from './errors.js'

const utf8 = new TextEncoder()
const fromUtf8 = new TextDecoder()
const NONE = Object.freeze([])

/**
 * kafkajs's messages for `ProducerHost.send`.
 * @param {any[]} messages @param {((message: any) => number) | null} choose the caller's own partitioner
 * @returns {[Uint8Array, Float64Array]}
 */
export function pack (messages, choose) {
  /** @type {Uint8Array[]} */ const pieces = []
  /** @type {number[]} */ const numbers = []
  let size = 0
  const put = (option, value) => {
    if (value === null || value === undefined) return numbers.push(-1)
    const piece = typeof value === 'string' ? utf8.encode(value) : value
    if (!(piece instanceof Uint8Array)) throw new TabmqOptionError(option, 'must be a text, bytes or null')
    pieces.push(piece)
    size += piece.length
    numbers.push(piece.length)
  }
  for (const message of messages) {
    if (message === null || typeof message !== 'object') throw new TabmqOptionError('messages', 'must be a list of objects')
    const { key, value, headers, timestamp } = message
    if (value === undefined) throw new TabmqOptionError('value', 'must be a text, bytes or null')
    numbers.push(message.partition ?? choose?.(message) ?? NaN, timestamp === undefined ? NaN : Number(timestamp))
    put('key', key)
    put('value', value)
    const flat = headers ? flatten(headers) : NONE
    numbers.push(flat.length)
    for (const [name, one] of flat) {
      put('headers', name)
      put('headers', one)
    }
  }
  const bytes = new Uint8Array(size)
  let at = 0
  for (const piece of pieces) {
    bytes.set(piece, at)
    at += piece.length
  }
  return [bytes, Float64Array.from(numbers)]
}

/** @param {Record<string, any>} headers @returns {[string, any][]} */
function flatten (headers) {
  return Object.entries(headers).flatMap(([name, values]) =>
    (Array.isArray(values) ? values : [values]).map((one) => /** @type {[string, any]} */([name, one])))
}

/**
 * What `ConsumerHost.poll` gives as kafkajs's messages. Their bytes are views of the batch's memory, as kafkajs's are.
 * @param {Uint8Array} bytes @param {Float64Array} numbers
 */
export function unpack (bytes, numbers) {
  const messages = []
  let at = 0
  const take = (length) => length < 0 ? null : bytes.subarray(at, at += length)
  // Most records of a batch have the time of the one before.
  let time = NaN
  let timestamp = ''
  for (let n = 0; n < numbers.length;) {
    const offset = String(numbers[n++])
    if (numbers[n] !== time) timestamp = String(time = numbers[n])
    n++
    const key = take(numbers[n++])
    const value = take(numbers[n++])
    const headers = {}
    for (let left = numbers[n++]; left > 0; left--) {
      const name = fromUtf8.decode(take(numbers[n++]))
      const one = take(numbers[n++])
      // As kafkajs has it: a name that comes again makes a list.
      headers[name] = !Object.hasOwn(headers, name) ? one : [].concat(headers[name], one)
    }
    messages.push({ key, value, timestamp, offset, headers })
  }
  return messages
}
