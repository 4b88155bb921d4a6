// Code of one's own against the cluster that is open: an editor, snippets to begin with, and what the code says beside it.
import { html, nothing } from 'lit'
import { View } from '../kit/view.js'
import { stamp } from '../kit/parts.js'
import { app } from '../app.js'
import { t } from '../i18n/index.js'
import { store, stored } from '../shell/settings.js'
import { runner } from './code/runner.js'
import { SNIPPETS } from './code/snippets.js'
import './code/editor.js'

/** What is drawn of the output, a few times a second at most. */
const DRAW_EVERY_MS = 100

class Code extends View {
  static slices = ['page']
  static properties = { param: {}, query: { attribute: false }, chosen: { state: true } }
  #timer = 0
  #follow = true
  /** Held by a pause. @type {import('./code/runner.js').Line[]} */ #shown = []

  constructor () {
    super()
    const chosen = stored('code.chosen')
    this.chosen = SNIPPETS.some(({ id }) => id === chosen) ? chosen : SNIPPETS[0].id
  }

  connectedCallback () {
    super.connectedCallback()
    this.own(runner.onChange(() => { this.#timer ||= window.setTimeout(() => { this.#timer = 0; this.requestUpdate() }, DRAW_EVERY_MS) }))
    this.own(() => { clearTimeout(this.#timer); this.#timer = 0 })
  }

  get #original () { return SNIPPETS.find(({ id }) => id === this.chosen).code }
  get #code () { return stored(`code.${this.chosen}`) ?? this.#original }

  render () {
    if (!app.store.paused || runner.lines.length === 0) this.#shown = runner.lines
    const { state, busy, open } = runner
    return html`<div class="head"><h1>${t('code.title')}</h1><p class="lead">${t('code.lead')}</p></div>
      <div class="code-layout">
        <section class="panel">
          <div class="row">
            <label>${t('code.snippet')} <select name="snippet" @change=${(event) => this.#choose(event.target.value)}>${SNIPPETS.map(({ id }) =>
              html`<option value=${id} .selected=${id === this.chosen}>${t(`code.snippet.${id}`)}</option>`)}</select></label>
            ${busy ? html`<button type="button" class="danger" data-do="stop" ?disabled=${state === 'stopping'} @click=${() => runner.stop()}>${t('code.stop')}</button>`
              : html`<button type="button" class="primary" data-do="run" title=${t('code.runKey')} @click=${() => this.#run()}>${t('code.run')}</button>`}
            ${this.#code === this.#original ? '' : html`<button type="button" class="quiet" data-do="reset" @click=${() => this.#reset()}>${t('code.reset')}</button>`}
            <span class="note" role="status" data-state=${state}>${t(`code.state.${state}`)}${open.length ? ` ${t('code.open', { clients: counted(open) })}` : ''}</span>
          </div>
          <tabmq-editor .label=${t('code.editor')} .value=${this.#code} .wrong=${runner.failedAt} @typed=${(event) => { store(`code.${this.chosen}`, event.detail); this.requestUpdate() }} @run=${() => this.#run()}></tabmq-editor>
          <p class="hint">${t('code.hint')}</p>
        </section>
        <section class="panel"><div class="row spread"><h2>${t('code.output')}</h2><button type="button" class="quiet" ?disabled=${this.#shown.length === 0} @click=${() => runner.clear()}>${t('code.clear')}</button></div>
          <div class="output mono" tabindex="0" role="log" aria-label=${t('code.output')} @scroll=${(event) => { const { scrollTop, scrollHeight, clientHeight } = event.target; this.#follow = scrollHeight - scrollTop - clientHeight < 40 }}>
            <ol>${runner.dropped ? html`<li class="note">${t('code.dropped', { count: runner.dropped })}</li>` : ''}
            ${this.#shown.map(({ at, level, text, line }) => html`<li class=${level}>${stamp(at)}<span>${line ? html`<button type="button" class="quiet at" data-line=${line} @click=${() => this.#editor.goTo(line)}>${t('code.line', { line: String(line) })}</button> ` : nothing}${text}</span></li>`)}
            </ol></div></section>
      </div>`
  }

  get #editor () { return /** @type {any} */ (this.querySelector('tabmq-editor')) }

  updated () {
    const output = this.querySelector('.output')
    if (this.#follow && output) output.scrollTop = output.scrollHeight
  }

  #run () {
    this.#follow = true
    runner.run(this.#code, () => this.#editor?.syntaxErrorLine() ?? null)
    this.requestUpdate()
  }

  #choose (id) {
    this.chosen = id
    store('code.chosen', id)
    runner.failedAt = null
  }

  #reset () {
    store(`code.${this.chosen}`, this.#original)
    this.requestUpdate()
  }
}
customElements.define('tabmq-code', Code)

/** `2 × consumer, producer` @param {string[]} kinds */
function counted (kinds) {
  return [...new Set(kinds)].map((kind) => {
    const count = kinds.filter((one) => one === kind).length
    return count > 1 ? `${count} × ${kind}` : kind
  }).join(', ')
}
