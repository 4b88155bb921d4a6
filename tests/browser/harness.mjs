// What the browser tests share: the built site on a local port, and a Chromium with its IndexedDB on disk.
//
//   import { test } from 'node:test'
//   import { startSite, openChromium } from './harness.mjs'
//
//   test('a sentence about the outcome', { timeout: 120_000 }, async (t) => {
//     const site = await startSite(t)
//     const browser = await openChromium(t)
//     const page = await browser.open(site.url)
//     ...
//   })
//
// Everything started with a `t` is closed when that test ends, and a page's uncaught errors fail it.
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { mkdir, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { chromium } from 'playwright-core'
import { serve } from '../../scripts/serve.mjs'

/** @typedef {import('node:test').TestContext} TestContext */
/** @typedef {import('playwright-core').Page} Page */
/** @typedef {import('playwright-core').BrowserContext} BrowserContext */

/** @param {string} path from the root of the repository */
export const fromRoot = (path) => fileURLToPath(new URL(`../../${path}`, import.meta.url))

/** Where the browsers are, as scripts/env.sh finds them; '' for one that is not there. */
const [CHROMIUM, FIREFOX, GECKODRIVER, WEBKIT_DRIVER, MINIBROWSER] = execFileSync(
  'bash',
  ['-c', '. scripts/env.sh; find_browsers; printf "%s\\n" "$CHROMIUM" "$FIREFOX" "$GECKODRIVER" "$WEBKIT_DRIVER" "$MINIBROWSER"'],
  { cwd: fromRoot(''), encoding: 'utf8' },
).split('\n')
export { CHROMIUM, FIREFOX, GECKODRIVER, WEBKIT_DRIVER, MINIBROWSER }

/** @type {WeakMap<TestContext, (() => unknown)[]>} */
const cleanups = new WeakMap()

/**
 * Runs `undo` when the test ends, the last one first (t.after runs the first one first, which would take a browser's
 * profile from under it). All are run, also when one of them throws.
 * @param {TestContext} t
 * @param {() => unknown} undo
 */
export function defer(t, undo) {
  const known = cleanups.get(t)
  if (known) {
    known.push(undo)
    return
  }
  const stack = [undo]
  cleanups.set(t, stack)
  t.after(async () => {
    /** @type {unknown[]} */
    const failures = []
    for (const step of stack.reverse()) {
      try {
        await step()
      } catch (error) {
        failures.push(error)
      }
    }
    if (failures.length > 0) throw failures[0]
  })
}

/**
 * Serves the built site: dist/ at /, tests/browser/pages/ at /pages/, and what only the tests build (kafkajs.js) at
 * /dist-test/. All on one origin, as an app that copied dist/sdk/ into its own site would have it.
 * @param {TestContext} t
 * @param {Record<string, string>} [mounts] more of them: URL prefix to folder
 */
export async function startSite(t, mounts = {}) {
  const site = await serve({
    mounts: {
      '/': fromRoot('dist'),
      '/pages/': fromRoot('tests/browser/pages'),
      '/dist-test/': fromRoot('dist-test'),
      ...mounts,
    },
  })
  defer(t, () => site.close())
  return site
}

/**
 * A folder for a browser's profile, removed at the end of the test.
 * @param {TestContext} t
 */
export async function temporaryProfile(t) {
  const folder = await mkdtemp(join(tmpdir(), 'tabmq-profile-'))
  // A browser that was just told to stop may still be writing.
  defer(t, () => rm(folder, { recursive: true, force: true, maxRetries: 10, retryDelay: 100 }))
  return folder
}

/**
 * Chromium with a profile on the real disk: an ordinary Playwright context keeps IndexedDB in memory, which would
 * prove nothing about durability. Give the same `profile` again to see what a restarted browser finds.
 * @param {TestContext} t
 * @param {{ profile?: string, errorsAllowed?: RegExp, options?: object, args?: string[] }} [settings]
 *   errorsAllowed: uncaught page errors that are part of the test; options: more of launchPersistentContext's; args: more of
 *   the browser's
 */
export async function openChromium(t, { profile, errorsAllowed, options, args = [] } = {}) {
  assert.ok(CHROMIUM, 'Chromium is missing: make setup')
  const context = await chromium.launchPersistentContext(profile ?? (await temporaryProfile(t)), {
    executablePath: CHROMIUM,
    headless: true,
    // What a machine without a GPU, a big /dev/shm, a network or a user other than root needs.
    args: ['--no-sandbox', '--disable-gpu', '--disable-dev-shm-usage', '--disable-quic', '--no-first-run',
      '--disable-background-networking', '--disable-component-update', '--disable-sync', ...args],
    ...options,
  })
  /** @type {string[]} */
  const errors = []
  context.on('weberror', (error) => errors.push(String(error.error().stack ?? error.error())))
  context.on('console', (message) => {
    if (message.type() === 'error') t.diagnostic(`console: ${message.text()} ${message.location().url}`)
  })
  defer(t, async () => {
    await context.close()
    const unexpected = errors.filter((error) => !errorsAllowed?.test(error))
    assert.deepEqual(unexpected, [], 'uncaught errors in the page')
  })
  return {
    context,
    /** Uncaught errors so far. */
    errors,
    /** @param {string} url @returns {Promise<Page>} a new page, loaded */
    async open(url) {
      const page = await context.newPage()
      await page.goto(url)
      return page
    },
    /** Ends the browser; its profile stays until the end of the test. */
    close: () => context.close(),
  }
}

/**
 * Waits until `probe` gives something truthy, and returns that; fails at the deadline with what it gave last.
 * @template T
 * @param {string | (() => string)} what for the message: "the consumer has all records"
 * @param {() => T | Promise<T>} probe
 * @param {{ timeoutMs?: number }} [limits]
 * @returns {Promise<T>}
 */
export async function until(what, probe, { timeoutMs = 30_000 } = {}) {
  const deadline = Date.now() + timeoutMs
  for (;;) {
    const value = await probe()
    if (value) return value
    if (Date.now() > deadline) assert.fail(`not within ${timeoutMs} ms: ${typeof what === 'function' ? what() : what} (last: ${JSON.stringify(value)})`)
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
}

/**
 * Where a test leaves a picture for a person to look at (test-results/ is not in git).
 * @param {string} name with its extension
 */
export async function resultFile(name) {
  await mkdir(fromRoot('test-results'), { recursive: true })
  return join(fromRoot('test-results'), name)
}
