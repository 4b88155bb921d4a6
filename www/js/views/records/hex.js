// The bytes of a batch, each one a part of a named field: pointing at a byte, or moving to it with the arrow keys, says which,
// what it holds and what it is for. Of a large batch only the lines in sight are in the page.
import { html } from 'lit'
import { css } from '../../kit/css.js'
import { View } from '../../kit/view.js'
import { bytes, dateTime, number, t } from '../../i18n/index.js'
import { asText, preview } from './bytes.js'
import { HEADER_BYTES, bits, headerFields, recordFields } from './batch-fields.js'

const LINE_PX = 24
const MARGIN_LINES = 4
/** Narrower than this a line has eight bytes. */
const WIDE_PX = 560
/** Names that are the same in all languages. */
const CODECS = new Set(['gzip', 'snappy', 'lz4', 'zstd'])

class Hex extends View {
  static properties = { batch: { attribute: false }, inspected: { attribute: false }, record: { type: Number }, at: { state: true }, hovered: { state: true }, opened: { state: true }, top: { state: true }, perLine: { state: true } }

  constructor () {
    super()
    /** @type {Uint8Array} */ this.batch = new Uint8Array()
    /** @type {import('../../../sdk/index.js').InspectedBatch | null} */ this.inspected = null
    /** Which record of the batch is looked at. */
    this.record = 0
    this.at = 0
    /** Pointed at; null when nothing is. @type {number | null} */
    this.hovered = null
    /** Shown decompressed. */
    this.opened = false
    this.top = 0
    this.perLine = 16
    /** @type {import('./batch-fields.js').Field[]} */ this.fields = []
  }

  connectedCallback () {
    super.connectedCallback()
    const observer = new ResizeObserver(() => { this.perLine = this.clientWidth < WIDE_PX ? 8 : 16 })
    observer.observe(this)
    this.own(() => observer.disconnect())
  }

  get #compressed () { return this.inspected !== null && this.inspected.compression !== 'uncompressed' }
  /** What is shown. */
  get #bytes () { return this.opened && this.inspected ? this.inspected.body : this.batch }
  get #lines () { return Math.ceil(this.#bytes.length / this.perLine) }

  willUpdate (changed) {
    if (changed.has('batch')) this.opened = this.#compressed
    if (!['batch', 'inspected', 'record', 'opened'].some((name) => changed.has(name))) return
    this.fields = this.#fieldsOf()
    const own = this.fields.find(({ record, name }) => record === this.record && (name === 'value' || name === 'key')) ?? this.fields.find(({ record }) => record === this.record)
    this.at = own?.from ?? 0
    this.hovered = null
  }

  updated (changed) {
    if (['batch', 'record', 'opened'].some((name) => changed.has(name))) this.#reveal(this.fields.find(({ record }) => record === this.record)?.from ?? 0, true)
  }

  #fieldsOf () {
    const { inspected, batch } = this
    if (batch.length < HEADER_BYTES) return []
    const shift = this.opened ? 0 : HEADER_BYTES
    const fields = this.opened ? [] : headerFields(batch)
    if (!inspected || (this.#compressed && !this.opened)) {
      if (batch.length > HEADER_BYTES) fields.push({ from: HEADER_BYTES, to: batch.length, name: 'records', kind: 'packed', text: 'records', value: null, record: null })
      return fields
    }
    let start = 0
    inspected.fieldEnds.forEach((ends, record) => {
      // Of large batches the fields of far records are found when they are looked at.
      if (Math.abs(record - this.record) <= 200) fields.push(...recordFields(inspected.body, ends, start, shift, record))
      else fields.push({ from: start + shift, to: ends[ends.length - 1] + shift, name: 'record', kind: 'packed', text: 'otherRecord', value: record, record })
      start = ends[ends.length - 1]
    })
    return fields
  }

