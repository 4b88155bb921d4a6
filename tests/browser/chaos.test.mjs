// Faults at random, from a fixed seed, against a cluster under load, in each browser: kills (silent or not), stops, starts,
// links cut one way and both, delays, heals. Then every acked record is there once, in order.
//
//   TABMQ_CHAOS_ROUNDS=30 node --test tests/browser/chaos.test.mjs     the full run (10 rounds in WebKit)
//   TABMQ_CHAOS_SEED=7 ...                                             another choice of faults
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { openChromium, startSite, until } from './harness.mjs'
import { openFirefox } from './firefox.mjs'
import { openWebKit } from './webkit.mjs'

const ROUNDS = Number(process.env.TABMQ_CHAOS_ROUNDS ?? 6)
const SEED = Number(process.env.TABMQ_CHAOS_SEED ?? 1)
const WEBKIT_ROUNDS = Math.min(10, ROUNDS)
const limit = (/** @type {number} */ rounds) => ({ timeout: 180_000 + rounds * 20_000 })

/**
 * In a page of its own, through WebDriver, which is asked now and then: no request of its own takes as long.
 * @param {{ navigate: (url: string) => Promise<any>, execute: (script: string) => Promise<any> }} browser
 * @param {string} site
 * @param {number} rounds
 */
async function runIn(browser, site, rounds) {
  await browser.navigate(`${site}/pages/chaos.html?seed=${SEED}&rounds=${rounds}`)
  let step = ''
  const read = async () => {
    const [report, at] = await browser.execute('return [document.body.dataset.report ?? null, document.body.dataset.step ?? null]')
    step = at
    return report
  }
  return JSON.parse(await until(() => `the run has ended; its last step: ${step}`, read, { timeoutMs: limit(rounds).timeout - 60_000 }))
}

/** @param {import('node:test').TestContext} t @param {any} report @param {string} browser */
function judge(t, report, browser) {
  assert.equal(report.failed, undefined, report.failed)
  t.diagnostic(report.did.join('; '))
  t.diagnostic(`${browser}: ${report.did.length} rounds in ${report.ms} ms, ${report.acked} records acked, ${report.unknown} unknown, ${report.total} there`)
  assert.deepEqual(report.wrong, [], report.did.join('\n'))
  // A send a round, at least: on a busy machine it is not much more.
  assert.ok(report.acked >= 5 * report.did.length, `only ${report.acked} records were acked:\n${report.did.join('\n')}`)
}

test(`in Chromium every acked record is there once and in order after ${ROUNDS} rounds of faults`, limit(ROUNDS), async (t) => {
  const site = await startSite(t)
  const browser = await openChromium(t)
  const page = await browser.open(`${site.url}/pages/blank.html`)
  const report = await page.evaluate(async (options) => {
    const { chaos } = await import('/pages/chaos.js')
    return chaos(options).catch((error) => ({ failed: String(error.stack ?? error) }))
  }, { seed: SEED, rounds: ROUNDS })
  judge(t, report, 'Chromium')
})

test(`in Firefox every acked record is there once and in order after ${ROUNDS} rounds of faults`, limit(ROUNDS), async (t) => {
  const site = await startSite(t)
  const firefox = await openFirefox(t)
  judge(t, await runIn(firefox, site.url, ROUNDS), `Firefox ${firefox.version}`)
})

test(`in WebKit every acked record is there once and in order after ${WEBKIT_ROUNDS} rounds of faults`, limit(WEBKIT_ROUNDS), async (t) => {
  const site = await startSite(t)
  const webkit = await openWebKit(t)
  if (!webkit) return
  judge(t, await runIn(webkit, site.url, WEBKIT_ROUNDS), `WebKit ${webkit.version}`)
})
