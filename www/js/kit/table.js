// A table that is sorted by a click on a column's head.
//
//   html`<tabmq-table label=${t('topics.title')} .rows=${rows} .key=${(row) => row.name} .columns=${[
//     { id: 'name', label: t('topics.name'), value: (row) => row.name, cell: (row) => html`<a href=…>${row.name}</a>` },
//     { id: 'records', label: t('topics.records'), value: (row) => row.records, number: true },   // cell: number(value)
//     { id: 'actions', label: '', cell: (row) => html`<button>…</button>` }                       // no value: not sorted
//   ]} .empty=${emptyState(…)}></tabmq-table>`
//
// More rows than a few hundred: <tabmq-virtual> (virtual.js).
import { html, nothing } from 'lit'
import { repeat } from 'lit/directives/repeat.js'
import { View } from './view.js'
import { lang, number, t } from '../i18n/index.js'

/** @typedef {{ id: string, label: string, value?: (row: any) => any, cell?: (row: any) => any, number?: boolean, title?: string }} Column */

class Table extends View {
  static properties = { label: {}, rows: { attribute: false }, columns: { attribute: false }, key: { attribute: false }, empty: { attribute: false }, sortBy: { state: true } }

  constructor () {
    super()
    this.label = ''
    /** @type {any[]} */ this.rows = []
    /** @type {Column[]} */ this.columns = []
    this.key = (row) => row
    /** @type {any} What to show without rows. */ this.empty = ''
    /** @type {{ id: string, down: boolean } | null} */ this.sortBy = null
  }

  render () {
    if (this.rows.length === 0 && this.empty) return this.empty
    return html`<div class="scroll" tabindex="0" role="region" aria-label=${this.label}><table>
      <thead><tr>${this.columns.map((column) => this.#head(column))}</tr></thead>
      <tbody>${repeat(this.#sorted(), this.key, (row) => html`<tr data-key=${String(this.key(row))}>${this.columns.map((column) =>
        html`<td class=${column.number ? 'number' : ''}>${column.cell ? column.cell(row) : column.number ? number(column.value(row)) : column.value(row)}</td>`)}</tr>`)}</tbody>
    </table></div>`
  }

  /** @param {Column} column */
  #head ({ id, label, value, number: numeric, title }) {
    const on = this.sortBy?.id === id
    if (!value) return html`<th>${label || html`<span class="hidden">${t('table.actions')}</span>`}</th>`
    return html`<th class=${numeric ? 'number' : ''} aria-sort=${on ? this.sortBy.down ? 'descending' : 'ascending' : nothing}>
      <button type="button" title=${title ?? nothing} @click=${() => { this.sortBy = { id, down: on ? !this.sortBy.down : Boolean(numeric) } }}>${label}<span
        class="arrow" aria-hidden="true">${on ? this.sortBy.down ? '↓' : '↑' : ''}</span></button></th>`
  }

  #sorted () {
    const column = this.columns.find(({ id }) => id === this.sortBy?.id)
    if (!column) return this.rows
    const collator = new Intl.Collator(lang(), { numeric: true })
    const compare = (a, b) => typeof a === 'number' && typeof b === 'number' ? a - b : collator.compare(String(a), String(b))
    const sign = this.sortBy.down ? -1 : 1
    return [...this.rows].sort((a, b) => sign * compare(column.value(a), column.value(b)))
  }
}
customElements.define('tabmq-table', Table)
