// Options are checked once, here; an unknown one or one out of range is named in the error.
import { TabmqOptionError } from './errors.js'

const CLUSTER = {
  name: { default: 'default', check: (v) => typeof v === 'string' && /^[A-Za-z0-9._-]{1,100}$/.test(v), want: '1 to 100 letters, digits, dots, dashes or underscores' },
  brokers: { default: undefined, check: (v) => v === undefined || (Number.isInteger(v) && v >= 1 && v <= 9), want: 'a whole number from 1 to 9' },
  profile: { default: 'kafka', check: (v) => v === 'lab' || v === 'kafka', want: "'lab' or 'kafka'" },
  storage: { default: 'indexeddb', check: (v) => v === 'indexeddb' || v === 'memory', want: "'indexeddb' or 'memory'" },
  config: { default: {}, check: (v) => v !== null && typeof v === 'object', want: "an object of broker configs by Kafka's names" },
  tabs: { default: 'shared', check: (v) => v === 'shared' || v === 'exclusive', want: "'shared' or 'exclusive'" },
  takeOver: { default: false, check: (v) => typeof v === 'boolean', want: 'true or false' },
  wasmUrl: { default: undefined, check: isUrl, want: 'a URL' },
  workerUrl: { default: undefined, check: isUrl, want: 'a URL' },
  hubUrl: { default: undefined, check: isUrl, want: 'a URL' }
}

function isUrl (value) {
  return value === undefined || typeof value === 'string' || value instanceof URL
}

/**
 * @param {Record<string, any>} given
 * @param {Record<string, { default?: any, check: (v: any) => boolean, want: string }>} table
 * @returns {any} every option of the table, given or default
 */
export function check (given, table) {
  for (const name of Object.keys(given)) {
    if (!Object.hasOwn(table, name)) throw new TabmqOptionError(name, `is not an option here; there are ${Object.keys(table).join(', ')}`)
  }
  const options = {}
  for (const [name, rule] of Object.entries(table)) {
    const value = given[name] ?? rule.default
    if (!rule.check(value)) throw new TabmqOptionError(name, `must be ${rule.want}`)
    options[name] = value
  }
  return options
}

/** @param {any} given */
export function checkOptions (given) {
  const options = check(given, CLUSTER)
  options.config = Object.fromEntries(Object.entries(options.config).map(([name, value]) => [name, String(value)]))
  return options
}
