// Files to rows: JSON (a list of objects), NDJSON (an object a line), CSV (with a header). What can't be read is named
// with its line.

/** @typedef {{ columns: string[], rows: Record<string, any>[] }} Table */

export class ParseError extends Error {
  /** @param {number} line @param {string} reason */
  constructor (line, reason) {
    super(`line ${line}: ${reason}`)
    this.line = line
  }
}

/** @param {string} name @param {string} text @returns {Table} */
export function parse (name, text) {
  const kind = name.toLowerCase().split('.').pop()
  if (kind === 'json') return table(parseJson(text))
  if (kind === 'ndjson' || kind === 'jsonl') return table(parseNdjson(text))
  if (kind === 'csv') return table(parseCsv(text))
  throw new ParseError(1, `'${name}' is not a .json, .ndjson or .csv file`)
}

function table (rows) {
  if (rows.length === 0) throw new ParseError(1, 'there is no row in this file')
  const columns = new Set()
  for (const row of rows) for (const column of Object.keys(row)) columns.add(column)
  return { columns: [...columns], rows }
}

const isRow = (value) => value !== null && typeof value === 'object' && !Array.isArray(value)
const lineAt = (text, position) => text.slice(0, position).split('\n').length

function parseJson (text) {
  let value
  try {
    value = JSON.parse(text)
  } catch (error) {
    throw new ParseError(lineOfJsonError(text, error.message), error.message)
  }
  if (!Array.isArray(value)) throw new ParseError(1, 'a .json file must be a list of objects')
  const bad = value.findIndex((row) => !isRow(row))
  if (bad >= 0) throw new ParseError(1, `entry ${bad + 1} of the list is not an object`)
  return value
}

/** Engines name the place differently: `position N`, or `line N`. */
function lineOfJsonError (text, message) {
  const line = /line (\d+)/.exec(message)
  if (line) return Number(line[1])
  const position = /position (\d+)/.exec(message)
  return position ? lineAt(text, Number(position[1])) : lineAt(text, text.length)
}

function parseNdjson (text) {
  const rows = []
  text.split('\n').forEach((line, index) => {
    if (line.trim() === '') return
    let row
    try {
      row = JSON.parse(line)
    } catch (error) {
      throw new ParseError(index + 1, error.message)
    }
    if (!isRow(row)) throw new ParseError(index + 1, 'not an object')
    rows.push(row)
  })
  return rows
}

function parseCsv (text) {
  const rows = []
  let start = 0
  let failure = null
  globalThis.Papa.parse(text, {
    header: true,
    skipEmptyLines: true,
    step ({ data, errors, meta }, parser) {
      const error = errors.find(({ code }) => code !== 'UndetectableDelimiter')
      if (error) {
        failure = new ParseError(lineAt(text, start) + (text[start] === '\n' ? 1 : 0), error.message)
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
