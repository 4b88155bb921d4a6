// A link that carries a scenario: making one, and what one that was opened would do.
import { html } from 'lit'
import { View } from '../../kit/view.js'
import { Job } from '../../kit/job.js'
import { copy } from '../../kit/parts.js'
import { app } from '../../app.js'
import { explain, t } from '../../i18n/index.js'
import { addressOf, freeName, known, remember } from '../../state/clusters.js'
import { ScenarioError, TEXT_MAX, decode, encode } from './scenario.js'
import { present, putOn, steps } from './stage.js'

const PARAMETER = 'scenario'
const fault = ({ from, to, cut, delayMs, lossRatio }) => [`${from}→${to}`, cut ? t('link.isCut') : '', !cut && delayMs ? `+${delayMs} ms` : '', !cut && lossRatio ? t('link.loses', { share: `${Math.round(lossRatio * 100)}%` }) : ''].filter(Boolean).join(' ')

class ScenarioPanel extends View {
  static slices = ['brokers', 'page']
  static properties = { query: { attribute: false }, link: { state: true }, note: { state: true } }
  /** What the address carries. @type {{ text: string, scenario?: import('./scenario.js').Scenario, unknown: string[], error?: any } | null} */ #given = null
  /** @type {string[]} */ #done = []

  constructor () {
    super()
    /** @type {URLSearchParams | undefined} */ this.query = undefined
    /** @type {{ address: string, length: number, scenario: import('./scenario.js').Scenario } | null} */ this.link = null
    this.note = ''
    this.job = new Job(this)
  }

  willUpdate () {
    const text = this.query?.get(PARAMETER) ?? ''
    if (text === (this.#given?.text ?? '')) return
    this.#done = []
    this.#given = null
    if (!text) return
    try {
      this.#given = { text, ...decode(text) }
    } catch (error) {
      this.#given = { text, unknown: [], error }
    }
  }

  render () {
    return html`<p class="hint">${t('share.scenarioHint')}</p>
      ${this.#given ? this.#opened(this.#given) : ''}
      ${this.#done.length ? html`<ol class="done" aria-label=${t('share.done')}>${this.#done.map((line) => html`<li>${line}</li>`)}</ol>` : ''}
      ${this.job.view('scenario')}
      <div class="row"><button type="button" data-do="link" @click=${() => this.#make()}>${t('share.makeLink')}</button></div>
      ${this.link ? html`<div class="field link-field"><label for="scenario-link">${t('share.link', { length: this.link.length, max: TEXT_MAX })}</label>
        <div class="row"><input id="scenario-link" class="mono" readonly .value=${this.link.address} @focus=${(event) => event.target.select()}>
        <button type="button" @click=${() => copy(this.link.address)}>${t('copy.copy')}</button></div></div>
        ${this.#parts(this.link.scenario)}` : ''}
      <p class="note bad" role="status" data-note="link">${this.note}</p>`
  }

  /** @param {{ scenario?: import('./scenario.js').Scenario, unknown: string[], error?: any }} given */
  #opened ({ scenario, unknown, error }) {
    if (error) return html`<div class="hint-box wrong" role="alert" data-scenario="bad"><p class="bad"><b>${t('share.badLink')}</b> ${inWords(error)}</p></div>`
    const { size } = app.store.model.brokers
    const short = size < scenario.brokers && !app.source.can('addBroker')
    return html`<div class="hint-box" data-scenario="good"><h3>${t('share.carried')}</h3>${this.#parts(scenario)}
      ${unknown.length ? html`<p class="bad" role="alert" data-unknown>${t('share.unknown', { places: unknown.join(', ') })}</p>` : ''}
      ${short ? html`<p data-short>${t('share.short', { has: size, count: scenario.brokers })}</p>` : ''}
      <div class="row"><button type="button" class=${short ? '' : 'primary'} data-do="apply" ?disabled=${this.job.running || short} @click=${() => this.#apply(scenario)}>${t('share.apply', { cluster: app.source.name })}</button>
        <button type="button" class=${short ? 'primary' : ''} data-do="apply-new" ?disabled=${this.job.running} @click=${() => this.#applyNew(scenario)}>${t('share.applyNew', { count: scenario.brokers })}</button></div></div>`
  }

  /** @param {import('./scenario.js').Scenario} scenario */
  #parts ({ brokers, topics, generators, members, links, down }) {
    const part = (name, list) => list.length ? html`<dt>${t(`share.part.${name}`)}</dt><dd>${list.join(', ')}</dd>` : ''
    return html`<dl class="facts-list">${part('brokers', [String(brokers)])}
      ${part('topics', topics.map(({ topic, partitions }) => `${topic} (${t('share.partitionCount', { count: partitions })})`))}
      ${part('generators', generators.map(({ topic, rate }) => t('share.generates', { topic, rate })))}
      ${part('members', members.map(({ group, clientId }) => `${clientId} (${group})`))}
      ${part('links', links.map(fault))}
      ${part('down', down.map((id) => t('broker.name', { id })))}</dl>`
  }

  async #make () {
    this.note = ''
    try {
      const scenario = await present()
      const text = encode(scenario)
      const address = new URL(location.href)
      for (const name of [...address.searchParams.keys()]) if (name !== 'lang') address.searchParams.delete(name)
      address.hash = `#/share?${PARAMETER}=${text}`
      this.link = { address: address.href, length: text.length, scenario }
    } catch (error) {
      this.link = null
      this.note = error instanceof ScenarioError ? inWords(error) : explain(error)
    }
  }

  /** @param {import('./scenario.js').Scenario} scenario */
  async #apply (scenario) {
    const of = steps(scenario)
    this.#done = []
    if (app.demo.state === 'running') await app.demo.stop()
    await this.job.run(t('share.applying'), async ({ signal, progress }) => {
      await putOn(scenario, {
        signal,
        did: (key, params) => {
          const line = t(`share.did.${key}`, params)
          this.#done.push(line)
          progress(this.#done.length, of, line)
        }
      })
      return t('share.applied')
    }, { partly: () => t('share.partly', { done: this.#done.length, of }) })
  }

  /** A cluster of its own for it, in which it is put on by the button there. @param {import('./scenario.js').Scenario} scenario */
  async #applyNew (scenario) {
    const name = freeName(PARAMETER, await known())
    remember(name, { brokers: scenario.brokers, profile: 'lab' })
    location.assign(addressOf(name, location.hash))
  }
}
customElements.define('tabmq-scenario', ScenarioPanel)

/** @param {any} error */
function inWords (error) {
  if (!(error instanceof ScenarioError)) return explain(error)
  const { why, place, detail } = /** @type {any} */ (error)
  return t(`share.scenario.${why}`, { place, detail, max: TEXT_MAX })
}
