// What is done with the page, as commands of other tools: a shell and JavaScript read in them what was meant.
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { test } from 'node:test'
import { commandsOf, inKafkajs } from '../../www/js/commands/index.js'
import { js, sh } from '../../www/js/commands/quoting.js'
import { CHANGES, SOURCE_CHANGES } from '../../www/js/state/actions.js'
import { DEFAULTS as GENERATOR } from '../../www/js/work/generators.js'
import { DEFAULTS as MEMBER } from '../../www/js/work/members.js'

const NASTY = ['', 'plain', "it's", '"double"', 'a b', '$HOME `id` \\ !', 'two\nlines', 'tab\there', '하나', '*', '-n', '{"a": 1}']

/** One of each. @type {Record<string, any[]>} */
const DEEDS = {
  createTopics: [{ topics: [{ topic: 'orders', numPartitions: 6, replicationFactor: 3, configEntries: [{ name: 'cleanup.policy', value: 'compact,delete' }] }] }],
  deleteTopics: [{ topics: ['orders'] }],
  createPartitions: [{ topicPartitions: [{ topic: 'orders', count: 9 }] }],
  alterConfigs: [{ resources: [{ type: 2, name: 'orders', configEntries: [{ name: 'cleanup.policy', value: 'compact,delete' }, { name: 'retention.ms', value: null }] }] }],
  deleteTopicRecords: [{ topic: 'orders', partitions: [{ partition: 0, offset: '7' }] }],
  setOffsets: [{ groupId: 'shop', topic: 'orders', partitions: [{ partition: 1, offset: '5' }] }],
  resetOffsets: [{ groupId: 'shop', topic: 'orders', earliest: true }],
  deleteGroups: [['shop', "bob's"]],
  alterPartitionReassignments: [{ topics: [{ topic: 'orders', partitionAssignment: [{ partition: 0, replicas: [3, 1] }, { partition: 1, replicas: null }] }] }],
  electLeaders: [{ electionType: 'preferred', topics: [{ topic: 'orders', partitions: [0, 1] }] }],
  send: [{ topic: 'orders', acks: 1, compression: 1, messages: [{ key: 'ann', value: 'x', headers: { trace: ['a', 'b'] } }, { value: null, partition: 2 }], more: 8 }],
  generate: [{ ...GENERATOR, compression: 4 }],
  produceFile: ['rows.json', 'orders', 'id'],
  consume: [{ topic: 'orders', partition: 1, offset: 42 }],
  join: [{ ...MEMBER, group: 'shop', topics: ['orders', 'clicks'] }],
  describeGroup: ['shop'],
  resetTo: [{ group: 'shop', topic: 'orders', partition: '1', to: 'earliest', time: '', offset: '' }],
  kill: [2, { silent: true }],
  stop: [2],
  start: [2],
  addBroker: [],
  decommission: [4],
  setLink: [1, 2, { cut: true }]
}
const of = (what, ...given) => Object.fromEntries(commandsOf([{ what, given }]).map(({ name, text }) => [name, text]))

/** What a command got: its arguments, what files it was given hold, and what it reads. @param {string} name @param {string} command */
function got (name, command) {
  const script = `${name}() {
  for one; do if [[ $one == /dev/fd/* ]]; then printf 'file %s\\0' "$(cat "$one"; printf .)"; else printf 'arg %s\\0' "$one"; fi; done
  [[ -p /dev/stdin ]] && printf 'in %s\\0' "$(cat; printf .)"
  return 0
}
${command}`
  return execFileSync('bash', ['-c', script], { encoding: 'utf8' }).split('\0').slice(0, -1).map((one) => one.replace(/^(file|in)( [^]*)\.$/, '$1$2'))
}

