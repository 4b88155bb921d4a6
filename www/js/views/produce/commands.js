// What the page produced, as commands for other tools.
import { CompressionTypes } from '../../../sdk/index.js'

const SERVER = 'localhost:9092'
/** Codecs as Kafka's own tools call them. */
export const CODECS = Object.fromEntries(Object.entries(CompressionTypes).map(([name, code]) => [code, name.toLowerCase()]))
const JS_CODECS = Object.fromEntries(Object.entries(CompressionTypes).map(([name, code]) => [code, name]))

/** For a POSIX shell. @param {string} text */
export const quoted = (text) => `'${String(text).replaceAll("'", "'\\''")}'`
const words = (lines) => lines.filter(Boolean).join(' \\\n  ')
const acksName = (acks) => Number(acks) === -1 ? 'all' : String(acks)

/** @param {Record<string, any>} values of the form @param {[string, string][]} headers */
export function recordCommands ({ topic, partition, acks, key, value, tombstone }, headers) {
  const chosen = String(partition).trim()
  const forms = []
  // It can't choose a partition, and takes a record a line.
  if (!chosen && !/[\n\t]/.test(value + key)) {
    const columns = [headers.length ? headers.map(([name, one]) => `${name}:${one}`).join(',') : null, key ? key : null, tombstone ? 'NULL' : value]
    const given = columns.filter((column) => column !== null)
    forms.push({
      name: 'kafka-console-producer.sh',
      text: `printf ${quoted(`${given.map(() => '%s').join('\\t')}\\n`)} ${given.map(quoted).join(' ')} |\n  ` + words([
        `kafka-console-producer.sh --bootstrap-server ${SERVER} --topic ${quoted(topic)} --producer-property acks=${acksName(acks)}`,
        headers.length ? '--property parse.headers=true' : '', key ? '--property parse.key=true' : '', tombstone ? '--property null.marker=NULL' : ''
      ])
    })
  }
  forms.push({
    name: 'kcat',
    text: words([
      `kcat -b ${SERVER} -P -t ${quoted(topic)} -X acks=${acksName(acks)}`,
      chosen ? `-p ${chosen}` : '-X partitioner=murmur2_random', key ? `-k ${quoted(key)}` : '', ...headers.map(([name, one]) => `-H ${quoted(`${name}=${one}`)}`),
      tombstone ? '-Z <(printf \'\')' : `<(printf %s ${quoted(value)})`
    ])
  })
  const message = [
    key ? `key: ${JSON.stringify(key)}` : '', `value: ${tombstone ? 'null' : JSON.stringify(value)}`, chosen ? `partition: ${chosen}` : '',
    headers.length ? `headers: ${JSON.stringify(Object.fromEntries(headers))}` : ''
  ].filter(Boolean).join(', ')
  forms.push({
    name: 'kafkajs',
    text: `const producer = kafka.producer()\nawait producer.connect()\nawait producer.send({ topic: ${JSON.stringify(topic)}, acks: ${acks}, messages: [{ ${message} }] })`
  })
  return forms
}

/** @param {import('../../work/generators.js').GeneratorSpec} spec */
export function generatorCommands (spec) {
  const { topic, rate, count, size, acks, linger, batchSize, compression, idempotent, keys, distribution } = spec
  return [{
    name: 'kafka-producer-perf-test.sh',
    text: words([
      `kafka-producer-perf-test.sh --topic ${quoted(topic)} --throughput ${rate} --record-size ${size} --num-records ${count || rate * 60}`,
      `--producer-props bootstrap.servers=${SERVER} acks=${acksName(acks)} linger.ms=${linger} batch.size=${batchSize} compression.type=${CODECS[compression]} enable.idempotence=${idempotent}`
    ])
  }, {
    name: 'kafkajs',
    text: `const producer = kafka.producer({ idempotent: ${idempotent} })
await producer.connect()
const value = 'x'.repeat(${size})
setInterval(() => producer.send({
  topic: ${JSON.stringify(topic)}, acks: ${acks}, compression: CompressionTypes.${JS_CODECS[compression]},
  messages: Array.from({ length: ${Math.max(1, Math.round(rate / 10))} }, () => (${distribution === 'none' ? '{ value }' : `{ key: 'key-' + Math.ceil(Math.random() * ${keys}), value }`}))
}), 100)`
  }]
}

/** @param {string} name of the file @param {string} topic @param {string} key column, or '' */
export function fileCommands (name, topic, key) {
  const each = name.toLowerCase().endsWith('.json') ? '.[]' : '.'
  if (/\.csv$/i.test(name)) return []
  const row = key ? `"\\(.[${JSON.stringify(key)}])\\t\\(tojson)"` : 'tojson'
  const jq = `jq -r ${quoted(`${each} | ${row}`)} ${quoted(name)}`
  return [
    { name: 'kafka-console-producer.sh', text: `${jq} |\n  kafka-console-producer.sh --bootstrap-server ${SERVER} --topic ${quoted(topic)}${key ? ' --property parse.key=true' : ''}` },
    { name: 'kcat', text: `${jq} |\n  kcat -b ${SERVER} -P -t ${quoted(topic)} -X partitioner=murmur2_random${key ? " -K '\\t'" : ''}` }
  ]
}
