// A client for another worker, so that the page's thread does no work for it. The page lends it, the worker uses it:
//
//   const { port, end } = cluster.lend()                         // page
//   worker.postMessage({ port }, [port])
//   const kafka = (await clientOf(port)).kafka({ clientId: 'w' }) // worker
//
// Connections go straight from the worker to the brokers' workers. Over the port goes only:
//
//   to the page                                   to the worker
//   { type: 'connect', id, host, port } + port    { type: 'hello', module, servers }
//   { type: 'close', id }                         { type: 'closed', id }: refused, or the broker is gone
import init from './tabmq.js'
import { Kafka } from './kafka.js'

/** Numbers of clients that are lent are from here on; joined tabs have those below. */
const LENT_FROM = 2 ** 31
let lent = 0

/**
 * The page's end.
 * @param {{ cluster: import('./tab.js').ClusterTab, module: WebAssembly.Module, disconnect: (number: number) => void }} parts
 *   disconnect: closes what this number has open
 */
export function lend ({ cluster, module, disconnect }) {
  const number = LENT_FROM + ++lent
  const { port1, port2 } = new MessageChannel()
  /** Ports that are told when the broker is gone. @type {Map<number, MessagePort>} */
  const told = new Map()
  const close = (/** @type {number} */ id) => {
    told.get(id)?.close()
    told.delete(id)
  }
  port1.onmessage = ({ data: { type, id, host, port }, ports }) => {
    if (type === 'close') return close(id)
    const closed = () => {
      close(id)
      port1.postMessage({ type: 'closed', id })
    }
    try {
      const end = cluster._connect(host, port, ports[0], number)
      end.addEventListener('message', closed)
      told.set(id, end)
    } catch {
      closed()
    }
  }
  port1.postMessage({ type: 'hello', module, servers: cluster.bootstrapServers() })
  return {
    port: port2,
    end () {
      port1.onmessage = null
      port1.close()
      for (const id of [...told.keys()]) close(id)
      disconnect(number)
    }
  }
}

/** The worker's end. @param {MessagePort} port what `cluster.lend()` gave */
export async function clientOf (port) {
  /** @type {Map<number, MessagePort>} */
  const open = new Map()
  let next = 0
  /** @type {{ module: WebAssembly.Module, servers: string[] }} */
  const { module, servers } = await new Promise((resolve) => {
    port.onmessage = ({ data }) => {
      if (data.type === 'hello') return resolve(data)
      const end = open.get(data.id)
      open.delete(data.id)
      end?.dispatchEvent(new MessageEvent('message', { data: null }))
    }
  })
  await init({ module_or_path: module })
  const cluster = {
    bootstrapServers: () => servers,
    connect (/** @type {string} */ host, /** @type {number} */ number) {
      const { port1, port2 } = new MessageChannel()
      const id = ++next
      open.set(id, port1)
      const close = port1.close.bind(port1)
      port1.close = () => {
        if (open.delete(id)) port.postMessage({ type: 'close', id })
        close()
      }
      port.postMessage({ type: 'connect', id, host, port: number }, [port2])
      return port1
    }
  }
  return { kafka: (/** @type {any} */ options = {}) => new Kafka(/** @type {any} */ (cluster), options) }
}
