// Keys, values and headers as a person reads them: text where it is text, else hex.

const strict = new TextDecoder('utf-8', { fatal: true })
const lenient = new TextDecoder()
/** What is shown in a row. */
const PREVIEW_BYTES = 200
/** What is shown at once of one value. */
export const SHOWN_BYTES = 64 * 1024

/** @param {Uint8Array} bytes @returns {string | null} null for what is no text */
export function asText (bytes) {
  try {
    const text = strict.decode(bytes)
    // eslint-disable-next-line no-control-regex
    return /[\u0000-\u0008\u000e-\u001f]/.test(text) ? null : text
  } catch {
    return null
  }
}

/** Text at any price, for searching. @param {Uint8Array | null} bytes */
export const loosely = (bytes) => bytes === null ? '' : lenient.decode(bytes)

/** `00 1f` @param {Uint8Array} bytes */
export const asHex = (bytes) => Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join(' ')

/** @param {string} text @returns {string | null} null for what is no JSON object or list */
export function asJson (text) {
  if (!/^\s*[[{]/.test(text)) return null
  try {
    return JSON.stringify(JSON.parse(text), null, 2)
  } catch {
    return null
  }
}

/** A line of it. @param {Uint8Array | null} bytes @returns {string | null} */
export function preview (bytes) {
  if (bytes === null) return null
  const cut = bytes.subarray(0, PREVIEW_BYTES)
  // A cut may fall into a character.
  const text = asText(cut) ?? (bytes.length > PREVIEW_BYTES ? asText(cut.subarray(0, PREVIEW_BYTES - 3)) ?? asText(cut.subarray(0, PREVIEW_BYTES - 2)) ?? asText(cut.subarray(0, PREVIEW_BYTES - 1)) : null)
  return (text ?? `0x ${asHex(cut.subarray(0, 32))}`).replace(/\s+/g, ' ') + (bytes.length > PREVIEW_BYTES ? '…' : '')
}

/** How it can be shown, the best one first. @param {Uint8Array} bytes @returns {('json' | 'text' | 'hex')[]} */
export function forms (bytes) {
  const text = asText(bytes)
  if (text === null) return ['hex']
  return asJson(text) === null ? ['text', 'hex'] : ['json', 'text', 'hex']
}

/** @param {Uint8Array} bytes @param {'json' | 'text' | 'hex'} form */
export function shown (bytes, form) {
  const cut = bytes.length > SHOWN_BYTES ? bytes.subarray(0, SHOWN_BYTES) : bytes
  if (form === 'json') return asJson(loosely(bytes)) ?? loosely(cut)
  return form === 'text' ? loosely(cut) : hexLines(cut)
}

function hexLines (bytes) {
  const lines = []
  for (let at = 0; at < bytes.length; at += 16) lines.push(asHex(bytes.subarray(at, at + 16)))
  return lines.join('\n')
}
