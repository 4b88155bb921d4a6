// Topics: a form to make one, a table of those there are; and, when the address names one, its own page.
import { html } from 'lit'
import { View } from '../../kit/view.js'
import { Form, field, needed, wholeNumber } from '../../kit/field.js'
import { copyAs, emptyState } from '../../kit/parts.js'
import { app } from '../../app.js'
import { bytes, number, t } from '../../i18n/index.js'
import { commandsOf } from '../../commands/index.js'
import { configOf, minIsrByDefault, safety } from './configs.js'
import { factsOf } from './facts.js'
import { removeTopic } from './removing.js'
import '../../kit/table.js'
import './topic.js'

const EVERY_MS = 250
/** Which field an answer of the brokers is about. */
const FIELD_OF = { INVALID_TOPIC_EXCEPTION: 'topic', TOPIC_ALREADY_EXISTS: 'topic', INVALID_PARTITIONS: 'partitions', INVALID_REPLICATION_FACTOR: 'replicas', INVALID_CONFIG: 'configs' }

class Topics extends View {
  static slices = ['topics', 'configs', 'progress', 'traffic', 'page']
  static everyMs = EVERY_MS
  static properties = { param: {}, query: { attribute: false }, internal: { state: true }, latest: { state: true } }

  constructor () {
    super()
    this.param = ''
    this.query = new URLSearchParams()
    this.internal = false
    /** The one created last: its row is marked. */
    this.latest = ''
    this.form = new Form(this, { topic: 'orders', partitions: '6', replicas: '3', configs: '' }, {
      topic: needed(), partitions: wholeNumber(-1, 10000), replicas: wholeNumber(-1, 32767), configs: (text) => readConfigs(text).wrong
    })
  }

  willUpdate (changed) {
    if (changed.has('param') && this.param) app.store.selectedTopic = this.param
  }

  render () {
    if (this.param) return html`<tabmq-topic class="view" .name=${this.param} .query=${this.query}></tabmq-topic>`
    const names = [...app.store.model.topics.keys()].filter((name) => this.internal || !name.startsWith('__')).sort(internalLast)
    const rows = names.map(factsOf)
    const total = rows.reduce((sum, { records }) => sum + records, 0)
    return html`<div class="head"><h1>${t('topics.title')}</h1>
        <p class="lead">${t('topics.lead', { count: rows.length, records: total })}</p></div>
      ${this.#create()}
      <section class="panel">
        <div class="row spread"><h2>${t('topics.there')}</h2>
          <label class="check"><input type="checkbox" name="internal" .checked=${this.internal} @change=${(event) => { this.internal = event.target.checked }}> ${t('topics.internal')}</label></div>
        <tabmq-table .label=${t('topics.title')} .rows=${rows} .key=${({ topic }) => topic} .columns=${this.#columns()} .empty=${emptyState(t('topics.empty'))}></tabmq-table>
      </section>`
  }

