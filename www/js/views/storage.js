// What the browser keeps for this page, how much it would, and whether it promises not to clear it.
import { html } from 'lit'
import { View } from '../kit/view.js'
import { app } from '../app.js'
import { explain, t } from '../i18n/index.js'

/** Brokers tell of what they store all the time; the browser is asked this often at most. */
const ASK_EVERY_MS = 2000
/** From these shares of the quota on the page warns. (Chromium always says that 10 GB are free; a refused write is told.) */
const LOW = 0.8
const ALMOST_FULL = 0.95

class Storage extends View {
  static slices = ['progress', 'brokers']
  static everyMs = 500
  static properties = { found: { state: true }, note: { state: true } }
  #askedAt = -Infinity
  #refused = false

  constructor () {
    super()
    /** @type {{ usage: number, quota: number, persisted: boolean } | null} */ this.found = null
    /** @type {{ key: string, tone: string, params?: any } | null} */ this.note = null
  }

  willUpdate () {
    const refusing = app.store.refusing.size > 0
    if (performance.now() - this.#askedAt > ASK_EVERY_MS || refusing !== this.#refused) this.#ask()
    this.#refused = refusing
  }

  render () {
    if (!this.found) return html`<p class="note" role="status">${this.#said()}</p>`
    const { usage, quota, persisted } = this.found
    const share = quota > 0 ? usage / quota : 1
    const space = this.#refused ? 'refused' : share >= ALMOST_FULL ? 'full' : share >= LOW ? 'low' : 'enough'
    return html`<div class="storage" data-space=${space}>
      <p data-usage>${t(`storage.${space}`, { usage: { bytes: usage }, quota: { bytes: quota } })}</p>
      <meter aria-label=${t('storage.used')} min="0" max="1" low=${LOW} high=${ALMOST_FULL} optimum="0" value=${Math.min(share, 1)}></meter>
      <div class="row">${persisted ? html`<span data-persisted>${t('storage.persisted')}</span>`
        : html`<button type="button" @click=${() => this.#persist()}>${t('storage.persist')}</button>`}
        <span class="note ${this.note?.tone ?? ''}" role="status" data-note="storage">${this.#said()}</span></div>
    </div>`
  }

  #said () {
    return this.note ? t(this.note.key, this.note.params) : ''
  }

  async #ask () {
    this.#askedAt = performance.now()
    try {
      this.found = await app.source.storage()
    } catch (error) {
      this.note = { key: 'storage.failed', tone: 'bad', params: { reason: explain(error) } }
    }
  }

  async #persist () {
    try {
      this.note = await app.source.persist() ? { key: 'storage.agreed', tone: 'good' } : { key: 'storage.declined', tone: 'bad' }
    } catch (error) {
      this.note = { key: 'storage.failed', tone: 'bad', params: { reason: explain(error) } }
    }
    await this.#ask()
  }
}
customElements.define('tabmq-storage', Storage)
