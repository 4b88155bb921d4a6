// The clusters of this browser: which there are, how each one is opened, and the end of one. Records are in IndexedDB; what a
// person chose for a cluster (its profile) is the page's to remember.
import { store, stored } from '../shell/settings.js'

export const NAME = /^[A-Za-z0-9._-]{1,100}$/
export const BROKERS_MAX = 9
export const PROFILES = ['lab', 'kafka']
/** The cluster of an address without `?name=`. */
export const FIRST = 'playground'
const DEFAULTS = { brokers: 3, profile: 'lab' }
const DATABASE = /^tabmq\/([A-Za-z0-9._-]{1,100})(?:\/(\d+))?$/

/** @typedef {{ name: string, brokers: number }} Known as IndexedDB has it */

/** By name. Browsers that do not list databases know those that the page remembers. @returns {Promise<Known[]>} */
export async function known () {
  /** @type {Map<string, number>} */
  const found = new Map()
  try {
    for (const { name } of await indexedDB.databases()) {
      const [, cluster, broker] = DATABASE.exec(name) ?? []
      if (cluster) found.set(cluster, (found.get(cluster) ?? 0) + (broker ? 1 : 0))
    }
  } catch {
    for (const [name, { brokers }] of Object.entries(remembered())) found.set(name, brokers)
  }
  return [...found].map(([name, brokers]) => ({ name, brokers })).sort((a, b) => a.name.localeCompare(b.name))
}

/** What was chosen for clusters when they were made. @returns {Record<string, { brokers: number, profile: string }>} */
function remembered () {
  try {
    const read = JSON.parse(stored('clusters') ?? '{}')
    return read !== null && typeof read === 'object' && !Array.isArray(read) ? read : {}
  } catch {
    return {}
  }
}

/** @param {string} name @param {{ brokers: number, profile: string }} chosen */
export function remember (name, chosen) {
  store('clusters', JSON.stringify({ ...remembered(), [name]: chosen }))
}

/** @param {string} name */
function forget (name) {
  const { [name]: gone, ...others } = remembered()
  store('clusters', JSON.stringify(others))
}

/**
 * What `createCluster` is to be given: how many brokers a new cluster is to have; one that is there has what it has.
 * @param {string} name @returns {Promise<{ name: string, brokers: number | undefined, profile: any, config: Record<string, number> }>}
 */
export async function opening (name) {
  const { brokers, profile } = { ...DEFAULTS, ...remembered()[name] }
  const there = (await known()).find((one) => one.name === name)
  const count = there?.brokers || (Number.isInteger(brokers) && brokers >= 1 && brokers <= BROKERS_MAX ? brokers : DEFAULTS.brokers)
  return {
    name,
    brokers: there ? undefined : count,
    profile: PROFILES.includes(profile) ? profile : DEFAULTS.profile,
    config: { 'default.replication.factor': Math.min(3, count), 'min.insync.replicas': count >= 3 ? 2 : 1, 'num.partitions': 6 }
  }
}

/** The address of a cluster: the page as it is, for another one. @param {string} name @param {string} [hash] */
export function addressOf (name, hash = '#/cluster') {
  const address = new URL(location.href)
  for (const one of ['name', 'takeOver', 'storage']) address.searchParams.delete(one)
  if (name !== FIRST) address.searchParams.set('name', name)
  address.hash = hash
  return address.href
}

/** A name that no cluster has yet. @param {string} like @param {Known[]} taken */
export function freeName (like, taken) {
  for (let number = 2; ; number++) {
    const name = `${like.slice(0, 90)}-${number}`
    if (!taken.some((one) => one.name === name)) return name
  }
}

export class InUseError extends Error {}

/** Deletes all data of a cluster that no tab has open. @param {string} name */
export async function destroy (name) {
  await navigator.locks.request(`tabmq/${name}`, { ifAvailable: true }, async (lock) => {
    if (!lock) throw new InUseError()
    const databases = (await indexedDB.databases()).filter((one) => DATABASE.exec(one.name)?.[1] === name)
    // The catalog last: a cluster that is half gone is still listed, and can be destroyed again.
    for (const database of databases.map((one) => one.name).sort((a, b) => b.length - a.length)) await deleteDatabase(database)
  })
  forget(name)
}

/** The one that is open here. @param {any} cluster the SDK's */
export async function destroyOpen (cluster) {
  await cluster.destroy()
  forget(cluster.name)
}

/** @param {string} name */
function deleteDatabase (name) {
  return new Promise((resolve, reject) => {
    const request = indexedDB.deleteDatabase(name)
    request.onsuccess = () => resolve(undefined)
    request.onerror = () => reject(request.error)
    request.onblocked = () => reject(new InUseError())
  })
}
