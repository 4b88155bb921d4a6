// The parts that views are made of, each alone in the page.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { openChromium, startSite, until } from './harness.mjs'
import { becomes, openPage, says, violations } from './playground.mjs'

test('a list of a million rows draws what is in sight only, and goes from end to end with the keyboard', { timeout: 60_000 }, async (t) => {
  const site = await startSite(t)
  const browser = await openChromium(t)
  const page = await openPage(browser, site, { view: 'watch' })
  await page.evaluate(async () => {
    // @ts-ignore
    const [{ html }] = await Promise.all([import('lit'), import(new URL('./js/kit/virtual.js', location.href).href)])
    const list = document.createElement('tabmq-virtual')
    Object.assign(list, { label: 'Numbers', count: 1_000_000, row: (index) => html`row ${index}` })
    list.addEventListener('pick', (event) => { Object.assign(globalThis, { picked: /** @type {any} */ (event).detail.index }) })
    document.querySelector('.head').after(list)
  })
  const rows = () => page.$$eval('.virtual-row', (all) => all.map((row) => row.textContent))
  await until('rows are drawn', async () => (await rows())[0] === 'row 0')
  assert.ok((await rows()).length < 60)
  await page.focus('.virtual')
  await page.keyboard.press('End')
  await until('the last row is drawn', async () => (await rows()).at(-1) === 'row 999999')
  await page.keyboard.press('ArrowUp')
  await page.keyboard.press('Enter')
  await becomes(() => page.evaluate(() => /** @type {any} */ (globalThis).picked), 999_998)
  // It is in sight, whole, and the list knows which it is.
  await becomes(() => page.evaluate(() => {
    const row = document.getElementById(document.querySelector('.virtual').getAttribute('aria-activedescendant'))
    if (!row) return null
    const [inner, outer] = [row.getBoundingClientRect(), document.querySelector('.virtual').getBoundingClientRect()]
    return { text: row.textContent, above: inner.top >= outer.top, below: inner.bottom <= outer.bottom + 1 }
  }), { text: 'row 999998', above: true, below: true })
  await page.keyboard.press('Home')
  await until('the first row is drawn', async () => (await rows())[0] === 'row 0')
  // By the scroll bar: the middle of the bar is the middle of the list.
  await page.evaluate(() => { const box = document.querySelector('.virtual'); box.scrollTop = (box.scrollHeight - box.clientHeight) / 2 })
  await until('the middle is drawn', async () => (await rows()).some((text) => text === 'row 500000'))
  assert.deepEqual(await violations(page), [])
})

test('a chart draws its lines and says its figures', { timeout: 60_000 }, async (t) => {
  const site = await startSite(t)
  const browser = await openChromium(t)
  const page = await openPage(browser, site, { view: 'watch' })
  await page.evaluate(async () => {
    await import(new URL('./js/kit/chart.js', location.href).href)
    const chart = document.createElement('tabmq-chart')
    Object.assign(chart, { title: 'Written', series: [{ label: 'records' }], data: [[1, 2, 3], [10, 30, 20]], marks: [{ at: 2, label: 'killed' }] })
    document.querySelector('.head').after(chart)
  })
  await page.waitForSelector('.plot canvas')
  await says(page, '.figures', /records\s*20\s*highest 30/)
  const drawn = () => page.$eval('.plot canvas', (/** @type {HTMLCanvasElement} */ canvas) =>
    canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data.some((value) => value > 0))
  await until('something is drawn', drawn)
  await page.evaluate(() => { Object.assign(document.querySelector('tabmq-chart'), { data: [[1, 2, 3, 4], [10, 30, 20, 50]] }) })
  await says(page, '.figures', /50\s*highest 50/)
  assert.deepEqual(await violations(page), [])
})

test('a table sorts by the column that is clicked, numbers as numbers', { timeout: 60_000 }, async (t) => {
  const site = await startSite(t)
  const browser = await openChromium(t)
  const page = await openPage(browser, site, { view: 'watch' })
  await page.evaluate(async () => {
    await import(new URL('./js/kit/table.js', location.href).href)
    const table = document.createElement('tabmq-table')
    Object.assign(table, {
      label: 'Topics',
      rows: [{ name: 'b', size: 9 }, { name: 'a', size: 100 }, { name: 'c', size: 20 }],
      key: (row) => row.name,
      columns: [{ id: 'name', label: 'Name', value: (row) => row.name }, { id: 'size', label: 'Size', value: (row) => row.size, number: true }]
    })
    document.querySelector('.head').after(table)
  })
  const names = () => page.$$eval('tbody td:first-child', (cells) => cells.map((cell) => cell.textContent).join(''))
  await becomes(names, 'bac')
  await page.click('th button:has-text("Size")')
  await becomes(names, 'acb')
  await becomes(() => page.getAttribute('th.number', 'aria-sort'), 'descending')
  await page.click('th button:has-text("Name")')
  await becomes(names, 'abc')
  assert.deepEqual(await violations(page), [])
})

test('long work shows how far it is, and ends when it is cancelled', { timeout: 60_000 }, async (t) => {
  const site = await startSite(t)
  const browser = await openChromium(t)
  const page = await openPage(browser, site, { view: 'watch' })
  await page.evaluate(async () => {
    // @ts-ignore
    const [{ html, render }, { Job }] = await Promise.all([import('lit'), import(new URL('./js/kit/job.js', location.href).href)])
    const root = document.createElement('div')
    document.querySelector('.head').after(root)
    const job = new Job({ requestUpdate: () => render(html`${job.view('work')}`, root) })
    job.run('Counting…', async ({ signal, progress }) => {
      progress(3, 10, '3 of 10')
      await new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason)))
    }, { partly: () => '3 were counted.' })
  })
  await becomes(() => page.getAttribute('.job progress', 'value'), '3')
  await says(page, '[data-note=work]', /^3 of 10$/)
  assert.deepEqual(await violations(page), [])
  await page.click('.job button')
  await says(page, '[data-note=work]', /^Cancelled\. 3 were counted\.$/)
  await page.waitForSelector('.job progress', { state: 'detached' })
})
