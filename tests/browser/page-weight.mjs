// What a visitor downloads and waits for, by hand: `make build && node tests/browser/page-weight.mjs`.
// Weights are gzipped (level 9), of all views: the page, its libraries, the editor (loaded by one view), the package with its
// wasm. Times are of a fresh profile on this machine, from the start of the navigation: the first paint, the frame of the page
// (`<main>` can be used), the cluster open (`data-ready`), and the demo's first record read.
import { mkdtemp, readFile, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { gzipSync } from 'node:zlib'
import { chromium } from 'playwright-core'
import { serve } from '../../scripts/serve.mjs'
import { CHROMIUM, fromRoot } from './harness.mjs'

const EDITOR = 'vendor/codemirror.js'

/** @returns {Promise<Record<'page' | 'libraries' | 'editor' | 'package', number>>} bytes, gzipped */
export async function weigh () {
  const weights = { page: 0, libraries: 0, editor: 0, package: 0 }
  for (const name of await readdir(fromRoot('dist'), { recursive: true })) {
    if (!/\.(js|css|html|wasm)$/.test(name)) continue
    const part = name === EDITOR ? 'editor' : name.startsWith('vendor/') ? 'libraries' : name.startsWith('sdk/') ? 'package' : 'page'
    weights[part] += gzipSync(await readFile(fromRoot(`dist/${name}`)), { level: 9 }).length
  }
  return weights
}

const ROUNDS = 5
const median = (numbers) => [...numbers].sort((a, b) => a - b)[numbers.length >> 1]

async function times () {
  const site = await serve({ mounts: { '/': fromRoot('dist') } })
  /** @type {Record<string, number[]>} */
  const found = { 'first paint': [], 'page usable': [], 'cluster open': [], 'demo reads': [] }
  for (let round = 0; round < ROUNDS; round++) {
    const profile = await mkdtemp(join(tmpdir(), 'tabmq-weight-'))
    const context = await chromium.launchPersistentContext(profile, {
      executablePath: CHROMIUM, args: ['--no-sandbox', '--disable-gpu', '--disable-dev-shm-usage']
    })
    const page = await context.newPage()
    await page.goto(site.url, { waitUntil: 'commit' })
    const now = () => page.evaluate(() => performance.now())
    await page.waitForSelector('tabmq-shell main')
    found['page usable'].push(await now())
    await page.waitForSelector('body[data-ready]')
    found['cluster open'].push(await now())
    await page.waitForFunction(() => Number(document.querySelector('[data-demo-count=read]')?.textContent) > 0)
    found['demo reads'].push(await now())
    found['first paint'].push(await page.evaluate(() => performance.getEntriesByName('first-contentful-paint')[0]?.startTime))
    await context.close()
    await rm(profile, { recursive: true, force: true, maxRetries: 10, retryDelay: 100 })
  }
  await site.close()
  return found
}

if (import.meta.url === pathToFileURL(process.argv[1]).href) {
  for (const [part, size] of Object.entries(await weigh())) console.log(`${part}: ${Math.round(size / 1000)} kB gzipped`)
  for (const [what, ms] of Object.entries(await times())) console.log(`${what}: median ${Math.round(median(ms))} ms (${ms.map(Math.round).join(', ')})`)
}
