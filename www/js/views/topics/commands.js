// What the page does with topics and records, as commands of other tools: for a cluster on one's own machine.

const SERVER = 'localhost:9092'

/** As a shell reads it. @param {string | number} text */
const sh = (text) => /^[\w.,:/=@%+-]+$/.test(String(text)) ? String(text) : `'${String(text).replaceAll("'", String.raw`'\''`)}'`
/** As JavaScript reads it. @param {string} text */
const js = (text) => `'${JSON.stringify(text).slice(1, -1).replaceAll('\\"', '"').replaceAll("'", "\\'")}'`
const ADMIN = `import { Kafka } from 'kafkajs'
const admin = new Kafka({ brokers: ['${SERVER}'] }).admin()
await admin.connect()
`

/** @param {{ topic: string, partitions: number, replicas: number, configs: [string, string][] }} topic */
export function createTopic ({ topic, partitions, replicas, configs }) {
  const entries = configs.map(([name, value]) => `{ name: ${js(name)}, value: ${js(value)} }`).join(', ')
  return [
    { name: 'kafka-topics.sh', text: [`kafka-topics.sh --bootstrap-server ${SERVER} --create --topic ${sh(topic)}`, `--partitions ${partitions} --replication-factor ${replicas}`, ...configs.map(([name, value]) => `--config ${sh(`${name}=${value}`)}`)].join(' \\\n  ') },
    { name: 'kafkajs', text: `${ADMIN}await admin.createTopics({ topics: [{ topic: ${js(topic)}, numPartitions: ${partitions}, replicationFactor: ${replicas}${configs.length ? `, configEntries: [${entries}]` : ''} }] })` }
  ]
}

/** @param {string} topic @param {string} name @param {string} value */
export function alterConfig (topic, name, value) {
  return [
    { name: 'kafka-configs.sh', text: `kafka-configs.sh --bootstrap-server ${SERVER} --alter --entity-type topics --entity-name ${sh(topic)} \\\n  --add-config ${sh(`${name}=${/,/.test(value) ? `[${value}]` : value}`)}` },
    { name: 'kafkajs', text: `${ADMIN}await admin.alterConfigs({ validateOnly: false, resources: [{ type: 2, name: ${js(topic)}, configEntries: [{ name: ${js(name)}, value: ${js(value)} }] }] })` }
  ]
}

/** @param {string} topic @param {number} count */
export function addPartitions (topic, count) {
  return [
    { name: 'kafka-topics.sh', text: `kafka-topics.sh --bootstrap-server ${SERVER} --alter --topic ${sh(topic)} --partitions ${count}` },
    { name: 'kafkajs', text: `${ADMIN}await admin.createPartitions({ topicPartitions: [{ topic: ${js(topic)}, count: ${count} }] })` }
  ]
}

/** @param {string} topic */
export function deleteTopic (topic) {
  return [
    { name: 'kafka-topics.sh', text: `kafka-topics.sh --bootstrap-server ${SERVER} --delete --topic ${sh(topic)}` },
    { name: 'kafkajs', text: `${ADMIN}await admin.deleteTopics({ topics: [${js(topic)}] })` }
  ]
}

/** @param {string} topic @param {{ partition: number, replicas: number[] }[]} assignment */
export function reassign (topic, assignment) {
  const plan = JSON.stringify({ version: 1, partitions: assignment.map((one) => ({ topic, ...one })) })
  return [
    { name: 'kafka-reassign-partitions.sh', text: `echo ${sh(plan)} > plan.json\nkafka-reassign-partitions.sh --bootstrap-server ${SERVER} --reassignment-json-file plan.json --execute` },
    { name: 'kafkajs', text: `${ADMIN}await admin.alterPartitionReassignments({ topics: [{ topic: ${js(topic)}, partitionAssignment: ${JSON.stringify(assignment)} }] })` }
  ]
}

/** @param {{ topic: string, partition: number, offset: number }} from */
export function consume ({ topic, partition, offset }) {
  return [
    { name: 'kafka-console-consumer.sh', text: `kafka-console-consumer.sh --bootstrap-server ${SERVER} --topic ${sh(topic)} --partition ${partition} --offset ${offset} \\\n  --property print.key=true --property print.timestamp=true --property print.headers=true` },
    { name: 'kcat', text: `kcat -b ${SERVER} -C -t ${sh(topic)} -p ${partition} -o ${offset} -f '%p:%o %T %k %h %s\\n'` },
    { name: 'kafkajs', text: `import { Kafka } from 'kafkajs'
const consumer = new Kafka({ brokers: ['${SERVER}'] }).consumer({ groupId: 'reader' })
await consumer.connect()
await consumer.subscribe({ topics: [${js(topic)}], fromBeginning: true })
consumer.run({ eachMessage: async ({ partition, message }) => console.log(partition, message.offset, String(message.key), String(message.value)) })
consumer.seek({ topic: ${js(topic)}, partition: ${partition}, offset: '${offset}' })` }
  ]
}
