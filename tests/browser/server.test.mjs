// The static server that `make run` and every browser test use.
import assert from 'node:assert/strict'
import { mkdtemp, mkdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { connect } from 'node:net'
import { test } from 'node:test'
import { serve } from '../../scripts/serve.mjs'
import { defer } from './harness.mjs'

/** @param {import('node:test').TestContext} t */
async function site(t) {
  const folder = await mkdtemp(join(tmpdir(), 'tabmq-serve-'))
  defer(t, () => rm(folder, { recursive: true }))
  await mkdir(join(folder, 'public/sdk'), { recursive: true })
  await mkdir(join(folder, 'more'))
  await writeFile(join(folder, 'secret.txt'), 'secret')
  await writeFile(join(folder, 'public/index.html'), '<!doctype html>')
  await writeFile(join(folder, 'public/sdk/tabmq_bg.wasm'), 'wasm')
  await writeFile(join(folder, 'public/sdk/index.js'), 'export {}')
  await writeFile(join(folder, 'more/a.csv'), 'a,b')
  const server = await serve({ mounts: { '/': join(folder, 'public'), '/more/': join(folder, 'more') } })
  defer(t, () => server.close())
  return server
}

test('files are served with the types that modules, workers and streaming wasm need', async (t) => {
  const { url } = await site(t)
  for (const [path, type] of [
    ['/', 'text/html'],
    ['/sdk/index.js', 'text/javascript'],
    ['/sdk/tabmq_bg.wasm', 'application/wasm'],
    ['/more/a.csv', 'text/csv'],
  ]) {
    const response = await fetch(url + path)
    assert.equal(response.status, 200, path)
    assert.equal(response.headers.get('content-type'), type)
  }
})

test('the page runs under a strict policy and without cross-origin isolation', async (t) => {
  const { url } = await site(t)
  const { headers } = await fetch(url)
  assert.match(headers.get('content-security-policy') ?? '', /script-src 'self' 'wasm-unsafe-eval';/)
  assert.equal(headers.get('cross-origin-opener-policy'), null)
  assert.equal(headers.get('cross-origin-embedder-policy'), null)
})

test('nothing outside the folder is served', async (t) => {
  const { url } = await site(t)
  const { port } = new URL(url)
  for (const path of ['/../secret.txt', '/%2e%2e/secret.txt', '/..%2fsecret.txt', '/more/..%2f..%2fsecret.txt', '/%00', '/%zz', '/sdk']) {
    // By hand: fetch would fold the dots away before sending.
    const status = await new Promise((resolve, reject) => {
      const socket = connect(Number(port), '127.0.0.1', () => socket.write(`GET ${path} HTTP/1.0\r\n\r\n`))
      socket.on('error', reject).on('close', reject).on('data', (data) => resolve(String(data).split(' ')[1]))
    })
    assert.equal(status, '404', path)
  }
})
