// What is done with consumer groups, as commands.
import { BOOTSTRAP, SERVER, js, lines, sh } from './quoting.js'

const STRATEGIES = { range: 'RangeAssignor', roundrobin: 'RoundRobinAssignor' }
const groups = (group) => `kafka-consumer-groups.sh ${BOOTSTRAP} --group ${sh(group)}`

/** @type {Record<string, import('./index.js').Words>} */
export default {
  /** A member of work/members.js. */
  join: {
    needs: 'kafka',
    scripts: ({ group, topics, assignor, sessionTimeout, maxPollInterval, commit, commitInterval, fromBeginning }) => [lines(
      `kafka-console-consumer.sh ${BOOTSTRAP} --group ${sh(group)}`,
      topics.length === 1 ? `--topic ${sh(topics[0])}` : `--include ${sh(topics.join('|'))}`, fromBeginning && '--from-beginning',
      `--consumer-property session.timeout.ms=${sessionTimeout} --consumer-property max.poll.interval.ms=${maxPollInterval}`,
      commit === 'auto' ? `--consumer-property auto.commit.interval.ms=${commitInterval}` : '--consumer-property enable.auto.commit=false',
      `--consumer-property partition.assignment.strategy=org.apache.kafka.clients.consumer.${STRATEGIES[assignor]}`)],
    kcat: ({ group, topics, assignor, sessionTimeout, maxPollInterval, commit, fromBeginning }) => [lines(
      `kcat -b ${SERVER} -G ${sh(group)} ${topics.map(sh).join(' ')}`, `-X session.timeout.ms=${sessionTimeout} -X max.poll.interval.ms=${maxPollInterval}`,
      `-X partition.assignment.strategy=${assignor} -X enable.auto.commit=${commit === 'auto'} -X auto.offset.reset=${fromBeginning ? 'earliest' : 'latest'}`)],
    kafkajs: ({ group, topics, sessionTimeout, maxPollInterval, commit, commitInterval, fromBeginning }) => `const consumer = kafka.consumer(${js({ groupId: group, sessionTimeout, rebalanceTimeout: maxPollInterval })})
await consumer.connect()
await consumer.subscribe(${js({ topics, fromBeginning })})
await consumer.run({
  autoCommit: ${commit === 'auto'},${commit === 'auto' ? ` autoCommitInterval: ${commitInterval},` : ''}
  eachMessage: async ({ topic, partition, message }) => console.log(topic, partition, message.offset, String(message.value))
})`
  },
  describeGroup: {
    needs: 'admin',
    scripts: (group) => [`${groups(group)} --describe`, `${groups(group)} --describe --members --verbose`],
    kafkajs: (group) => `console.log(await admin.describeGroups([${js(group)}]))\nconsole.log(await admin.fetchOffsets({ groupId: ${js(group)} }))`
  },
  /** The form of a reset: to `earliest`, `latest`, a `time` or an `offset`; partition '' for all. */
  resetTo: {
    needs: 'admin',
    scripts: ({ group, topic, partition, to, time, offset }) => {
      const where = { time: () => `--to-datetime ${sh(utc(time))}`, offset: () => `--to-offset ${offset || 0}` }[to]?.() ?? `--to-${to}`
      return [lines(`${groups(group)} --topic ${sh(partition === '' ? topic : `${topic}:${partition}`)}`, `--reset-offsets ${where} --execute`)]
    },
    kafkajs: ({ group, topic, partition, to, time, offset }) => {
      const of = { groupId: group, topic }
      if (to === 'time') {
        return `const found = await admin.fetchTopicOffsetsByTimestamp(${js(topic)}, ${Date.parse(time) || 0})
await admin.setOffsets({ groupId: ${js(group)}, topic: ${js(topic)}, partitions: ${partition === '' ? 'found' : `found.filter(({ partition }) => partition === ${partition})`} })`
      }
      if (partition === '' && to !== 'offset') return `await admin.resetOffsets(${js({ ...of, earliest: to === 'earliest' })})`
      if (partition !== '' && to === 'offset') return `await admin.setOffsets(${js({ ...of, partitions: [{ partition: Number(partition), offset: String(offset || 0) }] })})`
      const at = { earliest: 'low', latest: 'high' }[to]
      return `const found = await admin.fetchTopicOffsets(${js(topic)})
await admin.setOffsets({ groupId: ${js(group)}, topic: ${js(topic)}, partitions: found${partition === '' ? '' : `.filter(({ partition }) => partition === ${partition})`}.map(({ partition${at ? `, ${at}` : ''} }) => ({ partition, offset: ${at ?? js(String(offset || 0))} })) })`
    }
  },
  setOffsets: {
    scripts: ({ groupId, topic, partitions }) => partitions.map(({ partition, offset }) => lines(`${groups(groupId)} --topic ${sh(`${topic}:${partition}`)}`, `--reset-offsets --to-offset ${offset} --execute`))
  },
  resetOffsets: {
    scripts: ({ groupId, topic, earliest }) => [lines(`${groups(groupId)} --topic ${sh(topic)}`, `--reset-offsets ${earliest ? '--to-earliest' : '--to-latest'} --execute`)]
  },
  deleteGroups: { scripts: (ids) => ids.map((group) => `${groups(group)} --delete`) }
}

/** The tool takes a time without a zone as UTC. @param {string} local */
function utc (local) {
  const at = Date.parse(local)
  return Number.isNaN(at) ? '' : new Date(at).toISOString()
}
