// Generators: a form to start one, and what each of them does.
import { html, nothing } from 'lit'
import { repeat } from 'lit/directives/repeat.js'
import { View } from '../../kit/view.js'
import { Form, field, wholeNumber } from '../../kit/field.js'
import { copyAs } from '../../kit/parts.js'
import { app } from '../../app.js'
import { bytes, duration, explain, number, t } from '../../i18n/index.js'
import { DEFAULTS, list, onGenerators, remove, start, stop } from '../../work/generators.js'
import { commandsOf } from '../../commands/index.js'
import { CODECS } from '../../commands/quoting.js'

const DISTRIBUTIONS = ['uniform', 'zipf', 'hot', 'none']
/** What a click puts into the form. @type {Record<string, Record<string, any>>} */
const PRESETS = {
  gentle: { rate: 20, distribution: 'uniform', keys: 10, producers: 1, size: 100, linger: 5, acks: '-1', compression: '0', idempotent: true, count: '' },
  hot: { rate: 1000, distribution: 'hot', keys: 100, producers: 1, size: 200, linger: 5, acks: '-1', compression: '0', idempotent: true, count: '' },
  fast: { rate: 50000, distribution: 'zipf', keys: 10000, producers: 2, size: 100, linger: 20, acks: '-1', compression: '0', idempotent: true, count: '' },
  million: { rate: 100000, distribution: 'uniform', keys: 1000, producers: 2, size: 50, linger: 20, acks: '-1', compression: '0', idempotent: true, count: 1000000 }
}
const topicRule = (text) => /^[A-Za-z0-9._-]{1,249}$/.test(text) && text !== '.' && text !== '..' ? '' : t('produce.wrongTopic')

class Generators extends View {
  static slices = ['topics', 'page']
  static properties = { chosen: {} }

  constructor () {
    super()
    /** The topic that the address names. */
    this.chosen = ''
    const given = Object.fromEntries(Object.entries({ ...DEFAULTS, ...PRESETS.gentle }).map(([name, value]) => [name, typeof value === 'number' ? String(value) : value]))
    this.form = new Form(this, given, {
      topic: topicRule,
      rate: wholeNumber(1, 1_000_000),
      keys: (text, { distribution }) => distribution === 'none' ? '' : wholeNumber(1, 1_000_000)(text, {}),
      size: wholeNumber(1, 900_000),
      producers: wholeNumber(1, 16),
      linger: wholeNumber(0, 60_000),
      batchSize: wholeNumber(1, 16 << 20),
      count: (text) => String(text).trim() === '' ? '' : wholeNumber(1, 1_000_000_000)(text, {}),
      idempotent: (on, { acks }) => on && acks !== '-1' ? t('produce.idempotentAcks') : ''
    })
  }

  connectedCallback () {
    super.connectedCallback()
    this.own(onGenerators(() => this.requestUpdate()))
  }

  willUpdate (changed) {
    if (changed.has('chosen') && this.chosen) this.form.values.topic = this.chosen
  }

