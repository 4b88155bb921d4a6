// The page's words, in the reader's language. `t('broker.kill')`; `t('topics.created', { topic })`; parameters that are
// numbers are written as the language writes them, `{ bytes: n }` as a size. An entry with `one` and `other` is chosen by
// the parameter `count`.
import en from './en.js'
import ko from './ko.js'

/** @type {Record<string, Record<string, string | { one?: string, other: string }>>} */
const CATALOGUES = { en, ko }
/** By the name each language has for itself. */
export const LANGUAGES = { en: 'English', ko: '한국어' }

let language = 'en'
let plural = new Intl.PluralRules('en')
/** @type {Map<string, any>} */
const formats = new Map()
/** @type {Set<() => void>} */
const listeners = new Set()

export const lang = () => language

/** Calls `listener` when the language changes; returns what ends it. @param {() => void} listener */
export function onLanguage (listener) {
  listeners.add(listener)
  return () => { listeners.delete(listener) }
}

/** @param {string} wanted */
export function setLanguage (wanted) {
  language = Object.hasOwn(CATALOGUES, wanted) ? wanted : 'en'
  plural = new Intl.PluralRules(language)
  formats.clear()
  document.documentElement.lang = language
  for (const listener of [...listeners]) listener()
}

/** @param {string} key @param {Record<string, any>} [params] */
export function t (key, params = {}) {
  return parts(key, params).join('')
}

/**
 * As `t`, with templates as parameters: `html`${rich('event.elected', { place: html`<a …>` })}``.
 * @param {string} key @param {Record<string, any>} [params] @returns {any[]}
 */
export function rich (key, params = {}) {
  return parts(key, params)
}

/** @param {string} key @param {Record<string, any>} params */
function parts (key, params) {
  const entry = CATALOGUES[language][key] ?? CATALOGUES.en[key]
  if (entry === undefined) throw new Error(`there is no text '${key}'`)
  const text = typeof entry === 'string' ? entry : entry[plural.select(params.count)] ?? entry.other
  return text.split(/\{(\w+)\}/).map((part, index) => index % 2 === 0 ? part : shown(params[part]))
}

function shown (value) {
  if (typeof value === 'number') return number(value)
  if (value !== null && typeof value === 'object' && typeof value.bytes === 'number') return bytes(value.bytes)
  return value ?? ''
}

/** @param {string} name @param {() => any} make */
function format (name, make) {
  if (!formats.has(name)) formats.set(name, make())
  return formats.get(name)
}

/** 12,345 @param {number} value @param {number} [digits] after the point, at most */
export function number (value, digits = 0) {
  return format(`number ${digits}`, () => new Intl.NumberFormat(language, { maximumFractionDigits: digits })).format(value)
}

/** 80 % @param {number} ratio */
export function percent (ratio) {
  return format('percent', () => new Intl.NumberFormat(language, { style: 'percent', maximumFractionDigits: 0 })).format(ratio)
}

const UNITS = ['byte', 'kilobyte', 'megabyte', 'gigabyte']
/** 1.2 MB @param {number} value */
export function bytes (value) {
  const unit = value < 1000 ? 0 : value < 1e6 ? 1 : value < 1e9 ? 2 : 3
  const size = value / 1000 ** unit
  const digits = unit > 0 && size < 10 ? 1 : 0
  return format(`bytes ${unit} ${digits}`, () => new Intl.NumberFormat(language, {
    style: 'unit', unit: UNITS[unit], unitDisplay: unit ? 'short' : 'long', maximumFractionDigits: digits
  })).format(size)
}

/** 1.2 MB/s @param {number} value bytes a second */
export function byteRate (value) {
  return `${bytes(value)}/s`
}

/** 14:05:09.123 @param {number} at ms since the epoch @param {boolean} [withMs] */
export function time (at, withMs = false) {
  return format(`time ${withMs}`, () => new Intl.DateTimeFormat(language, {
    hourCycle: 'h23', hour: '2-digit', minute: '2-digit', second: '2-digit', ...withMs && { fractionalSecondDigits: /** @type {3} */ (3) }
  })).format(at)
}

/** 25 Nov 2026, 14:05:09.123 @param {number} at ms since the epoch */
export function dateTime (at) {
  return format('dateTime', () => new Intl.DateTimeFormat(language, {
    year: 'numeric', month: 'short', day: 'numeric', hourCycle: 'h23', hour: '2-digit', minute: '2-digit', second: '2-digit', fractionalSecondDigits: 3
  })).format(at)
}

/** 0.8 s, 120 ms @param {number} ms */
export function duration (ms) {
  const [size, unit] = ms < 1000 ? [ms, 'millisecond'] : ms < 60000 ? [ms / 1000, 'second'] : [ms / 60000, 'minute']
  const digits = ms >= 1000 && size < 10 ? 1 : 0
  return format(`duration ${unit} ${digits}`, () => new Intl.NumberFormat(language, {
    style: 'unit', unit, unitDisplay: 'short', maximumFractionDigits: digits
  })).format(size)
}

/** An error as a person reads it: Kafka's name of it first. @param {any} error */
export function explain (error) {
  return error?.type && error.type !== error.message ? `${error.type}: ${error.message}` : error?.message ?? String(error)
}
