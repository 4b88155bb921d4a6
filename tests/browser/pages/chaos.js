// Faults at random (the same for a seed) against a cluster under load; then everything is read back and judged.
import { createCluster } from '/sdk/index.js'
import { leaderOf } from './scenario.js'

const TOPIC = 'orders'
const PARTITIONS = 3
const KEYS = 6
const text = new TextDecoder()
const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms))

/** Mulberry32: a number below `bound`, from the seed. @param {number} seed */
function generator (seed) {
  let state = seed >>> 0
  return (bound) => {
    state = (state + 0x6D2B79F5) >>> 0
    let z = state
    z = Math.imul(z ^ (z >>> 15), z | 1)
    z ^= z + Math.imul(z ^ (z >>> 7), z | 61)
    return ((z ^ (z >>> 14)) >>> 0) % bound
  }
}

/** @param {string} what @param {() => boolean | Promise<boolean>} condition */
export async function until (what, condition, ms = 60_000) {
  const deadline = performance.now() + ms
  while (!await condition()) {
    if (performance.now() > deadline) throw new Error(`not within ${ms} ms: ${what}`)
    await pause(25)
  }
}

/** One producer that sends all the time: what was acked, what failed (and may be there all the same). */
function load (cluster, name) {
  const producer = cluster.kafka().producer({ idempotent: true })
  const acked = []
  const unknown = []
  let next = 0
  let going = true
  const done = (async () => {
    while (going) {
      const numbers = Array.from({ length: 5 }, () => next++)
      const messages = numbers.map((number) => ({ key: `${name}-${number % KEYS}`, value: JSON.stringify({ name, number }) }))
      try {
        await producer.send({ topic: TOPIC, acks: -1, timeout: 8000, messages })
        acked.push(...numbers)
      } catch {
        unknown.push(...numbers)
      }
      await pause(5)
    }
    await producer.disconnect()
  })()
  return { name, acked, unknown, stop: () => { going = false; return done } }
}

/**
 * @param {{ seed: number, rounds: number, brokers?: number, storage?: 'indexeddb' | 'memory', onStep?: (what: string) => void }} options
 *   `onStep` hears what is done next, for a run that does not end
 * @returns {Promise<object>} the report: what was done, what was acked, and what is wrong (nothing)
 */
