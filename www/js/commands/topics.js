// What is done with topics, as commands.
import { BOOTSTRAP, line, lines, sh } from './quoting.js'

const BROKER = 4
/** A list is in brackets for kafka-configs.sh, as commas part the configs. */
const assigned = ({ name, value }) => `${name}=${/[,\s]/.test(value) ? `[${value}]` : value}`
const plan = (partitions) => JSON.stringify({ version: 1, partitions })
const filed = (partitions) => `<(echo ${sh(plan(partitions))})`

/** @type {Record<string, import('./index.js').Words>} */
export default {
  createTopics: {
    scripts: ({ topics }) => topics.map(({ topic, numPartitions, replicationFactor, configEntries = [] }) => lines(
      `kafka-topics.sh ${BOOTSTRAP} --create --topic ${sh(topic)}`,
      line(numPartitions > 0 && `--partitions ${numPartitions}`, replicationFactor > 0 && `--replication-factor ${replicationFactor}`),
      ...configEntries.map(({ name, value }) => `--config ${sh(`${name}=${value}`)}`)))
  },
  deleteTopics: { scripts: ({ topics }) => topics.map((topic) => `kafka-topics.sh ${BOOTSTRAP} --delete --topic ${sh(topic)}`) },
  createPartitions: {
    scripts: ({ topicPartitions }) => topicPartitions.map(({ topic, count }) => `kafka-topics.sh ${BOOTSTRAP} --alter --topic ${sh(topic)} --partitions ${count}`)
  },
  alterConfigs: {
    scripts: ({ resources }) => resources.flatMap(({ type, name, configEntries }) => {
      const alter = `kafka-configs.sh ${BOOTSTRAP} --alter --entity-type ${type === BROKER ? 'brokers' : 'topics'} --entity-name ${sh(name)}`
      const isSet = ({ value }) => value !== null && value !== undefined
      const set = configEntries.filter(isSet)
      const gone = configEntries.filter((entry) => !isSet(entry))
      return [
        ...set.length ? [lines(alter, `--add-config ${sh(set.map(assigned).join(','))}`)] : [],
        ...gone.length ? [lines(alter, `--delete-config ${sh(gone.map((entry) => entry.name).join(','))}`)] : []
      ]
    })
  },
  deleteTopicRecords: {
    scripts: ({ topic, partitions }) => [lines(`kafka-delete-records.sh ${BOOTSTRAP}`,
      `--offset-json-file ${filed(partitions.map(({ partition, offset }) => ({ topic, partition, offset: Number(offset) })))}`)]
  },
  alterPartitionReassignments: {
    scripts: ({ topics }) => {
      const all = topics.flatMap(({ topic, partitionAssignment }) => partitionAssignment.map(({ partition, replicas }) => ({ topic, partition, replicas })))
      const run = (partitions, how) => partitions.length ? [lines(`kafka-reassign-partitions.sh ${BOOTSTRAP}`, `--reassignment-json-file ${filed(partitions)}`, how)] : []
      return [
        ...run(all.filter(({ replicas }) => replicas !== null), '--execute'),
        ...run(all.filter(({ replicas }) => replicas === null).map((move) => ({ ...move, replicas: [] })), '--cancel')
      ]
    }
  },
  electLeaders: {
    scripts: ({ electionType = 'preferred', topics } = /** @type {any} */ ({})) => {
      const elect = `kafka-leader-election.sh ${BOOTSTRAP} --election-type ${electionType}`
      return topics ? topics.flatMap(({ topic, partitions }) => partitions.map((partition) => `${elect} --topic ${sh(topic)} --partition ${partition}`)) : [`${elect} --all-topic-partitions`]
    }
  }
}
