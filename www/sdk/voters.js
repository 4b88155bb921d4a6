// Which brokers vote in the quorum that decides on the cluster's metadata (KIP-853): changed one at a time.
import { KafkaJSNonRetriableError, TabmqOptionError } from './errors.js'

/** How long `cluster.brokers()` may take to say what is committed already. */
const SHOWN_WAIT_MS = 2000

/** Makes a broker a voter, or a voter a broker that only follows; resolves when that is committed, and `brokers()` says so. */
export async function changeVoter (cluster, id, votes) {
  const admin = cluster.kafka({ clientId: 'voters' }).admin()
  await admin.connect()
  try {
    const { voters, observers } = await admin.describeQuorum()
    const found = (votes ? observers : voters).find(({ replicaId }) => replicaId === id)
    if (!found) throw new TabmqOptionError('id', votes ? `broker ${id} votes already, or does not follow the quorum` : `broker ${id} does not vote`)
    const voter = { voterId: id, voterDirectoryId: found.directoryId }
    if (votes) await admin.addRaftVoter({ ...voter, host: `broker-${id}`, port: 9092 })
    else await admin.removeRaftVoter(voter)
    // The quorum's leader tells of it beside its answer, perhaps a little later.
    const deadline = Date.now() + SHOWN_WAIT_MS
    const isShown = () => cluster.brokers().find((broker) => broker.id === id)?.roles.includes('controller') === votes
    while (!isShown() && Date.now() < deadline) await new Promise((resolve) => setTimeout(resolve, 10))
  } finally {
    await admin.disconnect()
  }
}

/**
 * Throws where broker `id` votes and the quorum could not do without it: nobody would be left, or too few of those that are.
 * @param {import('./kafka.js').Admin} admin @param {number} id @param {number[]} others the other brokers that run
 */
export async function checkQuorumWithout (admin, id, others) {
  const voters = await voterIds(admin)
  if (!voters.includes(id)) return
  const left = voters.filter((voter) => voter !== id)
  if (left.length === 0) throw new KafkaJSNonRetriableError(`Broker ${id} is the quorum's only voter: make another broker a voter first`)
  const majority = Math.floor(left.length / 2) + 1
  const up = left.filter((voter) => others.includes(voter))
  if (up.length < majority) {
    throw new KafkaJSNonRetriableError(`Without broker ${id} the quorum's voters are ${left.join(', ')}. ${majority} of them have to run, ` +
      `and ${up.length === 0 ? 'none does' : `only ${up.join(', ')} does`}: start another one first`)
  }
}

/**
 * Takes broker `id` out of the quorum, if it votes; gives the voters that are left.
 * @param {import('./kafka.js').Admin} admin @param {number} id
 */
export async function leaveQuorum (admin, id) {
  const { voters } = await admin.describeQuorum()
  const own = voters.find(({ replicaId }) => replicaId === id)
  if (!own) return voters.map(({ replicaId }) => replicaId)
  let failure
  try {
    await admin.removeRaftVoter({ voterId: id, voterDirectoryId: own.directoryId })
  } catch (error) {
    failure = error
  }
  // A leader that took itself out leads no longer, and its answer may be lost for it.
  const left = await voterIds(admin)
  if (left.includes(id)) throw failure ?? new KafkaJSNonRetriableError(`Broker ${id} votes again: somebody made it a voter meanwhile`)
  return left
}

/** @param {import('./kafka.js').Admin} admin */
async function voterIds (admin) {
  const { voters } = await admin.describeQuorum()
  return voters.map(({ replicaId }) => replicaId)
}
