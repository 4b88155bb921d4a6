// Messages on their way to and from the Rust clients: all bytes in one array and all numbers in another. src/web/packed.rs
// is the other side, and says what lies where.
import { TabmqOptionError } from './errors.js'

const utf8 = new TextEncoder()
const fromUtf8 = new TextDecoder()
const NONE = Object.freeze([])

/**
 * One call of a producer.
 * @typedef {Object} Call
 * @property {{ topic: string, messages: any[], choose?: (message: any) => number }[]} topics `choose`: the caller's own partitioner
 * @property {number} acks
 * @property {number} compression
 * @property {number} [timeout] ms
 */

/** kafkajs's messages for `ProducerHost.send`. */
export class Calls {
  /** @type {Uint8Array[]} */ #pieces = []
  /** @type {number[]} */ #numbers = []
  /** @type {string[]} */ #names = []
  #size = 0

  get isEmpty () {
    return this.#numbers.length === 0
  }

  /** Adds a call; of one that is wrong nothing stays. @param {number} id @param {Call} call */
  add (id, call) {
    const [pieces, numbers, size] = [this.#pieces.length, this.#numbers.length, this.#size]
    try {
      this.#numbers.push(id, call.acks, call.compression, call.timeout ?? NaN, call.topics.length)
      for (const { topic, messages, choose } of call.topics) {
        this.#numbers.push(this.#place(topic), messages.length)
        for (const message of messages) this.#put(message, choose)
      }
    } catch (error) {
      this.#pieces.length = pieces
      this.#numbers.length = numbers
      this.#size = size
      throw error
    }
  }

  /** All that was added, for `ProducerHost.send`; nothing is left here. @returns {[Uint8Array, Float64Array, string[]]} */
  take () {
    const bytes = new Uint8Array(this.#size)
    let at = 0
    for (const piece of this.#pieces) {
      bytes.set(piece, at)
      at += piece.length
    }
    const numbers = Float64Array.from(this.#numbers)
    const names = this.#names
    this.#pieces = []
    this.#numbers = []
    this.#names = []
    this.#size = 0
    return [bytes, numbers, names]
  }

  #place (topic) {
    const place = this.#names.indexOf(topic)
    return place >= 0 ? place : this.#names.push(topic) - 1
  }

  #put (message, choose) {
    if (message === null || typeof message !== 'object') throw new TabmqOptionError('messages', 'must be a list of objects')
    const { key, value, headers, timestamp } = message
    if (value === undefined) throw new TabmqOptionError('value', 'must be a text, bytes or null')
    this.#numbers.push(message.partition ?? choose?.(message) ?? NaN, timestamp === undefined ? NaN : Number(timestamp))
    this.#piece('key', key)
    this.#piece('value', value)
    const flat = headers ? flatten(headers) : NONE
    this.#numbers.push(flat.length)
    for (const [name, one] of flat) {
      this.#piece('headers', name)
      this.#piece('headers', one)
    }
  }

  #piece (option, value) {
    if (value === null || value === undefined) return this.#numbers.push(-1)
    const piece = typeof value === 'string' ? utf8.encode(value) : value
    if (!(piece instanceof Uint8Array)) throw new TabmqOptionError(option, 'must be a text, bytes or null')
    this.#pieces.push(piece)
    this.#size += piece.length
    this.#numbers.push(piece.length)
  }
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
