// The page, as a person uses it.
import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { test } from 'node:test'
import { openChromium, startSite, until } from './harness.mjs'
import { becomes, goTo, openPage, picture, ready, says } from './playground.mjs'

/** @param {import('playwright-core').Page} page */
const consumed = async (page) => {
  const counts = await page.locator('[data-count]').allTextContents()
  return counts.reduce((sum, text) => sum + Number(text.replace(/,/g, '')), 0)
}

/** The file of the form is produced. @param {import('playwright-core').Page} page */
const done = (page) => until('all rows are acked', async () => /^Done: /.test(await page.textContent('[data-note=file]')))

/** @param {import('playwright-core').Page} page @param {string} group */
async function showGroup (page, group) {
  await page.evaluate((group) => { location.hash = `#/groups/${group}` }, group)
  await page.waitForSelector('tabmq-group')
}

/** Members of the group `readers`, from the list of groups. @param {import('playwright-core').Page} page */
async function startMembers (page, topic, count) {
  await page.fill('[data-form=members] [name=topics]', topic)
  await page.fill('[data-form=members] [name=members]', String(count))
  await page.click('[data-form=members] button.primary')
  await page.waitForSelector('tabmq-group')
}

/** @param {import('playwright-core').Page} page */
const replicasInSync = (page, partition) => page.locator(`[data-partition="${partition}"] .replica.in-sync`).count()

test('flights are produced and consumed on while the leader of partition 0 is killed, and it comes back in sync', { timeout: 240_000 }, async (t) => {
  const site = await startSite(t)
  const browser = await openChromium(t)
  const page = await openPage(browser, site, { view: 'topics' })
  await page.fill('[name=topic]', 'orders')
  await page.click('text=Create topic')
  await page.waitForSelector('[data-note=topic].good')
  await goTo(page, 'produce')
  await page.fill('[data-form=produce] [name=key]', 'ann')
  await page.click('[data-form=produce] button.primary')
  await page.waitForSelector('[data-note=produce].good')
  await says(page, '[data-note=produce]', /Acked: orders, partition \d, offset 0, in /)

  await page.click('[data-sample=flights]')
  await page.waitForFunction(() => /Producing/.test(document.querySelector('[data-note=file]').textContent) &&
    /** @type {HTMLProgressElement | null} */ (document.querySelector('.job progress'))?.value > 2000)
  const leader = await page.evaluate(() => /** @type {any} */ (globalThis).tabmq.store.model.topics.get('flights')[0].leader)
  await goTo(page, 'cluster')
  await page.click(`[data-broker="${leader}"] [data-do=kill]`)
  await page.waitForSelector(`[data-broker="${leader}"].crashed`)
  await goTo(page, 'groups')
  await startMembers(page, 'flights', 2)
  // What was begun goes on while another view is shown, and is there again.
  await goTo(page, 'produce')
  await until('all are acked', async () => /Done: 20,000 records acked/.test(await page.textContent('[data-note=file]')), { timeoutMs: 90_000 })
  await showGroup(page, 'readers')
  await until('both consumers have partitions', async () =>
    (await page.locator('[data-assignment]').allTextContents()).every((text) => /\d/.test(text)))
  await until('all flights are read', async () => await consumed(page) >= 20_000, { timeoutMs: 60_000 })

  await goTo(page, 'watch')
  await says(page, '.timeline', /elected broker \d leader of flights-0/)
  await goTo(page, 'cluster')
  await picture(page, 'page-light.png')
  await page.click(`[data-broker="${leader}"] [data-do=start]`)
  await goTo(page, 'topics')
  await page.click('a.topic-link:text-is("flights")')
  await until('partition 0 has three replicas in sync', async () => await replicasInSync(page, 0) === 3, { timeoutMs: 60_000 })

  const second = await openPage(browser, site, { view: 'topics' })
  await says(second, '.elsewhere', /run in another tab/)
  await says(second, 'tabmq-topics', /flights/)
  await second.click('[data-do=take-over]')
  await until('the brokers run in the second tab', async () => await second.locator('.elsewhere').count() === 0)
  await says(page, '.elsewhere', /run in another tab/)
  await second.close()
  await until('the brokers are back in the first one', async () => await page.locator('.elsewhere').count() === 0)

  await page.reload()
  await ready(page)
  await until('the records are there after a reload', async () => {
    const counts = await page.locator('[data-high-watermark]').allTextContents()
    return counts.reduce((sum, text) => sum + Number(text.replace(/,/g, '')), 0) === 20_000
  })
})

