// Records, as a person looks at them: scrolling, jumping, searching, following, and one record down to its bytes.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { openChromium, startSite, until } from './harness.mjs'
import { becomes, cancelWhen, openPage, picture, says, violations } from './playground.mjs'

/** @typedef {import('playwright-core').Page} Page */

/** @param {import('node:test').TestContext} t @param {any} [options] of browser */
async function open (t, options) {
  const site = await startSite(t)
  const browser = await openChromium(t, { options })
  const page = await openPage(browser, site, { view: 'records' })
  return { site, browser, page }
}

/** Topic `orders` with so many records in partition 0. @param {Page} page @param {number} count */
const fill = (page, count, { topic = 'orders', compression = 0, batch = 100, partitions = 1 } = {}) => page.evaluate(async ({ topic, count, compression, batch, partitions }) => {
  const { admin, kafka } = /** @type {any} */ (globalThis).tabmq
  await admin.createTopics({ topics: [{ topic, numPartitions: partitions, replicationFactor: 1, configEntries: [{ name: 'retention.ms', value: '-1' }] }] }).catch((error) => { if (error.type !== 'TOPIC_ALREADY_EXISTS') throw error })
  const producer = kafka.producer()
  for (let sent = 0; sent < count; sent += batch) {
    await producer.send({
      topic,
      compression,
      messages: Array.from({ length: Math.min(batch, count - sent) }, (_, n) => {
        const number = sent + n
        return { partition: 0, key: `guest-${number}`, timestamp: String(1_700_000_000_000 + number * 1000), headers: { trace: `t${number}` }, value: JSON.stringify({ drink: number % 10 ? 'tea' : 'latte', number }) }
      })
    })
  }
  await producer.disconnect()
}, { topic, count, compression, batch, partitions })

/** The rows in sight: offset, time, key, value. @param {Page} page @returns {Promise<string[][]>} */
const rows = (page) => page.$$eval('.virtual-row .record-row', (all) => all.map((row) => [...row.children].map((cell) => cell.textContent.trim())))
/** @param {Page} page @param {string} text */
const shows = (page, text) => until(`“${text}” is in the list`, async () => (await rows(page)).some((row) => row.join(' ').includes(text)))

