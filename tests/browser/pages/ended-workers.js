// Workers are ended at any moment of their writes; each broker starts again, takes part, and the cluster can be destroyed.
import { createCluster } from '/sdk/index.js'
import { until } from './chaos.js'

/**
 * @param {{ kills: number }} options
 * @returns {Promise<object>} which databases are left at the end (none), and how many transactions were told to commit that
 *   the browser had begun, and `not begun`
 */
export async function endedWorkers ({ kills }) {
  const commits = { begun: 0, 'not begun': 0 }
  new BroadcastChannel('watched-commits').onmessage = ({ data }) => { commits[data]++ }
  const cluster = /** @type {any} */ (await createCluster({
    name: 'ended', brokers: 3, profile: 'lab', config: { 'default.replication.factor': 3 }, workerUrl: new URL('./watched-worker.js', import.meta.url)
  }))
  const kafka = cluster.kafka()
  await kafka.admin().createTopics({ topics: [{ topic: 'orders', numPartitions: 1, replicationFactor: 3 }] })
  const producer = kafka.producer()
  let going = true
  const load = (async () => { while (going) await producer.send({ topic: 'orders', messages: [{ value: 'a record' }] }) })()
  const partition = () => cluster.model.topics.get('orders')?.[0]
  for (let kill = 0; kill < kills; kill++) {
    await until('all are in sync', () => partition()?.isr.length === 3)
    const follower = partition().replicas.find((id) => id !== partition().leader)
    const copied = () => partition().progress[follower]?.logEnd ?? 0
    const before = copied()
    await until('the follower copies', () => copied() > before)
    await cluster.kill(follower)
    await cluster.start(follower)
  }
  going = false
  await load
  await producer.disconnect()
  await cluster.destroy()
  const left = (await indexedDB.databases()).map(({ name }) => name).filter((name) => name.startsWith('tabmq/ended/'))
  return { left, commits }
}
