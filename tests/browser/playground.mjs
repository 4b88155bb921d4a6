// What the tests of the page share: opening it at a view, and going to another.
import { readFile } from 'node:fs/promises'
import { fromRoot } from './harness.mjs'

/** @typedef {import('playwright-core').Page} Page */

/** The cluster is open and the first view drawn, or the page says why it can't be. @param {Page} page */
export const ready = (page) => page.waitForFunction(() => (document.body.dataset.ready && document.querySelector('main .view > *')) || document.body.dataset.failed)

/**
 * The page at a view, its cluster open, each broker running; without the demo of a first visit, unless it is asked for.
 * @param {{ open: (url: string) => Promise<Page> }} browser @param {{ url: string }} site
 * @param {{ view?: string, query?: string }} [options]
 */
export async function openPage (browser, site, { view = 'cluster', query = 'demo=off&lang=en' } = {}) {
  const page = await browser.open(`${site.url}/?${query}#/${view}`)
  await ready(page)
  return page
}

/** By the navigation, as a person would. @param {Page} page @param {string} view */
export async function goTo (page, view) {
  await page.click(`nav a[href="#/${view}"]`)
  await page.waitForSelector(`tabmq-${view}`)
}

/**
 * What axe finds wrong, once what fades in is there: it measures the contrast of what it sees.
 * @param {Page} page @returns {Promise<string[]>}
 */
export async function violations (page) {
  if (!await page.evaluate(() => 'axe' in globalThis)) await page.evaluate(await readFile(fromRoot('node_modules/axe-core/axe.min.js'), 'utf8'))
  const found = await page.evaluate(async () => {
    const ending = document.getAnimations().filter((animation) => Number.isFinite(Number(animation.effect?.getComputedTiming().endTime)))
    await Promise.allSettled(ending.map((animation) => animation.finished))
    return /** @type {any} */ (globalThis).axe.run()
  })
  return found.violations.map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html).join(' ')}`)
}
