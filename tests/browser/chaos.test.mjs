// Faults at random, from a fixed seed, against a cluster under load, in each browser: kills (silent or not), stops, starts,
// links cut one way and both, delays, heals. Then every acked record is there once, in order.
//
//   TABMQ_CHAOS_ROUNDS=30 node --test tests/browser/chaos.test.mjs     the full run (10 rounds in WebKit)
//   TABMQ_CHAOS_SEED=7 ...                                             another choice of faults
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { startSite } from './harness.mjs'
import { BROWSERS, runPage } from './every-browser.mjs'

const ROUNDS = Number(process.env.TABMQ_CHAOS_ROUNDS ?? 6)
const SEED = Number(process.env.TABMQ_CHAOS_SEED ?? 1)

for (const [name, open] of Object.entries(BROWSERS)) {
  const rounds = name === 'WebKit' ? Math.min(10, ROUNDS) : ROUNDS
  const timeoutMs = 120_000 + rounds * 20_000
  test(`in ${name} every acked record is there once and in order after ${rounds} rounds of faults`, { timeout: timeoutMs + 60_000 }, async (t) => {
    const site = await startSite(t)
    const browser = await open(t)
    if (!browser) return
    const report = await runPage(browser, site.url, { module: 'chaos', call: 'chaos', options: { seed: SEED, rounds }, timeoutMs })
    t.diagnostic(report.did.join('; '))
    t.diagnostic(`${name} ${browser.version}: ${report.did.length} rounds in ${report.ms} ms, ${report.acked} records acked, ${report.unknown} unknown, ${report.total} there`)
    assert.deepEqual(report.wrong, [], report.did.join('\n'))
    // A send a round, at least: on a busy machine it is not much more.
    assert.ok(report.acked >= 5 * report.did.length, `only ${report.acked} records were acked:\n${report.did.join('\n')}`)
  })
}
