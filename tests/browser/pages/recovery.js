// Damages what a broker has stored, as disks and crashes do.
import { open } from './scenario.js'

const text = new TextDecoder()

/** A cluster, with all its events in `events`. */
export async function watched (options) {
  const cluster = await open(options)
  const events = []
  cluster.on('event', (event) => events.push(event))
  return { cluster, events }
}

/** The events of a type, as soon as there is one. */
export async function toldOf (events, type) {
  const deadline = Date.now() + 10_000
  const found = () => events.filter((event) => event.type === type)
  while (found().length === 0 && Date.now() < deadline) await new Promise((resolve) => setTimeout(resolve, 20))
  return found()
}

/** Produces records whose values say their number, in batches of 10; none of it compresses. */
export async function fill (cluster, topic, from, to, bytes = 2000) {
  const producer = cluster.kafka().producer()
  const noise = () => Array.from(crypto.getRandomValues(new Uint8Array(bytes / 2)), (byte) => byte.toString(16).padStart(2, '0')).join('')
  for (let number = from; number < to; number += 10) {
    const messages = Array.from({ length: 10 }, (_, at) => ({ value: `record ${number + at} ${noise()}` }))
    await producer.send({ topic, acks: -1, messages })
  }
}

/** What a consumer reads from `offset` to the end: offset and number of each; and the error that ended it, if one did. */
export async function readFrom (cluster, topic, offset) {
  const admin = cluster.kafka().admin()
  const [{ high }] = await admin.fetchTopicOffsets(topic)
  const groupId = `reader-${Math.random()}`
  await admin.setOffsets({ groupId, topic, partitions: [{ partition: 0, offset: String(offset) }] })
  const consumer = cluster.kafka().consumer({ groupId })
  await consumer.subscribe({ topics: [topic] })
  const found = []
  const error = await new Promise((resolve) => {
    consumer.on('consumer.crash', ({ payload }) => resolve(payload.error.type ?? payload.error.message))
    setTimeout(() => resolve(`read up to ${found.at(-1)?.[0]} of ${high} within 20 s`), 20_000)
    if (offset >= Number(high)) return resolve(null)
    consumer.run({
      eachMessage: async ({ message }) => {
        found.push([Number(message.offset), Number(text.decode(message.value).split(' ')[1])])
        if (Number(message.offset) === Number(high) - 1) resolve(null)
      },
    }).catch((error) => resolve(error.message))
  })
  await consumer.disconnect()
  return { found, error, high: Number(high) }
}

/** The chunk rows of the broker's log that holds our records, in order; `change` gets the store, and them. */
export async function damage (broker, change) {
  const database = await new Promise((resolve, reject) => {
    const request = indexedDB.open(`tabmq/test/${broker}`)
    request.onsuccess = () => resolve(request.result)
    request.onerror = () => reject(request.error)
  })
  const transaction = database.transaction('chunks', 'readwrite')
  const store = transaction.objectStore('chunks')
  const of = (request) => new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result)
    request.onerror = () => reject(request.error)
  })
  const [keys, values] = [await of(store.getAllKeys()), await of(store.getAll())]
  const rows = keys.map((key, at) => ({ key, bytes: new Uint8Array(values[at]) }))
  const ours = rows.find(({ bytes }) => /record 0 /.test(text.decode(bytes))).key[0]
  const done = new Promise((resolve, reject) => {
    transaction.oncomplete = () => resolve(undefined)
    transaction.onabort = () => reject(transaction.error)
  })
  change(store, rows.filter(({ key }) => key[0] === ours))
  await done
  database.close()
}

/** One bit of a row's last record becomes another. */
export function flip (store, { key, bytes }) {
  bytes[bytes.length - 50] ^= 4
  store.put(bytes, key)
}

/** A row's end is missing. */
export function cut (store, { key, bytes }) {
  store.put(bytes.slice(0, bytes.length / 2), key)
}

/** A row is missing. */
export function remove (store, { key }) {
  store.delete(key)
}
