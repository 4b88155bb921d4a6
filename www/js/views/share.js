// Keep and share: the clusters of this browser, export and import, scenarios as links, and what the page did as commands.
import { html } from 'lit'
import { View } from '../kit/view.js'
import { t } from '../i18n/index.js'
import './share/clusters.js'
import './share/keep-panel.js'

class Share extends View {
  static properties = { param: {}, query: { attribute: false } }

  render () {
    return html`<div class="head"><h1>${t('share.title')}</h1><p class="lead">${t('share.lead')}</p></div>
      <section class="panel"><h2>${t('share.clusters')}</h2><tabmq-clusters></tabmq-clusters></section>
      <section class="panel"><h2>${t('share.keep')}</h2><tabmq-keep></tabmq-keep></section>`
  }
}
customElements.define('tabmq-share', Share)
