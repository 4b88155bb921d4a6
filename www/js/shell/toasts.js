// Short notes at the edge of the page, for what has no place of its own: `toast(t('copy.copied'), 'good')`.
import { html } from 'lit'
import { repeat } from 'lit/directives/repeat.js'
import { View } from '../kit/view.js'
import { t } from '../i18n/index.js'

const SHOWN_MS = 6000
const TOASTS_MAX = 4

/** @type {{ text: string, tone: string }[]} */
let toasts = []
/** @type {Set<() => void>} */
const listeners = new Set()

/** A bad one stays until it is closed. @param {string} text @param {''|'good'|'bad'} [tone] */
export function toast (text, tone = '') {
  const one = { text, tone }
  toasts = [...toasts, one].slice(-TOASTS_MAX)
  if (tone !== 'bad') setTimeout(() => close(one), SHOWN_MS)
  for (const listener of listeners) listener()
}

function close (one) {
  toasts = toasts.filter((other) => other !== one)
  for (const listener of listeners) listener()
}

class Toasts extends View {
  connectedCallback () {
    super.connectedCallback()
    const changed = () => this.requestUpdate()
    listeners.add(changed)
    this.own(() => { listeners.delete(changed) })
  }

  render () {
    return html`<div class="toasts" role="status">${repeat(toasts, (one) => one, (one) => html`<p class="toast ${one.tone}">${one.text}
      <button type="button" class="icon" aria-label=${t('toast.close')} @click=${() => close(one)}>×</button></p>`)}</div>`
  }
}
customElements.define('tabmq-toasts', Toasts)
