// How a broker's replicas move to the others before it leaves: with Kafka's own means, reassignment and election (KIP-455),
// so that records are read and written all the while.
import { KafkaJSNonRetriableError } from './errors.js'

/**
 * @typedef {{ topic: string, partition: number, leader: number, replicas: number[] }} Held
 * @typedef {import('./kafka.js').Admin} Admin
 */

/** How long the brokers may take to agree on what there is. */
const AGREE_WAIT_MS = 10000

/** Partitions of all topics, internal ones too, with the replicas they have or are to have. @param {Admin} admin */
async function read (admin) {
  const [{ topics }, { topics: moving }] = await Promise.all([admin.fetchTopicMetadata(), admin.listPartitionReassignments()])
  const leaving = new Map()
  for (const { topic, partitions } of moving) {
    for (const { partition, removingReplicas } of partitions) leaving.set(`${topic}-${partition}`, removingReplicas)
  }
  return topics.flatMap(({ name, partitions }) => partitions.map(({ partitionId, leader, replicas }) => {
    const out = leaving.get(`${name}-${partitionId}`) ?? []
    return { topic: name, partition: partitionId, leader, all: replicas, replicas: replicas.filter((id) => !out.includes(id)), out }
  }))
}

/**
 * The same, once the broker that answered, the controller and what the brokers told agree: one that is behind would have us
 * plan with replicas that are none any more.
 * @param {Admin} admin @param {import('./model.js').ClusterModel} model
 */
async function partitionsOf (admin, model) {
  const deadline = Date.now() + AGREE_WAIT_MS
  for (;;) {
    const partitions = await read(admin)
    const apart = partitions.find(({ topic, partition, all, out }) => {
      const known = model.topics.get(topic)?.[partition]
      return known?.replicas.join() !== all.join() || (out.length === 0 && known.removing.length > 0)
    })
    if (!apart) return partitions
    if (Date.now() > deadline) {
      throw new KafkaJSNonRetriableError(`The brokers do not agree on the replicas of ${apart.topic}-${apart.partition}; call it again to go on`)
    }
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
}

/** Throws where the others can't take over. @param {number} id @param {Held[]} partitions @param {number[]} others */
function checkRoom (id, partitions, others) {
  for (const { topic, partition, leader, replicas } of partitions) {
    if (replicas.length > others.length) {
      throw new KafkaJSNonRetriableError(`Topic '${topic}' has ${replicas.length} replicas, and without broker ${id} only ` +
        `${others.length} ${others.length === 1 ? 'broker runs' : 'brokers run'}: add a broker, or give the topic fewer replicas`)
    }
    if (leader < 0) throw new KafkaJSNonRetriableError(`${topic}-${partition} has no leader, so nothing can be copied from it: start its brokers first`)
  }
}

/**
 * Begins to move what broker `id` has: each replica goes to the broker with the fewest that has none of the partition. The
 * new one comes last in order, so that one which has everything leads at once.
 * @param {Admin} admin @param {import('./model.js').ClusterModel} model @param {number} id @param {number[]} others the brokers that run
 * @returns {Promise<{ topic: string, partition: number }[]>} the partitions that are on it
 */
export async function moveAway (admin, model, id, others) {
  const partitions = await partitionsOf(admin, model)
  const held = partitions.filter(({ all }) => all.includes(id))
  const planned = held.filter(({ replicas }) => replicas.includes(id))
  checkRoom(id, planned, others)
  const load = new Map(others.map((other) => [other, 0]))
  const count = (other, by) => { if (load.has(other)) load.set(other, load.get(other) + by) }
  for (const { replicas } of partitions) for (const other of replicas) count(other, 1)
  const topics = new Map()
  for (const { topic, partition, replicas } of planned) {
    const free = others.filter((other) => !replicas.includes(other)).sort((a, b) => load.get(a) - load.get(b) || a - b)
    const stay = replicas.filter((other) => other !== id)
    count(free[0], 1)
    if (!topics.has(topic)) topics.set(topic, [])
    topics.get(topic).push({ partition, replicas: [...stay, free[0]] })
  }
  if (topics.size > 0) {
    await admin.alterPartitionReassignments({
      topics: [...topics].map(([topic, partitionAssignment]) => ({ topic, partitionAssignment }))
    })
    // Leadership goes first. Where nobody else is in sync yet it goes when the copy is there.
    await admin.electLeaders({ topics: [...topics].map(([topic, assigned]) => ({ topic, partitions: assigned.map(({ partition }) => partition) })) })
  }
  return held
}