test('the records of a partition are listed as they come; first, last, an offset and a time are reached, and a wrong one is told beside its field', { timeout: 120_000 }, async (t) => {
  const { page } = await open(t)
  await says(page, 'tabmq-records', /There is no topic yet/)
  await fill(page, 1000)
  await shows(page, 'guest-0')
  await becomes(async () => (await rows(page))[0]?.filter((_, cell) => cell !== 1), ['0', 'guest-0', '+1 {"drink":"latte","number":0}'])
  await page.click('[data-do=last]')
  await shows(page, 'guest-999')
  await page.click('[data-do=first]')
  await shows(page, 'guest-3')
  await page.fill('[name=offset]', '500')
  await page.click('[data-do=jump]')
  await shows(page, 'guest-500')
  await says(page, 'tabmq-record h2', /Partition 0, offset 500/)
  await until('it is in the address', () => /#\/records\?topic=orders&partition=0&offset=500$/.test(page.url()))
  await page.fill('[name=offset]', '1000')
  await page.click('[data-do=jump]')
  await says(page, '[data-field=offset] .error', /it has offsets 0 to 999/)
  assert.equal(await page.inputValue('[name=offset]'), '1000')
  await page.fill('[name=offset]', '')
  await page.fill('[name=time]', 'yesterday')
  await page.click('[data-do=jump]')
  await says(page, '[data-field=time] .error', /A date like/)
  await page.fill('[name=time]', String(1_700_000_000_000 + 700_500))
  await page.click('[data-do=jump]')
  await says(page, 'tabmq-record h2', /offset 701/)
  await page.fill('[name=time]', '2999-01-01')
  await page.click('[data-do=jump]')
  await says(page, '[data-field=time] .error', /No record since/)
  // A link of another view.
  await page.evaluate(() => { location.hash = '#/records?topic=orders&partition=0&offset=42' })
  await says(page, 'tabmq-record h2', /offset 42/)
  await shows(page, 'guest-42')
  assert.deepEqual(await violations(page), [])
})

test('a record is shown in full: key, value as JSON, text and hex, headers, and the facts of its batch', { timeout: 120_000 }, async (t) => {
  const { page } = await open(t, { permissions: ['clipboard-read', 'clipboard-write'] })
  await page.evaluate(async () => {
    const { admin, kafka } = /** @type {any} */ (globalThis).tabmq
    await admin.createTopics({ topics: [{ topic: 'orders', numPartitions: 1, replicationFactor: 1 }] })
    const producer = kafka.producer()
    const send = (message, compression = 0) => producer.send({ topic: 'orders', compression, messages: [message] })
    await send({ key: 'ann', value: '{"drink":"café","list":[1]}', headers: { trace: ['a', 'b'], none: null } }, 1)
    await send({ value: new Uint8Array([0, 1, 254, 255]) })
    await send({ key: 'gone', value: null })
  })
  await shows(page, 'ann')
  await page.click('.virtual-row >> nth=0')
  await says(page, '[data-part=key] pre', /^ann$/)
  await becomes(() => page.textContent('[data-part=value] pre'), '{\n  "drink": "café",\n  "list": [\n    1\n  ]\n}')
  await page.click('[data-part=value] button:text-is("Text")')
  await becomes(() => page.textContent('[data-part=value] pre'), '{"drink":"café","list":[1]}')
  await page.click('[data-part=value] button:text-is("Hex")')
  await says(page, '[data-part=value] pre', /^7b 22 64 72 69 6e 6b 22 3a 22 63 61 66 c3 a9/)
  await page.click('[data-part=value] button:text-is("Copy")')
  await until('it is on the clipboard', async () => /^7b 22 64/.test(await page.evaluate(() => navigator.clipboard.readText())))
  await says(page, 'tabmq-record dl', /trace\s*a\s*trace\s*b\s*none\s*null/)
  const fact = (name) => page.textContent(`[data-batch] [data-fact=${name}]`)
  await becomes(() => fact('compression'), 'gzip')
  assert.match(await fact('producer'), /id \d+, epoch 0, sequence 0 to 0/)
  assert.equal(await fact('transactional'), 'no')
  assert.equal(await fact('control'), 'no')
  assert.equal(await fact('offsets'), '0 to 0: 1 record')
  assert.match(await fact('crc'), /^0x[0-9a-f]{8}$/)
  await page.focus('.virtual')
  await page.keyboard.press('ArrowDown')
  await page.keyboard.press('Enter')
  await says(page, '[data-part=value] pre', /00 01 fe ff/)
  await says(page, '[data-part=key]', /without a key/)
  await page.keyboard.press('ArrowDown')
  await page.keyboard.press('Enter')
  await says(page, '[data-part=value]', /tombstone/)
  await page.click('form.find button:has-text("Copy as")')
  const copied = await page.textContent('dialog')
  assert.match(copied, /kafka-console-consumer\.sh --bootstrap-server localhost:9092 --topic orders --partition 0 --offset 2/)
  assert.match(copied, /kcat -b localhost:9092 -C -t orders -p 0 -o 2/)
  assert.match(copied, /consumer\.seek\(\{ topic: 'orders', partition: 0, offset: '2' \}\)/)
  assert.deepEqual(await violations(page), [])
})

test('each byte of a batch says which field it is, by the pointer and by the keys, as stored and decompressed', { timeout: 240_000 }, async (t) => {
  const { page } = await open(t)
  await fill(page, 40, { batch: 20 })
  await fill(page, 20, { batch: 20, compression: 1 })
  await shows(page, 'guest-3')
  await page.click('.virtual-row >> nth=3')
  await page.click('summary:has-text("The batch")')
  await page.waitForSelector('.hex-line')
  const field = () => page.getAttribute('[data-hex-field]', 'data-hex-field')
  const explains = (words) => until(`the field is ${words}`, async () => words.test((await page.textContent('[data-hex-field]')).replace(/\s+/g, ' ').trim()))
  // It begins at the record that was picked.
  await becomes(field, 'key')
  await explains(/key of record 4 “guest-3” bytes \d+ to \d+ \(7\) · 67 75 65 73 74 2d 33/)
  // Every byte of the header, by the keys; the fields are those of the format.
  await page.focus('.hex')
  await page.keyboard.press('Home')
  await becomes(field, 'baseOffset')
  const named = await page.evaluate(async () => {
    const hex = /** @type {any} */ (document.querySelector('tabmq-hex'))
    const named = []
    for (let at = 0; at < 61; at++) {
      const name = hex.querySelector('[data-hex-field]').dataset.hexField
      if (named.at(-1)?.[0] === name) named.at(-1)[1]++
      else named.push([name, 1])
      hex.querySelector('.hex').dispatchEvent(new KeyboardEvent('keydown', { key: 'ArrowRight' }))
      await hex.updateComplete
    }
    return named
  })
  assert.deepEqual(named, [['baseOffset', 8], ['batchLength', 4], ['partitionLeaderEpoch', 4], ['magic', 1], ['crc', 4], ['attributes', 2], ['lastOffsetDelta', 4], ['baseTimestamp', 8], ['maxTimestamp', 8], ['producerId', 8], ['producerEpoch', 2], ['baseSequence', 4], ['recordCount', 4]])
  // The first record begins at byte 61.
  await becomes(field, 'length')
  await page.keyboard.press('Home')
  for (let step = 0; step < 5; step++) await page.keyboard.press('Control+ArrowRight')
  await explains(/^attributes not compressed, time of the producer bytes 21 to 22/)
  await page.hover('.hex-bytes [data-at="16"]')
  await explains(/^magic 2 byte 16/)
  // Without the pointer it is where the keys are.
  await page.hover('h1')
  await becomes(field, 'attributes')
  await page.click('.hex-outline summary')
  await page.click('.hex-outline button:has-text("value") >> nth=-1')
  await picture(page, 'batch.png')
  assert.deepEqual(await violations(page), [])
  // A compressed batch: one field as it is stored, every field of every record decompressed.
  await page.fill('[name=offset]', '45')
  await page.click('[data-do=jump]')
  await says(page, '[data-batch] [data-fact=compression]', /^gzip$/)
  await explains(/key of record 6 “guest-5”/)
  await page.click('[data-do=stored]')
  await page.focus('.hex')
  await page.keyboard.press('End')
  await explains(/^records .*all records, compressed/)
  await page.keyboard.press('Home')
  for (let step = 0; step < 5; step++) await page.keyboard.press('Control+ArrowRight')
  await explains(/^attributes gzip, time of the producer/)
})

test('text and filters find records, slice by slice; what is wrong with a filter is told with its column', { timeout: 240_000 }, async (t) => {
  const { page } = await open(t)
  await fill(page, 5000, { batch: 500, partitions: 2 })
  await shows(page, 'guest-0')
  const told = (words) => says(page, '[data-note=search]', words)
  await page.fill('[name=text]', 'GUEST-4321')
  await page.click('[data-do=search]')
  await told(/1 record found among 5,000/)
  await becomes(async () => (await rows(page)).map((row) => row[0]), ['4,321'])
  await page.click('.virtual-row')
  await says(page, 'tabmq-record h2', /offset 4,321/)
  await page.selectOption('[name=kind]', 'filter')
  for (const [text, words] of /** @type {[string, RegExp][]} */ ([
    ['colour = 1', /Column 1: ‘colour’ is no field; there are key, value/],
    ['value.drink = ', /Column 15: the expression ends too early/],
    ["value.drink = 'latte", /Column 15: this text has no closing quote/],
    ['(offset > 3', /Column 12: the expression ends too early/],
    ['offset 3', /Column 8: a comparison is missing before ‘3’/],
    ['offset > 3 )', /Column 12: ‘\)’ is not expected here/],
    ['offset.x > 3', /Column 1: ‘offset’ is a number/]
  ])) {
    await page.fill('[name=text]', text)
    await page.click('[data-do=search]')
    await says(page, '[data-field=text] .error', words)
    assert.equal(await page.inputValue('[name=text]'), text)
  }
  await page.fill('[name=text]', "value.drink = 'latte' and not (key startsWith 'guest-1' or offset >= 100) and header.trace exists and timestamp < '2024-01-01'")
  await page.click('[data-do=search]')
  await told(/9 records found among 5,000/)
  await becomes(async () => (await rows(page)).map((row) => row[0]), ['0', '20', '30', '40', '50', '60', '70', '80', '90'])
  await page.selectOption('[name=partition]', 'all')
  await page.fill('[name=text]', 'value.number >= 4998')
  await page.click('[data-do=search]')
  await told(/2 records found among 5,000/)
  await becomes(async () => (await rows(page)).map((row) => row.slice(0, 2)), [['0', '4,998'], ['0', '4,999']])
  await page.click('[data-do=browse]')
  await shows(page, 'guest-0')
  assert.deepEqual(await violations(page), [])
})

