// Produce from a file or a sample; import a topic that was exported. Files are read a slice at a time: first all of it is
// checked, so that what can't be read is said before anything is sent.
import { html } from 'lit'
import { View } from '../../kit/view.js'
import { dropZone } from '../../kit/drop.js'
import { Form, field } from '../../kit/field.js'
import { Job } from '../../kit/job.js'
import { copyAs } from '../../kit/parts.js'
import { app } from '../../app.js'
import { bytes, explain, number, t } from '../../i18n/index.js'
import { rowsOf } from '../../parse.js'
import { unpack } from '../../archive.js'
import { ensureTopic } from '../../work/generators.js'
import { commandsOf } from '../../commands/index.js'

const BATCH = 500
/** What vega-datasets has, copied next to the page (scripts/copy-libraries.sh). */
const SAMPLES = [
  { file: 'flights-20k.json', name: 'flights.json', rows: 20000, key: 'origin' },
  { file: 'weather.csv', name: 'weather.csv', rows: 2922, key: 'location' },
  { file: 'stocks.csv', name: 'stocks.csv', rows: 560, key: 'symbol' },
  { file: 'penguins.json', name: 'penguins.json', rows: 344, key: 'Species' }
]
const topicRule = (text) => /^[A-Za-z0-9._-]{1,249}$/.test(text) && text !== '.' && text !== '..' ? '' : t('produce.wrongTopic')

class FromFile extends View {
  static slices = ['topics', 'page']
  static properties = { file: { state: true }, archive: { state: true } }

  constructor () {
    super()
    /** Read and found right. @type {{ file: File, columns: string[], rows: number } | null} */ this.file = null
    /** An exported topic. @type {{ name: string, files: Record<string, Uint8Array> } | null} */ this.archive = null
    this.form = new Form(this, { topic: '', key: '' }, { topic: topicRule })
    this.importForm = new Form(this, { topic: '' }, { topic: topicRule })
    this.job = new Job(this)
    this.producer = app.kafka.producer()
  }

