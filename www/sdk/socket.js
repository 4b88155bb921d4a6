// What kafkajs asks of a socket, over a MessagePort of raw bytes. kafkajs writes Buffers and expects one back in 'data';
// it only uses them as Uint8Arrays with Buffer's methods, so it is given its own Buffer class, taken from what it writes.

export class PortSocket {
  #listeners = new Map()
  #port
  #Buffer
  #closed = false

  /** @param {MessagePort} port @param {() => void} [onConnect] */
  constructor (port, onConnect) {
    this.#port = port
    port.onmessage = ({ data }) => {
      if (data === null) return this.#end()
      const bytes = data instanceof ArrayBuffer ? new Uint8Array(data) : data
      // The server speaks only when spoken to, so the class is known by now.
      this.#emit('data', this.#Buffer ? this.#Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength) : bytes)
    }
    queueMicrotask(() => { if (!this.#closed) onConnect?.() })
  }

  on (name, listener) {
    if (!this.#listeners.has(name)) this.#listeners.set(name, [])
    this.#listeners.get(name).push(listener)
    return this
  }

  /** @param {Uint8Array} chunk */
  write (chunk) {
    if (this.#closed) return false
    this.#Buffer ??= /** @type {any} */ (chunk.constructor)
    const copy = chunk.slice ? new Uint8Array(chunk).buffer : chunk
    this.#port.postMessage(copy, [copy])
    return true
  }

  end () {
    return this.destroy()
  }

  destroy () {
    if (this.#closed) return this
    this.#port.postMessage(null)
    queueMicrotask(() => this.#end())
    return this
  }

  setKeepAlive () { return this }
  setNoDelay () { return this }
  setTimeout () { return this }
  ref () { return this }
  unref () { return this }

  #end () {
    if (this.#closed) return
    this.#closed = true
    this.#emit('end')
    this.#emit('close')
    this.#port.close()
  }

  #emit (name, ...args) {
    for (const listener of this.#listeners.get(name) ?? []) listener(...args)
  }
}
