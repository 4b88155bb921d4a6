// The sends of one producer. Those made together go over the border to Rust together, and are answered together: a step
// over it, and a promise of its own there, would cost more than a small record.
import { ProducerHost } from './tabmq.js'
import { typed } from './errors.js'
import { Calls } from './packed.js'

export class Sends {
  #host
  #calls = new Calls()
  /** Not answered yet, by number. @type {Map<number, { resolve: (sent: any[]) => void, reject: (error: Error) => void }>} */ #open = new Map()
  #count = 0
  /** The last answers were to more than one. */
  #together = false

  /** @param {any} client @param {any} options @param {(host: string, port: number) => MessagePort} connect */
  constructor (client, options, connect) {
    this.#host = new ProducerHost(client, options, connect, (numbers, names, failures) => this.#answered(numbers, names, failures))
  }

  /**
   * At once for who makes one call after another. Calls that were answered together mostly come again together: they go with
   * the next task, when all have come. (Microtasks would not do: who awaits one of many sends and then makes another is back
   * some of them later.)
   * @param {import('./packed.js').Call} call @returns {Promise<any[]>}
   */
  send (call) {
    const first = this.#calls.isEmpty
    const id = ++this.#count
    this.#calls.add(id, call)
    return new Promise((resolve, reject) => {
      this.#open.set(id, { resolve, reject })
      if (!this.#together) this.#go()
      else if (first) nextTask(() => this.#go())
    })
  }

  /** @param {string} topic @returns {Promise<number>} */
  partitionCount (topic) {
    return this.#host.partitionCount(topic)
  }

  /** Resolves when all that was sent is answered. */
  close () {
    this.#go()
    return this.#host.close()
  }

  #go () {
    if (!this.#calls.isEmpty) this.#host.send(...this.#calls.take())
  }

  /** @param {Float64Array} numbers @param {string[]} names @param {any[]} failures */
  #answered (numbers, names, failures) {
    let answers = 0
    for (let n = 0; n < numbers.length; answers++) {
      const { resolve, reject } = this.#open.get(numbers[n])
      this.#open.delete(numbers[n++])
      const partitions = numbers[n++]
      if (partitions < 0) {
        reject(typed(failures.shift()))
        continue
      }
      const sent = []
      for (let left = partitions; left > 0; left--) {
        const [place, partition, offset, time] = [numbers[n++], numbers[n++], numbers[n++], numbers[n++]]
        sent.push({
          topicName: names[place],
          partition,
          errorCode: 0,
          baseOffset: Number.isNaN(offset) ? undefined : String(offset),
          logAppendTime: Number.isNaN(time) ? '-1' : String(time)
        })
      }
      resolve(sent)
    }
    this.#together = answers > 1
  }
}

/** @type {(() => void)[]} */ const due = []
/** Two ends of a channel, because a timer waits for at least a millisecond. @type {MessageChannel | undefined} */ let channel

/** @param {() => void} work */
function nextTask (work) {
  if (!channel) {
    channel = new MessageChannel()
    channel.port1.onmessage = () => { for (const one of due.splice(0)) one() }
  }
  if (due.push(work) === 1) channel.port2.postMessage(null)
}
