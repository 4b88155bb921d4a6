// What is done with the page, as commands of other tools: Kafka's own scripts, kcat, kafkajs.
//
//   copyAs(commandsOf([{ what: 'createTopics', given: [{ topics: [{ topic: 'orders' }] }] }]))
//
// `what` is a call of an admin, a producer or the source and `given` its arguments, as state/actions.js writes them down; so a
// form tells here what it would call. What is no such call has a name of its own: `generate`, `produceFile`, `consume`, `join`,
// `describeGroup`, `resetTo`.
import { SERVER, js } from './quoting.js'
import brokers from './brokers.js'
import groups from './groups.js'
import records from './records.js'
import topics from './topics.js'

/**
 * @typedef {{ what: string, given: any[] }} Deed
 * @typedef {object} Words what a deed is in each tool
 * @property {(...given: any[]) => string[]} [scripts] each a command of Kafka's scripts
 * @property {(...given: any[]) => string[]} [kcat]
 * @property {((...given: any[]) => string) | null} [kafkajs] when it is left out, the call as it was made; null: it can't
 * @property {'admin' | 'producer' | 'kafka' | 'cluster'} [needs] what kafkajs does it with; `cluster`: the package's, not kafkajs
 */

/** @type {Record<string, Words>} */
const WORDS = { ...topics, ...records, ...groups, ...brokers }
const LISTED_MAX = 2

/** In one line or more of JavaScript; '' for what it can't do. @param {Deed} deed */
export function inKafkajs ({ what, given }) {
  const { kafkajs, needs = 'admin' } = WORDS[what]
  if (kafkajs !== undefined) return kafkajs?.(...given) ?? ''
  return `await ${needs}.${what}(${given.filter((one) => one !== undefined).map(js).join(', ')})`
}

/** In each tool's words, as `copyAs` takes it: the tools that can do any of it. @param {Deed[]} deeds */
export function commandsOf (deeds) {
  const told = (tool) => deeds.map(({ what, given }) => ({ what, commands: WORDS[what][tool]?.(...given) ?? [] }))
  const scripts = shell(told('scripts'))
  const names = [...new Set(scripts.match(/\bkafka-[a-z-]+\.sh\b/g))]
  return [
    { name: names.length > LISTED_MAX ? `${names.slice(0, LISTED_MAX).join(', ')}, …` : names.join(', ') || 'kafka-….sh', text: scripts },
    { name: 'kcat', text: shell(told('kcat')) },
    { name: 'kafkajs', text: module(deeds) }
  ].filter(({ text }) => text !== '')
}

/** @param {{ what: string, commands: string[] }[]} told */
function shell (told) {
  const commands = told.flatMap((one) => one.commands)
  if (commands.length === 0) return ''
  const silent = [...new Set(told.filter((one) => one.commands.length === 0).map(({ what }) => what))]
  return [...commands, ...silent.length ? [`# this tool has no command for ${silent.join(', ')}`] : []].join('\n')
}

/** @param {Deed[]} deeds */
function module (deeds) {
  // Names of its own must not meet those of another.
  const statements = deeds.map(inKafkajs).filter(Boolean).map((code) => deeds.length > 1 && code.startsWith('const ') ? `{\n  ${code.replaceAll('\n', '\n  ')}\n}` : code)
  const needs = new Set(deeds.filter((deed) => inKafkajs(deed)).map(({ what }) => WORDS[what].needs ?? 'admin'))
  const clients = ['admin', 'producer'].filter((name) => needs.has(/** @type {any} */ (name)))
  const body = statements.join('\n')
  return [
    ...clients.length || needs.has('kafka') ? [`import { ${body.includes('CompressionTypes.') ? 'CompressionTypes, ' : ''}Kafka } from 'kafkajs'`, `const kafka = new Kafka({ brokers: ['${SERVER}'] })`] : [],
    ...clients.map((name) => `const ${name} = kafka.${name}()\nawait ${name}.connect()`),
    ...body ? [body] : []
  ].join('\n')
}
