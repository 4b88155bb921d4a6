// A browser through plain WebDriver, for those that Playwright does not know without builds of its own. The few calls
// needed are short.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createServer } from 'node:net'
import { defer, until } from './harness.mjs'

/** @typedef {import('node:test').TestContext} TestContext */

/** A port nobody listens on. */
async function freePort() {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = /** @type {import('node:net').AddressInfo} */ (server.address())
  server.close()
  return port
}

/** @param {import('node:child_process').ChildProcess} child */
export async function end(child) {
  if (child.exitCode !== null || child.signalCode !== null) return
  child.kill('SIGTERM')
  await once(child, 'exit')
}

/**
 * One session of one browser, ended when the test ends.
 * @param {TestContext} t
 * @param {{ name: string, driver: string, args: (port: number) => string[], env: NodeJS.ProcessEnv, capabilities: object,
 *   scriptTimeoutMs: number }} settings
 */
export async function openSession(t, { name, driver, args, env, capabilities, scriptTimeoutMs }) {
  const port = await freePort()
  const child = spawn(driver, args(port), { stdio: 'ignore', env })
  defer(t, () => end(child))

  /** @param {string} method @param {string} path @param {object} [body] @returns {Promise<any>} */
  async function call(method, path, body) {
    const response = await fetch(`http://127.0.0.1:${port}${path}`, {
      method,
      ...(body && { body: JSON.stringify(body), headers: { 'content-type': 'application/json' } }),
    })
    const { value } = /** @type {any} */ (await response.json())
    if (!response.ok) throw new Error(`${name}: ${method} ${path}: ${value.error}: ${value.message}`)
    return value
  }

  await until(`the driver of ${name} answers`, () => call('GET', '/status').then(() => true, () => false))
  const session = await call('POST', '/session', {
    capabilities: { alwaysMatch: { timeouts: { script: scriptTimeoutMs, pageLoad: 60_000 }, ...capabilities } },
  })
  const at = `/session/${session.sessionId}`
  let open = true
  const quit = async () => {
    if (!open) return
    open = false
    await call('DELETE', at)
  }
  defer(t, quit)
  return {
    call,
    at,
    /** What the browser says it is. */
    version: /** @type {string} */ (session.capabilities.browserVersion),
    /** @param {string} url */
    navigate: (url) => call('POST', `${at}/url`, { url }),
    /** Opens a tab, and goes on in it. @returns {Promise<string>} its handle */
    async newTab() {
      const { handle } = await call('POST', `${at}/window/new`, { type: 'tab' })
      await call('POST', `${at}/window`, { handle })
      return handle
    },
    /** @returns {Promise<string>} the handle of the tab that is driven now */
    tab: () => call('GET', `${at}/window`),
    /** @param {string} handle goes on in that tab */
    goTo: (handle) => call('POST', `${at}/window`, { handle }),
    /** Closes the tab that is driven now. */
    closeTab: () => call('DELETE', `${at}/window`),
    reload: () => call('POST', `${at}/refresh`, {}),
    /** @param {string} script a function body @param {unknown[]} [args] @returns {Promise<any>} */
    execute: (script, args = []) => call('POST', `${at}/execute/sync`, { script, args }),
    /** @param {string} script a function body; its last argument is the callback @param {unknown[]} [args] @returns {Promise<any>} */
    executeAsync: (script, args = []) => call('POST', `${at}/execute/async`, { script, args }),
    quit,
  }
}
