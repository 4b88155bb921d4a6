// One record by hand, with the partition it would go to shown before it is sent.
import { html } from 'lit'
import { partitionOfKey } from '../../../sdk/index.js'
import { View } from '../../kit/view.js'
import { Form, field, needed } from '../../kit/field.js'
import { copyAs, emptyState } from '../../kit/parts.js'
import { app } from '../../app.js'
import { duration, number, t } from '../../i18n/index.js'
import { commandsOf } from '../../commands/index.js'

const SENT_SHOWN = 5
/** More are told in words only. */
const CELLS_MAX = 48

class ByHand extends View {
  static slices = ['topics', 'page']
  static properties = { chosen: {} }
  /** The latest sends, newest first. @type {{ topic: string, partition: number, offset: string | undefined, key: string | null, ms: number }[]} */
  #sent = []

  constructor () {
    super()
    /** The topic that the address names. */
    this.chosen = ''
    this.form = new Form(this, { topic: '', partition: '', acks: '-1', key: '', value: 'hello', headers: '', tombstone: false }, {
      topic: needed(),
      partition: (text) => this.#wrongPartition(text),
      headers: (text) => headersOf(text).wrong
    })
    this.producer = app.kafka.producer()
  }

  willUpdate (changed) {
    if (changed.has('chosen') && this.chosen) this.form.values.topic = this.chosen
  }

  render () {
    const topics = app.store.userTopics()
    const { values } = this.form
    if (!topics.includes(values.topic)) values.topic = topics.includes(app.store.selectedTopic) ? app.store.selectedTopic : topics[0] ?? ''
    if (topics.length === 0) {
      return html`<section class="panel"><h2>${t('produce.byHand')}</h2>${emptyState(t('produce.noTopic'), html`<a class="button" href="#/topics">${t('produce.makeTopic')}</a>`)}</section>`
    }
    return html`<section class="panel"><h2>${t('produce.byHand')}</h2>
      <form novalidate class="stacked" data-form="produce" @submit=${(event) => this.form.submit(event, (given) => this.#send(given))}>
        <div class="row">
          ${field(this.form, 'topic', { label: t('topics.topic'), type: 'select', options: topics })}
          ${field(this.form, 'partition', { label: t('topics.partition'), width: 8, placeholder: t('produce.byKey') })}
          ${field(this.form, 'acks', { label: 'acks', type: 'select', options: [{ value: '-1', label: 'all' }, '1', '0'] })}
        </div>
        ${field(this.form, 'key', { label: t('record.key'), width: 24, mono: true, placeholder: t('produce.noKey') })}
        ${field(this.form, 'value', { label: t('record.value'), type: 'textarea', mono: true, disabled: values.tombstone })}
        ${field(this.form, 'tombstone', { label: t('produce.tombstone'), type: 'checkbox', hint: values.tombstone ? t('produce.tombstoneHint') : '' })}
        <details ?open=${Boolean(values.headers) || Boolean(this.form.errors.headers)}><summary>${t('produce.headers')}</summary>
          ${field(this.form, 'headers', { label: t('produce.headersLabel'), type: 'textarea', mono: true, placeholder: 'trace-id: 42' })}</details>
        ${this.#target()}
        <div class="row"><button class="primary" ?disabled=${this.form.busy}>${t('produce.send')}</button>${copyAs(commandsOf([{ what: 'send', given: [sendOf(values)] }]))}</div>
      </form>
      ${this.form.note('produce')}
      ${this.#sent.length ? html`<ol class="sent mono" aria-label=${t('produce.latest')}>${this.#sent.map(({ topic, partition, offset, key, ms }) =>
        html`<li>${topic}-${partition}${offset === undefined ? '' : ` @${offset}`} <span>${key ?? t('produce.noKeyShort')}</span> <span class="rate">${duration(ms)}</span></li>`)}</ol>` : ''}
    </section>`
  }

  /** Where it would go, and why. */
  #target () {
    const { topic, partition, key } = this.form.values
    const partitions = app.store.model.topics.get(topic) ?? []
    const count = partitions.length
    if (count === 0) return ''
    const chosen = String(partition).trim()
    if (chosen && this.#wrongPartition(chosen)) return ''
    const at = chosen ? Number(chosen) : key ? partitionOfKey(key, count) : null
    const leader = at === null ? null : partitions[at]?.leader
    const why = chosen ? t('produce.target.chosen', { partition: at }) : key ? t('produce.target.key', { partition: at, count }) : t('produce.target.none', { count })
    return html`<div class="target" data-target=${at ?? ''} role="status">
      ${count <= CELLS_MAX ? html`<div class="cells" aria-hidden="true">${partitions.map((_, index) => html`<span class="cell ${index === at ? 'on' : at === null ? 'maybe' : ''}">${index}</span>`)}</div>` : ''}
      <p>${why} ${at === null ? '' : leader === null || leader === undefined ? html`<b class="bad">${t('produce.target.noLeader')}</b>` : t('produce.target.leader', { id: leader })}</p></div>`
  }

  #wrongPartition (text) {
    if (!String(text).trim()) return ''
    const count = app.store.model.topics.get(this.form.values.topic)?.length ?? 0
    const value = Number(text)
    if (Number.isInteger(value) && value >= 0 && value < count) return ''
    return t('produce.wrongPartition', { topic: this.form.values.topic, last: number(count - 1) })
  }

  async #send (values) {
    const { topic, key } = values
    const began = performance.now()
    const [result] = await this.producer.send(sendOf(values))
    const ms = performance.now() - began
    const offset = result.baseOffset
    this.#sent = [{ topic, partition: result.partition, offset, key: key || null, ms }, ...this.#sent].slice(0, SENT_SHOWN)
    return offset === undefined ? t('produce.sent', { topic, partition: result.partition }) : t('produce.acked', { topic, partition: result.partition, offset: Number(offset), took: duration(ms) })
  }
}
customElements.define('tabmq-by-hand', ByHand)

/** What the form asks of a producer. @param {Record<string, any>} values */
function sendOf ({ topic, partition, acks, key, value, headers, tombstone }) {
  const message = { key: key || null, value: tombstone ? null : value, ...headers.trim() && { headers: asObject(headersOf(headers).list) } }
  if (String(partition).trim()) Object.assign(message, { partition: Number(partition) })
  return { topic, acks: Number(acks), messages: [message] }
}

/** `name: value`, one a line. @param {string} text @returns {{ list: [string, string][], wrong: string }} */
function headersOf (text) {
  /** @type {[string, string][]} */
  const list = []
  for (const [index, line] of text.split('\n').entries()) {
    if (line.trim() === '') continue
    const colon = line.indexOf(':')
    const name = line.slice(0, colon).trim()
    if (colon < 0 || name === '') return { list, wrong: t('produce.wrongHeader', { line: index + 1 }) }
    list.push([name, line.slice(colon + 1).trim()])
  }
  return { list, wrong: '' }
}

/** A name that comes again makes a list. @param {[string, string][]} list */
function asObject (list) {
  /** @type {Record<string, any>} */
  const headers = {}
  for (const [name, value] of list) headers[name] = Object.hasOwn(headers, name) ? [].concat(headers[name], value) : value
  return headers
}
