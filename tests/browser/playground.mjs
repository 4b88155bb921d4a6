// What the tests of the page share: opening it at a view, going to another, and waiting for what is to be there.
import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { isDeepStrictEqual } from 'node:util'
import { fromRoot, resultFile, until } from './harness.mjs'

/** @typedef {import('playwright-core').Page} Page */

/** The cluster is open and the first view drawn, or the page says why it can't be. @param {Page} page */
export const ready = (page) => page.waitForFunction(() => (document.body.dataset.ready && document.querySelector('main .view > *')) || document.body.dataset.failed)

/**
 * The page at a view, its cluster open; without the demo of a first visit, unless it is asked for.
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
 * Waits until the first thing at `selector` says it. What an event brings may come a frame later than what was waited for.
 * @param {Page} page @param {string} selector @param {RegExp} words @param {{ timeoutMs?: number }} [limits]
 */
export async function says (page, selector, words, limits) {
  let said = ''
  await until(() => `${selector} says ${words}; it says: ${said.replace(/\s+/g, ' ').slice(0, 2000)}`, async () => {
    const [text] = await page.locator(selector).allTextContents()
    said = text ?? '(it is not there)'
    return text !== undefined && words.test(text)
  }, limits)
}

/** Waits until `probe` gives just that; the failure shows how it differs. @param {() => unknown} probe @param {unknown} wanted */
export async function becomes (probe, wanted) {
  let found
  const same = until('it is as wanted', async () => isDeepStrictEqual(found = await probe(), wanted))
  await same.catch((error) => {
    if (error.code !== 'ERR_ASSERTION') throw error
    assert.deepEqual(found, wanted)
  })
}

/**
 * Cancels the job of that note by its button as soon as its bar is beyond a number and it says so: on a fast machine a click
 * from here would come when all is over. To be called before the job begins.
 * @param {Page} page @param {string} name of the note @param {{ beyond?: number, words?: string }} [when]
 */
export const cancelWhen = (page, name, { beyond = 0, words = '' } = {}) => page.evaluate(({ name, beyond, words }) => {
  const watch = new MutationObserver(() => {
    const note = document.querySelector(`[data-note=${name}]`)
    const bar = note?.parentElement.querySelector('progress')
    if (!bar?.hasAttribute('value') || bar.value <= beyond || !note.textContent.includes(words)) return
    watch.disconnect()
    note.parentElement.querySelector('button').click()
  })
  watch.observe(document.body, { attributes: true, characterData: true, childList: true, subtree: true })
}, { name, beyond, words })

/**
 * For a person to look at: the page as it stands, not on its way there. It is not what is tested: a machine too busy to take it
 * in time goes without. @param {Page} page @param {string} name
 */
export async function picture (page, name) {
  await page.evaluate(() => scrollTo(0, 0))
  await page.screenshot({ path: await resultFile(name), fullPage: true, animations: 'disabled' }).catch((error) => {
    if (error.name !== 'TimeoutError') throw error
  })
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