test('a long search shows how far it is, leaves the page responsive, and is cancelled with what it has', { timeout: 240_000 }, async (t) => {
  const { page } = await open(t)
  await fill(page, 100_000, { batch: 2000 })
  await shows(page, 'guest-0')
  await page.evaluate(() => {
    const late = []
    Object.assign(globalThis, { late })
    new PerformanceObserver((list) => late.push(...list.getEntries().map(({ duration }) => duration))).observe({ type: 'longtask' })
  })
  await page.fill('[name=text]', 'guest-1')
  await page.selectOption('[name=kind]', 'text')
  await page.click('[data-do=search]')
  await says(page, '[data-note=search]', /The first 1,000 are shown/, { timeoutMs: 60_000 })
  await page.fill('[name=text]', 'nobody')
  await cancelWhen(page, 'search')
  await page.click('[data-do=search]')
  await says(page, '[data-note=search]', /Cancelled\. 0 records were found until then/, { timeoutMs: 60_000 })
  // All that is told on the way to the end.
  await page.evaluate(() => {
    const told = []
    Object.assign(globalThis, { told })
    const note = document.querySelector('[data-note=search]')
    new MutationObserver(() => told.push(note.textContent)).observe(note, { characterData: true, childList: true, subtree: true })
  })
  await page.click('[data-do=search]')
  await says(page, '[data-note=search]', /0 records found among 100,000/, { timeoutMs: 120_000 })
  const told = await page.evaluate(() => /** @type {any} */ (globalThis).told)
  assert.ok(told.filter((text) => /Looked at [\d,]+ of 100,000 offsets, 0 found/.test(text)).length > 1, told.join('\n'))
  const late = await page.evaluate(() => /** @type {any} */ (globalThis).late)
  t.diagnostic(`long tasks during the searches: ${late.map(Math.round).join(', ') || 'none'} ms`)
})

