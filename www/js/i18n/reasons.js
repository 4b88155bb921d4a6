// Why something happened, in the brokers' words. Those are English, and each is a `reason.*` of the English catalogue with
// something put in: that finds the entry, and the reader's language says it again. Words that are in no catalogue (a browser's,
// a client's) stay as they are.
import en from './en.js'
import { t } from './index.js'

/** What a parameter may be; the others are names and offsets. @type {Record<string, string>} */
const WHAT = { count: '\\d+', error: '.+' }

const KNOWN = Object.entries(en).flatMap(([key, entry]) => {
  const [, name] = /^reason\.(\w+)$/.exec(key) ?? []
  if (!name) return []
  return (typeof entry === 'string' ? [entry] : Object.values(entry)).map((text) => ({ name, pattern: patternOf(text) }))
})

/** @param {string} text */
function patternOf (text) {
  const parts = text.split(/\{(\w+)\}/).map((part, index) => index % 2 === 0
    ? part.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')
    : `(?<${part}>${WHAT[part] ?? '\\S+'})`)
  return new RegExp(`^${parts.join('')}$`)
}

/** @param {string | undefined} said @returns {string} */
export function inReadersWords (said = '') {
  // A client may have said why, too.
  const [, own, added = ''] = /** @type {RegExpExecArray} */ (/^(.*?)( \(.*\))?$/s.exec(said))
  for (const { name, pattern } of KNOWN) {
    const found = pattern.exec(own)
    if (found) return t(`reason.${name}`, found.groups) + added
  }
  return said
}
