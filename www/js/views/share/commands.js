// Actions as commands of other tools: Kafka's own scripts, kcat, kafkajs. What a tool has no command for is said as a comment.

/** @typedef {import('../../state/actions.js').Action} Action */

/** As a shell reads it. @param {any} value */
const quoted = (value) => /^[\w./:=,@%+-]+$/.test(String(value)) ? String(value) : `'${String(value).replace(/'/g, '\'\\\'\'')}'`
const json = (value) => JSON.stringify(value)
const decoder = new TextDecoder()
const text = (value) => value === null || value === undefined ? '' : typeof value === 'string' ? value : decoder.decode(value)
const SERVER = '--bootstrap-server $BOOTSTRAP'
const CODECS = ['none', 'gzip', 'snappy', 'lz4', 'zstd']

/** What to say where a tool has no command. @param {Action} action */
function remark ({ what, given }) {
  switch (what) {
    case 'kill': return `# broker ${given[0]} was killed${given[1]?.silent ? ', silently' : ''}: kill -9 its process`
    case 'stop': return `# broker ${given[0]} was stopped: kafka-server-stop.sh on its machine`
    case 'start': return `# broker ${given[0]} was started: kafka-server-start.sh on its machine`
    case 'addBroker': return '# a broker was added: start one with a node.id of its own'
    case 'decommission': return `# broker ${given[0]} left: move its partitions, stop it, kafka-cluster.sh unregister --id ${given[0]}`
    case 'setLink': {
      const [from, to, { cut = false, delayMs = 0, lossRatio = 0 }] = given
      return `# link ${from} -> ${to}: ${cut ? 'cut' : `delay ${delayMs} ms, loss ${Math.round(lossRatio * 100)}%`} (tc qdisc … netem on its machine)`
    }
    default: return `# ${what}: there is no command of this tool for it`
  }
}

/** @param {Action} action @returns {string[]} */
export function kafkaScripts (action) {
  const { what, given: [given] } = action
  switch (what) {
    case 'createTopics': return given.topics.map(({ topic, numPartitions, replicationFactor, configEntries = [] }) =>
      [`kafka-topics.sh ${SERVER} --create --topic ${quoted(topic)}`, numPartitions > 0 ? `--partitions ${numPartitions}` : '', replicationFactor > 0 ? `--replication-factor ${replicationFactor}` : '',
        ...configEntries.map(({ name, value }) => `--config ${quoted(`${name}=${value}`)}`)].filter(Boolean).join(' '))
    case 'deleteTopics': return given.topics.map((topic) => `kafka-topics.sh ${SERVER} --delete --topic ${quoted(topic)}`)
    case 'createPartitions': return given.topicPartitions.map(({ topic, count }) => `kafka-topics.sh ${SERVER} --alter --topic ${quoted(topic)} --partitions ${count}`)
    case 'alterConfigs': return given.resources.flatMap(({ type, name, configEntries }) => {
      const entity = `kafka-configs.sh ${SERVER} --alter --entity-type ${type === 4 ? 'brokers' : 'topics'} --entity-name ${quoted(name)}`
      const set = configEntries.filter(({ value }) => value !== null && value !== undefined)
      const gone = configEntries.filter((one) => !set.includes(one))
      return [set.length ? `${entity} --add-config ${quoted(set.map((one) => `${one.name}=${/[,\s]/.test(one.value) ? `[${one.value}]` : one.value}`).join(','))}` : '',
        gone.length ? `${entity} --delete-config ${gone.map((one) => one.name).join(',')}` : ''].filter(Boolean)
    })
    case 'deleteTopicRecords': return [`kafka-delete-records.sh ${SERVER} --offset-json-file <(echo ${quoted(json({ version: 1, partitions: given.partitions.map(({ partition, offset }) => ({ topic: given.topic, partition, offset: Number(offset) })) }))})`]
    case 'setOffsets': return given.partitions.map(({ partition, offset }) =>
      `kafka-consumer-groups.sh ${SERVER} --group ${quoted(given.groupId)} --reset-offsets --topic ${quoted(`${given.topic}:${partition}`)} --to-offset ${offset} --execute`)
    case 'resetOffsets': return [`kafka-consumer-groups.sh ${SERVER} --group ${quoted(given.groupId)} --reset-offsets --topic ${quoted(given.topic)} ${given.earliest ? '--to-earliest' : '--to-latest'} --execute`]
    case 'deleteGroups': return given.map((group) => `kafka-consumer-groups.sh ${SERVER} --delete --group ${quoted(group)}`)
    case 'alterPartitionReassignments': {
      const [set, cancelled] = [true, false].map((moves) => given.topics.flatMap(({ topic, partitionAssignment }) => partitionAssignment.filter(({ replicas }) => (replicas !== null) === moves)
        .map(({ partition, replicas }) => ({ topic, partition, replicas: replicas ?? [] }))))
      const run = (partitions, how) => `kafka-reassign-partitions.sh ${SERVER} --reassignment-json-file <(echo ${quoted(json({ version: 1, partitions }))}) ${how}`
      return [set.length ? run(set, '--execute') : '', cancelled.length ? run(cancelled, '--cancel') : ''].filter(Boolean)
    }
    case 'electLeaders': {
      const type = `kafka-leader-election.sh ${SERVER} --election-type ${given?.electionType ?? 'preferred'}`
      return given?.topics ? given.topics.flatMap(({ topic, partitions }) => partitions.map((partition) => `${type} --topic ${quoted(topic)} --partition ${partition}`)) : [`${type} --all-topic-partitions`]
    }
    case 'send': {
      const { topic, messages, acks, compression, more } = given
      const keyed = messages.some(({ key }) => key !== null && key !== undefined)
      const options = [`--producer-property acks=${acks === undefined || acks === -1 ? 'all' : acks}`, compression ? `--compression-codec ${CODECS[compression]}` : '', keyed ? '--property parse.key=true --property key.separator=:' : ''].filter(Boolean).join(' ')
      return [...messages.map(({ key, value }) => `echo ${quoted(keyed ? `${text(key)}:${text(value)}` : text(value))} | kafka-console-producer.sh ${SERVER} --topic ${quoted(topic)} ${options}`), ...andMore(more, '#')]
    }
    default: return [remark(action)]
  }
}