  render () {
    const { form } = this
    const keyless = form.values.distribution === 'none'
    const advanced = ['linger', 'batchSize', 'idempotent', 'count'].some((name) => form.errors[name])
    return html`<section class="panel"><h2>${t('produce.generators')}</h2>
      <p class="hint">${t('produce.generatorsHint')}</p>
      <div class="row presets" role="group" aria-label=${t('produce.presets')}>${Object.keys(PRESETS).map((name) => html`<button type="button" data-preset=${name} @click=${() => this.#preset(name)}>${t(`produce.preset.${name}`)}</button>`)}</div>
      <form novalidate class="stacked" data-form="generator" @submit=${(event) => form.submit(event, (values) => this.#start(values))}>
        <div class="row">
          ${field(form, 'topic', { label: t('topics.topic'), width: 16, list: app.store.userTopics() })}
          ${field(form, 'rate', { label: t('produce.rate'), type: 'number', width: 8 })}
          ${field(form, 'size', { label: t('produce.size'), type: 'number', width: 7 })}
          ${field(form, 'distribution', { label: t('produce.distribution'), type: 'select', options: DISTRIBUTIONS.map((value) => ({ value, label: t(`produce.distribution.${value}`) })) })}
          ${field(form, 'keys', { label: t('produce.keys'), type: 'number', width: 8, disabled: keyless })}
          ${field(form, 'producers', { label: t('produce.producers'), type: 'number', width: 4 })}
          ${field(form, 'acks', { label: 'acks', type: 'select', options: [{ value: '-1', label: 'all' }, '1', '0'] })}
        </div>
        <details ?open=${advanced || nothing}><summary>${t('produce.more')}</summary><div class="row">
          ${field(form, 'linger', { label: 'linger.ms', type: 'number', width: 6 })}
          ${field(form, 'batchSize', { label: 'batch.size', type: 'number', width: 9 })}
          ${field(form, 'compression', { label: 'compression.type', type: 'select', options: Object.entries(CODECS).map(([value, label]) => ({ value, label })) })}
          ${field(form, 'idempotent', { label: 'enable.idempotence', type: 'checkbox' })}
          ${field(form, 'count', { label: t('produce.count'), type: 'number', width: 10, placeholder: t('produce.endless') })}
        </div></details>
        <div class="row"><button class="primary" ?disabled=${form.busy}>${t('produce.start')}</button>${copyAs(commandsOf([{ what: 'generate', given: [specOf(form.values)] }]))}</div>
      </form>
      ${form.note('generator')}
      <div class="workers">${repeat(list(), ({ id }) => id, (generator) => this.#card(generator))}</div>
    </section>`
  }

  #card ({ id, spec, state, error, figures }) {
    const runs = ['starting', 'running', 'stopping'].includes(state)
    const failure = error ?? figures?.error
    const figure = (name, value, tone = '') => html`<div class="figure"><dt>${t(`produce.figure.${name}`)}</dt><dd><b class=${tone} data-figure=${name}>${value}</b></dd></div>`
    return html`<article class="worker ${state}" data-generator=${id} aria-label=${t('produce.generator', { topic: spec.topic })}>
      <header class="row spread"><h3><a href="#/topics/${encodeURIComponent(spec.topic)}">${spec.topic}</a></h3><span class="state">${t(`work.${state}`)}</span></header>
      <p class="hint">${this.#inWords(spec)}</p>
      <dl class="figures">
        ${figure('rate', t('produce.perSecond', { rate: figures?.perSecond ?? 0 }))}
        ${figure('sent', number(figures?.sent ?? 0))}
        ${figure('acked', number(figures?.acked ?? 0))}
        ${figure('failed', number(figures?.failed ?? 0), figures?.failed ? 'bad' : '')}
        ${figure('latency', figures?.medianMs == null ? '–' : t('produce.latency', { median: duration(figures.medianMs), high: duration(figures.highMs) }))}
      </dl>
      ${spec.count ? html`<progress aria-label=${t('produce.progress')} max=${spec.count} .value=${figures?.sent ?? 0}></progress>` : ''}
      ${figures?.skipped ? html`<p class="note warn">${t('produce.skipped', { count: figures.skipped })}</p>` : ''}
      <p class="note bad" role="status">${failure ? explain(failure) : ''}</p>
      <div class="row">
        ${runs ? html`<button type="button" class="danger" data-do="stop" ?disabled=${state === 'stopping'} @click=${() => stop(id)}>${t('produce.stop')}</button>`
          : html`<button type="button" data-do="again" @click=${() => this.#again(id, spec)}>${t('produce.again')}</button>
            <button type="button" data-do="remove" @click=${() => remove(id)}>${t('produce.remove')}</button>`}
        ${copyAs(commandsOf([{ what: 'generate', given: [spec] }]))}
      </div></article>`
  }

  /** @param {import('../../work/generators.js').GeneratorSpec} spec */
  #inWords ({ rate, distribution, keys, size, producers, acks, linger, compression, idempotent }) {
    const parts = [
      t('produce.spec.rate', { rate, size: { bytes: size } }), t(`produce.spec.${distribution}`, { count: keys }), t('produce.spec.producers', { count: producers }),
      `acks=${acks === -1 ? 'all' : acks}`, `linger.ms=${linger}`
    ]
    if (compression) parts.push(CODECS[compression])
    if (!idempotent) parts.push(t('produce.spec.notIdempotent'))
    return parts.join(' · ')
  }

  #preset (name) {
    for (const [field, value] of Object.entries(PRESETS[name])) this.form.set(field, typeof value === 'number' ? String(value) : value)
  }

  async #start (values) {
    const spec = specOf(values)
    await start(spec)
    return t('produce.started', { topic: spec.topic, size: bytes(spec.rate * spec.size) })
  }

  async #again (id, spec) {
    await start(spec, id).catch((error) => this.form.say(explain(error), 'bad'))
  }
}
customElements.define('tabmq-generators', Generators)

/** @param {Record<string, any>} values @returns {import('../../work/generators.js').GeneratorSpec} */
function specOf (values) {
  const { topic, distribution, idempotent } = values
  const numbers = Object.fromEntries(['rate', 'count', 'keys', 'size', 'producers', 'acks', 'linger', 'batchSize', 'compression'].map((name) => [name, Number(values[name])]))
  return /** @type {any} */ ({ ...DEFAULTS, ...numbers, topic, distribution, idempotent })
}
