// A cluster that did not start: why, and what a person can do about it.
import { html } from 'lit'
import { View } from '../kit/view.js'
import { confirm } from '../kit/dialog.js'
import { explain, t } from '../i18n/index.js'
import { addressOf, destroy, freeName, known, InUseError } from '../state/clusters.js'

/** @typedef {'storage'|'locks'|'inUse'|'files'|'brokers'} Kind */

/** @param {any} error of createCluster @returns {Kind} */
export function kindOf ({ name, message }) {
  if (name === 'TabmqClusterInUseError') return 'inUse'
  if (/refuses storage/.test(message)) return 'storage'
  if (/Web Locks/.test(message)) return 'locks'
  return /could not be loaded|WebAssembly|CompileError/.test(`${name} ${message}`) ? 'files' : 'brokers'
}

class Failure extends View {
  static properties = { error: { attribute: false }, cluster: {}, note: { state: true }, busy: { state: true } }

  constructor () {
    super()
    /** @type {any} */ this.error = null
    this.cluster = ''
    this.note = ''
    this.busy = false
  }

  render () {
    const kind = kindOf(this.error)
    const cluster = this.cluster
    return html`<section class="failure" role="alert" data-failure=${kind}><h1>${t('start.title', { cluster })}</h1>
      <p>${t(`start.${kind}`, { cluster })}</p>
      <p class="mono said">${explain(this.error)}</p>
      <h2>${t('start.whatToDo')}</h2>
      <ul class="choices">${this.#choices(kind)}</ul>
      <p class="note bad" role="status">${this.note}</p></section>`
  }

  /** @param {Kind} kind */
  #choices (kind) {
    const again = this.#choice('again', () => location.reload(), true)
    const memory = this.#choice('memory', () => this.#open({ storage: 'memory' }), kind === 'locks')
    const another = this.#choice('another', () => this.#another())
    switch (kind) {
      case 'inUse': return [this.#choice('takeOver', () => this.#open({ takeOver: 'yes' }), true), this.#choice('again', () => location.reload()), another]
      case 'storage': return [html`<li>${t('start.storage.1')}</li>`, html`<li>${t('start.storage.2')}</li>`, again, memory]
      case 'locks': return [html`<li>${t('start.locks.1')}</li>`, memory]
      case 'files': return [html`<li>${t('start.files.1')}</li>`, again]
      default: return [again, another, this.#choice('destroy', () => this.#destroy(), false, true)]
    }
  }

  /** @param {string} name @param {() => unknown} run */
  #choice (name, run, first = false, danger = false) {
    return html`<li><p>${t(`start.${name}.text`, { cluster: this.cluster })}</p>
      <button type="button" class=${danger ? 'danger' : first ? 'primary' : ''} data-do=${name} ?disabled=${this.busy} @click=${run}>${t(`start.${name}.do`)}</button></li>`
  }

  /** @param {Record<string, string>} options of the address */
  #open (options) {
    const address = new URL(location.href)
    for (const [name, value] of Object.entries(options)) address.searchParams.set(name, value)
    location.assign(address)
  }

  async #another () {
    location.assign(addressOf(freeName(this.cluster, await known())))
  }

  async #destroy () {
    const { cluster } = this
    if (!await confirm({ title: t('share.destroyTitle', { cluster }), text: t('share.destroyText'), action: t('share.destroy'), danger: true })) return
    this.busy = true
    this.note = ''
    try {
      await destroy(cluster)
      location.reload()
    } catch (error) {
      this.note = error instanceof InUseError ? t('share.destroyInUse', { cluster }) : explain(error)
      this.busy = false
    }
  }
}
customElements.define('tabmq-failure', Failure)
