// Events in plain words: which sentence of the catalogue, with what in it; and what each event concerns.
import { inReadersWords } from '../i18n/reasons.js'

/**
 * @typedef {{ kind: 'broker'|'link'|'topic'|'group', id: string | number }} Concern
 * @typedef {{ key: string, params: Record<string, any>, tone: '' | 'good' | 'bad' }} Words
 */

/** What an event is about: where on the page it is told. @param {any} event @returns {Concern[]} */
export function concerns (event) {
  /** @type {Concern[]} */
  const found = []
  if (!inWords(event)) return found
  if (event.broker !== null) found.push({ kind: 'broker', id: subject(event) })
  if (event.type === 'linkChanged') found.push({ kind: 'link', id: [event.broker, event.to].sort((a, b) => a - b).join('-') })
  if (event.topic !== undefined) found.push({ kind: 'topic', id: event.topic })
  if (event.group !== undefined) found.push({ kind: 'group', id: event.group })
  return found
}

/** The broker it happened to: the controller tells of many things that happen to another. @param {any} event @returns {number} */
function subject (event) {
  if (event.type === 'partitionChanged' && event.elected && event.leader !== null && event.leader !== undefined) return event.leader
  return event.type.startsWith('broker') ? event.id ?? event.broker : event.broker
}

/** Where on the page a concern is shown. @param {Concern} concern */
export function hrefOf ({ kind, id }) {
  switch (kind) {
    case 'topic': return `#/topics/${encodeURIComponent(id)}`
    case 'group': return `#/groups/${encodeURIComponent(id)}`
    default: return `#/cluster/${kind}-${id}`
  }
}

const words = (key, params = {}, tone = /** @type {Words['tone']} */ ('')) => ({ key: `event.${key}`, params, tone })

/**
 * @param {any} event @param {number} [at] the broker beside which it is told, when it is not the one that tells
 * @returns {Words | null} null for what the timeline leaves out
 */
export function inWords (event, at) {
  const { topic, partition, id, epoch, group, from, to } = event
  const reason = inReadersWords(event.reason)
  const place = topic === undefined ? '' : partition === undefined ? topic : `${topic}-${partition}`
  if (at !== undefined) {
    if (event.type === 'partitionChanged' && event.elected && event.leader === at) return words('here.leads', { place, epoch: event.leaderEpoch }, 'good')
    if (event.type === 'brokerRegistered') return words('here.registered')
    if (event.type === 'brokerFenced') return words('here.fenced', {}, 'bad')
    if (event.type === 'brokerUnfenced') return words('here.unfenced', {}, 'good')
  }
  switch (event.type) {
    case 'workerState': return worker(event.facts)
    case 'brokerState': return event.state === 'running' ? words('running', {}, 'good') : null
    case 'quorumRole':
      if (event.role === 'leader') return words('quorumLeader', { epoch }, 'good')
      if (event.role === 'candidate') return words('candidate', { epoch })
      return event.role === 'resigned' ? words('resigned', { epoch }) : null
    case 'controllerActive': return words('controller', {}, 'good')
    case 'brokerRegistered': return words('registered', { id })
    case 'brokerFenced': return words('fenced', { id }, 'bad')
    case 'brokerUnfenced': return words('unfenced', { id }, 'good')
    case 'topicCreated': return words('topicCreated', { topic, count: event.partitions, replicas: event.replicationFactor }, 'good')
    case 'topicDeleted': return words('topicDeleted', { topic })
    case 'configChanged': return event.value === null || event.value === undefined ? words('configReset', { topic, name: event.name }) : words('configSet', { topic, name: event.name, value: event.value })
    case 'partitionsCreated': return words('partitionsCreated', { topic, count: event.partitions })
    case 'partitionChanged': return changed(event, place)
    case 'truncated': return words('truncated', { place, from, to })
    case 'segmentRolled': return words('segmentRolled', { place, base: event.base })
    case 'segmentsDeleted': return words('segmentsDeleted', { place, from, to, reason, freed: { bytes: event.bytes } })
    case 'logCompacted': return words('compacted', { place, to, count: event.recordsRemoved, before: { bytes: event.bytesBefore }, after: { bytes: event.bytesAfter } })
    case 'logCompactionStopped': return words('compactionStopped', { place, at: event.at })
    case 'logRecovered': return words('recovered', { place, end: event.end, gone: { bytes: event.bytesCut }, reason }, 'bad')
    case 'logDamaged': return to === null || to === undefined
      ? words('damagedOn', { place, from }, 'bad')
      : words('damaged', { place, from, to: to - 1 }, 'bad')
    case 'groupState': return words('group', { group, state: event.state, generation: event.generation, count: event.members.length, reason })
    case 'storageFailed': return words('storageFailed', { reason }, 'bad')
    case 'connectionRefused': return words('refused', { reason }, 'bad')
    case 'linkChanged': return link(event)
    case 'ownerGone': return words('ownerGone', { reason })
    case 'ownerChanged': return event.here ? words('ownerHere', {}, 'good') : words('ownerElsewhere', {}, 'good')
    case 'ownerFailed': return words('ownerFailed', { reason }, 'bad')
    default: return null
  }
}

function worker ({ state, reason }) {
  switch (state) {
    case 'crashed': return reason === 'killed' ? words('killed', {}, 'bad') : words('crashed', { reason: inReadersWords(reason) }, 'bad')
    case 'starting': return words('starting')
    case 'stopping': return words('stopping')
    case 'stopped': return words('stopped')
    default: return null
  }
}

function changed ({ leader, elected, leaderEpoch, isr }, place) {
  if (leader === null || leader === undefined) return words('noLeader', { place }, 'bad')
  const inSync = isr.join(', ')
  return elected ? words('elected', { place, leader, epoch: leaderEpoch, isr: inSync }, 'good') : words('isr', { place, isr: inSync })
}

function link ({ to, cut, delayMs, lossRatio }) {
  if (cut) return words('linkCut', { to }, 'bad')
  if (lossRatio > 0 && delayMs > 0) return words('linkBoth', { to, ms: delayMs, percent: Math.round(lossRatio * 100) }, 'bad')
  if (lossRatio > 0) return words('linkLossy', { to, percent: Math.round(lossRatio * 100) }, 'bad')
  return delayMs > 0 ? words('linkSlow', { to, ms: delayMs }) : words('linkHealed', { to }, 'good')
}
