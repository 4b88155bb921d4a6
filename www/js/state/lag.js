// How far groups are behind, now and over the last minutes, from what the store knows; nobody is asked for it.
import { app } from '../app.js'

const EVERY_MS = 1000
const SAMPLES_MAX = 300
const MARKS_MAX = 60

/**
 * @typedef {{ topic: string, partition: number, committed: number | null, end: number, lag: number | null }} Place lag: null
 *   without a commit
 * @typedef {{ at: number, key: string, params: Record<string, any> }} Mark at: ms since the epoch; key: `groups.mark.<key>` of the catalogue
 * @typedef {{ at: number[], total: (number | null)[], places: Map<string, (number | null)[]> }} History
 */

/** @type {Map<string, History>} */
const histories = new Map()
/** @type {Map<string, Mark[]>} */
const marks = new Map()
let timer = 0

/** The end of what consumers see of a partition; the furthest replica's while it has no leader. */
function endOf ({ leader, progress }) {
  const known = leader !== null && progress[leader]
  return known ? known.highWatermark : Math.max(0, ...Object.values(progress).map(({ highWatermark }) => highWatermark))
}

/** Where a group stands: each partition of the topics it has commits in. @param {string} group @returns {Place[]} */
export function placesOf (group) {
  const { topics, groups } = app.store.model
  const committed = groups.get(group)?.committed ?? {}
  const names = new Set(Object.keys(committed).map((place) => place.slice(0, place.lastIndexOf('-'))))
  return [...names].sort().flatMap((topic) => (topics.get(topic) ?? []).map((partition, index) => {
    const offset = committed[`${topic}-${index}`] ?? null
    const end = endOf(partition)
    return { topic, partition: index, committed: offset, end, lag: offset === null ? null : Math.max(0, end - offset) }
  }))
}

/** @param {string} group @returns {number | null} null when it has committed nothing */
export function lagOf (group) {
  const lags = placesOf(group).map(({ lag }) => lag).filter((lag) => lag !== null)
  return lags.length ? lags.reduce((sum, lag) => sum + lag, 0) : null
}

/** The last five minutes, a sample a second. @param {string} group @returns {History} */
export function historyOf (group) {
  begin()
  return histories.get(group) ?? { at: [], total: [], places: new Map() }
}

/** What was done to a group, beside what the timeline has. @param {string} group @param {string} key @param {Record<string, any>} params */
export function mark (group, key, params) {
  begin()
  const list = marks.get(group) ?? []
  list.push({ at: Date.now(), key, params })
  marks.set(group, list.slice(-MARKS_MAX))
}

/** @param {string} group @returns {Mark[]} */
export const marksOf = (group) => marks.get(group) ?? []

/** Samples from now on, once a second. */
export function begin () {
  if (!timer) timer = window.setInterval(sample, EVERY_MS)
}

function sample () {
  if (app.store.paused) return
  const now = Date.now() / 1000
  for (const group of app.store.model.groups.keys()) {
    const places = placesOf(group)
    if (places.length === 0) continue
    const history = histories.get(group) ?? { at: [], total: [], places: new Map() }
    histories.set(group, history)
    const total = places.some(({ lag }) => lag !== null) ? places.reduce((sum, { lag }) => sum + (lag ?? 0), 0) : null
    history.at.push(now)
    history.total.push(total)
    for (const { topic, partition, lag } of places) {
      const name = `${topic}-${partition}`
      // One that is new has no past.
      if (!history.places.has(name)) history.places.set(name, new Array(history.at.length - 1).fill(null))
      history.places.get(name).push(lag)
    }
    for (const values of history.places.values()) if (values.length < history.at.length) values.push(null)
    if (history.at.length > SAMPLES_MAX) for (const list of [history.at, history.total, ...history.places.values()]) list.shift()
  }
  for (const group of [...histories.keys()]) if (!app.store.model.groups.has(group)) histories.delete(group)
}
