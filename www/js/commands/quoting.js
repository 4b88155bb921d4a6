// How texts and values are written down for a shell and in JavaScript.

/** The broker of a cluster on one's own machine. */
export const SERVER = 'localhost:9092'
export const BOOTSTRAP = `--bootstrap-server ${SERVER}`
/** By their numbers: as Kafka's tools call them, and in kafkajs's CompressionTypes. */
export const CODECS = ['none', 'gzip', 'snappy', 'lz4', 'zstd']
const CODECS_JS = ['None', 'GZIP', 'Snappy', 'LZ4', 'ZSTD']

/** For a POSIX shell, in quotes where it needs them. @param {string | number} text */
export const sh = (text) => /^[\w.,:/=@%+-]+$/.test(String(text)) ? String(text) : `'${String(text).replaceAll("'", String.raw`'\''`)}'`

/** Lines of one command. @param {(string | false | null | undefined)[]} parts those that there are */
export const lines = (...parts) => parts.filter(Boolean).join(' \\\n  ')
/** @param {(string | false | null | undefined)[]} parts those that there are */
export const line = (...parts) => parts.filter(Boolean).join(' ')

/** Kafka's own word. @param {number | undefined} acks */
export const acksName = (acks) => acks === undefined || acks === -1 ? 'all' : String(acks)

class Code {
  /** @param {string} text */
  constructor (text) { this.text = text }
}
/** A codec in JavaScript; nothing for none. @param {number | undefined} compression */
export const codec = (compression) => compression ? new Code(`CompressionTypes.${CODECS_JS[compression]}`) : undefined

const decoder = new TextDecoder()
/** A key, a value or a header as text. @param {any} bytes */
export const text = (bytes) => bytes === null || bytes === undefined ? null : typeof bytes === 'string' ? bytes : decoder.decode(bytes)

/** A value as a person would write it in JavaScript; what is undefined is left out. @param {any} value @returns {string} */
export function js (value) {
  if (value instanceof Code) return value.text
  if (value instanceof Uint8Array) return js(text(value))
  if (typeof value === 'string') return `'${JSON.stringify(value).slice(1, -1).replaceAll('\\"', '"').replaceAll("'", "\\'")}'`
  if (Array.isArray(value)) return `[${value.map(js).join(', ')}]`
  if (value === null || typeof value !== 'object') return String(value)
  const entries = Object.entries(value).filter(([, one]) => one !== undefined)
  return entries.length ? `{ ${entries.map(([name, one]) => `${/^[A-Za-z_$][\w$]*$/.test(name) ? name : js(name)}: ${js(one)}`).join(', ')} }` : '{}'
}