  /** @param {number} at */
  #fieldAt (at) {
    let low = 0
    let high = this.fields.length - 1
    while (low <= high) {
      const middle = (low + high) >> 1
      const field = this.fields[middle]
      if (at < field.from) high = middle - 1
      else if (at >= field.to) low = middle + 1
      else return field
    }
    return null
  }

  render () {
    const shown = this.#bytes
    const field = this.#fieldAt(this.hovered ?? this.at)
    const box = 300
    const first = Math.max(0, Math.floor(this.top / LINE_PX) - MARGIN_LINES)
    const last = Math.min(this.#lines, Math.ceil((this.top + box) / LINE_PX) + MARGIN_LINES)
    const lines = []
    for (let line = first; line < last; line++) lines.push(this.#line(line, shown, field))
    const own = this.fields.filter(({ record }) => record === null || record === this.record)
    return html`
      ${this.#compressed ? html`<div class="row hex-forms" role="group" aria-label=${t('records.hexForm')}>
        <button type="button" aria-pressed=${this.opened ? 'false' : 'true'} data-do="stored" @click=${() => { this.opened = false }}>${t('records.asStored', { size: { bytes: this.batch.length } })}</button>
        <button type="button" aria-pressed=${this.opened ? 'true' : 'false'} data-do="opened" @click=${() => { this.opened = true }}>${t('records.decompressed', { size: { bytes: this.inspected.body.length } })}</button></div>` : ''}
      <p class="hint" id="hex-hint">${t('records.hexHint')}</p>
      <div class="hex-layout">
        <div class="hex" tabindex="0" role="group" aria-label=${t('records.bytesOfBatch')} aria-describedby="hex-hint" @scroll=${(event) => { this.top = event.target.scrollTop }}
          @keydown=${this.#key} @mousemove=${this.#point} @mouseleave=${() => { this.hovered = null }} @click=${this.#click}>
          <div class="hex-whole" ${css({ height: `${this.#lines * LINE_PX}px` })}><div class="hex-lines" ${css({ transform: `translateY(${first * LINE_PX}px)` })}>${lines}</div></div>
        </div>
        <div class="hex-field" role="status" data-hex-field=${field?.name ?? ''}>${field ? this.#explained(field) : t('records.noField')}</div>
      </div>
      <details class="hex-outline"><summary>${t('records.allFields', { count: own.length })}</summary>
        <ol>${own.map((one) => html`<li><button type="button" class="quiet small" @click=${() => this.#go(one.from)}><code>${one.name}</code></button>
          <span class="rate">${one.to - one.from === 1 ? one.from : `${one.from}–${one.to - 1}`}</span> <span>${valueOf(one)}</span></li>`)}</ol></details>`
  }

  #line (line, shown, active) {
    const from = line * this.perLine
    const cells = []
    const chars = []
    for (let at = from; at < Math.min(from + this.perLine, shown.length); at++) {
      const field = this.#fieldAt(at)
      const on = active !== null && field === active
      const look = `${field?.kind ?? ''} ${on ? 'on' : ''} ${at === this.at ? 'here' : ''} ${field && field.record !== null && field.record !== this.record ? 'other' : ''}`
      cells.push(html`<i class=${look} data-at=${at}>${shown[at].toString(16).padStart(2, '0')}</i>`)
      chars.push(html`<i class=${look} data-at=${at}>${shown[at] >= 32 && shown[at] < 127 ? String.fromCharCode(shown[at]) : '·'}</i>`)
    }
    // The last line is as wide as the others.
    while (cells.length < this.perLine) cells.push(html`<i> </i>`)
    return html`<div class="hex-line"><span class="hex-at">${from.toString(16).padStart(5, '0')}</span><span class="hex-bytes">${cells}</span><span class="hex-chars" aria-hidden="true">${chars}</span></div>`
  }

  #explained (field) {
    const size = field.to - field.from
    const where = size === 1 ? t('records.byteAt', { at: field.from }) : t('records.bytesAt', { from: field.from, to: field.to - 1, count: size })
    return html`<p class="hex-name ${field.kind}"><code>${field.name}</code>${field.record === null ? '' : html` <span class="rate">${t('records.ofRecord', { record: field.record + 1 })}</span>`}</p>
      <p class="hex-value">${valueOf(field)}</p>
      <p class="rate">${where}${size <= 12 ? html` · <code>${Array.from(this.#bytes.subarray(field.from, field.to), (byte) => byte.toString(16).padStart(2, '0')).join(' ')}</code>` : ''}</p>
      <p>${field.record === null || field.text === 'otherRecord' ? t(`records.field.${field.text}`) : t(`records.recordField.${field.text}`)}</p>`
  }

  #target (event) {
    const at = event.target.closest?.('[data-at]')?.dataset.at
    return at === undefined ? null : Number(at)
  }

  #point (event) { this.hovered = this.#target(event) }

  #click (event) {
    const at = this.#target(event)
    if (at !== null) this.at = at
  }

  /** @param {KeyboardEvent} event */
  #key (event) {
    const size = this.#bytes.length
    const index = this.fields.indexOf(this.#fieldAt(this.at))
    const field = (step) => this.fields[Math.min(Math.max(0, index + step), this.fields.length - 1)]?.from ?? this.at
    const steps = { ArrowRight: event.ctrlKey || event.altKey ? field(1) : this.at + 1, ArrowLeft: event.ctrlKey || event.altKey ? field(-1) : this.at - 1, ArrowDown: this.at + this.perLine, ArrowUp: this.at - this.perLine, PageDown: this.at + 10 * this.perLine, PageUp: this.at - 10 * this.perLine, Home: 0, End: size - 1 }
    const to = steps[event.key]
    if (to === undefined) return
    event.preventDefault()
    this.#go(Math.min(Math.max(0, to), size - 1))
  }

  /** @param {number} at */
  #go (at) {
    this.at = at
    this.hovered = null
    this.#reveal(at, false)
  }

  #reveal (at, atTop) {
    const box = /** @type {HTMLElement | null} */ (this.querySelector('.hex'))
    if (!box) return
    const from = Math.floor(at / this.perLine) * LINE_PX
    if (atTop) box.scrollTop = Math.max(0, from - LINE_PX)
    else if (from < box.scrollTop) box.scrollTop = from
    else if (from + LINE_PX > box.scrollTop + box.clientHeight) box.scrollTop = from + LINE_PX - box.clientHeight
  }
}
customElements.define('tabmq-hex', Hex)

/** What a field holds, for a person. @param {import('./batch-fields.js').Field} field */
function valueOf ({ name, value, kind, record, from, to }) {
  if (value instanceof Uint8Array) return asText(value) === null ? t('records.binary', { size: { bytes: value.length } }) : `“${preview(value)}”`
  if (name === 'records') return t('records.packedRecords', { size: { bytes: to - from } })
  if (name === 'record') return t('records.recordNumber', { record: value + 1 })
  if (name === 'attributes' && record === null) return bits(value).map((bit) => CODECS.has(bit) ? bit : t(`records.bit.${bit}`)).join(', ')
  if (name === 'baseTimestamp' || name === 'maxTimestamp') return value < 0 ? String(value) : `${dateTime(value)} (${value})`
  if (kind === 'length' && value === -1) return t('records.nullLength')
  if (name === 'batchLength') return `${value} (${bytes(value)})`
  return typeof value === 'number' ? number(value) : String(value)
}
