// The members of consumer groups that this page runs. A spec is plain data, as a generator's.
import { app } from '../app.js'
import { Crew } from './crew.js'
import { mark } from '../state/lag.js'

/**
 * @typedef {object} MemberSpec
 * @property {string} group
 * @property {string[]} topics
 * @property {string} clientId
 * @property {'range' | 'roundrobin'} assignor
 * @property {number} sessionTimeout in ms
 * @property {number} maxPollInterval in ms
 * @property {'auto' | 'manual' | 'none'} commit
 * @property {number} commitInterval of automatic commits, in ms
 * @property {boolean} fromBeginning where the group has committed nothing
 * @property {number} perSecond its pace, in records; 0: as fast as it can
 *
 * @typedef {{ read: number, perSecond: number, latest: { topic: string, partition: number, offset: string, key: string | null, value: string | null }[] }} MemberFigures
 */

/** @type {MemberSpec} */
export const DEFAULTS = Object.freeze({
  group: 'readers', topics: [], clientId: 'reader', assignor: 'range', sessionTimeout: 10000, maxPollInterval: 60000, commit: 'auto',
  commitInterval: 1000, fromBeginning: true, perSecond: 0
})

/** @type {Crew<MemberSpec>} */
const crew = new Crew('member', (entry, message) => {
  switch (message.type) {
    case 'joined': {
      const { generation, memberId, leads, assignor, assignment } = message
      Object.assign(entry, { generation, memberId, leads, usedAssignor: assignor, assignment, out: false })
      break
    }
    case 'revoked': entry.assignment = {}; break
    case 'lost':
      Object.assign(entry, { assignment: {}, out: true })
      if (entry.stuck) mark(entry.spec.group, 'out', { name: entry.spec.clientId })
      break
    case 'stuck': entry.stuck = 'handler'; break
    case 'notCommitted': entry.error = message.error; break
  }
})

export const onMembers = (/** @type {() => void} */ listener) => crew.onChange(listener)
/** @returns {any[]} */
export const list = () => crew.list()
/** @param {string} id */
export const remove = (id) => crew.remove(id)

/** Starts one; what the spec leaves out is as in DEFAULTS. @param {Partial<MemberSpec>} given @param {string} [again] the id of one that has ended @returns {string} its id */
export function start (given, again = undefined) {
  const spec = { ...DEFAULTS, ...given }
  mark(spec.group, 'start', { name: spec.clientId })
  app.actions.add('join', [spec])
  return crew.launch(spec, { generation: null, memberId: '', leads: false, usedAssignor: '', assignment: {}, out: false, stuck: '' }, again)
}

/** A name that no member of the group here has: `reader-3`. @param {string} group @param {string} base */
export function nameFor (group, base) {
  const taken = new Set(list().filter(({ spec }) => spec.group === group).map(({ spec }) => spec.clientId))
  for (let number = 1; ; number++) if (!taken.has(`${base}-${number}`)) return `${base}-${number}`
}

/** It leaves the group. @param {string} id */
export function stop (id) {
  const entry = crew.get(id)
  if (entry) mark(entry.spec.group, 'stop', { name: entry.spec.clientId })
  return crew.stop(id)
}

/** As when its process dies: no LeaveGroup, the coordinator waits for the session timeout. @param {string} id */
export function crash (id) {
  const entry = crew.get(id)
  if (entry) mark(entry.spec.group, 'crash', { name: entry.spec.clientId })
  crew.crash(id)
}

/** Its handler of the next batch does not come back: after max.poll.interval.ms it is out of the group. @param {string} id */
export function stick (id) {
  const entry = crew.get(id)
  entry.stuck = 'asked'
  entry.post({ type: 'stick' })
  mark(entry.spec.group, 'stuck', { name: entry.spec.clientId })
  crew.changed()
}

/** @param {string} id */
export function resume (id) {
  const entry = crew.get(id)
  entry.stuck = ''
  entry.post({ type: 'resume' })
  mark(entry.spec.group, 'resumed', { name: entry.spec.clientId })
  crew.changed()
}

/** @param {string} id @param {number} perSecond */
export function pace (id, perSecond) {
  const entry = crew.get(id)
  entry.spec = { ...entry.spec, perSecond }
  if (['starting', 'running'].includes(entry.state)) entry.post({ type: 'pace', perSecond })
  crew.changed()
}
