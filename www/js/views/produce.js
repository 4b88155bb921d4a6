// Produce by hand, from a file, or the sample data; import a topic that was exported.
import { html } from 'lit'
import { View } from '../kit/view.js'
import { Form, field, needed } from '../kit/field.js'
import { Job } from '../kit/job.js'
import { app } from '../app.js'
import { bytes, explain, number, t } from '../i18n/index.js'
import { ParseError, parse } from '../parse.js'
import { unpack } from '../archive.js'

const BATCH = 500
const SAMPLE = { url: './data/flights-20k.json', name: 'flights.json', topic: 'flights', key: 'origin' }

class Produce extends View {
  static slices = ['topics', 'page']
  static properties = { param: {}, query: { attribute: false }, file: { state: true }, archive: { state: true } }

  constructor () {
    super()
    this.param = ''
    /** @type {{ name: string, table: import('../parse.js').Table, topic: string, key: string } | null} */ this.file = null
    /** An exported topic. @type {{ name: string, files: Record<string, Uint8Array>, topic: string } | null} */ this.archive = null
    this.form = new Form(this, { topic: '', key: '', value: 'hello', acks: '-1' }, { topic: needed() })
    this.job = new Job(this)
    this.producer = app.kafka.producer()
  }

  render () {
    const topics = app.store.userTopics()
    if (!topics.includes(this.form.values.topic)) this.form.values.topic = topics.includes(app.store.selectedTopic) ? app.store.selectedTopic : topics[0] ?? ''
    return html`<div class="head"><h1>${t('produce.title')}</h1></div>
      <section class="panel"><h2>${t('produce.byHand')}</h2>
        <form novalidate data-form="produce" @submit=${(event) => this.form.submit(event, (values) => this.#send(values))}>
          ${field(this.form, 'topic', { label: t('topics.topic'), type: 'select', options: topics })}
          ${field(this.form, 'key', { label: t('record.key'), width: 12 })}
          ${field(this.form, 'value', { label: t('record.value'), width: 28 })}
          ${field(this.form, 'acks', { label: 'acks', type: 'select', options: [{ value: '-1', label: 'all' }, '1', '0'] })}
          <button class="primary" ?disabled=${topics.length === 0 || this.form.busy}>${t('produce.send')}</button>
        </form>
        <p class="hint">${topics.length ? t('produce.hint') : t('topics.empty')}</p>
        ${this.form.note('produce')}
      </section>
      <section class="panel"><h2>${t('produce.fromFile')}</h2>
        <div class="row">
          <button type="button" class="primary" data-do="flights" ?disabled=${this.job.running} @click=${() => this.#sample()}>${t('produce.flights')}</button>
          <label class="drop" @dragover=${(event) => { event.preventDefault(); event.currentTarget.classList.add('over') }}
            @dragleave=${(event) => event.currentTarget.classList.remove('over')} @drop=${(event) => this.#drop(event)}>${t('produce.drop')}
            <input type="file" accept=".json,.ndjson,.jsonl,.csv,.zip" ?disabled=${this.job.running}
              @change=${(event) => { const [chosen] = event.target.files; if (chosen) this.#openFile(chosen) }}></label>
        </div>
        ${this.file ? this.#fileForm() : ''}${this.archive ? this.#archiveForm() : ''}
        ${this.job.view('file')}
      </section>`
  }