  render () {
    const { job } = this
    return html`<section class="panel"><h2>${t('produce.fromFile')}</h2>
      ${dropZone({ label: t('produce.drop'), accept: '.json,.ndjson,.jsonl,.csv,.zip', disabled: job.running, take: (file) => this.#open(file) })}
      <div class="row presets" role="group" aria-label=${t('produce.samples')}><span class="hint">${t('produce.samples')}</span>
        ${SAMPLES.map((sample) => html`<button type="button" data-sample=${sample.name.split('.')[0]} ?disabled=${job.running} @click=${() => this.#sample(sample)}>${t('produce.sample', { name: sample.name.split('.')[0], count: sample.rows })}</button>`)}</div>
      ${this.file ? this.#fileForm() : ''}${this.archive ? this.#archiveForm() : ''}
      ${job.view('file')}
    </section>`
  }

  #fileForm () {
    const { file, columns } = this.file
    const { running } = this.job
    return html`<form novalidate data-form="file" @submit=${(event) => this.form.submit(event, (values) => this.#produce(values))}>
      ${field(this.form, 'topic', { label: t('topics.topic'), width: 16, list: app.store.userTopics(), disabled: running })}
      ${field(this.form, 'key', { label: t('produce.keyColumn'), type: 'select', disabled: running, options: [{ value: '', label: t('produce.noKey') }, ...columns] })}
      <button class="primary" ?disabled=${running}>${t('produce.produce')}</button>
      ${copyAs(/\.csv$/i.test(file.name) ? [] : commandsOf([{ what: 'produceFile', given: [file.name, this.form.values.topic, this.form.values.key] }]))}
    </form>`
  }

  #archiveForm () {
    const { running } = this.job
    return html`<form novalidate data-form="import" @submit=${(event) => this.importForm.submit(event, (values) => this.#import(values))}>
      ${field(this.importForm, 'topic', { label: t('topics.new'), width: 16, disabled: running })}
      <button class="primary" ?disabled=${running}>${t('produce.import')}</button>
    </form>`
  }

  /** @param {File} given */
  async #open (given) {
    this.file = null
    this.archive = null
    if (!/\.zip$/i.test(given.name)) return this.#check(given, '')
    try {
      this.archive = { name: given.name, files: unpack(given.name, new Uint8Array(await given.arrayBuffer())) }
      this.importForm.set('topic', topicOf(given.name))
      this.job.say(t('produce.archive', { name: given.name, count: Object.keys(this.archive.files).length }))
    } catch (error) {
      this.job.say(explain(error), 'bad')
    }
  }

  /** Reads all of it: its columns, its rows, and whether it can be read at all. @param {File} file @param {string} key */
  #check (file, key) {
    const { name, size } = file
    return this.job.run(t('produce.checking', { name }), async ({ signal, progress }) => {
      const columns = new Set()
      let rows = 0
      try {
        for await (const part of rowsOf(file, { signal })) {
          for (const row of part.rows) for (const column of Object.keys(row)) columns.add(column)
          rows += part.rows.length
          progress(part.bytes, size, t('produce.checkingPart', { name, done: { bytes: part.bytes }, of: { bytes: size } }))
        }
      } catch (error) {
        signal.throwIfAborted()
        throw new Error(`${name}, ${explain(error)}`)
      }
      this.file = { file, columns: /** @type {string[]} */ ([...columns]), rows }
      this.form.set('topic', topicOf(name))
      this.form.set('key', key || this.file.columns[0])
      return t('produce.rows', { name, count: rows })
    })
  }

  async #sample ({ file, name, key }) {
    this.archive = null
    const response = await fetch(`./data/${file}`)
    if (!response.ok) return this.job.say(t('produce.noSample', { name, status: response.status }), 'bad')
    if (!await this.#check(new File([await response.blob()], name), key)) return
    this.#produce(this.form.values)
  }

  /** Goes on by itself; the job says how far it is. @param {any} values */
  #produce ({ topic, key }) {
    const { file, rows: of } = this.file
    const started = performance.now()
    let acked = 0
    this.job.run(key ? t('produce.producing', { name: file.name, topic, key }) : t('produce.producingKeyless', { name: file.name, topic }), async ({ signal, progress }) => {
      await ensureTopic(topic)
      app.store.selectedTopic = topic
      for await (const { rows } of rowsOf(file, { signal })) {
        for (let from = 0; from < rows.length; from += BATCH) {
          signal.throwIfAborted()
          const messages = rows.slice(from, from + BATCH).map((row) => ({ key: keyOf(row, key), value: JSON.stringify(row) }))
          await this.producer.send({ topic, acks: -1, messages })
          acked += messages.length
          progress(acked, of)
        }
      }
      return t('produce.done', { count: acked, seconds: number((performance.now() - started) / 1000, 1) })
    }, { partly: () => t('produce.ackedBefore', { count: acked }) })
  }

  async #import ({ topic }) {
    const { name, files } = this.archive
    this.job.run(t('produce.importing', { name, topic }), async ({ signal, progress }) => {
      try {
        const { partitions, records, offsetsKept } = await app.source.cluster.importTopic(topic, files, {
          signal,
          onProgress: ({ phase, bytes: sofar, of }) => progress(sofar, of, t(`produce.import.${phase}`, { name, done: bytes(sofar), of: bytes(of) }))
        })
        app.store.selectedTopic = topic
        this.archive = null
        return t(offsetsKept ? 'produce.imported' : 'produce.importedAnew', { topic, records: number(records), count: partitions })
      } catch (error) {
        signal.throwIfAborted()
        throw new Error(t('produce.notImported', { reason: explain(error) }))
      }
    })
  }
}
customElements.define('tabmq-from-file', FromFile)

const topicOf = (name) => name.replace(/\.[^.]*$/, '').replace(/[^A-Za-z0-9._-]/g, '-')

function keyOf (row, key) {
  const value = key ? row[key] : null
  if (value === undefined || value === null) return null
  return typeof value === 'object' ? JSON.stringify(value) : String(value)
}
