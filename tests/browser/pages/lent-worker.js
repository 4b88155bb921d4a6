// A worker with a client that the page lent it: produces what it is told, and says how that went.
import { clientOf } from '/sdk/index.js'

let producer

self.onmessage = async ({ data }) => {
  try {
    if (data.port) producer = (await clientOf(data.port)).kafka({ clientId: 'lent' }).producer()
    const sent = await producer.send({ topic: 'orders', messages: data.values.map((value) => ({ key: value, value })) })
    self.postMessage({ acked: sent.length > 0 })
  } catch (error) {
    self.postMessage({ error: error.message })
  }
}
