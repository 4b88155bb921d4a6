// A scenario: a cluster and what goes on in it, as text short enough for a link.
//
//   { "brokers": 3, "topics": [{ "topic": "orders", "partitions": 6, "replicas": 3, "configs": {} }],
//     "generators": [GeneratorSpec], "members": [MemberSpec],
//     "links": [{ "from": 1, "to": 2, "cut": true, "delayMs": 0, "lossRatio": 0 }], "down": [2] }
//
// What is as the defaults have it is left out. The link has `1.` (the version) and this as JSON, deflated, in base64url; behind
// `#`, so that no server sees it.
import { deflateSync, inflateSync } from 'fflate'
import { DEFAULTS as GENERATOR } from '../../work/generators.js'
import { DEFAULTS as MEMBER } from '../../work/members.js'
import { BROKERS_MAX } from '../../state/clusters.js'

export const VERSION = 1
/** Of the text in a link: beyond it some programs cut addresses. */
export const TEXT_MAX = 2000
/** What a link may unpack to. */
const JSON_MAX = 1 << 18
const LIST_MAX = 100

/**
 * @typedef {{ topic: string, partitions: number, replicas: number, configs: Record<string, string> }} Topic
 * @typedef {{ from: number, to: number, cut: boolean, delayMs: number, lossRatio: number }} Link
 * @typedef {{ brokers: number, topics: Topic[], generators: any[], members: any[], links: Link[], down: number[] }} Scenario
 */

const TOPIC = { topic: '', partitions: 1, replicas: 3, configs: {} }
const LINK = { from: 0, to: 0, cut: false, delayMs: 0, lossRatio: 0 }
const LISTS = { topics: TOPIC, generators: GENERATOR, members: MEMBER, links: LINK }

/** What is wrong with a link: `why`, and the place in it. */
export class ScenarioError extends Error {
  /** @param {'version'|'text'|'json'|'long'|'wrong'|'missing'} why @param {string} [place] @param {any} [detail] */
  constructor (why, place = '', detail = '') {
    super(`${why} ${place} ${detail}`)
    Object.assign(this, { why, place, detail })
  }
}

/** The text of a link. @param {Scenario} scenario */
export function encode (scenario) {
  const brief = { brokers: scenario.brokers }
  for (const [name, defaults] of Object.entries(LISTS)) {
    if (scenario[name].length) brief[name] = scenario[name].map((one) => Object.fromEntries(Object.entries(one).filter(([field, value]) => JSON.stringify(value) !== JSON.stringify(defaults[field]))))
  }
  if (scenario.down.length) brief.down = scenario.down
  const packed = deflateSync(new TextEncoder().encode(JSON.stringify(brief)), { level: 9 })
  const text = `${VERSION}.${btoa(String.fromCharCode(...packed)).replace(/\+/g, '-').replace(/\//g, '_').replace(/=/g, '')}`
  if (text.length > TEXT_MAX) throw new ScenarioError('long', '', text.length)
  return text
}

/**
 * The scenario of a link, and the places of what this page does not know.
 * @param {string} text @returns {{ scenario: Scenario, unknown: string[] }}
 */
export function decode (text) {
  const [, version, packed] = /^(\d+)\.([A-Za-z0-9_-]+)$/.exec(text) ?? []
  if (!version) throw new ScenarioError('text')
  if (Number(version) !== VERSION) throw new ScenarioError('version', '', version)
  let json
  try {
    const bytes = Uint8Array.from(atob(packed.replace(/-/g, '+').replace(/_/g, '/')), (letter) => letter.charCodeAt(0))
    json = new TextDecoder('utf-8', { fatal: true }).decode(inflateSync(bytes, { out: new Uint8Array(JSON_MAX) }))
  } catch {
    throw new ScenarioError('text')
  }
  let found
  try {
    found = JSON.parse(json)
  } catch {
    throw new ScenarioError('json')
  }
  return read(found)
}

/** @param {any} found */
function read (found) {
  /** @type {string[]} */
  const unknown = []
  if (!isObject(found)) throw new ScenarioError('json')
  const known = ['brokers', 'down', ...Object.keys(LISTS)]
  unknown.push(...Object.keys(found).filter((name) => !known.includes(name)))
  const brokers = whole(found.brokers, 'brokers', 1, BROKERS_MAX)
  /** @type {any} */
  const scenario = { brokers }
  for (const [name, defaults] of Object.entries(LISTS)) {
    scenario[name] = listOf(found[name], name).map((given, index) => {
      const at = `${name}[${index}]`
      if (!isObject(given)) throw new ScenarioError('wrong', at)
      for (const field of Object.keys(given)) if (!Object.hasOwn(defaults, field)) unknown.push(`${at}.${field}`)
      const one = { ...defaults }
      for (const field of Object.keys(defaults)) {
        if (!Object.hasOwn(given, field)) continue
        if (!alike(given[field], defaults[field])) throw new ScenarioError('wrong', `${at}.${field}`)
        one[field] = given[field]
      }
      return one
    })
  }
  scenario.topics.forEach(({ topic, partitions, replicas, configs }, index) => {
    if (!topic) throw new ScenarioError('missing', `topics[${index}].topic`)
    whole(partitions, `topics[${index}].partitions`, 1, 1000)
    whole(replicas, `topics[${index}].replicas`, 1, BROKERS_MAX)
    for (const [name, value] of Object.entries(configs)) if (typeof value !== 'string') throw new ScenarioError('wrong', `topics[${index}].configs.${name}`)
  })
  scenario.generators.forEach(({ topic }, index) => { if (!topic) throw new ScenarioError('missing', `generators[${index}].topic`) })
  scenario.members.forEach(({ group, topics }, index) => {
    if (!group) throw new ScenarioError('missing', `members[${index}].group`)
    if (topics.length === 0 || topics.some((topic) => typeof topic !== 'string')) throw new ScenarioError('missing', `members[${index}].topics`)
  })
  scenario.links.forEach(({ from, to, delayMs, lossRatio }, index) => {
    whole(from, `links[${index}].from`, 1, brokers)
    whole(to, `links[${index}].to`, 1, brokers)
    if (from === to) throw new ScenarioError('wrong', `links[${index}].to`)
    if (!(delayMs >= 0 && delayMs <= 60000)) throw new ScenarioError('wrong', `links[${index}].delayMs`)
    if (!(lossRatio >= 0 && lossRatio <= 1)) throw new ScenarioError('wrong', `links[${index}].lossRatio`)
  })
  scenario.down = listOf(found.down, 'down').map((id, index) => whole(id, `down[${index}]`, 1, brokers))
  return { scenario: /** @type {Scenario} */ (scenario), unknown }
}

const isObject = (value) => value !== null && typeof value === 'object' && !Array.isArray(value)
/** Of one type: a number for a number, a list for a list. */
const alike = (value, other) => Array.isArray(other) ? Array.isArray(value) : isObject(other) ? isObject(value) : typeof value === typeof other && (typeof value !== 'number' || Number.isFinite(value))

/** @param {any} value @param {string} place */
function listOf (value, place) {
  if (value === undefined) return []
  if (!Array.isArray(value) || value.length > LIST_MAX) throw new ScenarioError('wrong', place)
  return value
}

/** @param {any} value @param {string} place @param {number} min @param {number} max @returns {number} */
function whole (value, place, min, max) {
  if (!Number.isInteger(value) || value < min || value > max) throw new ScenarioError('wrong', place)
  return value
}