test('a broker that is stopped hands over, and what is refused is said in words', { timeout: 120_000 }, async (t) => {
  const site = await startSite(t)
  const browser = await openChromium(t)
  const page = await openPage(browser, site, { view: 'topics' })
  const create = async (name, partitions, replicas) => {
    await page.fill('[name=topic]', name)
    await page.fill('[name=partitions]', String(partitions))
    await page.fill('[name=replicas]', String(replicas))
    await page.click('text=Create topic')
  }
  await create('orders', 3, 3)
  await page.waitForSelector('[data-note=topic].good')
  for (const [name, partitions, replicas, field, words] of /** @type {[string, number, number, string, RegExp][]} */ ([
    ['not a name', 1, 3, 'topic', /INVALID_TOPIC_EXCEPTION.*not a name/],
    ['orders', 1, 3, 'topic', /TOPIC_ALREADY_EXISTS/],
    ['none', 0, 3, 'partitions', /INVALID_PARTITIONS/],
    ['four', 1, 4, 'replicas', /INVALID_REPLICATION_FACTOR/],
  ])) {
    await create(name, partitions, replicas)
    await until(`${words}`, async () => words.test((await page.locator(`[data-field=${field}] .error`).allTextContents()).join()))
  }
  await goTo(page, 'cluster')
  await page.click('[data-broker="2"] [data-do=stop]')
  await page.waitForSelector('[data-broker="2"].stopped')
  await goTo(page, 'topics')
  await page.click('a.topic-link:text-is("orders")')
  await until('others lead', async () => {
    const leaders = await page.$$eval('[data-leader]', (all) => all.map((one) => one.getAttribute('data-leader')))
    return leaders.length === 3 && !leaders.includes('2')
  })
})

test('files are read with a key column of choice, and a broken one is named with its line', { timeout: 120_000 }, async (t) => {
  const site = await startSite(t)
  const browser = await openChromium(t)
  const page = await openPage(browser, site, { view: 'produce' })
  const choose = (name, text) => page.setInputFiles('input[type=file]', { name, mimeType: 'text/plain', buffer: Buffer.from(text) })
  for (const [name, text, words] of /** @type {[string, string, RegExp][]} */ ([
    ['broken.ndjson', '{"a":1}\n{"a":', /broken\.ndjson, line 2/],
    ['broken.json', '[\n{"a":1},\n{"a" 2}\n]', /broken\.json, line 3/],
    ['broken.csv', 'a,b\n1,2\n3\n', /broken\.csv, line 3/],
    ['picture.png', 'x', /not a \.json/],
  ])) {
    await choose(name, text)
    await until(`${words}`, async () => words.test(await page.textContent('[data-note=file]')))
  }
  await choose('people.csv', 'name,town\nann,Bonn\nbob,Köln\n')
  await page.selectOption('[data-form=file] [name=key]', 'town')
  await page.click('[data-form=file] button.primary')
  await done(page)
  await goTo(page, 'groups')
  await startMembers(page, 'people', 1)
  await until('two records are read', async () => await consumed(page) === 2)
  await says(page, '[data-consumer=readers-1] .records', /Köln {2}{"name":"bob","town":"Köln"}/)
})

test('a topic is saved as a .zip and comes back when that is dropped on the page; a broken one is refused', { timeout: 180_000 }, async (t) => {
  const site = await startSite(t)
  const browser = await openChromium(t)
  const page = await openPage(browser, site, { view: 'produce' })
  await page.setInputFiles('input[type=file]', { name: 'people.csv', mimeType: 'text/plain', buffer: Buffer.from('name,town\nann,Bonn\nbob,Köln\n') })
  await page.click('[data-form=file] button.primary')
  await done(page)
  await goTo(page, 'topics')
  const saving = page.waitForEvent('download')
  await page.click('a.topic-link')
  await page.click('[data-do=export]')
  const download = await saving
  assert.equal(download.suggestedFilename(), 'people.zip')
  const zip = await readFile(await download.path())
  await until('the page says what it saved', async () => /Exported people: people\.zip, [\d.]+ kB\./.test(await page.textContent('[data-note=table]')))
  await goTo(page, 'produce')

  /** @param {string} name @param {Buffer} bytes */
  const drop = async (name, bytes) => {
    const data = await page.evaluateHandle(([name, bytes]) => {
      const transfer = new DataTransfer()
      transfer.items.add(new File([Uint8Array.from(atob(bytes), (c) => c.charCodeAt(0))], name))
      return transfer
    }, [name, bytes.toString('base64')])
    await page.dispatchEvent('.drop', 'drop', { dataTransfer: data })
  }
  const note = () => page.textContent('[data-note=file]')
  await drop('people.zip', zip.subarray(0, zip.length - 30))
  await until('a cut .zip is refused', async () => new RegExp(`people\\.zip, byte ${zip.length - 30}: not a \\.zip, or cut short`).test(await note()))
  // One bit of a record's value, within the .zip.
  const broken = Buffer.from(zip)
  broken[zip.indexOf('Bonn')] ^= 1
  await drop('people.zip', broken)
  await page.fill('[data-form=import] [name=topic]', 'broken')
  await page.click('[data-form=import] button.primary')
  await until('a changed record is refused', async () => /Not imported\. people-\d\/0{20}\.log, byte 0: the checksum is/.test(await note()))

  await drop('people.zip', zip)
  await until('the files are counted', async () => /people\.zip: 24 files of a topic\./.test(await note()))
  await page.click('[data-form=import] button.primary')
  await until('a name that is taken is refused', async () => /Not imported\. TOPIC_ALREADY_EXISTS/.test(await note()))
  await page.fill('[data-form=import] [name=topic]', 'again')
  await page.click('[data-form=import] button.primary')
  await says(page, '[data-note=file].good', /Imported again: 2 records in 6 partitions; their offsets are the same\./)
  await goTo(page, 'topics')
  await becomes(() => page.locator('a.topic-link').allTextContents(), ['again', 'people'])
})

