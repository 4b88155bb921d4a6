// A broker: its state, its role in the quorum, what it leads and stores, what just happened to it, and what can be done.
import { html, nothing } from 'lit'
import { View } from '../../kit/view.js'
import { openDialog } from '../../kit/dialog.js'
import { stamp } from '../../kit/parts.js'
import { app } from '../../app.js'
import { byteRate, bytes, explain, t } from '../../i18n/index.js'
import { inReadersWords } from '../../i18n/reasons.js'
import { inWords } from '../../state/timeline.js'

/** Partitions are drawn as they change; offsets and bytes a few times a second. */
const EVERY_MS = 200

class BrokerCard extends View {
  static slices = ['brokers', 'topics', 'progress', 'traffic', 'timeline', 'page']
  static everyMs = EVERY_MS
  static properties = { broker: { attribute: false }, compact: { type: Boolean }, pointed: { type: Boolean }, failure: { state: true } }
  /** @type {any} */ #dialog = null

  constructor () {
    super()
    this.broker = 0
    this.compact = false
    this.pointed = false
    this.failure = ''
  }

  updated (changed) {
    this.#dialog?.update()
    if (changed.has('pointed') && this.pointed) this.scrollIntoView({ block: 'nearest' })
  }

  render () {
    const { store } = app
    const broker = store.model.brokers.get(this.broker)
    if (!broker) return ''
    const { id, state } = broker
    const controller = store.model.controller === id
    const { leads, outOfSync } = store.duties(id)
    const happened = store.recent.get(`broker/${id}`)
    const words = happened && inWords(happened, id)
    const written = store.rate(`written/${id}`)
    const led = leads.reduce((sum, { partitions }) => sum + partitions.length, 0)
    return html`<article class="broker ${state} ${controller ? 'controller' : ''} ${this.pointed ? 'pointed' : ''}" aria-label=${t('broker.name', { id })} data-broker=${id}>
      <header><h2>${t('broker.name', { id })}</h2><span class="state">${t(`state.${state}`)}</span></header>
      <p class="role">${controller ? html`<span class="badge">${t('broker.controller')}</span> ` : ''}${quorumRole(broker)}</p>
      <p class="fact" data-fact="leads" title=${leads.map(({ topic, partitions }) => `${topic}: ${partitions.join(' ')}`).join('\n') || nothing}>${t('broker.leads', { count: led })}${outOfSync
        ? html`, <b class="bad">${t('broker.outOfSync', { count: outOfSync })}</b>` : ''}</p>
      ${this.compact ? '' : html`<p class="fact" data-fact="stores">${bytes(store.model.storageBytes(id))}${written > 0 ? html`<span class="rate">+${byteRate(written)}</span>` : ''}${store.refusing.has(id)
        ? html`<b class="bad">${t('broker.refuses')}</b>` : ''}</p>`}
      <p class="happened ${words?.tone ?? ''}" aria-live="polite">${this.failure ? html`<span class="bad">${this.failure}</span>` : words ? html`${stamp(happened.at)} ${t(words.key, words.params)}` : ''}</p>
      <div class="actions">
        ${isDown(state) ? html`<button type="button" data-do="start" @click=${() => this.#act(() => app.source.start(id))}>${t('broker.start')}</button>`
          : html`<button type="button" class="danger" data-do="kill" @click=${() => this.#act(() => app.source.kill(id))} ?disabled=${state !== 'running'}>${t('broker.kill')}</button>
            <button type="button" data-do="stop" @click=${() => this.#act(() => app.source.stop(id))} ?disabled=${state !== 'running'}>${t('broker.stop')}</button>`}
        <button type="button" class="icon" data-do="more" aria-label=${t('broker.more', { id })} title=${t('broker.more', { id })} @click=${() => this.#more()}>⋯</button>
      </div>
    </article>`
  }

  /** @param {() => Promise<unknown>} work */
  async #act (work) {
    this.failure = ''
    try {
      await work()
    } catch (error) {
      this.failure = explain(error)
    }
  }

  async #more () {
    const id = this.broker
    const dialog = openDialog({
      title: () => t('broker.name', { id }),
      body: ({ close }) => {
        const broker = app.store.model.brokers.get(id)
        if (!broker) return ''
        const { leads, follows, outOfSync } = app.store.duties(id)
        const brief = (topics) => topics.map(({ topic, partitions }) => `${topic}: ${partitions.join(' ')}`).join('; ') || t('broker.noPartition')
        const act = (work) => { close(); this.#act(work) }
        const up = broker.state === 'running'
        const action = (name, enabled, work, danger = false) => html`<div class="choice"><button type="button" data-do=${name} class=${danger ? 'danger' : ''} ?disabled=${!enabled} @click=${() => act(work)}>${t(`broker.${name}`)}</button>
          <p>${t(`broker.${name}.text`)}</p></div>`
        return html`
          <dl class="facts-list"><dt>${t('broker.state')}</dt><dd>${t(`state.${broker.state}`)}${broker.reason && broker.reason !== 'killed' ? `: ${inReadersWords(broker.reason)}` : ''}</dd>
            <dt>${t('broker.quorum')}</dt><dd>${quorumRole(broker)}</dd>
            <dt>${t('broker.leadsTitle')}</dt><dd>${brief(leads)}</dd>
            <dt>${t('broker.followsTitle')}</dt><dd>${brief(follows)}${outOfSync ? html`, <b class="bad">${t('broker.outOfSync', { count: outOfSync })}</b>` : ''}</dd>
            <dt>${t('broker.stores')}</dt><dd data-stores>${t('broker.storesWith', { stored: { bytes: app.store.model.storageBytes(id) }, memory: { bytes: app.source.memoryBytes(id) } })}</dd></dl>
          ${action('kill', up, () => app.source.kill(id), true)}
          ${action('killSilently', up, () => app.source.kill(id, { silent: true }), true)}
          ${action('stop', up, () => app.source.stop(id))}
          ${action('start', isDown(broker.state), () => app.source.start(id))}
          ${app.source.can('decommission') ? action('decommission', up, () => app.source.decommission(id), true) : ''}`
      }
    })
    this.#dialog = dialog
    await dialog.closed
    this.#dialog = null
  }
}
customElements.define('tabmq-broker', BrokerCard)

const isDown = (state) => state === 'crashed' || state === 'stopped'

/** @param {import('../../source/cluster-source.js').Broker} broker */
function quorumRole ({ state, quorumRole, quorumEpoch, roles }) {
  if (isDown(state)) return t('quorum.away')
  if (!roles.includes('controller')) return t('quorum.observer')
  return quorumRole ? t('quorum.voter', { role: t(`quorum.${quorumRole}`), epoch: quorumEpoch }) : t('quorum.joining')
}
