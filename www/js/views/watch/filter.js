// Which events the timeline shows. The choice is in the address: `#/watch?kind=groups&broker=2&topic=orders`.
import { concerns } from '../../state/timeline.js'

/** Kinds, and the events of each. @type {Record<string, string[]>} */
export const KINDS = {
  brokers: ['workerState', 'brokerState', 'brokerRegistered', 'brokerFenced', 'brokerUnfenced', 'brokerUnregistered', 'brokerRemoved', 'decommission', 'ownerGone', 'ownerChanged', 'ownerFailed'],
  quorum: ['quorumRole', 'controllerActive'],
  elections: ['partitionChanged', 'truncated'],
  topics: ['topicCreated', 'topicDeleted', 'partitionsCreated', 'configChanged'],
  logs: ['segmentRolled', 'segmentsDeleted', 'logCompacted', 'logCompactionStopped', 'logRecovered', 'logDamaged', 'storageFailed'],
  groups: ['groupState'],
  links: ['linkChanged', 'connectionRefused']
}

/** @typedef {{ kind: string, broker: string, topic: string }} Filter '' for all */

/** @param {URLSearchParams | undefined} query @returns {Filter} */
export function filterOf (query) {
  const kind = query?.get('kind') ?? ''
  return { kind: Object.hasOwn(KINDS, kind) ? kind : '', broker: query?.get('broker') ?? '', topic: query?.get('topic') ?? '' }
}

/** @param {Filter} filter */
export function addressOf (filter) {
  const query = new URLSearchParams(Object.entries(filter).filter(([, value]) => value))
  return query.size ? `#/watch?${query}` : '#/watch'
}

/** @param {Filter} filter @returns {(event: any) => boolean} */
export function passes ({ kind, broker, topic }) {
  return (event) => (!kind || KINDS[kind].includes(event.type)) &&
    (!topic || event.topic === topic) &&
    (!broker || String(event.broker) === broker || (event.type === 'linkChanged' && String(event.to) === broker) ||
      concerns(event).some(({ kind: what, id }) => what === 'broker' && String(id) === broker))
}
