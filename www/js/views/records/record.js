// One record in full: key, value, headers, what its batch says, and the batch's bytes.
import { html } from 'lit'
import { View } from '../../kit/view.js'
import { copy } from '../../kit/parts.js'
import { bytes, dateTime, explain, number, t } from '../../i18n/index.js'
import { inspectBatch } from '../../../sdk/index.js'
import { SHOWN_BYTES, forms, shown } from './bytes.js'
import './hex.js'

class RecordView extends View {
  static properties = { row: { attribute: false }, chosen: { state: true }, bytesOpen: { state: true } }
  /** Of the batch last looked at. @type {{ raw: Uint8Array, inspected: import('../../../sdk/index.js').InspectedBatch | null, failure: string } | null} */
  #looked = null

  constructor () {
    super()
    /** @type {import('./cache.js').Row | null} */ this.row = null
    /** How key and value are shown, where a person chose. @type {Record<string, string>} */ this.chosen = {}
    this.bytesOpen = false
  }

  render () {
    if (!this.row) return ''
    const { partition, offset, timestamp, key, value, headers, batch, raw } = this.row
    const names = Object.entries(headers).flatMap(([name, values]) => [values].flat().map((one) => ({ name, value: one })))
    return html`
      <div class="row spread"><h2 tabindex="-1">${t('records.record', { partition, offset })}</h2>
        <button type="button" class="icon" aria-label=${t('dialog.close')} @click=${() => this.dispatchEvent(new CustomEvent('close'))}>×</button></div>
      <p class="rate">${timestamp < 0 ? t('records.noTime') : html`<time datetime=${new Date(timestamp).toISOString()}>${dateTime(timestamp)}</time> · ${t(batch.logAppendTime ? 'records.bit.logAppendTime' : 'records.bit.createTime')}`}</p>
      ${batch.control ? html`<p class="note warn">${t('records.controlText')}</p>` : ''}
      ${this.#data('key', t('record.key'), key)}
      ${this.#data('value', t('record.value'), value)}
      <section class="record-part"><h3>${t('records.headers')}</h3>
        ${names.length ? html`<dl class="facts-list">${names.map(({ name, value: one }) => html`<dt><code>${name}</code></dt><dd>${one === null || one === undefined ? html`<span class="rate">null</span>` : html`<code class="wrap">${shown(one, forms(one)[0] === 'hex' ? 'hex' : 'text')}</code>`}</dd>`)}</dl>`
          : html`<p class="rate">${t('records.noHeaders')}</p>`}</section>
      <section class="record-part" data-batch><h3>${t('records.batch')}</h3>${this.#batch(batch)}</section>
      <details class="record-part" ?open=${this.bytesOpen} @toggle=${(event) => { this.bytesOpen = event.target.open }}><summary>${t('records.bytes', { size: { bytes: raw.length } })}</summary>
        ${this.bytesOpen ? this.#bytes(batch, raw, offset) : ''}</details>`
  }

  #data (name, label, data) {
    const head = (tools) => html`<div class="row spread"><h3>${label}</h3>${tools}</div>`
    if (data === null) return html`<section class="record-part" data-part=${name}>${head('')}<p class="rate">${name === 'value' ? t('records.tombstone') : t('records.noKey')}</p></section>`
    const possible = forms(data)
    const form = /** @type {'json' | 'text' | 'hex'} */ (possible.find((one) => one === this.chosen[name]) ?? possible[0])
    return html`<section class="record-part" data-part=${name}>
      ${head(html`<div class="row forms"><span class="rate">${bytes(data.length)}</span>
        ${possible.map((one) => html`<button type="button" class="small" aria-pressed=${one === form ? 'true' : 'false'} aria-label="${label}: ${t(`records.form.${one}`)}" @click=${() => { this.chosen = { ...this.chosen, [name]: one } }}>${t(`records.form.${one}`)}</button>`)}
        <button type="button" class="quiet small" aria-label="${label}: ${t('copy.copy')}" @click=${() => copy(shown(data, form))}>${t('copy.copy')}</button></div>`)}
      <pre class="data ${form}" tabindex="0" role="region" aria-label=${label}><code>${shown(data, form)}</code></pre>
      ${data.length > SHOWN_BYTES && form !== 'json' ? html`<p class="rate">${t('records.cut', { shown: { bytes: SHOWN_BYTES }, size: { bytes: data.length } })}</p>` : ''}</section>`
  }

  #batch (batch) {
    const fact = (name, label, value) => html`<dt>${label}</dt><dd data-fact=${name}>${value}</dd>`
    return html`<dl class="facts-list">
      ${fact('offsets', t('records.offsets'), t('records.fromTo', { from: batch.baseOffset, to: batch.lastOffset, count: batch.recordCount }))}
      ${fact('compression', t('records.compression'), batch.compression === 'uncompressed' ? t('records.bit.none') : batch.compression)}
      ${fact('size', t('topics.bytes'), bytes(batch.size))}
      ${fact('epoch', t('records.leaderEpoch'), number(batch.leaderEpoch))}
      ${fact('producer', t('records.producer'), batch.producerId < 0 ? t('records.notIdempotent') : t('records.producerIs', { id: String(batch.producerId), epoch: batch.producerEpoch, first: batch.baseSequence, last: batch.baseSequence + batch.lastOffset - batch.baseOffset }))}
      ${fact('transactional', t('records.transactional'), t(batch.transactional ? 'records.yes' : 'records.no'))}
      ${fact('control', t('records.control'), t(batch.control ? 'records.yes' : 'records.no'))}
      ${fact('crc', 'CRC-32C', html`<code>0x${(batch.crc >>> 0).toString(16).padStart(8, '0')}</code>`)}</dl>`
  }

  #bytes (batch, raw, offset) {
    if (this.#looked?.raw !== raw) {
      try {
        this.#looked = { raw, inspected: inspectBatch(raw), failure: '' }
      } catch (error) {
        this.#looked = { raw, inspected: null, failure: explain(error) }
      }
    }
    const place = batch.messages.findIndex((message) => Number(message.offset) === offset)
    return html`${this.#looked.failure ? html`<p class="note bad">${this.#looked.failure}</p>` : ''}
      <tabmq-hex .batch=${raw} .inspected=${this.#looked.inspected} .record=${place}></tabmq-hex>`
  }
}
customElements.define('tabmq-record', RecordView)
