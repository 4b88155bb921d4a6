// A static server for dist/, and for the browser tests. `node scripts/serve.mjs`; PORT changes the port. With `--dev`, www/
// is laid over dist/: a change to the page needs no build, only a reload.
// It sends no COOP/COEP and a strict CSP on purpose: what works here works on any static host.
import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { readFile, stat } from 'node:fs/promises'
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

/** @param {string[]} hashes of the inline scripts that may run */
const csp = (hashes) => [
  "default-src 'self'",
  ["script-src 'self' 'wasm-unsafe-eval'", ...hashes.map((hash) => `'sha256-${hash}'`)].join(' '),
  // blob: for the code that a person writes on the page: it runs as a module in a worker of its own, and only there.
  "worker-src 'self' blob:",
  "img-src 'self' data: blob:",
  "object-src 'none'",
  "base-uri 'none'",
].join('; ')

/** The one kind of inline script a page may have: an import map can't be a file of its own. @param {string} path */
async function importMaps(path) {
  if (extname(path) !== '.html') return []
  const page = await readFile(path, 'utf8')
  return [...page.matchAll(/<script type="importmap">([^]*?)<\/script>/g)]
    .map(([, map]) => createHash('sha256').update(map).digest('base64'))
}

/**
 * Serves folders on 127.0.0.1.
 * @param {{ mounts: Record<string, string | string[]>, port?: number }} options mounts: URL prefix ('/', '/pages/') to folder,
 *   the longest prefix wins; of several folders the first that has the file; port: 0 for a free one
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
    for (const folder of [mounts[prefix]].flat()) {
      let path = join(folder, pathname.slice(prefix.length))
      if (pathname.endsWith('/')) path = join(path, 'index.html')
      const info = await stat(path).catch(() => undefined)
      if (info?.isFile()) return { path, size: info.size }
    }
    return undefined
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
      'content-security-policy': csp(await importMaps(file.path)),
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
  const folder = (/** @type {string} */ name) => fileURLToPath(new URL(`../${name}/`, import.meta.url))
  const site = process.argv.includes('--dev') ? [folder('www'), folder('dist')] : folder('dist')
  try {
    const { url } = await serve({ mounts: { '/': site }, port })
    console.log(`tabmq is at ${url} (Ctrl-C stops it)`)
  } catch (error) {
    const busy = /** @type {NodeJS.ErrnoException} */ (error).code === 'EADDRINUSE'
    console.error(busy ? `tabmq: port ${port} is taken; choose another: PORT=8081 make run` : `tabmq: ${error}`)
    process.exitCode = 1
  }
}
