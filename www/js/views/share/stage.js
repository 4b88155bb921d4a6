// The scenario that is on right now, and the putting on of another.
import { app } from '../../app.js'
import * as generators from '../../work/generators.js'
import * as members from '../../work/members.js'
import { ownConfigs } from './keep.js'

const RUNNING = ['starting', 'running']
const isDown = (state) => state === 'crashed' || state === 'stopped'

/** Of the cluster as it is, with what this page has set to work. @returns {Promise<import('./scenario.js').Scenario>} */
export async function present () {
  const { store } = app
  const topics = []
  for (const topic of store.userTopics()) {
    const partitions = store.model.topics.get(topic)
    topics.push({ topic, partitions: partitions.length, replicas: partitions[0].replicas.length, configs: await ownConfigs(topic) })
  }
  return {
    brokers: store.model.brokers.size,
    topics,
    generators: generators.list().filter(({ state }) => RUNNING.includes(state)).map(({ spec }) => ({ ...spec })),
    members: members.list().filter(({ state }) => RUNNING.includes(state)).map(({ spec }) => ({ ...spec })),
    links: [...store.links].filter(([, { cut, delayMs, lossRatio }]) => cut || delayMs > 0 || lossRatio > 0).map(([name, faults]) => {
      const [from, to] = name.split('>').map(Number)
      return { from, to, ...faults }
    }),
    down: store.brokers().filter(({ state }) => isDown(state)).map(({ id }) => id)
  }
}

/** @typedef {{ did: (key: 'broker'|'topic'|'kept'|'generator'|'member'|'link'|'down', params: Record<string, any>) => void, signal: AbortSignal }} Tools */

/** How many steps that is. @param {import('./scenario.js').Scenario} scenario */
export function steps ({ brokers, topics, generators, members, links, down }) {
  return Math.max(0, brokers - app.store.model.brokers.size) + topics.length + generators.length + members.length + links.length + down.length
}

/** @param {import('./scenario.js').Scenario} scenario @param {Tools} tools */
export async function putOn ({ brokers, topics, generators: work, members: readers, links, down }, { did, signal }) {
  const { admin, source, store } = app
  while (store.model.brokers.size < brokers && source.can('addBroker')) {
    signal.throwIfAborted()
    did('broker', { id: await source.addBroker() })
  }
  for (const { topic, partitions, replicas, configs } of topics) {
    signal.throwIfAborted()
    const there = store.model.topics.get(topic)
    if (there) {
      did('kept', { topic, count: there.length })
      continue
    }
    const configEntries = Object.entries(configs).map(([name, value]) => ({ name, value }))
    await admin.createTopics({ topics: [{ topic, numPartitions: partitions, replicationFactor: Math.min(replicas, store.model.brokers.size), configEntries }] })
    did('topic', { topic, count: partitions })
  }
  for (const spec of work) {
    signal.throwIfAborted()
    await generators.start(spec)
    did('generator', { topic: spec.topic, rate: spec.rate })
  }
  for (const spec of readers) {
    signal.throwIfAborted()
    members.start(spec)
    did('member', { group: spec.group, name: spec.clientId })
  }
  // Faults come last: they are to happen to what is there.
  for (const { from, to, ...faults } of links) {
    signal.throwIfAborted()
    source.setLink(from, to, faults)
    did('link', { from, to })
  }
  for (const id of down) {
    signal.throwIfAborted()
    if (!isDown(store.model.brokers.get(id)?.state)) await source.kill(id)
    did('down', { id })
  }
}
