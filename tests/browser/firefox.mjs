// Firefox through geckodriver, headless, with a profile on the real disk.
//
//   const firefox = await openFirefox(t)
//   await firefox.navigate(site.url)
//   const n = await firefox.executeAsync('const [a, done] = arguments; setTimeout(() => done(a + 1), 10)', [1])
import assert from 'node:assert/strict'
import { FIREFOX, GECKODRIVER, temporaryProfile } from './harness.mjs'
import { openSession } from './webdriver.mjs'

/**
 * @param {import('node:test').TestContext} t
 * @param {{ scriptTimeoutMs?: number }} [settings] how long executeAsync may take
 */
export async function openFirefox(t, { scriptTimeoutMs = 60_000 } = {}) {
  assert.ok(FIREFOX && GECKODRIVER, 'Firefox or geckodriver is missing: make setup')
  // Its home, too: Firefox keeps more than its profile there.
  const home = await temporaryProfile(t)
  return openSession(t, {
    name: 'Firefox',
    driver: GECKODRIVER,
    args: (port) => ['--host', '127.0.0.1', '--port', String(port)],
    env: { ...process.env, HOME: home, TMPDIR: home },
    capabilities: { 'moz:firefoxOptions': { binary: FIREFOX, args: ['-headless'] } },
    scriptTimeoutMs,
  })
}
