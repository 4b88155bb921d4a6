// What a test page imports from /dist-test/kafkajs.js.
import * as kafkajs from 'kafkajs'
import { Buffer } from 'buffer'
import { EventEmitter } from 'events'

export const { Kafka, CompressionTypes, ConfigResourceTypes, Partitioners, AssignerProtocol, logLevel } = kafkajs
export { Buffer, kafkajs }

/**
 * A `socketFactory` on the contract beneath tabmq's own: `connect` gives a MessagePort that carries raw Kafka bytes as
 * ArrayBuffers, cut anywhere, and `null` for the end. For a client that is handed no cluster object:
 * `socketFactory: portSockets(globalThis.__kafkaConnect)`.
 * @param {(host: string, port: number) => MessagePort} connect
 */
export const portSockets = (connect) => ({ host, port, onConnect }) => new PortSocket(connect(host, port), onConnect)

// The part of net.Socket that kafkajs uses: on('data' | 'end' | 'error' | 'timeout'), write, end, unref.
class PortSocket extends EventEmitter {
  #port

  constructor(port, onConnect) {
    super()
    this.#port = port
    port.onmessage = ({ data }) => {
      if (data === null) this.#close()
      else this.emit('data', Buffer.from(data))
    }
    // kafkajs attaches its listeners after the factory returns.
    queueMicrotask(onConnect)
  }

  write(bytes) {
    if (!this.#port) return false
    const copy = Uint8Array.from(bytes).buffer
    this.#port.postMessage(copy, [copy])
    return true
  }

  end() {
    this.#port?.postMessage(null)
    this.#close()
  }

  #close() {
    if (!this.#port) return
    this.#port.close()
    this.#port = undefined
    queueMicrotask(() => this.emit('end'))
  }

  unref() {}
}
