// A list of any length of which only the rows in sight are in the page.
//
//   html`<tabmq-virtual label=${t('topics.records')} .count=${1_000_000} .row=${(index) => html`<span>…</span>`}
//     .selected=${index} @pick=${(event) => this.open(event.detail.index)}></tabmq-virtual>`
//
// All rows have the height --row-height of css/tokens.css, and no button in them. Arrows, Page, Home and End move; Enter or a
// click picks (`pick`). `scrollToIndex(n)` shows a row; `follow` keeps the end in sight as it grows; a person who scrolls up
// ends that (`leave`). Give it a height by CSS.
import { html, nothing } from 'lit'
import { css } from './css.js'
import { View } from './view.js'

/** No browser draws an element much taller; beyond it a pixel of the scroll bar is more than a pixel of the list. */
const HEIGHT_MAX = 8_000_000
const MARGIN_ROWS = 6

class VirtualList extends View {
  static properties = {
    label: {}, count: { type: Number }, row: { attribute: false }, selected: { type: Number }, follow: { type: Boolean },
    active: { state: true }, top: { state: true }, viewport: { state: true }
  }

  static #ids = 0
  #id = `virtual-${++VirtualList.#ids}`
  #rowHeight = 28
  /** Where our own scrolling has left the box, until that is told. */ #settled = NaN

  constructor () {
    super()
    this.label = ''
    this.count = 0
    /** @type {(index: number) => any} */ this.row = () => ''
    this.selected = -1
    this.follow = false
    this.active = 0
    /** The first pixel in sight, of the whole list. */
    this.top = 0
    this.viewport = 400
  }

  connectedCallback () {
    super.connectedCallback()
    this.#rowHeight = parseFloat(getComputedStyle(this).getPropertyValue('--row-height')) || 28
    const observer = new ResizeObserver(() => { this.viewport = this.#box?.clientHeight ?? 400 })
    observer.observe(this)
    this.own(() => observer.disconnect())
  }

  get #box () { return /** @type {HTMLElement | null} */ (this.querySelector('.virtual')) }
  get #whole () { return this.count * this.#rowHeight }
  get #drawn () { return Math.min(this.#whole, HEIGHT_MAX) }
  get #range () { return Math.max(0, this.#whole - this.viewport) }
  get #drawnRange () { return Math.max(0, this.#drawn - this.viewport) }

  /** @param {number} index */
  scrollToIndex (index) {
    const from = index * this.#rowHeight
    if (from < this.top) this.#scrollTo(from)
    else if (from + this.#rowHeight > this.top + this.viewport) this.#scrollTo(from + this.#rowHeight - this.viewport)
  }

  render () {
    const first = Math.max(0, Math.floor(this.top / this.#rowHeight) - MARGIN_ROWS)
    const last = Math.min(this.count, Math.ceil((this.top + this.viewport) / this.#rowHeight) + MARGIN_ROWS)
    const scrolled = this.#range ? this.top / this.#range * this.#drawnRange : 0
    const shift = first * this.#rowHeight - this.top + scrolled
    const rows = []
    for (let index = first; index < last; index++) {
      rows.push(html`<div class="virtual-row ${index === this.active ? 'active' : ''}" role="option" id="${this.#id}-${index}" aria-selected=${index === this.selected ? 'true' : 'false'}
        aria-posinset=${index + 1} aria-setsize=${this.count} @click=${() => this.#pick(index)}>${this.row(index)}</div>`)
    }
    const here = this.active >= first && this.active < last
    return html`<div class="virtual" role="listbox" tabindex="0" aria-label=${this.label} aria-activedescendant=${here && this.count ? `${this.#id}-${this.active}` : nothing}
        @scroll=${this.#scrolled} @keydown=${this.#key}>
      <div class="virtual-whole" role="presentation" ${css({ height: `${this.#drawn}px` })}>
        <div class="virtual-rows" role="presentation" ${css({ transform: `translateY(${shift}px)` })}>${rows}</div>
      </div></div>`
  }

  firstUpdated () {
    this.viewport = this.#box.clientHeight
  }

  updated (changed) {
    if (changed.has('count') && this.active >= this.count) this.active = Math.max(0, this.count - 1)
    if (this.follow && (changed.has('count') || changed.has('follow'))) this.#scrollTo(this.#range)
  }

  /** @param {number} top */
  #scrollTo (top) {
    this.top = Math.min(Math.max(0, top), this.#range)
    const box = this.#box
    if (!box) return
    const scrolled = this.#range ? this.top / this.#range * this.#drawnRange : 0
    if (Math.abs(box.scrollTop - scrolled) < 1) return
    // The browser tells of our own scrolling, too, and rounds it: that is not a person's.
    box.scrollTop = scrolled
    this.#settled = box.scrollTop
  }

  #scrolled () {
    const box = this.#box
    // One event may tell of our scrolling and of a person's after it: then the box is elsewhere.
    const own = box.scrollTop === this.#settled
    this.#settled = NaN
    if (own) return
    const before = this.top
    this.top = this.#drawnRange ? box.scrollTop / this.#drawnRange * this.#range : 0
    if (this.follow && this.top < before) this.dispatchEvent(new CustomEvent('leave'))
  }

  /** @param {KeyboardEvent} event */
  #key (event) {
    const page = Math.max(1, Math.floor(this.viewport / this.#rowHeight) - 1)
    const to = { ArrowDown: this.active + 1, ArrowUp: this.active - 1, PageDown: this.active + page, PageUp: this.active - page, Home: 0, End: this.count - 1 }[event.key]
    if (to === undefined) {
      if (event.key === 'Enter' && this.count) this.#pick(this.active)
      return
    }
    event.preventDefault()
    this.active = Math.min(Math.max(0, to), this.count - 1)
    this.scrollToIndex(this.active)
    if (this.follow && to < this.count - 1) this.dispatchEvent(new CustomEvent('leave'))
  }

  /** @param {number} index */
  #pick (index) {
    this.active = index
    this.dispatchEvent(new CustomEvent('pick', { detail: { index } }))
  }
}
customElements.define('tabmq-virtual', VirtualList)
