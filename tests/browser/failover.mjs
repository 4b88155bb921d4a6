// The figures in docs/FAILOVER.md, as measured on this machine, in Chromium with its IndexedDB on the real disk:
//
//   make build && node tests/browser/failover.mjs [--brokers 3,5] [--partitions 1,10,100,1000] [--profiles lab,kafka]
//     [--rounds 5] [--cost]
//
// Kill to ack: from `kill` of the broker that leads partition 0 (its connections close; only missed heartbeats tell the
// controller) to the first ack (acks=all) of one of the partitions it led, and to the last of 20 of them, spread over all.
// --cost: what the cluster needs while it does nothing, in % of one core, and messages/s through all its partitions.
import { execFileSync } from 'node:child_process'
import { readFileSync, readdirSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { cpus, loadavg, tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { chromium } from 'playwright-core'
import { serve } from '../../scripts/serve.mjs'
import { CHROMIUM, fromRoot } from './harness.mjs'

const { values: given } = parseArgs({
  options: {
    brokers: { type: 'string', default: '3,5' },
    partitions: { type: 'string', default: '1,10,100,1000' },
    profiles: { type: 'string', default: 'lab,kafka' },
    rounds: { type: 'string', default: '5' },
    cost: { type: 'boolean', default: false },
  },
})
const list = (/** @type {string} */ text) => text.split(',')
const ROUNDS = Number(given.rounds)
const IDLE_MS = 10_000
const ARGS = ['--no-sandbox', '--disable-gpu', '--disable-dev-shm-usage', '--disable-quic', '--no-first-run',
  '--disable-background-networking', '--disable-component-update', '--disable-sync']

const median = (/** @type {number[]} */ numbers) => [...numbers].sort((a, b) => a - b)[numbers.length >> 1]
const ms = (/** @type {number[]} */ numbers) => `${Math.round(median(numbers))} (${numbers.map(Math.round).join(', ')})`

/** Processor time of a browser's processes so far, in ms: those with its profile on their command line, and their children. */
function processorMs(/** @type {string} */ profile) {
  const tick = 1000 / Number(execFileSync('getconf', ['CLK_TCK']).toString())
  const ours = new Set()
  const all = []
  for (const pid of readdirSync('/proc').filter((name) => /^\d+$/.test(name))) {
    try {
      const stat = readFileSync(`/proc/${pid}/stat`, 'utf8').replace(/^.*\) /, '').split(' ')
      all.push({ pid, parent: stat[1], time: (Number(stat[11]) + Number(stat[12])) * tick })
      if (readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes(profile)) ours.add(pid)
    } catch { /* it has ended */ }
  }
  for (let grown = true; grown;) {
    grown = false
    for (const { pid, parent } of all) if (ours.has(parent) && !ours.has(pid)) grown = !!ours.add(pid)
  }
  return all.filter(({ pid }) => ours.has(pid)).reduce((sum, { time }) => sum + time, 0)
}

const site = await serve({ mounts: { '/': fromRoot('dist'), '/pages/': fromRoot('tests/browser/pages') } })
const version = execFileSync(CHROMIUM, ['--version', '--no-sandbox']).toString().trim()
console.log(`${cpus().length} x ${cpus()[0].model}; ${version}; load before ${loadavg()[0].toFixed(1)}; median of ${ROUNDS} (all)`)
console.log('| brokers | partitions | profile | led | kill to first ack, ms | to the last of 20, ms | in sync again, ms | topic made in, ms |')
console.log('|---|---|---|---|---|---|---|---|')
for (const profile of list(given.profiles)) {
  for (const brokers of list(given.brokers).map(Number)) {
    for (const partitions of list(given.partitions).map(Number)) {
      const folder = await mkdtemp(join(tmpdir(), 'tabmq-failover-'))
      const context = await chromium.launchPersistentContext(folder, { executablePath: CHROMIUM, args: ARGS })
      try {
        const page = await context.newPage()
        await page.goto(`${site.url}/pages/blank.html`)
        /** @param {string} name @param {object} [options] */
        const run = (name, options) => page.evaluate(async ([name, options]) => {
          const tools = await import('/pages/failover.js')
          return tools[name](options)
        }, /** @type {const} */ ([name, options]))
        const { createMs } = await run('prepare', { brokers, partitions, profile })
        const rounds = []
        for (let round = 0; round < ROUNDS; round++) rounds.push(await run('failover'))
        const of = (/** @type {string} */ name) => ms(rounds.map((found) => found[name]))
        const led = rounds.map(({ led, controller }) => `${led}${controller ? '*' : ''}`).join(', ')
        console.log(`| ${brokers} | ${partitions} | ${profile} | ${led} | ${of('first')} | ${of('last')} | ${of('inSync')} | ${Math.round(createMs)} |`)
        if (given.cost) {
          const before = processorMs(folder)
          await new Promise((resolve) => setTimeout(resolve, IDLE_MS))
          const idle = (processorMs(folder) - before) / IDLE_MS
          const rate = await run('throughput', {})
          console.log(`cost of ${partitions} partitions on ${brokers} brokers, ${profile}: idle ${(100 * idle).toFixed(1)} % of a core, ${Math.round(rate)} messages/s`)
        }
        await run('end')
      } finally {
        await context.close()
        await rm(folder, { recursive: true, force: true, maxRetries: 10, retryDelay: 100 })
      }
    }
  }
}
await site.close()