  #columns () {
    return [
      { id: 'topic', label: t('topics.topic'), value: ({ topic }) => topic, cell: ({ topic, replication }) => html`<a class="topic-link ${topic === this.latest ? 'latest' : ''}" href=${hrefOf(topic)}>${topic}</a>${warning(topic, replication)}` },
      { id: 'partitions', label: t('topics.partitions'), value: ({ partitions }) => partitions.length, number: true },
      { id: 'replication', label: t('topics.replication'), value: ({ replication }) => replication, number: true },
      { id: 'records', label: t('topics.records'), value: ({ records }) => records, number: true },
      { id: 'bytes', label: t('topics.bytes'), value: (row) => row.bytes, number: true, title: t('topics.bytesTitle'), cell: (row) => bytes(row.bytes) },
      { id: 'rate', label: t('topics.rate'), value: ({ rate }) => rate, number: true, cell: ({ rate }) => rate >= 0.05 ? t('topics.perSecond', { rate: number(rate, rate < 10 ? 1 : 0) }) : '–' },
      { id: 'under', label: t('topics.underReplicated'), value: ({ underReplicated }) => underReplicated, number: true, title: t('topics.underReplicatedTitle'), cell: ({ underReplicated, offline }) => offline
        ? html`<b class="bad">${t('topics.offline', { count: offline })}</b>` : underReplicated ? html`<b class="warn">${number(underReplicated)}</b>` : number(0) },
      { id: 'actions', label: '', cell: ({ topic }) => html`<div class="row-actions"><a href=${`#/records?topic=${encodeURIComponent(topic)}`}>${t('nav.records')}</a>
        ${topic.startsWith('__') ? '' : html`<button type="button" class="danger small" data-delete=${topic} aria-label=${t('topics.deleteTopic', { topic })} @click=${() => removeTopic(topic)}>${t('topics.delete')}</button>`}</div>` }
    ]
  }

  #create () {
    const { topic, partitions, replicas, configs } = this.form.values
    const { found } = readConfigs(configs)
    const minIsr = Number(found.find(([name]) => name === 'min.insync.replicas')?.[1] ?? minIsrByDefault())
    const unsafe = Number(replicas) >= 1 ? safety(Number(replicas), minIsr) : ''
    return html`<section class="panel" data-form="create"><div class="row spread"><h2>${t('topics.new')}</h2><a href="#/produce">${t('topics.import')}</a></div>
      <form novalidate @submit=${(event) => this.form.submit(event, (values) => this.#make(values))}>
        ${field(this.form, 'topic', { label: t('topics.name'), width: 18 })}
        ${field(this.form, 'partitions', { label: t('topics.partitions'), type: 'number', width: 5 })}
        ${field(this.form, 'replicas', { label: t('topics.replicas'), type: 'number', width: 5 })}
        <button class="primary" ?disabled=${this.form.busy}>${t('topics.create')}</button>
        ${copyAs(commandsOf([{ what: 'createTopics', given: [creationOf(this.form.values)] }]))}
        <details class="whole" ?open=${Boolean(this.form.errors.configs)}><summary>${t('topics.withConfigs')}${found.length ? ` (${number(found.length)})` : ''}</summary>
          ${field(this.form, 'configs', { label: t('topics.configLines'), hint: t('topics.configLinesHint'), type: 'textarea', mono: true, placeholder: 'retention.ms=3600000\ncleanup.policy=compact' })}</details>
      </form>
      ${unsafe ? html`<p class="note warn" data-unsafe>${unsafe}</p>` : ''}
      ${this.form.note('topic')}
    </section>`
  }

  async #make (values) {
    const { topic } = values
    try {
      await app.admin.createTopics(creationOf(values))
    } catch (error) {
      error.field = FIELD_OF[error.type]
      throw error
    }
    app.store.selectedTopic = topic
    this.latest = topic
    return t('topics.created', { topic })
  }
}
customElements.define('tabmq-topics', Topics)

const internalLast = (a, b) => Number(a.startsWith('__')) - Number(b.startsWith('__')) || a.localeCompare(b)

/** @param {string} topic */
const hrefOf = (topic) => `#/topics/${encodeURIComponent(topic)}`

/** @param {string} topic @param {number} replication */
function warning (topic, replication) {
  const minIsr = Number(configOf(topic, 'min.insync.replicas') ?? 0)
  return replication > 1 && replication <= minIsr ? html` <span class="tag warn" title=${safety(replication, minIsr)}>${t('topics.noSpareShort')}</span>` : ''
}

/** What the form asks of an admin. @param {Record<string, any>} values */
function creationOf ({ topic, partitions, replicas, configs }) {
  const configEntries = readConfigs(configs).found.map(([name, value]) => ({ name, value }))
  return { topics: [{ topic, numPartitions: Number(partitions), replicationFactor: Number(replicas), configEntries }] }
}

/** `name=value` a line. @param {string} text @returns {{ found: [string, string][], wrong: string }} */
function readConfigs (text) {
  /** @type {[string, string][]} */ const found = []
  let wrong = ''
  String(text).split('\n').forEach((line, index) => {
    if (line.trim() === '' || line.trim().startsWith('#')) return
    const at = line.indexOf('=')
    if (at > 0) found.push([line.slice(0, at).trim(), line.slice(at + 1).trim()])
    else wrong ||= t('topics.configLineWrong', { line: index + 1, text: line.trim() })
  })
  return { found, wrong }
}