/** @param {Action} action @returns {string[]} */
export function kcat (action) {
  const { what, given: [given] } = action
  if (what !== 'send') return [remark(action)]
  const { topic, messages, acks, compression, more } = given
  return [...messages.map(({ key, value, partition, headers = {} }) => {
    const options = ['kcat -P -b $BOOTSTRAP', `-t ${quoted(topic)}`, partition === undefined ? '' : `-p ${partition}`, key === null || key === undefined ? '' : `-k ${quoted(text(key))}`,
      acks === undefined || acks === -1 ? '' : `-X acks=${acks}`, compression ? `-z ${CODECS[compression]}` : '', ...Object.entries(headers).map(([name, one]) => `-H ${quoted(`${name}=${text(one)}`)}`)]
    return `printf %s ${quoted(text(value))} | ${options.filter(Boolean).join(' ')}`
  }), ...andMore(more, '#')]
}

/** @param {Action} action @returns {string[]} */
export function kafkajs (action) {
  const { what, given } = action
  switch (what) {
    case 'send': {
      const { topic, messages, acks, compression, more } = given[0]
      const plain = messages.map(({ key, value, partition, headers }) => ({ ...key !== null && key !== undefined && { key: text(key) }, value: value === null ? null : text(value), ...partition !== undefined && { partition },
        ...headers && Object.keys(headers).length && { headers: Object.fromEntries(Object.entries(headers).map(([name, one]) => [name, text(one)])) } }))
      return [`await producer.send(${json({ topic, ...acks !== undefined && { acks }, ...compression && { compression }, messages: plain })})`, ...andMore(more, '//')]
    }
    // Not kafkajs, but the cluster of the package.
    case 'kill': case 'stop': case 'start': case 'addBroker': case 'decommission': case 'setLink':
      return [`await cluster.${what}(${given.filter((one) => one !== undefined).map(json).join(', ')})`]
    default: return [`await admin.${what}(${given.filter((one) => one !== undefined).map(json).join(', ')})`]
  }
}

const andMore = (count, mark) => count ? [`${mark} … and ${count} more`] : []

/** All of it in each tool's words, as `copyAs` takes it. @param {Action[]} actions */
export function commandsOf (actions) {
  const needs = (name) => actions.some(({ what }) => (name === 'producer') === (what === 'send') && !/^(kill|stop|start|addBroker|decommission|setLink)$/.test(what))
  const setUp = [`import { Kafka } from 'kafkajs'`, `const kafka = new Kafka({ brokers: ['localhost:9092'] })`,
    ...['admin', 'producer'].filter(needs).map((name) => `const ${name} = kafka.${name}()\nawait ${name}.connect()`)]
  return [
    { name: 'kafka-topics.sh, …', text: ['BOOTSTRAP=localhost:9092', ...actions.flatMap(kafkaScripts)].join('\n') },
    { name: 'kcat', text: ['BOOTSTRAP=localhost:9092', ...actions.flatMap(kcat)].join('\n') },
    { name: 'kafkajs', text: [...setUp, ...actions.flatMap(kafkajs)].join('\n') }
  ]
}
