// The two catalogues have the same texts, and the page uses each of them and no other.
import assert from 'node:assert/strict'
import { readFile, readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import en from '../../www/js/i18n/en.js'
import ko from '../../www/js/i18n/ko.js'
import { fromRoot } from './harness.mjs'

/** @param {string | { one?: string, other: string }} entry */
const texts = (entry) => typeof entry === 'string' ? [entry] : Object.values(entry)
/** @param {string | { one?: string, other: string }} entry */
const parameters = (entry) => [...new Set(texts(entry).flatMap((text) => [...text.matchAll(/\{(\w+)\}/g)].map(([, name]) => name)))].sort()

test('English and Korean have the same keys, with the same parameters', () => {
  assert.deepEqual(Object.keys(ko).sort(), Object.keys(en).sort())
  for (const key of Object.keys(en)) {
    // A plural may leave its number out in the singular ("one broker"), and what one language counts another need not.
    const own = /** @type {Record<string, any>} */ (ko)[key]
    const english = parameters(/** @type {Record<string, any>} */ (en)[key])
    assert.deepEqual(parameters(own), english, key)
    for (const text of texts(own)) assert.notEqual(text.trim(), '', key)
  }
})

test('Korean is Korean: no text was left in English', () => {
  // Names, and what is nothing but a parameter or an arrow.
  const same = Object.keys(en).filter((key) => JSON.stringify(/** @type {any} */ (en)[key]) === JSON.stringify(/** @type {any} */ (ko)[key]))
  assert.deepEqual(same.filter((key) => texts(/** @type {any} */ (en)[key]).some((text) => /[A-Za-z]{2}/.test(text.replace(/\{\w+\}/g, '')))), [])
})

test('each key that the page uses is there, and each one there is used', async () => {
  const root = fromRoot('www/js')
  const files = (await readdir(root, { recursive: true })).filter((name) => name.endsWith('.js') && !/i18n.(en|ko)\.js$/.test(name))
  /** @type {Map<string, string>} */
  const used = new Map()
  /** @type {RegExp[]} */
  const patterns = []
  for (const file of files) {
    const source = await readFile(join(root, file), 'utf8')
    for (const [, key] of source.matchAll(/\b(?:t|rich)\('([\w.]+)'/g)) used.set(key, file)
    // Several texts of which one is chosen, and those of the timeline.
    for (const [, first, second] of source.matchAll(/\bt\([^'`]+\? '([\w.]+)' : '([\w.]+)'/g)) used.set(first, file).set(second, file)
    for (const [, key] of source.matchAll(/\bwords\('([\w.]+)'/g)) used.set(`event.${key}`, file)
    for (const [, key] of source.matchAll(/\['[^']+', '(keys\.\w+)'\]/g)) used.set(key, file)
    for (const [, key] of source.matchAll(/\bkey: '([a-z]\w*\.[\w.]+)'/g)) used.set(key, file)
    for (const [, key] of source.matchAll(/\b(?:t|rich)\(`([^`]+)`/g)) {
      patterns.push(new RegExp(`^${key.replace(/\./g, '\\.').replace(/\$\{[^}]+\}/g, '\\w+')}$`))
    }
  }
  const missing = [...used].filter(([key]) => !Object.hasOwn(en, key))
  assert.deepEqual(missing, [], 'used, but in no catalogue')
  const unused = Object.keys(en).filter((key) => !used.has(key) && !patterns.some((pattern) => pattern.test(key)))
  assert.deepEqual(unused, [], 'in the catalogues, but never used')
  for (const pattern of patterns) assert.ok(Object.keys(en).some((key) => pattern.test(key)), `nothing matches ${pattern}`)
})

test('each reason of the catalogue is one that brokers or tabs give', async () => {
  const sources = []
  for (const [folder, end] of [['src', '.rs'], ['www/sdk', '.js']]) {
    const names = (await readdir(fromRoot(folder), { recursive: true })).filter((name) => name.endsWith(end))
    for (const name of names) sources.push(await readFile(join(fromRoot(folder), name), 'utf8'))
  }
  const said = sources.join('\n')
  const reasons = Object.entries(en).filter(([key]) => key.startsWith('reason.'))
  const unknown = reasons.filter(([, entry]) => texts(entry).some((text) => {
    // Of members in the brokers' source there is only "{} joined".
    const parts = text.replace(/^\{count\} members? /, '{count} ').split(/\{\w+\}/).map((part) => part.replace(/[.*+?^${}()|[\]\\]/g, '\\$&'))
    return !new RegExp(`["']${parts.join('\\{[^}]*\\}')}(\\{\\})?["']`).test(said)
  }))
  assert.deepEqual(unknown, [])
})
