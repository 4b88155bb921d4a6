// What was done with this page since it was opened, to be copied as commands.
import { html } from 'lit'
import { View } from '../../kit/view.js'
import { copyAs, emptyState, stamp } from '../../kit/parts.js'
import { app } from '../../app.js'
import { t } from '../../i18n/index.js'
import { commandsOf, inKafkajs } from '../../commands/index.js'

const SHOWN = 50

class Commands extends View {
  connectedCallback () {
    super.connectedCallback()
    this.own(app.actions.onChange(() => this.requestUpdate()))
  }

  render () {
    const { list } = app.actions
    if (list.length === 0) return emptyState(t('share.nothingDone'))
    return html`<ol class="actions-done" tabindex="0" aria-label=${t('share.didTitle')}>${list.slice(-SHOWN).reverse().map((action) => html`<li>${stamp(action.at)}<code>${inKafkajs(action)}</code></li>`)}</ol>
      <div class="row">${copyAs(commandsOf(list))}<button type="button" class="quiet" data-do="forget" @click=${() => app.actions.clear()}>${t('share.forget')}</button></div>`
  }
}
customElements.define('tabmq-commands', Commands)
