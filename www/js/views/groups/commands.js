// What the page did with a group, as commands for other tools.
import { quoted } from '../produce/commands.js'

const SERVER = 'localhost:9092'
const words = (lines) => lines.filter(Boolean).join(' \\\n  ')

/** @param {any} spec of a member */
export function memberCommands ({ group, topics, assignor, sessionTimeout, maxPollInterval, commit, commitInterval, fromBeginning }) {
  const strategy = assignor === 'range' ? 'RangeAssignor' : 'RoundRobinAssignor'
  return [{
    name: 'kafka-console-consumer.sh',
    text: words([
      `kafka-console-consumer.sh --bootstrap-server ${SERVER} --group ${quoted(group)}`,
      topics.length === 1 ? `--topic ${quoted(topics[0])}` : `--include ${quoted(topics.join('|'))}`, fromBeginning ? '--from-beginning' : '',
      `--consumer-property session.timeout.ms=${sessionTimeout} --consumer-property max.poll.interval.ms=${maxPollInterval}`,
      commit === 'auto' ? `--consumer-property auto.commit.interval.ms=${commitInterval}` : '--consumer-property enable.auto.commit=false',
      `--consumer-property partition.assignment.strategy=org.apache.kafka.clients.consumer.${strategy}`
    ])
  }, {
    name: 'kcat',
    text: words([
      `kcat -b ${SERVER} -G ${quoted(group)} ${topics.map(quoted).join(' ')}`, `-X session.timeout.ms=${sessionTimeout} -X max.poll.interval.ms=${maxPollInterval}`,
      `-X partition.assignment.strategy=${assignor} -X enable.auto.commit=${commit === 'auto'} -X auto.offset.reset=${fromBeginning ? 'earliest' : 'latest'}`
    ])
  }, {
    name: 'kafkajs',
    text: `const consumer = kafka.consumer({ groupId: ${JSON.stringify(group)}, sessionTimeout: ${sessionTimeout}, rebalanceTimeout: ${maxPollInterval} })
await consumer.connect()
await consumer.subscribe({ topics: ${JSON.stringify(topics)}, fromBeginning: ${fromBeginning} })
await consumer.run({
  autoCommit: ${commit === 'auto'},${commit === 'auto' ? ` autoCommitInterval: ${commitInterval},` : ''}
  eachMessage: async ({ topic, partition, message }) => console.log(topic, partition, message.offset, String(message.value))
})`
  }]
}

/** @param {string} group */
export function groupCommands (group) {
  return [
    { name: 'kafka-consumer-groups.sh', text: `kafka-consumer-groups.sh --bootstrap-server ${SERVER} --describe --group ${quoted(group)}\nkafka-consumer-groups.sh --bootstrap-server ${SERVER} --describe --group ${quoted(group)} --members --verbose` },
    { name: 'kafkajs', text: `await admin.describeGroups([${JSON.stringify(group)}])\nawait admin.fetchOffsets({ groupId: ${JSON.stringify(group)} })` }
  ]
}

/** @param {{ group: string, topic: string, partition: string, to: string, time: string, offset: string }} reset */
export function resetCommands ({ group, topic, partition, to, time, offset }) {
  const where = to === 'time' ? `--to-datetime ${quoted(utc(time))}` : to === 'offset' ? `--to-offset ${offset || 0}` : `--to-${to}`
  const place = partition === '' ? quoted(topic) : quoted(`${topic}:${partition}`)
  const id = JSON.stringify({ groupId: group, topic })
  const code = to === 'time' ? `const offsets = await admin.fetchTopicOffsetsByTimestamp(${JSON.stringify(topic)}, ${Date.parse(time) || 0})\nawait admin.setOffsets({ ...${id}, partitions: offsets })`
    : to === 'offset' || partition !== '' ? `await admin.setOffsets({ ...${id}, partitions: [{ partition: ${partition || 0}, offset: ${JSON.stringify(String(offset || 0))} }] })`
      : `await admin.resetOffsets({ ...${id}, earliest: ${to === 'earliest'} })`
  return [
    { name: 'kafka-consumer-groups.sh', text: words([`kafka-consumer-groups.sh --bootstrap-server ${SERVER} --group ${quoted(group)} --topic ${place}`, `--reset-offsets ${where} --execute`]) },
    { name: 'kafkajs', text: code }
  ]
}

/** The tool takes a time without a zone as UTC. @param {string} local */
function utc (local) {
  const at = Date.parse(local)
  return Number.isNaN(at) ? '' : new Date(at).toISOString()
}
