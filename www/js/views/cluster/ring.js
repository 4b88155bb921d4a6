// Brokers as cards on a ring, with their links between; a plain grid and a list of links where there is no room.
import { html, nothing, svg } from 'lit'
import { repeat } from 'lit/directives/repeat.js'

import { css } from '../../kit/css.js'
import { View } from '../../kit/view.js'
import { app } from '../../app.js'
import { navigate } from '../../shell/router.js'
import { byteRate, t } from '../../i18n/index.js'
import { faultsInWords } from './link-panel.js'
import './broker-card.js'

const CARD = { width: 232, height: 176 }
/** From this many brokers on cards say less. */
const COMPACT_FROM = 6
const COMPACT = { width: 196, height: 138 }
/** The type for which that is meant: with a larger one they grow. */
const FONT_PX = 15
/** Half the distance between the two directions of a link. */
const LANE = 5

class Ring extends View {
  static slices = ['brokers', 'links', 'traffic']
  static properties = { pointed: { attribute: false }, link: { attribute: false }, width: { state: true } }

  constructor () {
    super()
    /** The broker that the address points at. @type {number | null} */ this.pointed = null
    /** The ends of the link that the address points at. @type {number[] | null} */ this.link = null
    this.width = 0
  }

  connectedCallback () {
    super.connectedCallback()
    const observer = new ResizeObserver(([{ contentRect }]) => { this.width = Math.round(contentRect.width) })
    observer.observe(this)
    this.own(() => observer.disconnect())
  }

  render () {
    if (this.width === 0) return ''
    const brokers = app.store.brokers()
    const compact = brokers.length >= COMPACT_FROM
    const scale = parseFloat(getComputedStyle(document.documentElement).fontSize) / FONT_PX
    const { width: across, height: down } = compact ? COMPACT : CARD
    const size = { width: across * scale, height: down * scale }
    const height = (brokers.length <= 2 ? 260 : brokers.length < COMPACT_FROM ? 600 : 780) * scale
    const roomy = this.width >= (compact ? 4.2 : brokers.length <= 3 ? 2.9 : 3.4) * size.width
    const card = (id) => html`<tabmq-broker .broker=${id} .compact=${compact} .pointed=${id === this.pointed}></tabmq-broker>`
    const pairs = brokers.flatMap(({ id: a }, index) => brokers.slice(index + 1).map(({ id: b }) => ({ a, b })))
    if (!roomy) {
      return html`<div class="broker-grid">${repeat(brokers, ({ id }) => id, ({ id }) => card(id))}</div>
        ${pairs.length ? html`<h2>${t('link.title')}</h2><div class="link-list">${pairs.map((pair) => this.#button(pair, null, false))}</div>` : ''}`
    }
    const places = placesOn(brokers, this.width, height, size)
    return html`<div class="stage" ${css({ height: `${height}px` })}>
      <svg width=${this.width} height=${height} aria-hidden="true">
        ${pairs.map(({ a, b }) => svg`${this.#lane(a, b, places)}${this.#lane(b, a, places)}${this.#hit(a, b, places)}`)}</svg>
      ${repeat(brokers, ({ id }) => id, ({ id }) => html`<div class="place" ${css({ ...at(places.get(id)), width: `${size.width}px` })}>${card(id)}</div>`)}
      ${pairs.map((pair) => this.#button(pair, middle(pair, places, brokers.length), compact))}
    </div>`
  }

  /** One direction of a link: how much flows, and what is wrong with it. */
  #lane (from, to, places) {
    const { x1, y1, x2, y2 } = lane(places.get(from), places.get(to))
    const { cut, delayMs, lossRatio } = app.store.link(from, to)
    const rate = app.store.rate(`replicated/${from}>${to}`)
    const width = 1.5 + Math.min(4.5, Math.log10(1 + rate) * 0.9)
    const state = cut ? 'cut' : delayMs > 0 || lossRatio > 0 ? 'faulty' : ''
    return svg`<line class="lane ${state}" x1=${x1} y1=${y1} x2=${x2} y2=${y2}></line>
      ${rate > 0 ? svg`<line class="flow" data-flow="${from}>${to}" x1=${x1} y1=${y1} x2=${x2} y2=${y2} stroke-width=${width}></line>` : ''}`
  }

  #hit (a, b, places) {
    const [from, to] = [places.get(a), places.get(b)]
    return svg`<line class="hit" x1=${from.x} y1=${from.y} x2=${to.x} y2=${to.y} @click=${() => navigate(`#/cluster/link-${a}-${b}`)}></line>`
  }

  #button ({ a, b }, place, small) {
    const there = app.store.link(a, b)
    const back = app.store.link(b, a)
    const faults = [faultsInWords(a, b, there), faultsInWords(b, a, back)].filter(Boolean)
    const cut = there.cut || back.cut
    const rate = app.store.rate(`replicated/${a}>${b}`) + app.store.rate(`replicated/${b}>${a}`)
    const words = faults.length ? faults.join(', ') : rate > 0 ? byteRate(rate) : t('link.idle')
    const dot = small && !faults.length
    const label = t('link.label', { a, b, words })
    const chosen = this.link?.[0] === a && this.link?.[1] === b
    return html`<button type="button" class="link ${cut ? 'cut' : faults.length ? 'faulty' : ''} ${dot ? 'small' : ''} ${chosen ? 'chosen' : ''}"
      data-link="${a}-${b}" aria-label=${dot ? label : nothing} title=${label}
      ${css(place ? at(place) : {})} @click=${() => navigate(`#/cluster/link-${a}-${b}`)}>
      ${dot ? '' : html`<span class="hidden">${t('link.link')} </span><b>${a}–${b}</b> ${words}`}</button>`
  }
}
customElements.define('tabmq-ring', Ring)

const at = ({ x, y }) => ({ left: `${x}px`, top: `${y}px` })

/** The middle of each card. @returns {Map<number, { x: number, y: number }>} */
function placesOn (brokers, width, height, size) {
  const radius = { x: Math.min(width / 2 - size.width / 2 - 4, height * 0.95), y: height / 2 - size.height / 2 - 16 }
  const first = brokers.length === 2 ? Math.PI : -Math.PI / 2
  // Three on an ellipse leave its lower part empty: move them into the middle of what they use.
  const drop = brokers.length === 3 ? radius.y / 4 : 0
  return new Map(brokers.map(({ id }, index) => {
    const angle = first + index * 2 * Math.PI / brokers.length
    const y = brokers.length === 1 ? 0 : Math.sin(angle) * radius.y
    return [id, { x: Math.round(width / 2 + Math.cos(angle) * radius.x), y: Math.round(height / 2 + y + drop) }]
  }))
}

/** Each direction beside the line between the middles, to the right of who goes along it. */
function lane (from, to) {
  const length = Math.hypot(to.x - from.x, to.y - from.y) || 1
  const dx = -(to.y - from.y) / length * LANE
  const dy = (to.x - from.x) / length * LANE
  return { x1: from.x + dx, y1: from.y + dy, x2: to.x + dx, y2: to.y + dy }
}

/** Where a link's words stand: in the middle, or off it where all the long ones would meet. */
function middle ({ a, b }, places, count) {
  const [from, to] = [places.get(a), places.get(b)]
  const share = count === 4 && Math.abs(a - b) === 2 ? 0.32 : 0.5
  return { x: Math.round(from.x + (to.x - from.x) * share), y: Math.round(from.y + (to.y - from.y) * share) }
}
