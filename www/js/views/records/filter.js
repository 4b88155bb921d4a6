// Filters on records: a small language, parsed here; nothing of it is ever run as code.
//
//   value.drink = 'latte' and not (key = 'Ann' or offset < 1000)
//   header.trace exists, size > 1000, timestamp >= '2026-11-25T10:00', value contains 'x', value.list[0].id != null
//
//   expression  = and { ("or" | "||") and }
//   and         = not { ("and" | "&&") not }
//   not         = ("not" | "!") not | "(" expression ")" | comparison
//   comparison  = operand [ operator operand | "exists" ]
//   operator    = "=" "==" "!=" "<" "<=" ">" ">=" "contains" "startsWith" "endsWith"
//   operand     = field | number | text in quotes | true | false | null
//   field       = "key" | "value" | "header" | "offset" | "partition" | "timestamp" | "size", then { "." name | "[" n or text "]" }
//
// What is compared with a number is read as one, if it is one; with a text, as text. A path into what is not there gives null.
import { loosely } from './bytes.js'

/** @typedef {{ partition: number, offset: number, timestamp: number, key: Uint8Array | null, value: Uint8Array | null, headers: Record<string, any> }} Row */

export const FIELDS = ['key', 'value', 'header', 'offset', 'partition', 'timestamp', 'size']
const OPERATORS = ['=', '==', '!=', '<', '<=', '>', '>=', 'contains', 'startsWith', 'endsWith']
/** Brackets within brackets, at most. */
const DEPTH_MAX = 50

/** `code` says which sentence: `records.wrong.<code>`. */
export class FilterError extends Error {
  /** @param {string} code @param {number} column from 1 @param {string} found */
  constructor (code, column, found = '') {
    super(`column ${column}: ${code} ${found}`.trim())
    this.code = code
    this.column = column
    this.found = found
  }
}

/** @typedef {{ kind: 'word' | 'number' | 'text' | 'sign' | 'end', text: string, column: number }} Token */