test('the page shows what is stored of how much, says when storage refuses and when it takes more, and asks to keep it', { timeout: 120_000 }, async (t) => {
  const site = await startSite(t)
  const browser = await openChromium(t)
  const page = await browser.open(`${site.url}/pages/blank.html`)
  const devtools = await browser.context.newCDPSession(page)
  // Before anything is stored: Chromium asks for the quota again only when what it last heard is used up.
  await devtools.send('Storage.overrideQuotaForOrigin', { origin: site.url, quotaSize: 12_000_000 })
  await page.goto(`${site.url}/?demo=off&lang=en`)
  await ready(page)
  const space = () => page.getAttribute('.storage', 'data-space')
  await until('what is stored is shown', async () => /^\d.* stored of \d+ GB the browser allows\.$/.test(await page.textContent('[data-usage]')))
  await page.evaluate(async () => {
    const { admin, kafka } = /** @type {any} */ (globalThis).tabmq
    await admin.createTopics({ topics: [{ topic: 'noise', numPartitions: 1, replicationFactor: 3 }] })
    const producer = kafka.producer()
    // Noise: what compresses takes no space on the disk.
    const noise = () => Array.from(crypto.getRandomValues(new Uint8Array(50_000)), (byte) => byte.toString(16)).join('')
    const send = () => producer.send({ topic: 'noise', acks: -1, timeout: 100_000, messages: [{ value: noise() }] })
    Object.assign(globalThis, { sent: (async () => { for (let i = 0; i < 80; i++) await send() })() })
  })
  await says(page, '[data-space=refused] [data-usage]', /producers wait until space is freed/, { timeoutMs: 60_000 })
  await picture(page, 'page-storage.png')
  await devtools.send('Storage.overrideQuotaForOrigin', { origin: site.url })
  await page.evaluate(() => /** @type {any} */ (globalThis).sent)
  await until('the page says that storage takes more', async () => await space() === 'enough')
  await until('each broker says what it stores', async () =>
    (await page.locator('.broker [data-fact=stores]').allTextContents()).every((text) => /^[\d.]+ MB/.test(text)))
  await page.click('[data-broker="1"] [data-do=more]')
  await says(page, '[data-stores]', /^[\d.]+ MB, with [\d.]+ MB of memory$/)
  await page.keyboard.press('Escape')

  // A headless browser agrees only when told to.
  await page.click('.storage button')
  await says(page, '[data-note=storage].bad', /did not agree/)
  await devtools.send('Browser.grantPermissions', { origin: site.url, permissions: ['durableStorage'] })
  await page.click('.storage button')
  await page.waitForSelector('[data-persisted]')
  await says(page, '[data-note=storage]', /will not clear this data/)
})

test('the page warns before the storage is full', { timeout: 60_000 }, async (t) => {
  const site = await startSite(t)
  const browser = await openChromium(t)
  const page = await browser.open(`${site.url}/pages/blank.html`)
  for (const [used, space, words] of /** @type {[number, string, RegExp][]} */ ([[79, 'enough', /allows\.$/], [80, 'low', /getting low/], [95, 'full', /almost full/]])) {
    // Chromium says that 10 GB are free, always; other browsers say what there is.
    await page.addInitScript((used) => { navigator.storage.estimate = async () => ({ usage: used * 1e6, quota: 100e6 }) }, used)
    await page.goto(`${site.url}/?demo=off&lang=en&used=${used}`)
    await ready(page)
    await says(page, `[data-space=${space}] [data-usage]`, words)
  }
})

test('what retention and compaction did is on the timeline', { timeout: 120_000 }, async (t) => {
  const site = await startSite(t)
  const browser = await openChromium(t)
  const page = await openPage(browser, site, { view: 'watch' })
  await page.evaluate(async () => {
    const { admin, kafka } = /** @type {any} */ (globalThis).tabmq
    const policies = { old: { 'retention.bytes': '3000' }, latest: { 'cleanup.policy': 'compact', 'min.cleanable.dirty.ratio': '0.1' } }
    const producer = kafka.producer()
    for (const [topic, policy] of Object.entries(policies)) {
      const configEntries = Object.entries({ 'segment.bytes': '2000', ...policy }).map(([name, value]) => ({ name, value }))
      await admin.createTopics({ topics: [{ topic, numPartitions: 1, replicationFactor: 3, configEntries }] })
      for (let number = 0; number < 40; number++) {
        await producer.send({ topic, messages: [{ key: `k${number % 3}`, value: 'x'.repeat(300) }] })
      }
    }
  })
  const timeline = () => page.textContent('.timeline')
  await until('both are told', async () => {
    const text = await timeline()
    return /deleted old-0 from 0 to \d+, by retention\.bytes/.test(text) && /compacted latest-0 up to \d+: \d+ records went/.test(text)
  })
})
