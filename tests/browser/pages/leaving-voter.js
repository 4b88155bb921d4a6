// A voter that leads the quorum leaves the cluster while records are written, and voters come and go after it.
import { flights, open, produceAll, readAll } from './scenario.js'

const TOPIC = 'flights'
const idsOf = (replicas) => replicas.map(({ replicaId }) => replicaId)

export async function leave ({ onStep }) {
  const cluster = await open({ brokers: 4 })
  const admin = cluster.kafka().admin()
  const quorum = async () => {
    const { leaderId, voters, observers } = await admin.describeQuorum()
    return { leaderId, voters: idsOf(voters), observers: idsOf(observers) }
  }
  await admin.createTopics({ topics: [{ topic: TOPIC, numPartitions: 3, replicationFactor: 3 }] })
  const before = await quorum()
  const rows = (await flights()).slice(0, 8000)
  onStep('produce, and decommission the quorum\'s leader')
  const acked = await produceAll(cluster, TOPIC, rows, 'origin', () => cluster.decommission(before.leaderId))
  const after = await quorum()
  onStep('add a broker')
  const added = await cluster.addBroker()
  onStep('make it a voter')
  await cluster.addVoter(added)
  const more = await quorum()
  const roles = cluster.brokers().find(({ id }) => id === added).roles.join()
  onStep('take its vote')
  await cluster.removeVoter(added)
  const fewer = await quorum()
  await cluster.close()
  return { before, after, added, more, roles, fewer, acked, rows: rows.length }
}

export async function openLater ({ acked, onStep }) {
  onStep('open again')
  const cluster = await open({ brokers: undefined })
  const { voters } = await cluster.kafka().admin().describeQuorum()
  const databases = (await indexedDB.databases()).map(({ name }) => name)
  onStep('read all')
  const read = await readAll(cluster, TOPIC, acked)
  return { read, voters: idsOf(voters), shown: cluster.brokers().map(({ id }) => id), databases }
}
