// The same work in each browser, in a page of its own.
//
//   for (const [name, open] of Object.entries(BROWSERS)) {
//     test(`in ${name} ...`, async (t) => {
//       const site = await startSite(t)
//       const browser = await open(t)
//       if (!browser) return                                  // skipped, where there is no such browser
//       const report = await runPage(browser, site.url, { module: 'chaos', call: 'chaos', options: { seed: 1, rounds: 6 } })
import assert from 'node:assert/strict'
import { openChromium, until } from './harness.mjs'
import { openFirefox } from './firefox.mjs'
import { openWebKit } from './webkit.mjs'

/** @typedef {{ version: string, navigate: (url: string) => Promise<any>, execute: (script: string) => Promise<any> }} Browser */

/** @type {Record<string, (t: import('node:test').TestContext) => Promise<Browser | undefined>>} */
export const BROWSERS = {
  async Chromium(t) {
    const browser = await openChromium(t)
    const page = await browser.context.newPage()
    return {
      version: browser.context.browser()?.version() ?? '',
      navigate: (url) => page.goto(url),
      execute: (script) => page.evaluate(`(() => { ${script} })()`),
    }
  },
  Firefox: openFirefox,
  WebKit: openWebKit,
}

/**
 * Calls a function of a module in pages/, and gives what that gives; fails when it throws. The page is asked now and then:
 * no request of a driver takes as long as the work may.
 * @param {Browser} browser
 * @param {string} site
 * @param {{ module: string, call: string, options?: object, timeoutMs?: number }} work
 */
export async function runPage(browser, site, { module, call, options = {}, timeoutMs = 120_000 }) {
  const asked = new URLSearchParams({ module, call, options: JSON.stringify(options) })
  await browser.navigate(`${site}/pages/run.html?${asked}`)
  let step = ''
  const read = async () => {
    const [report, at] = await browser.execute('return [document.body.dataset.report ?? null, document.body.dataset.step ?? null]')
    step = at
    return report
  }
  const report = JSON.parse(await until(() => `${call} has ended; its last step: ${step}`, read, { timeoutMs }))
  assert.equal(report.failed, undefined, report.failed)
  return report
}
