// Produce: by hand, by generators, from a file.
import { html } from 'lit'
import { View } from '../../kit/view.js'
import { t } from '../../i18n/index.js'
import './by-hand.js'
import './generators.js'
import './from-file.js'

class Produce extends View {
  static properties = { param: {}, query: { attribute: false } }

  constructor () {
    super()
    this.param = ''
    /** `?topic=orders` chooses it. @type {URLSearchParams} */ this.query = new URLSearchParams()
  }

  render () {
    return html`<div class="head"><h1>${t('produce.title')}</h1><p class="lead">${t('produce.lead')}</p></div>
      <div class="produce-layout">
        <tabmq-by-hand .chosen=${this.query.get('topic') ?? ''}></tabmq-by-hand>
        <tabmq-from-file></tabmq-from-file>
        <tabmq-generators .chosen=${this.query.get('topic') ?? ''}></tabmq-generators>
      </div>`
  }
}
customElements.define('tabmq-produce', Produce)
