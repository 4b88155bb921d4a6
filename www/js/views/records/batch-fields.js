// Which bytes of a batch are which field: the header's by Kafka's format, the records' as the brokers' own decoder found them.

export const HEADER_BYTES = 61

/**
 * @typedef {object} Field
 * @property {number} from
 * @property {number} to exclusive
 * @property {string} name the format's own
 * @property {string} kind colours it: `head`, `length`, `delta`, `key`, `value`, `header`, `packed`
 * @property {string} text `records.field.<text>` says what it is for; of a record's own, `records.recordField.<text>`
 * @property {any} value what the bytes mean
 * @property {number | null} record of which record of the batch
 */

/** Name, bytes, how to read it. @type {[string, number, string][]} */
const HEADER = [
  ['baseOffset', 8, 'long'], ['batchLength', 4, 'int'], ['partitionLeaderEpoch', 4, 'int'], ['magic', 1, 'byte'], ['crc', 4, 'hex'], ['attributes', 2, 'bits'],
  ['lastOffsetDelta', 4, 'int'], ['baseTimestamp', 8, 'time'], ['maxTimestamp', 8, 'time'], ['producerId', 8, 'long'], ['producerEpoch', 2, 'short'], ['baseSequence', 4, 'int'], ['recordCount', 4, 'int']
]
/** A record's fields up to its headers, and each header's. */
const RECORD = ['length', 'attributes', 'timestampDelta', 'offsetDelta', 'keyLength', 'key', 'valueLength', 'value', 'headerCount']
const RECORD_HEADER = ['headerNameLength', 'headerName', 'headerValueLength', 'headerValue']
const KINDS = {
  length: 'length', attributes: 'head', timestampDelta: 'delta', offsetDelta: 'delta', keyLength: 'length', key: 'key', valueLength: 'length', value: 'value', headerCount: 'length',
  headerNameLength: 'length', headerName: 'header', headerValueLength: 'length', headerValue: 'header'
}

/** @param {Uint8Array} batch @returns {Field[]} */
export function headerFields (batch) {
  const view = new DataView(batch.buffer, batch.byteOffset, batch.byteLength)
  let at = 0
  return HEADER.map(([name, size, type]) => {
    const field = { from: at, to: at + size, name, kind: 'head', text: name, value: read(view, at, type), record: null }
    at += size
    return field
  })
}

/** @param {DataView} view @param {number} at @param {string} type */
function read (view, at, type) {
  switch (type) {
    case 'long':
    case 'time': return Number(view.getBigInt64(at))
    case 'int': return view.getInt32(at)
    case 'short': return view.getInt16(at)
    case 'byte': return view.getInt8(at)
    case 'hex': return `0x${view.getUint32(at).toString(16).padStart(8, '0')}`
    default: return view.getUint16(at)
  }
}

/**
 * The fields of one record.
 * @param {Uint8Array} body @param {Uint32Array} ends of its fields @param {number} start where it begins @param {number} shift of `body` in what is shown
 * @param {number} record its number in the batch @returns {Field[]}
 */
export function recordFields (body, ends, start, shift, record) {
  const fields = []
  let from = start
  ends.forEach((to, index) => {
    const name = index < RECORD.length ? RECORD[index] : RECORD_HEADER[(index - RECORD.length) % RECORD_HEADER.length]
    const bytes = body.subarray(from, to)
    const isData = ['key', 'value', 'headerName', 'headerValue'].includes(name)
    // A null has no bytes, and an empty one neither: the length before tells.
    if (!isData || to > from) fields.push({ from: from + shift, to: to + shift, name, kind: KINDS[name], text: name, value: isData ? bytes : name === 'attributes' ? bytes[0] : varint(bytes), record })
    from = to
  })
  return fields
}

/** A zigzag varint. @param {Uint8Array} bytes */
export function varint (bytes) {
  let value = 0n
  bytes.forEach((byte, index) => { value |= BigInt(byte & 0x7f) << BigInt(7 * index) })
  return Number((value >> 1n) ^ -(value & 1n))
}

/** What the bits of the attributes say: keys of `records.bit.<key>`. @param {number} attributes */
export function bits (attributes) {
  return [
    ['none', 'gzip', 'snappy', 'lz4', 'zstd'][attributes & 7] ?? 'unknown',
    attributes & 8 ? 'logAppendTime' : 'createTime',
    ...attributes & 16 ? ['transactional'] : [],
    ...attributes & 32 ? ['control'] : [],
    ...attributes & 64 ? ['deleteHorizon'] : []
  ]
}
