// Which brokers vote in the quorum that decides on the cluster's metadata (KIP-853): changed one at a time.
import { TabmqOptionError } from './errors.js'

/** Makes a broker a voter, or a voter a broker that only follows; resolves when that is committed. */
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
  } finally {
    await admin.disconnect()
  }
}
