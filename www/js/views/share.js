// Keep and share: the clusters of this browser.
import { html } from 'lit'
import { View } from '../kit/view.js'
import { t } from '../i18n/index.js'
import './share/clusters.js'

class Share extends View {
  static properties = { param: {}, query: { attribute: false } }

  render () {
    return html`<div class="head"><h1>${t('share.title')}</h1><p class="lead">${t('share.lead')}</p></div>
      <section class="panel"><h2>${t('share.clusters')}</h2><tabmq-clusters></tabmq-clusters></section>`
  }
}
customElements.define('tabmq-share', Share)