export async function chaos ({ seed, rounds, brokers = 3, storage = 'indexeddb', onStep = () => {} }) {
  const below = generator(seed)
  const did = []
  /** @param {string} what @param {() => boolean | Promise<boolean>} condition */
  const reached = (what, condition) => { onStep(`until ${what}`); return until(what, condition) }
  onStep('create the cluster')
  const cluster = /** @type {any} */ (await createCluster({
    name: `chaos-${seed}`, brokers, profile: 'lab', storage,
    config: { 'default.replication.factor': 3, 'min.insync.replicas': 2 }
  }))
  const admin = cluster.kafka().admin()
  onStep('create the topic')
  await admin.createTopics({ topics: [{ topic: TOPIC, numPartitions: PARTITIONS, replicationFactor: 3 }] })
  const ids = cluster.brokers().map(({ id }) => id)
  const crashes = []
  cluster.on('event', (event) => {
    const { type, facts } = event
    if (type === 'workerState' && facts.state === 'crashed' && facts.reason !== 'killed') crashes.push(`broker ${facts.id ?? event.broker}: ${facts.reason}`)
  })
  const reads = new Set()
  const consumer = cluster.kafka().consumer({ groupId: 'during' })
  await consumer.subscribe({ topics: [TOPIC], fromBeginning: true })
  consumer.run({ eachMessage: async ({ message }) => { reads.add(text.decode(message.value)) } }).catch((error) => crashes.push(`consumer: ${error.message}`))
  const loads = [load(cluster, 'a'), load(cluster, 'b')]

  const down = new Set()
  const links = new Set()
  const begun = performance.now()
  const heal = () => {
    for (const link of links) {
      const [from, to] = link.split('>').map(Number)
      cluster.setLink(from, to, {})
    }
    links.clear()
  }
  const setLink = (from, to, faults) => {
    cluster.setLink(from, to, faults)
    links.add(`${from}>${to}`)
  }
  const actions = {
    kill: (id) => { down.add(id); return cluster.kill(id) },
    silence: (id) => { down.add(id); return cluster.kill(id, { silent: true }) },
    stop: async (id) => {
      // Without the others it can't hand over what it leads, and is ended like any that does not stop in time.
      const stopped = cluster.stop(id).then(() => true, () => false)
      const inTime = await Promise.race([stopped, pause(4000).then(() => false)])
      down.add(id)
      if (!inTime && cluster.brokers().find((broker) => broker.id === id)?.state === 'stopping') await cluster.kill(id)
      await stopped
    },
    start: (id) => { down.delete(id); return cluster.start(id).catch(() => { /* it may lead later, when links are whole */ }) },
    cutOneWay: (id, other) => setLink(id, other, { cut: true }),
    cutBoth: (id, other) => { setLink(id, other, { cut: true }); setLink(other, id, { cut: true }) },
    delay: (id, other) => setLink(id, other, { delayMs: 20 + below(200) }),
    heal
  }
  for (let round = 0; round < rounds; round++) {
    const running = ids.filter((id) => !down.has(id))
    const broken = down.size > 0 || links.size > 0
    // One broker at a time: with two of three away nothing is acked, and nothing is learnt.
    const choices = broken
      ? [...(down.size > 0 ? ['start', 'start', 'start'] : []), ...(links.size > 0 ? ['heal', 'heal', 'delay'] : [])]
      : ['kill', 'kill', 'silence', 'stop', 'cutOneWay', 'cutBoth', 'delay']
    const action = choices[below(choices.length)]
    const id = action === 'start' ? [...down][below(down.size)] : running[below(running.length)]
    const others = ids.filter((other) => other !== id)
    const other = others[below(others.length)]
    const wait = 200 + below(1500)
    did.push(`${Math.round(performance.now() - begun)} ms: ${action} ${action === 'heal' ? '' : id}${/cut|delay/.test(action) ? ` > ${other}` : ''}`)
    onStep(did[round])
    await actions[action](id, other)
    await pause(wait)
  }
  heal()
  onStep(`start ${[...down]}`)
  for (const id of down) await cluster.start(id)
  const went = performance.now() - begun
  await reached('all brokers run', () => cluster.brokers().every(({ state }) => state === 'running'))
  await reached('all replicas are in sync', () => [...cluster.model.topics.get(TOPIC).values()].every(({ isr }) => isr.length === 3))
  onStep('find the leaders')
  for (let partition = 0; partition < PARTITIONS; partition++) await leaderOf(cluster, TOPIC, partition)
  onStep('end the producers')
  await Promise.all(loads.map(({ stop }) => stop()))

  onStep('ask for the ends')
  const ends = await admin.fetchTopicOffsets(TOPIC)
  const total = ends.reduce((sum, { high, low }) => sum + Number(high) - Number(low), 0)
  const found = []
  const fresh = cluster.kafka().consumer({ groupId: 'after' })
  await fresh.subscribe({ topics: [TOPIC], fromBeginning: true })
  fresh.run({
    eachMessage: async ({ partition, message }) => {
      found.push({ partition, offset: Number(message.offset), key: text.decode(message.key), ...JSON.parse(text.decode(message.value)) })
    }
  }).catch((error) => crashes.push(`consumer: ${error.message}`))
  await reached(`all ${total} records are read`, () => found.length >= total)
  const acked = loads.flatMap(({ name, acked }) => acked.map((number) => JSON.stringify({ name, number })))
  await reached('the consumer of the whole time has every acked record', () => acked.every((value) => reads.has(value)))
  const wrong = [...crashes, ...judge(loads, found)]
  onStep('disconnect and close')
  await fresh.disconnect()
  await consumer.disconnect()
  await cluster.close()
  const unknown = loads.reduce((sum, { unknown }) => sum + unknown.length, 0)
  return { did, acked: acked.length, unknown, total, ms: Math.round(went), wrong: wrong.slice(0, 20) }
}

/** Every acked record once; no other twice; of each key in one partition and in order. */
function judge (loads, found) {
  const wrong = []
  const times = new Map()
  const last = new Map()
  const partitions = new Map()
  found.sort((a, b) => a.partition - b.partition || a.offset - b.offset)
  for (const { partition, offset, key, name, number } of found) {
    const record = `${name}${number}`
    times.set(record, (times.get(record) ?? 0) + 1)
    if (times.get(record) > 1) wrong.push(`${record} is there ${times.get(record)} times, again at ${partition}@${offset}`)
    if ((last.get(key) ?? -1) >= number) wrong.push(`key ${key}: ${number} at ${partition}@${offset}, after ${last.get(key)}`)
    if ((partitions.get(key) ?? partition) !== partition) wrong.push(`key ${key} is in partitions ${partitions.get(key)} and ${partition}`)
    last.set(key, number)
    partitions.set(key, partition)
  }
  for (const { name, acked } of loads) {
    for (const number of acked) if (!times.has(`${name}${number}`)) wrong.push(`${name}${number} was acked and is lost`)
  }
  return wrong
}
