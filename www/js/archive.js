// A topic's files as one .zip, and back. Stored, not compressed: batches of any size are compressed already, or are not
// because their producer did not want it.
import { unzipSync, zipSync } from 'fflate'

/** What a .zip may unpack to: all of it is held in memory. */
const UNPACKED_BYTES_MAX = 1 << 30

/** @param {Record<string, Uint8Array>} files @returns {Uint8Array<ArrayBuffer>} */
export function pack (files) {
  return zipSync(files, { level: 0 })
}

/** @param {string} name @param {Uint8Array} bytes @returns {Record<string, Uint8Array>} */
export function unpack (name, bytes) {
  let unpacked = 0
  try {
    return unzipSync(bytes, {
      filter: ({ name: path, originalSize }) => {
        // Folders, and what macOS adds of its own.
        if (path.endsWith('/') || path.startsWith('__MACOSX/')) return false
        unpacked += originalSize
        if (unpacked > UNPACKED_BYTES_MAX) throw new RangeError(`it unpacks to more than ${UNPACKED_BYTES_MAX >> 20} MiB`)
        return true
      }
    })
  } catch (error) {
    if (error instanceof RangeError && unpacked > UNPACKED_BYTES_MAX) throw new Error(`${name}: ${error.message}`)
    // A zip's directory is at its end, so a cut one has none.
    throw new Error(`${name}, byte ${bytes.length}: not a .zip, or cut short here`, { cause: error })
  }
}

/** Hands a file to the browser to save. @param {string} name @param {Uint8Array<ArrayBuffer>} bytes */
export function download (name, bytes) {
  const url = URL.createObjectURL(new Blob([bytes], { type: 'application/zip' }))
  const link = Object.assign(document.createElement('a'), { href: url, download: name })
  link.click()
  // The click has been taken by then; at once would be too early in some browsers.
  setTimeout(() => URL.revokeObjectURL(url), 60000)
}
