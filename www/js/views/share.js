// Keep and share: the clusters of this browser, export and import, scenarios as links, and what the page did as commands.
import { html } from 'lit'
import { View } from '../kit/view.js'
import { t } from '../i18n/index.js'
import './share/clusters.js'
import './share/commands-panel.js'
import './share/keep-panel.js'
import './share/scenario-panel.js'

class Share extends View {
  static properties = { param: {}, query: { attribute: false } }

  constructor () {
    super()
    /** @type {URLSearchParams | undefined} */ this.query = undefined
  }

  render () {
    return html`<div class="head"><h1>${t('share.title')}</h1><p class="lead">${t('share.lead')}</p></div>
      <div class="share-layout"><section class="panel"><h2>${t('share.clusters')}</h2><tabmq-clusters></tabmq-clusters></section>
      <section class="panel"><h2>${t('share.keep')}</h2><tabmq-keep></tabmq-keep></section>
      <section class="panel"><h2>${t('share.scenario')}</h2><tabmq-scenario .query=${this.query}></tabmq-scenario></section>
      <section class="panel"><h2>${t('share.didTitle')}</h2><tabmq-commands></tabmq-commands></section></div>`
  }
}
customElements.define('tabmq-share', Share)