test('the newest records are followed as they come, paused by a button or by scrolling up, and go on', { timeout: 240_000 }, async (t) => {
  const { page } = await open(t)
  await fill(page, 200, { partitions: 2 })
  await shows(page, 'guest-0')
  await page.click('[data-do=tail]')
  await shows(page, 'guest-199')
  await fill(page, 10)
  await until('new ones come', async () => (await rows(page)).filter((row) => /guest-9\b/.test(row.join(' '))).length > 0)
  await page.click('[data-do=pause-tail]')
  await fill(page, 30)
  await says(page, '[data-note=tail]', /Paused: 30 newer records wait/)
  assert.ok(!(await rows(page)).some((row) => /guest-29\b/.test(row.join(' '))))
  assert.deepEqual(await violations(page), [])
  await page.click('[data-do=pause-tail]')
  await shows(page, 'guest-29')
  await page.focus('.virtual')
  await page.keyboard.press('Home')
  // Who scrolls up has paused it.
  await says(page, '[data-note=tail]', /Paused/)
  // Only what fits.
  await page.click('[data-do=tail]')
  await page.selectOption('[name=kind]', 'filter')
  await page.fill('[name=text]', "value.drink = 'latte'")
  await page.click('[data-do=tail]')
  await fill(page, 50)
  await until('the five lattes among them, and nothing else', async () => {
    const seen = await rows(page)
    return seen.length >= 5 && seen.every((row) => /latte/.test(row.join(' ')))
  })
})

