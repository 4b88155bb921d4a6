// A static server for dist/, and for the browser tests. `node scripts/serve.mjs`; PORT changes the port.
// It sends no COOP/COEP and a strict CSP on purpose: what works here works on any static host.
import { createReadStream } from 'node:fs'
import { stat } from 'node:fs/promises'
import { createServer } from 'node:http'
import { extname, join, normalize } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'

/** @type {Record<string, string>} */
const TYPES = {
  '.css': 'text/css',
  '.csv': 'text/csv',
  '.html': 'text/html',
  '.ico': 'image/x-icon',
  '.js': 'text/javascript',
  '.json': 'application/json',
  '.mjs': 'text/javascript',
  '.ndjson': 'application/x-ndjson',
  '.png': 'image/png',
  '.svg': 'image/svg+xml',
  '.ts': 'text/plain',
  '.txt': 'text/plain',
  '.wasm': 'application/wasm',
}

const CSP = [
  "default-src 'self'",
  "script-src 'self' 'wasm-unsafe-eval'",
  "worker-src 'self'",
  "img-src 'self' data: blob:",
  "object-src 'none'",
  "base-uri 'none'",
].join('; ')

/**
 * Serves folders on 127.0.0.1.
 * @param {{ mounts: Record<string, string>, port?: number }} options mounts: URL prefix ('/', '/pages/') to folder, the
 *   longest prefix wins; port: 0 for a free one
 * @returns {Promise<{ url: string, close: () => Promise<void> }>} url ends without a slash
 */
export async function serve({ mounts, port = 0 }) {
  const prefixes = Object.keys(mounts).sort((a, b) => b.length - a.length)

  /** @param {string} url @returns {Promise<{ path: string, size: number } | undefined>} */
  async function find(url) {
    let pathname
    try {
      // Through URL first: it folds `..` away before a prefix is chosen.
      pathname = normalize(decodeURIComponent(new URL(url, 'http://localhost').pathname))
    } catch {
      return undefined
    }
    if (pathname.includes('\0')) return undefined
    const prefix = prefixes.find((p) => pathname.startsWith(p))
    if (prefix === undefined) return undefined
    let path = join(mounts[prefix], pathname.slice(prefix.length))
    if (pathname.endsWith('/')) path = join(path, 'index.html')
    const info = await stat(path).catch(() => undefined)
    return info?.isFile() ? { path, size: info.size } : undefined
  }

  const server = createServer(async (request, response) => {
    if (request.method !== 'GET' && request.method !== 'HEAD') {
      response.writeHead(405, { allow: 'GET, HEAD' }).end()
      return
    }
    const file = await find(request.url ?? '/')
    if (!file) {
      response.writeHead(404, { 'content-type': 'text/plain' }).end('not found\n')
      return
    }
    response.writeHead(200, {
      'content-type': TYPES[extname(file.path)] ?? 'application/octet-stream',
      'content-length': file.size,
      'content-security-policy': CSP,
      'x-content-type-options': 'nosniff',
      // The names carry no hash, so a rebuilt file must be asked for again.
      'cache-control': 'no-cache',
    })
    if (request.method === 'HEAD') response.end()
    else createReadStream(file.path).on('error', () => response.destroy()).pipe(response)
  })
  await new Promise((resolve, reject) => {
    server.once('error', reject)
    server.listen(port, '127.0.0.1', () => resolve(undefined))
  })
  const address = /** @type {import('node:net').AddressInfo} */ (server.address())
  return {
    url: `http://127.0.0.1:${address.port}`,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
}

if (import.meta.url === pathToFileURL(process.argv[1]).href) {
  const port = Number(process.env.PORT ?? 8080)
  const dist = fileURLToPath(new URL('../dist/', import.meta.url))
  try {
    const { url } = await serve({ mounts: { '/': dist }, port })
    console.log(`tabmq is at ${url} (Ctrl-C stops it)`)
  } catch (error) {
    const busy = /** @type {NodeJS.ErrnoException} */ (error).code === 'EADDRINUSE'
    console.error(busy ? `tabmq: port ${port} is taken; choose another: PORT=8081 make run` : `tabmq: ${error}`)
    process.exitCode = 1
  }
}