/** @param {string} source @returns {Token[]} */
function tokens (source) {
  /** @type {Token[]} */ const found = []
  const pattern = /\s*(?:([A-Za-z_][\w-]*)|(-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?)|('(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*")|(==|!=|<=|>=|&&|\|\||[=<>!()[\].,]))/y
  let at = 0
  while (source.slice(at).trim() !== '') {
    pattern.lastIndex = at
    const match = pattern.exec(source)
    const column = at + (/^\s*/.exec(source.slice(at))?.[0].length ?? 0) + 1
    if (!match) throw new FilterError(/['"]/.test(source[column - 1]) ? 'openText' : 'stray', column, source[column - 1])
    const [, word, number, text, sign] = match
    if (word !== undefined) found.push({ kind: 'word', text: word, column })
    else if (number !== undefined) found.push({ kind: 'number', text: number, column })
    else if (text !== undefined) found.push({ kind: 'text', text: text.slice(1, -1).replace(/\\(.)/g, '$1'), column })
    else found.push({ kind: 'sign', text: sign, column })
    at = pattern.lastIndex
  }
  found.push({ kind: 'end', text: '', column: source.length + 1 })
  return found
}

/**
 * @param {string} source
 * @returns {(row: Row) => boolean} throws FilterError
 */
export function compile (source) {
  const all = tokens(source)
  let at = 0
  let depth = 0
  const here = () => all[at]
  const is = (...texts) => here().kind !== 'text' && texts.includes(here().text)
  const accept = (...texts) => is(...texts) ? all[at++] : null
  const fail = (code) => { throw new FilterError(here().kind === 'end' ? 'tooShort' : code, here().column, here().text) }

  const or = () => {
    if (++depth > DEPTH_MAX) fail('tooDeep')
    let left = and()
    while (accept('or', '||')) {
      const [first, second] = [left, and()]
      left = (row) => first(row) || second(row)
    }
    depth--
    return left
  }
  const and = () => {
    let left = not()
    while (accept('and', '&&')) {
      const [first, second] = [left, not()]
      left = (row) => first(row) && second(row)
    }
    return left
  }
  const not = () => {
    if (accept('not', '!')) {
      if (++depth > DEPTH_MAX) fail('tooDeep')
      const inner = not()
      depth--
      return (row) => !inner(row)
    }
    if (!accept('(')) return comparison()
    const inner = or()
    if (!accept(')')) fail('noBracket')
    return inner
  }
  const comparison = () => {
    const left = operand()
    if (accept('exists')) return (row) => left.of(row) !== null && left.of(row) !== undefined
    const operator = here()
    if (!is(...OPERATORS)) {
      // A field alone: true when it is there and not false.
      if (is('and', 'or', '&&', '||', ')') || operator.kind === 'end') {
        if (left.literal && typeof left.of(/** @type {any} */ ({})) !== 'boolean') fail('noOperator')
        return (row) => Boolean(left.of(row))
      }
      fail('noOperator')
    }
    at++
    const right = operand()
    const compare = COMPARE[operator.text]
    const time = left.time || right.time
    return (row) => compare(time ? asTime(left.of(row)) : left.of(row), time ? asTime(right.of(row)) : right.of(row))
  }
  /** @returns {{ of: (row: Row) => any, time?: boolean, literal?: boolean }} */
  const operand = () => {
    const token = here()
    if (token.kind === 'number') { at++; return { of: () => Number(token.text), literal: true } }
    if (token.kind === 'text') { at++; return { of: () => token.text, literal: true } }
    if (token.kind !== 'word') return fail('noOperand')
    const fixed = { true: true, false: false, null: null }
    if (Object.hasOwn(fixed, token.text)) { at++; return { of: () => fixed[token.text], literal: true } }
    if (!FIELDS.includes(token.text)) {
      if (OPERATORS.includes(token.text) || ['and', 'or', 'exists'].includes(token.text)) fail('noOperand')
      throw new FilterError('noField', token.column, token.text)
    }
    at++
    const path = steps()
    switch (token.text) {
      case 'key': return { of: (row) => path.length ? into(parsed(row.key), path) : row.key && loosely(row.key) }
      case 'value': return { of: (row) => path.length ? into(parsed(row.value), path) : row.value && loosely(row.value) }
      case 'header': {
        if (path.length === 0) throw new FilterError('noHeaderName', token.column, 'header')
        return {
          of: (row) => {
            if (!Object.hasOwn(row.headers, String(path[0]))) return null
            const one = [row.headers[String(path[0])]].flat().at(-1)
            return one && loosely(one)
          }
        }
      }
      default:
        if (path.length) throw new FilterError('noPath', token.column, token.text)
        if (token.text === 'size') return { of: (row) => (row.key?.length ?? 0) + (row.value?.length ?? 0) }
        return { of: (row) => row[token.text], time: token.text === 'timestamp' }
    }
  }
  const steps = () => {
    /** @type {(string | number)[]} */ const path = []
    for (;;) {
      if (accept('.')) {
        if (here().kind !== 'word') fail('noName')
        path.push(all[at++].text)
      } else if (accept('[')) {
        const token = here()
        if (token.kind !== 'number' && token.kind !== 'text') fail('noName')
        at++
        path.push(token.kind === 'number' ? Number(token.text) : token.text)
        if (!accept(']')) fail('noBracket')
      } else return path
    }
  }

  const whole = or()
  if (here().kind !== 'end') fail('stray')
  return whole
}

/** A row's key or value as JSON; one record is asked for several fields in a row. */
let lastBytes = null
let lastParsed = null
function parsed (bytes) {
  if (bytes === null) return null
  if (bytes !== lastBytes) {
    lastBytes = bytes
    try {
      lastParsed = JSON.parse(loosely(bytes))
    } catch {
      lastParsed = null
    }
  }
  return lastParsed
}

function into (value, path) {
  for (const step of path) {
    if (value === null || typeof value !== 'object' || !Object.hasOwn(value, step)) return null
    value = value[step]
  }
  return value
}

/** Ms since the epoch, from that or from a date. */
function asTime (value) {
  return typeof value === 'string' ? /^-?\d+$/.test(value) ? Number(value) : Date.parse(value) : value
}

const text = (value) => value === null || value === undefined ? null : typeof value === 'object' ? JSON.stringify(value) : String(value)
const numeric = (value) => typeof value === 'number' || (typeof value === 'string' && value.trim() !== '' && Number.isFinite(Number(value)))

function equal (a, b) {
  if (a === null || a === undefined || b === null || b === undefined) return (a ?? null) === (b ?? null)
  if (typeof a === 'number' || typeof b === 'number') return numeric(a) && numeric(b) && Number(a) === Number(b)
  return text(a) === text(b)
}

/** < and the like: null where they can't be compared. */
function order (a, b) {
  if (a === null || a === undefined || b === null || b === undefined) return null
  if (typeof a === 'number' || typeof b === 'number') return numeric(a) && numeric(b) ? Math.sign(Number(a) - Number(b)) : null
  return text(a) < text(b) ? -1 : text(a) > text(b) ? 1 : 0
}

const within = (test) => (a, b) => {
  const [whole, part] = [text(a), text(b)]
  return whole !== null && part !== null && test(whole, part)
}
const COMPARE = {
  '=': equal,
  '==': equal,
  '!=': (a, b) => !equal(a, b),
  '<': (a, b) => order(a, b) === -1,
  '<=': (a, b) => [-1, 0].includes(order(a, b)),
  '>': (a, b) => order(a, b) === 1,
  '>=': (a, b) => [1, 0].includes(order(a, b)),
  contains: within((whole, part) => whole.includes(part)),
  startsWith: within((whole, part) => whole.startsWith(part)),
  endsWith: within((whole, part) => whole.endsWith(part))
}