  #fileForm () {
    const { table, topic, key } = this.file
    return html`<div class="row">
      <label>${t('topics.topic')} <input name="file-topic" .value=${topic} ?disabled=${this.job.running} @input=${(event) => { this.file.topic = event.target.value }}></label>
      <label>${t('produce.keyColumn')} <select name="file-key" ?disabled=${this.job.running} @change=${(event) => { this.file.key = event.target.value }}>
        ${table.columns.map((column) => html`<option value=${column} .selected=${column === key}>${column}</option>`)}</select></label>
      <button type="button" data-do="produce-file" ?disabled=${this.job.running} @click=${() => this.#produceFile()}>${t('produce.produce')}</button>
    </div>`
  }

  #archiveForm () {
    return html`<div class="row">
      <label>${t('topics.new')} <input name="import-topic" .value=${this.archive.topic} ?disabled=${this.job.running} @input=${(event) => { this.archive.topic = event.target.value }}></label>
      <button type="button" data-do="import" ?disabled=${this.job.running} @click=${() => this.#import()}>${t('produce.import')}</button>
    </div>`
  }

  async #send ({ topic, key, value, acks }) {
    const [result] = await this.producer.send({ topic, acks: Number(acks), messages: [{ key: key || null, value }] })
    const { partition, baseOffset } = result
    return baseOffset === undefined ? t('produce.sent', { topic, partition }) : t('produce.acked', { topic, partition, offset: Number(baseOffset) })
  }

  /** @param {File} given */
  async #openFile (given) {
    if (!/\.zip$/i.test(given.name)) return this.#open(given.name, await given.text())
    this.file = null
    try {
      this.archive = { name: given.name, files: unpack(given.name, new Uint8Array(await given.arrayBuffer())), topic: topicOf(given.name) }
      this.job.say(t('produce.archive', { name: given.name, count: Object.keys(this.archive.files).length }))
    } catch (error) {
      this.archive = null
      this.job.say(explain(error), 'bad')
    }
  }

  #open (name, text, topic = topicOf(name), key = undefined) {
    this.archive = null
    try {
      const table = parse(name, text)
      this.file = { name, table, topic, key: key ?? table.columns[0] }
      this.job.say(t('produce.rows', { name, count: table.rows.length }))
    } catch (error) {
      this.file = null
      this.job.say(`${name}, ${error instanceof ParseError ? error.message : explain(error)}`, 'bad')
    }
  }

  async #sample () {
    const response = await fetch(SAMPLE.url)
    this.#open(SAMPLE.name, await response.text(), SAMPLE.topic, SAMPLE.key)
    if (this.file) await this.#produceFile()
  }

  #produceFile () {
    const { table: { rows }, topic, key, name } = this.file
    const started = performance.now()
    let acked = 0
    return this.job.run(t('produce.producing', { name, topic, key }), async ({ signal, progress }) => {
      if (!app.store.model.topics.has(topic)) {
        await app.admin.createTopics({ topics: [{ topic, numPartitions: 6, replicationFactor: Math.min(3, app.store.model.brokers.size) }] })
      }
      app.store.selectedTopic = topic
      for (let from = 0; from < rows.length && !signal.aborted; from += BATCH) {
        const messages = rows.slice(from, from + BATCH).map((row) => ({
          key: row[key] === undefined || row[key] === null ? null : String(row[key]), value: JSON.stringify(row)
        }))
        await this.producer.send({ topic, acks: -1, messages })
        acked += messages.length
        progress(acked, rows.length)
      }
      return t('produce.done', { count: acked, seconds: number((performance.now() - started) / 1000, 1) })
    }, { partly: () => t('produce.ackedBefore', { count: acked }) })
  }

  async #import () {
    const { name, files, topic } = this.archive
    const done = await this.job.run(t('produce.importing', { name, topic }), async ({ signal, progress }) => {
      try {
        const { partitions, records, offsetsKept } = await app.source.cluster.importTopic(topic, files, {
          signal,
          onProgress: ({ phase, bytes: sofar, of }) => progress(sofar, of, t(`produce.import.${phase}`, { name, done: bytes(sofar), of: bytes(of) }))
        })
        app.store.selectedTopic = topic
        return t(offsetsKept ? 'produce.imported' : 'produce.importedAnew', { topic, records: number(records), count: partitions })
      } catch (error) {
        if (signal.aborted) throw error
        throw new Error(t('produce.notImported', { reason: explain(error) }))
      }
    })
    if (done) this.archive = null
  }

  /** @param {any} event */
  async #drop (event) {
    event.preventDefault()
    event.currentTarget.classList.remove('over')
    const [dropped] = event.dataTransfer?.files ?? []
    if (dropped && !this.job.running) await this.#openFile(dropped)
  }
}
customElements.define('tabmq-produce', Produce)

const topicOf = (name) => name.replace(/\.[^.]*$/, '').replace(/[^A-Za-z0-9._-]/g, '-')