test('a million records scroll: any place of them is there at once, and the page keeps only what is near', { timeout: 400_000 }, async (t) => {
  const { page } = await open(t)
  await page.evaluate(async () => {
    const { admin, kafka } = /** @type {any} */ (globalThis).tabmq
    await admin.createTopics({ topics: [{ topic: 'million', numPartitions: 1, replicationFactor: 1 }] })
    const producer = kafka.producer({ batchSize: 500_000 })
    for (let sent = 0; sent < 1_000_000; sent += 10_000) {
      await producer.send({ topic: 'million', messages: Array.from({ length: 10_000 }, (_, n) => ({ key: null, value: `record ${sent + n}` })) })
    }
    await producer.disconnect()
  })
  await page.evaluate(() => { location.hash = '#/records?topic=million&partition=0' })
  await says(page, '.records-list', /1,000,000 records/)
  await shows(page, 'record 0')
  for (const share of [0.5, 0.25, 0.9, 0.1]) {
    await page.evaluate((share) => {
      const box = document.querySelector('.virtual')
      box.scrollTop = (box.scrollHeight - box.clientHeight) * share
    }, share)
    await until(`records at ${share * 100} %`, async () => {
      const seen = await rows(page)
      const [offset] = seen[Math.floor(seen.length / 2)] ?? ['']
      const number = Number(offset.replace(/,/g, ''))
      return Math.abs(number - share * 1_000_000) < 100 && seen.every((row) => row.at(-1) === `record ${row[0].replace(/,/g, '')}`)
    })
  }
  await page.focus('.virtual')
  await page.keyboard.press('End')
  await shows(page, 'record 999999')
  assert.ok((await rows(page)).length < 80, 'only those in sight are in the page')
  // Scrolling by the wheel: how long frames take.
  const frames = await page.evaluate(async () => {
    const box = document.querySelector('.virtual')
    const times = []
    let last = performance.now()
    for (let step = 0; step < 120; step++) {
      box.scrollTop -= 40
      await new Promise(requestAnimationFrame)
      const now = performance.now()
      times.push(now - last)
      last = now
    }
    return times.sort((a, b) => a - b)
  })
  t.diagnostic(`frames while scrolling: median ${frames[60].toFixed(1)} ms, 95 % within ${frames[114].toFixed(1)} ms`)
})

test('at 360 pixels and in Korean the list, a record and its bytes are whole', { timeout: 120_000 }, async (t) => {
  const { page } = await open(t)
  await fill(page, 50)
  await page.setViewportSize({ width: 360, height: 800 })
  await page.emulateMedia({ colorScheme: 'dark' })
  await page.selectOption('select[name=lang]', 'ko')
  await shows(page, 'guest-0')
  await page.click('.virtual-row >> nth=2')
  await page.click('summary:has-text("배치의 바이트")')
  await page.waitForSelector('.hex-line')
  await page.focus('.hex')
  await page.keyboard.press('Home')
  await says(page, '[data-hex-field]', /첫 레코드의 오프셋/)
  assert.equal(await page.evaluate(() => document.documentElement.scrollWidth > document.documentElement.clientWidth), false)
  assert.deepEqual(await violations(page), [])
  await picture(page, 'records-record-narrow-ko.png')
})