test('a shell reads every text as it was, and so does JavaScript', () => {
  for (const text of NASTY) {
    assert.equal(execFileSync('bash', ['-c', `printf %s ${sh(text)}`], { encoding: 'utf8' }), text)
    assert.equal(new Function(`return ${js(text)}`)(), text)
  }
  const value = { plain: 1, 'with space': [true, null, 'it\'s'], none: undefined, nested: { bytes: new TextEncoder().encode('하나') } }
  assert.deepEqual(new Function(`return ${js(value)}`)(), { plain: 1, 'with space': [true, null, 'it\'s'], nested: { bytes: '하나' } })
})

test('a record reaches kcat and the console producer as it was, whatever is in it', () => {
  for (const text of NASTY) {
    const forms = of('send', { topic: 'orders', messages: [{ key: text, value: text, headers: { trace: text } }] })
    // The value is a file of its own.
    assert.deepEqual(got('kcat', forms.kcat).slice(-5), ['arg -k', `arg ${text}`, 'arg -H', `arg trace=${text}`, `file ${text}`])
    if (/[\n\t]/.test(text)) assert.deepEqual(Object.keys(forms), ['kcat', 'kafkajs'], 'the console producer takes a line a record')
    else assert.equal(got('kafka-console-producer.sh', forms['kafka-console-producer.sh']).at(-1), `in trace:${text}\t${text}\t${text}\n`)
  }
})

test('everything that a person can do has its words, and they are JavaScript', async () => {
  assert.deepEqual([...CHANGES, ...SOURCE_CHANGES, 'send'].filter((what) => !DEEDS[what]), [])
  for (const [what, given] of Object.entries(DEEDS)) {
    const forms = of(what, ...given)
    assert.ok(Object.keys(forms).length > 0, what)
    const { kafkajs = '' } = forms
    execFileSync('node', ['--check', '--input-type=module'], { input: kafkajs, stdio: ['pipe', 'inherit', 'inherit'] })
    const [script] = Object.entries(forms).filter(([name]) => name.startsWith('kafka-'))
    if (script) execFileSync('bash', ['-n', '-c', script[1]])
    assert.doesNotMatch(JSON.stringify(forms), /undefined|NaN|\[object/, what)
  }
})

test('the words are those of the tools', () => {
  const words = (what, name) => of(what, ...DEEDS[what])[name]
  assert.equal(words('createTopics', 'kafka-topics.sh'), `kafka-topics.sh --bootstrap-server localhost:9092 --create --topic orders \\
  --partitions 6 --replication-factor 3 \\
  --config cleanup.policy=compact,delete`)
  assert.match(words('alterConfigs', 'kafka-configs.sh'), /--add-config 'cleanup\.policy=\[compact,delete\]'\n.* \\\n {2}--delete-config retention\.ms$/)
  assert.match(words('alterPartitionReassignments', 'kafka-reassign-partitions.sh'), /"partition":0,"replicas":\[3,1\][^]*--execute\n[^]*"partition":1,"replicas":\[\][^]*--cancel$/)
  assert.equal(words('send', 'kafkajs').split('\n').slice(-2).join('\n'), `await producer.send({ topic: 'orders', acks: 1, compression: CompressionTypes.GZIP, messages: [{ key: 'ann', value: 'x', headers: { trace: ['a', 'b'] } }, { value: null, partition: 2 }] })
// … and 8 more`)
  assert.match(words('send', 'kafkajs'), /^import \{ CompressionTypes, Kafka \} from 'kafkajs'\n/)
  assert.equal(inKafkajs({ what: 'setLink', given: DEEDS.setLink }), 'await cluster.setLink(1, 2, { cut: true })')
  const all = commandsOf(Object.entries(DEEDS).map(([what, given]) => ({ what, given })))
  execFileSync('node', ['--check', '--input-type=module'], { input: all[2].text, stdio: ['pipe', 'inherit', 'inherit'] })
  assert.deepEqual(all.map(({ name }) => name), ['kafka-topics.sh, kafka-configs.sh, …', 'kcat', 'kafkajs'])
  assert.match(all[1].text, /\n# this tool has no command for createTopics, /)
})
