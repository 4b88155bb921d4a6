// Bundles kafkajs from npm, not a line of it changed, for a page: dist-test/kafkajs.js, an ES module.
// kafkajs is written for Node; ./shims/ has the few things of Node that it touches. Its sockets come from the
// `socketFactory` it is given, so its `net` is never called.
import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'

/** @param {string} path */
const here = (path) => fileURLToPath(new URL(path, import.meta.url))

await build({
  entryPoints: [here('entry.mjs')],
  outfile: here('../../../dist-test/kafkajs.js'),
  bundle: true,
  format: 'esm',
  platform: 'browser',
  target: 'es2022',
  define: { global: 'globalThis' },
  inject: [here('shims/globals.mjs')],
  alias: {
    // The trailing slash asks for the npm package, not for Node's own module.
    buffer: 'buffer/',
    events: 'events/',
    assert: here('shims/assert.cjs'),
    crypto: here('shims/absent.cjs'),
    net: here('shims/absent.cjs'),
    tls: here('shims/absent.cjs'),
    util: here('shims/util.cjs'),
    zlib: here('shims/zlib.cjs'),
  },
  logLevel: 'warning',
})
