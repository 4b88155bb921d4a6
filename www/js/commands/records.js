// How records are written and read, as commands.
import { BOOTSTRAP, CODECS, SERVER, acksName, codec, js, line, lines, sh, text } from './quoting.js'

/** Partitioned as Kafka's own clients do. */
const MURMUR2 = '-X partitioner=murmur2_random'
/** How often a loop of kafkajs sends, in ms. */
const LOOP_MS = 100
const keyed = (key) => key !== null && key !== undefined
const headersOf = ({ headers = {} }) => Object.entries(headers).flatMap(([name, values]) => [values].flat().map((value) => [name, text(value) ?? '']))
const andMore = (mark, more) => more ? [`${mark} … and ${more} more`] : []

/** @type {Record<string, import('./index.js').Words>} */
export default {
  /** Of a producer; `more` says how many messages were left out. */
  send: {
    needs: 'producer',
    scripts: ({ topic, messages, acks, compression, more = 0 }) => {
      // It takes a record a line, and can't choose a partition.
      const fits = messages.filter(({ key, value, partition }) => partition === undefined && !/[\n\t]/.test(`${text(key)}${text(value)}`))
      return [...fits.map((message) => {
        const headers = headersOf(message)
        const columns = [headers.length ? headers.map(([name, value]) => `${name}:${value}`).join(',') : null, keyed(message.key) ? text(message.key) : null, text(message.value) ?? 'NULL']
          .filter((column) => column !== null)
        return `printf ${sh(`${columns.map(() => '%s').join('\\t')}\\n`)} ${columns.map(sh).join(' ')} |\n  ` + lines(
          line(`kafka-console-producer.sh ${BOOTSTRAP} --topic ${sh(topic)} --producer-property acks=${acksName(acks)}`, compression && `--compression-codec ${CODECS[compression]}`),
          headers.length > 0 && '--property parse.headers=true', keyed(message.key) && '--property parse.key=true', message.value === null && '--property null.marker=NULL')
      }), ...fits.length ? andMore('#', more + messages.length - fits.length) : []]
    },
    kcat: ({ topic, messages, acks, compression, more }) => [...messages.map((message) => lines(
      line(`kcat -b ${SERVER} -P -t ${sh(topic)} -X acks=${acksName(acks)}`, compression && `-z ${CODECS[compression]}`),
      message.partition === undefined ? MURMUR2 : `-p ${message.partition}`, keyed(message.key) && `-k ${sh(text(message.key))}`,
      ...headersOf(message).map(([name, value]) => `-H ${sh(`${name}=${value}`)}`), message.value === null ? "-Z <(printf '')" : `<(printf %s ${sh(text(message.value))})`)), ...andMore('#', more)],
    kafkajs: ({ topic, messages, acks, compression, more }) => [`await producer.send(${js({
      topic, acks: acks === -1 ? undefined : acks, compression: codec(compression),
      messages: messages.map(({ key, value, partition, headers }) => ({ key: keyed(key) ? text(key) : undefined, value: text(value), partition, headers: headers && Object.keys(headers).length ? headers : undefined }))
    })})`, ...andMore('//', more)].join('\n')
  },
  /** A generator of work/generators.js. */
  generate: {
    needs: 'kafka',
    scripts: ({ topic, rate, count, size, acks, linger, batchSize, compression, idempotent }) => [lines(
      `kafka-producer-perf-test.sh --topic ${sh(topic)} --throughput ${rate} --record-size ${size} --num-records ${count || rate * 60}`,
      `--producer-props bootstrap.servers=${SERVER} acks=${acksName(acks)} linger.ms=${linger} batch.size=${batchSize} compression.type=${CODECS[compression]} enable.idempotence=${idempotent}`)],
    kafkajs: ({ topic, rate, size, acks, compression, idempotent, keys, distribution }) => `const producer = kafka.producer({ idempotent: ${idempotent} })
await producer.connect()
const value = 'x'.repeat(${size})
setInterval(() => producer.send({
  topic: ${js(topic)}, acks: ${acks},${compression ? ` compression: ${js(codec(compression))},` : ''}
  messages: Array.from({ length: ${Math.max(1, Math.round(rate * LOOP_MS / 1000))} }, () => (${distribution === 'none' ? '{ value }' : `{ key: 'key-' + Math.ceil(Math.random() * ${keys}), value }`}))
}), ${LOOP_MS})`
  },
  /** A file of rows, by a column as the key, or ''. */
  produceFile: {
    scripts: (file, topic, key) => [`${rows(file, key)} |\n  ${line(`kafka-console-producer.sh ${BOOTSTRAP} --topic ${sh(topic)}`, key && '--property parse.key=true')}`],
    kcat: (file, topic, key) => [`${rows(file, key)} |\n  ${line(`kcat -b ${SERVER} -P -t ${sh(topic)} ${MURMUR2}`, key && "-K '\\t'")}`],
    kafkajs: null
  },
  consume: {
    needs: 'kafka',
    scripts: ({ topic, partition, offset }) => [lines(`kafka-console-consumer.sh ${BOOTSTRAP} --topic ${sh(topic)} --partition ${partition} --offset ${offset}`,
      '--property print.key=true --property print.timestamp=true --property print.headers=true')],
    kcat: ({ topic, partition, offset }) => [`kcat -b ${SERVER} -C -t ${sh(topic)} -p ${partition} -o ${offset} -f '%p:%o %T %k %h %s\\n'`],
    kafkajs: ({ topic, partition, offset }) => `const consumer = kafka.consumer({ groupId: 'reader' })
await consumer.connect()
await consumer.subscribe({ topics: [${js(topic)}], fromBeginning: true })
consumer.run({ eachMessage: async ({ partition, message }) => console.log(partition, message.offset, String(message.key), String(message.value)) })
consumer.seek({ topic: ${js(topic)}, partition: ${partition}, offset: '${offset}' })`
  }
}

/** A row a line, its key before a tab. @param {string} file @param {string} key */
function rows (file, key) {
  const each = file.toLowerCase().endsWith('.json') ? '.[]' : '.'
  return `jq -r ${sh(`${each} | ${key ? `"\\(.[${JSON.stringify(key)}])\\t\\(tojson)"` : 'tojson'}`)} ${sh(file)}`
}
