// A link between two brokers: what flows each way, and its faults, set one way or both.
import { html } from 'lit'
import { View } from '../../kit/view.js'
import { stamp } from '../../kit/parts.js'
import { app } from '../../app.js'
import { navigate } from '../../shell/router.js'
import { byteRate, duration, percent, t } from '../../i18n/index.js'
import { inWords } from '../../state/timeline.js'

const DELAYS_MS = [0, 20, 100, 500, 2000]
const LOSSES = [0, 0.01, 0.05, 0.2, 0.5]

class LinkPanel extends View {
  static slices = ['links', 'traffic', 'page']
  static properties = { ends: { attribute: false } }

  constructor () {
    super()
    this.ends = [0, 0]
  }

  updated (changed) {
    if (!changed.has('ends')) return
    this.scrollIntoView({ block: 'nearest' })
    this.querySelector('h2')?.focus({ preventScroll: true })
  }

  render () {
    const [a, b] = this.ends
    if (!app.store.model.brokers.has(a) || !app.store.model.brokers.has(b) || a === b) return html`<section class="panel"><p class="note bad">${t('link.none', { a, b })}</p></section>`
    const happened = app.store.recent.get(`link/${Math.min(a, b)}-${Math.max(a, b)}`)
    const words = happened && inWords(happened)
    const whole = app.store.link(a, b).cut && app.store.link(b, a).cut
    return html`<section class="panel link-panel" aria-label=${t('link.between', { a, b })}>
      <div class="row spread"><h2 tabindex="-1">${t('link.between', { a, b })}</h2>
        <button type="button" class="icon" aria-label=${t('dialog.close')} @click=${() => navigate('#/cluster')}>×</button></div>
      <div class="row">
        <button type="button" class="danger" data-do="cut" ?disabled=${whole} @click=${() => this.#both({ cut: true })}>${t('link.cutBoth')}</button>
        <button type="button" data-do="heal" @click=${() => this.#both({ cut: false, delayMs: 0, lossRatio: 0 })}>${t('link.heal')}</button>
      </div>
      ${this.#direction(a, b)}${this.#direction(b, a)}
      <p class="happened ${words?.tone ?? ''}" aria-live="polite">${words ? html`${stamp(happened.at)} ${t('broker.name', { id: happened.broker })}: ${t(words.key, words.params)}` : ''}</p>
      <p class="hint">${t('link.hint')}</p>
    </section>`
  }

  #direction (from, to) {
    const faults = app.store.link(from, to)
    const rate = app.store.rate(`replicated/${from}>${to}`)
    const set = (changes) => change(from, to, changes)
    // What another page or a script has set may be none of the list.
    const of = (list, value) => list.includes(value) ? list : [...list, value].sort((x, y) => x - y)
    return html`<fieldset data-direction="${from}>${to}"><legend>${t('link.direction', { from, to })}
        <span class="rate">${rate > 0 ? t('link.replicating', { rate: byteRate(rate) }) : t('link.noReplication')}</span></legend>
      <div class="row">
        <label class="check"><input type="checkbox" name="cut" .checked=${faults.cut} @change=${(event) => set({ cut: event.target.checked })}> ${t('link.cut')}</label>
        <label>${t('link.delay')} <select name="delay" @change=${(event) => set({ delayMs: Number(event.target.value) })}>${of(DELAYS_MS, faults.delayMs).map((ms) =>
          html`<option value=${ms} .selected=${ms === faults.delayMs}>${ms ? duration(ms) : t('link.noDelay')}</option>`)}</select></label>
        <label>${t('link.loss')} <select name="loss" @change=${(event) => set({ lossRatio: Number(event.target.value) })}>${of(LOSSES, faults.lossRatio).map((ratio) =>
          html`<option value=${ratio} .selected=${ratio === faults.lossRatio}>${ratio ? percent(ratio) : t('link.noLoss')}</option>`)}</select></label>
      </div></fieldset>`
  }

  #both (changes) {
    const [a, b] = this.ends
    change(a, b, changes)
    change(b, a, changes)
  }
}
customElements.define('tabmq-link-panel', LinkPanel)

/** Of the faults as they are, which may not be drawn yet. @param {number} from @param {number} to @param {Partial<import('../../source/cluster-source.js').LinkFaults>} changes */
function change (from, to, changes) {
  app.source.setLink(from, to, { ...app.source.snapshot().links.get(`${from}>${to}`), ...changes })
}

/** '' when there are none. @param {number} from @param {number} to @param {import('../../source/cluster-source.js').LinkFaults} faults */
export function faultsInWords (from, to, { cut, delayMs, lossRatio }) {
  const found = []
  if (cut) found.push(t('link.isCut'))
  if (!cut && delayMs > 0) found.push(`+${duration(delayMs)}`)
  if (!cut && lossRatio > 0) found.push(t('link.loses', { share: percent(lossRatio) }))
  return found.length ? `${from}→${to} ${found.join(', ')}` : ''
}
