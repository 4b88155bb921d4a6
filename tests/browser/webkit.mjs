// WebKit through plain WebDriver: WebKitGTK's MiniBrowser under Xvfb. wasm-bindgen's runner and Playwright (without a
// browser build of its own) do not know it.
//
//   const webkit = await openWebKit(t)       // undefined, and the test marked as skipped, where there is none
//   if (!webkit) return
//   await webkit.navigate(site.url)
//   const title = await webkit.execute('return document.title')
//   const n = await webkit.executeAsync('const [a, done] = arguments; setTimeout(() => done(a + 1), 10)', [1])
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { MINIBROWSER, WEBKIT_DRIVER, defer } from './harness.mjs'
import { end, openSession } from './webdriver.mjs'

/** @typedef {import('node:test').TestContext} TestContext */

/**
 * Starts Xvfb on a display it chooses itself and waits for its number.
 * @returns {Promise<{ process: import('node:child_process').ChildProcess, display: string }>}
 */
async function startXvfb() {
  const xvfb = spawn('Xvfb', ['-displayfd', '3', '-screen', '0', '1280x900x24', '-nolisten', 'tcp'], {
    stdio: ['ignore', 'ignore', 'ignore', 'pipe'],
  })
  const pipe = /** @type {import('node:stream').Readable} */ (xvfb.stdio[3])
  const number = await Promise.race([
    once(pipe, 'data').then(([data]) => String(data).trim()),
    once(xvfb, 'error').then(([error]) => Promise.reject(error)),
    once(xvfb, 'exit').then(() => Promise.reject(new Error('Xvfb ended at once'))),
  ])
  return { process: xvfb, display: `:${number}` }
}

/**
 * A WebKit window, ended when the test ends. Its profile is new each time and stays across reloads.
 * @param {TestContext} t
 * @param {{ scriptTimeoutMs?: number }} [settings] how long executeAsync may take
 */
export async function openWebKit(t, { scriptTimeoutMs = 60_000 } = {}) {
  if (process.platform !== 'linux') {
    t.skip('SKIPPED: WebKit is driven through WebKitGTK, which is on Linux only')
    return undefined
  }
  assert.ok(WEBKIT_DRIVER && MINIBROWSER, 'WebKitWebDriver or MiniBrowser is missing: make setup')

  const home = await mkdtemp(join(tmpdir(), 'tabmq-webkit-'))
  defer(t, () => rm(home, { recursive: true, force: true, maxRetries: 10, retryDelay: 100 }))
  const { process: xvfb, display } = await startXvfb()
  defer(t, () => end(xvfb))

  const session = await openSession(t, {
    name: 'WebKit',
    driver: WEBKIT_DRIVER,
    args: (port) => [`--port=${port}`, '--host=127.0.0.1'],
    env: {
      ...process.env,
      DISPLAY: display,
      // MiniBrowser keeps its profile in these; the user's own stays untouched.
      HOME: home,
      XDG_CACHE_HOME: join(home, 'cache'),
      XDG_DATA_HOME: join(home, 'data'),
      XDG_RUNTIME_DIR: home,
    },
    capabilities: { 'webkitgtk:browserOptions': { binary: MINIBROWSER, args: ['--automation'] } },
    scriptTimeoutMs,
  })
  const { call, at } = session

  return {
    ...session,
    /** @param {string} selector @returns {Promise<void>} a real click, by the browser's own event path */
    async click(selector) {
      const element = await call('POST', `${at}/element`, { using: 'css selector', value: selector })
      await call('POST', `${at}/element/${Object.values(element)[0]}/click`, {})
    },
    /** @param {string} file where to write the PNG */
    async screenshot(file) {
      // A page that has just loaded is blank until its second frame.
      await call('POST', `${at}/execute/async`, {
        script: 'requestAnimationFrame(() => requestAnimationFrame(arguments[0]))',
        args: [],
      })
      await writeFile(file, Buffer.from(await call('GET', `${at}/screenshot`), 'base64'))
    },
  }
}
