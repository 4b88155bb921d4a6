// The clusters of this browser: the one that is open, the others, a new one; and the end of one.
import { html } from 'lit'
import { View } from '../../kit/view.js'
import { Form, field, wholeNumber } from '../../kit/field.js'
import { confirm } from '../../kit/dialog.js'
import { app } from '../../app.js'
import { explain, t } from '../../i18n/index.js'
import { BROKERS_MAX, FIRST, InUseError, NAME, PROFILES, addressOf, destroy, destroyOpen, known, remember } from '../../state/clusters.js'

class Clusters extends View {
  static slices = ['brokers']
  static everyMs = 1000
  static properties = { list: { state: true }, note: { state: true }, busy: { state: true } }

  constructor () {
    super()
    /** @type {import('../../state/clusters.js').Known[]} */ this.list = []
    this.note = ''
    this.busy = ''
    this.form = new Form(this, { name: '', brokers: '3', profile: 'lab' }, {
      name: (text) => this.#nameIs(text),
      brokers: wholeNumber(1, BROKERS_MAX)
    })
  }

  connectedCallback () {
    super.connectedCallback()
    this.#ask()
  }

  render () {
    const open = app.source.name
    const there = this.list.some(({ name }) => name === open) ? this.list : [{ name: open, brokers: 0 }, ...this.list]
    return html`<ul class="clusters" aria-label=${t('share.clusters')}>${there.map(({ name, brokers }) => this.#row(name, name === open ? app.store.model.brokers.size : brokers, name === open))}</ul>
      <p class="note bad" role="status" data-note="clusters">${this.note}</p>
      <h3>${t('share.newCluster')}</h3>
      <form novalidate data-form="cluster" @submit=${(event) => this.form.submit(event, (values) => this.#create(values))}>
        ${field(this.form, 'name', { label: t('share.name'), width: 16 })}
        ${field(this.form, 'brokers', { label: t('share.brokers'), type: 'number', width: 4, hint: this.#votersHint() })}
        ${field(this.form, 'profile', { label: t('share.profile'), type: 'select', options: PROFILES.map((value) => ({ value, label: t(`share.profile.${value}`) })) })}
        <button class="primary" ?disabled=${this.form.busy}>${t('share.createCluster')}</button>
      </form>
      ${this.form.note('new-cluster')}`
  }

  #row (name, brokers, open) {
    return html`<li class=${open ? 'open' : ''} data-cluster=${name}>
      ${open ? html`<b>${name}</b> <span class="badge">${t('share.openHere')}</span>` : html`<a href=${addressOf(name)}>${name}</a>`}
      <span class="note">${t('share.brokerCount', { count: brokers })}</span>
      <button type="button" class="danger" data-do="destroy" ?disabled=${this.busy !== ''} @click=${() => this.#destroy(name, open)}>${this.busy === name ? t('share.destroying') : t('share.destroy')}</button></li>`
  }

  #nameIs (text) {
    if (String(text).trim() === '') return t('form.needed')
    if (!NAME.test(text)) return t('share.nameWrong')
    return text === app.source.name || this.list.some(({ name }) => name === text) ? t('share.nameTaken', { name: text }) : ''
  }

  #votersHint () {
    const count = Number(this.form.values.brokers)
    if (!Number.isInteger(count) || count < 1 || count > BROKERS_MAX) return ''
    return t('share.voters', { count: count >= 5 ? 5 : count >= 3 ? 3 : 1 })
  }

  async #ask () {
    this.list = await known()
  }

  #create ({ name, brokers, profile }) {
    remember(name, { brokers: Number(brokers), profile })
    location.assign(addressOf(name))
  }

  /** @param {string} name @param {boolean} open */
  async #destroy (name, open) {
    if (!await confirm({ title: t('share.destroyTitle', { cluster: name }), text: t('share.destroyText'), action: t('share.destroy'), danger: true })) return
    this.busy = name
    this.note = ''
    try {
      if (open) {
        if (app.demo.state === 'running') await app.demo.stop()
        await destroyOpen(app.source.cluster)
        location.assign(addressOf(FIRST))
        if (name === FIRST) location.reload()
        return
      }
      await destroy(name)
    } catch (error) {
      this.note = error instanceof InUseError ? t('share.destroyInUse', { cluster: name }) : explain(error)
    }
    this.busy = ''
    await this.#ask()
  }
}
customElements.define('tabmq-clusters', Clusters)
