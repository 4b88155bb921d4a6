// Files to rows, a slice at a time: JSON (a list of objects), NDJSON (an object a line), CSV (with a header). What can't be
// read is named with its line. A file of any length: only the row under way is kept.

export class ParseError extends Error {
  /** @param {number} line @param {string} reason */
  constructor (line, reason) {
    super(`line ${line}: ${reason}`)
    this.line = line
  }
}

/** Bytes that are read and parsed at once: some milliseconds of work. */
const SLICE_BYTES = 256 * 1024

/**
 * The rows of a file, some at a time, with the bytes that are read by then.
 * @param {File} file its name says what it is @param {{ signal?: AbortSignal }} [options]
 * @returns {AsyncGenerator<{ rows: Record<string, any>[], bytes: number }>}
 */
export async function * rowsOf (file, { signal } = {}) {
  const parser = parserOf(file.name)
  const decoder = new TextDecoder()
  let some = false
  for (let from = 0; from < file.size; from += SLICE_BYTES) {
    signal?.throwIfAborted()
    const slice = file.slice(from, from + SLICE_BYTES)
    const last = from + SLICE_BYTES >= file.size
    const rows = parser.take(decoder.decode(await slice.arrayBuffer(), { stream: !last }), last)
    some ||= rows.length > 0
    yield { rows, bytes: from + slice.size }
  }
  if (!some) throw new ParseError(1, 'there is no row in this file')
}

/** @param {string} name @returns {{ take: (text: string, last: boolean) => Record<string, any>[] }} */
function parserOf (name) {
  switch (name.toLowerCase().split('.').pop()) {
    case 'json': return new JsonList()
    case 'ndjson':
    case 'jsonl': return new Lines()
    case 'csv': return new Csv()
    default: throw new ParseError(1, `'${name}' is not a .json, .ndjson or .csv file`)
  }
}

const isRow = (value) => value !== null && typeof value === 'object' && !Array.isArray(value)
const newlines = (text) => text.split('\n').length - 1

class Lines {
  #rest = ''
  #line = 0

  take (text, last) {
    const lines = (this.#rest + text).split('\n')
    this.#rest = last ? '' : lines.pop()
    const rows = []
    for (const line of lines) {
      this.#line++
      if (line.trim() === '') continue
      rows.push(parsed(line, this.#line, 'not an object'))
    }
    return rows
  }
}

/** The entries of one list, each found by its brackets and parsed by itself. */
class JsonList {
  #rest = ''
  /** Of the first character of `#rest`. */
  #line = 1
  #at = 0
  #start = -1
  #depth = 0
  #quoted = false
  #entries = 0
  #begun = false
  #ended = false

  take (text, last) {
    const all = this.#rest + text
    const rows = []
    let done = 0
    const entry = (end) => {
      const part = all.slice(this.#start, end)
      const line = this.#line + newlines(all.slice(done, this.#start))
      this.#line = line + newlines(part)
      this.#start = -1
      this.#entries++
      done = end
      rows.push(parsed(part, line, `entry ${this.#entries} of the list is not an object`))
    }
    const here = (at) => this.#line + newlines(all.slice(done, at))
    for (; this.#at < all.length; this.#at++) {
      const at = this.#at
      const character = all[at]
      if (this.#quoted) {
        if (character === '\\') this.#at++
        else if (character === '"') this.#quoted = false
        continue
      }
      if (character === ' ' || character === '\n' || character === '\r' || character === '\t') continue
      if (this.#ended) throw new ParseError(here(at), 'there is something after the end of the list')
      if (!this.#begun) {
        if (character !== '[') throw new ParseError(here(at), 'a .json file must be a list of objects')
        this.#begun = true
        continue
      }
      const closes = character === ']' || character === '}'
      if (this.#depth === 0 && (character === ',' || character === ']')) {
        if (this.#start >= 0) entry(at)
        else if (character === ',' || this.#entries > 0) throw new ParseError(here(at), `expected an object before '${character}'`)
        this.#ended = character === ']'
        continue
      }
      if (this.#start < 0) this.#start = at
      if (character === '"') this.#quoted = true
      else if (character === '{' || character === '[') this.#depth++
      else if (closes && this.#depth > 0) this.#depth--
    }
    if (last && !this.#ended) throw new ParseError(here(all.length), this.#begun ? 'the list does not end' : 'a .json file must be a list of objects')
    const kept = this.#start >= 0 ? this.#start : all.length
    this.#line = here(kept)
    this.#rest = all.slice(kept)
    this.#at -= kept
    if (this.#start >= 0) this.#start = 0
    return rows
  }
}

/** @param {string} text @param {number} line where it begins @param {string} otherwise what is wrong with a value that is no object */
function parsed (text, line, otherwise) {
  let value
  try {
    value = JSON.parse(text)
  } catch (error) {
    throw new ParseError(line + linesBefore(text, error.message), error.message)
  }
  if (!isRow(value)) throw new ParseError(line, otherwise)
  return value
}

/** Engines name the place differently: `position N`, `line N`, or not at all; then it is where the value begins. */
function linesBefore (text, message) {
  const line = /line (\d+)/.exec(message)
  if (line) return Number(line[1]) - 1
  const position = /position (\d+)/.exec(message)
  return position ? newlines(text.slice(0, Number(position[1]))) : 0
}

/** Cut where a line ends outside quotes; Papa parses each part under the header. */
class Csv {
  #rest = ''
  /** Of the first character of `#rest`. */
  #line = 1
  #scanned = 0
  #cut = 0
  #quoted = false
  /** @type {{ text: string, delimiter: string } | null} */ #header = null

  take (text, last) {
    const all = this.#rest + text
    for (; this.#scanned < all.length; this.#scanned++) {
      const code = all.charCodeAt(this.#scanned)
      if (code === 34) this.#quoted = !this.#quoted
      else if (code === 10 && !this.#quoted) this.#cut = this.#scanned + 1
    }
    const end = last ? all.length : this.#cut
    const rows = this.#parse(all.slice(0, end))
    this.#line += newlines(all.slice(0, end))
    this.#rest = all.slice(end)
    this.#scanned -= end
    this.#cut = 0
    return rows
  }

  #parse (part) {
    if (part.trim() === '') return []
    const head = this.#header
    const text = head ? head.text + part : part
    const offset = this.#line - 1 - (head ? newlines(head.text) : 0)
    const rows = []
    let start = 0
    let failure = null
    globalThis.Papa.parse(text, {
      header: true,
      delimiter: head?.delimiter ?? '',
      skipEmptyLines: true,
      step: ({ data, errors, meta }, parser) => {
        if (!this.#header) {
          const length = text.indexOf('\n') + 1
          this.#header = { text: text.slice(0, length), delimiter: meta.delimiter }
        }
        const error = errors.find(({ code }) => code !== 'UndetectableDelimiter')
        if (error) {
          failure = new ParseError(offset + 1 + newlines(text.slice(0, start)) + (text[start] === '\n' ? 1 : 0), error.message)
          parser.abort()
          return
        }
        start = meta.cursor
        rows.push(data)
      }
    })
    if (failure) throw failure
    return rows
  }
}
