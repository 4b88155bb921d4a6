// The timeline, whole, and what is stored.
import { html } from 'lit'
import { View } from '../kit/view.js'
import { t } from '../i18n/index.js'
import './storage.js'
import './timeline.js'

class Watch extends View {
  render () {
    return html`<div class="head"><h1>${t('watch.title')}</h1></div>
      <section class="panel"><h2>${t('storage.title')}</h2><tabmq-storage></tabmq-storage></section>
      <section class="panel tall"><h2>${t('timeline.title')}</h2><tabmq-timeline></tabmq-timeline></section>`
  }
}
customElements.define('tabmq-watch', Watch)
