// Clients' connections to brokers, this tab's ends of them: ports of raw Kafka bytes.
import { KafkaJSConnectionError } from './errors.js'

export const PORT = 9092
export const HOST_PREFIX = 'broker-'

/** What an operating system says where nobody listens. @param {string} host @param {number} port */
export function refused (host, port) {
  return Object.assign(new KafkaJSConnectionError(`connect ECONNREFUSED ${host}:${port}`), { code: 'ECONNREFUSED' })
}

/** The broker at an address; NaN when there is none. @param {string} host @param {number} port */
function brokerAt (host, port) {
  return port === PORT && host.startsWith(HOST_PREFIX) ? Number(host.slice(HOST_PREFIX.length)) : NaN
}

export class Connections {
  /** @type {Map<number, Set<MessagePort>>} By broker. */
  #ports = new Map()

  /**
   * A connection to the broker at an address. Throws (ECONNREFUSED) when it is neither up nor silent.
   * @param {string} host @param {number} port
   * @param {(broker: number) => boolean} isUp
   * @param {(broker: number) => boolean} isSilent a host that went silent refuses nothing: nobody answers
   * @param {(broker: number, end: MessagePort) => void} deliver takes the broker's end there
   * @param {MessagePort | null} [given] the broker's end, when its other end is elsewhere: what is returned is only told of the end
   */
  open (host, port, isUp, isSilent, deliver, given = null) {
    const id = brokerAt(host, port)
    const up = isUp(id)
    if (!up && !isSilent(id)) throw refused(host, port)
    const { port1, port2 } = new MessageChannel()
    if (up) deliver(id, given ?? port2)
    if (!this.#ports.has(id)) this.#ports.set(id, new Set())
    const ports = this.#ports.get(id)
    ports.add(port1)
    const close = port1.close.bind(port1)
    port1.close = () => {
      ports.delete(port1)
      close()
    }
    return port1
  }

  /**
   * The broker is gone, and somebody is there to say so: says to the holders of its connections what its worker would have
   * said. A host that went silent tells nobody before it is back.
   * @param {number} id
   */
  hangUp (id) {
    for (const port of this.#ports.get(id) ?? []) port.dispatchEvent(new MessageEvent('message', { data: null }))
    this.#ports.delete(id)
  }

  hangUpAll () {
    for (const id of [...this.#ports.keys()]) this.hangUp(id)
  }
}
