// Forms. What is wrong stands beside its field, in words, and what was typed stays.
//
//   form = new Form(this, { name: '', partitions: '6' }, {
//     name: (text) => text ? '' : t('form.needed'),
//     partitions: wholeNumber(1, 1000)
//   })
//   render () {
//     return html`<form novalidate @submit=${(event) => this.form.submit(event, (values) => this.create(values))}>
//       ${field(this.form, 'name', { label: t('topics.name') })}
//       ${field(this.form, 'partitions', { label: t('topics.partitions'), type: 'number', width: 6 })}
//       <button class="primary" ?disabled=${this.form.busy}>${t('topics.create')}</button> ${this.form.note()}
//     </form>`
//   }
//
// `work` gets all values (texts) and returns the sentence to show, or throws. An error with an `option` or a `field` that
// the form has is put beside that field; any other below the form.
import { html, nothing } from 'lit'
import { live } from 'lit/directives/live.js'
import { explain, number, t } from '../i18n/index.js'

/** @typedef {(value: any, values: Record<string, any>) => string} Rule '' when it is right, else what is wrong */

let forms = 0
let pressed = false
addEventListener('pointerdown', () => { pressed = true }, true)
for (const type of ['pointerup', 'pointercancel']) addEventListener(type, () => { pressed = false }, true)

/** Not between the press of a button and its release: what moves away meanwhile is not clicked. @param {() => void} show */
function released (show) {
  if (pressed) addEventListener('pointerup', () => setTimeout(show), { once: true })
  else show()
}

export class Form {
  #host
  #rules
  /** @type {{ text: () => string, tone: string } | null} */ #note = null
  id = `form-${++forms}`
  busy = false
  /** @type {Record<string, string>} */ errors = {}

  /** @param {{ requestUpdate: () => void }} host @param {Record<string, any>} values @param {Record<string, Rule>} [rules] */
  constructor (host, values, rules = {}) {
    this.#host = host
    this.#rules = rules
    this.values = { ...values }
  }

  /** @param {string} name @param {any} value */
  set (name, value) {
    this.values[name] = value
    // What is being repaired is judged at once, what is being typed for the first time is not.
    if (this.errors[name]) this.errors[name] = this.#judge(name)
    this.#host.requestUpdate()
  }

  /** @param {string} name */
  touch (name) {
    const error = this.#judge(name)
    if (error === (this.errors[name] ?? '')) return
    released(() => {
      this.errors[name] = this.#judge(name)
      this.#host.requestUpdate()
    })
  }

  /** Says something below the form. @param {string} text @param {''|'good'|'bad'} [tone] */
  say (text, tone = '') {
    this.#note = { text: () => text, tone }
    this.#host.requestUpdate()
  }

  /** @param {Event} event @param {(values: any) => Promise<string | void> | string | void} work */
  async submit (event, work) {
    event.preventDefault()
    if (this.busy) return
    for (const name of Object.keys(this.#rules)) this.errors[name] = this.#judge(name)
    const wrong = Object.keys(this.errors).find((name) => this.errors[name])
    this.#note = null
    if (wrong) {
      this.#host.requestUpdate()
      document.getElementById(`${this.id}-${wrong}`)?.focus()
      return
    }
    this.busy = true
    this.#host.requestUpdate()
    try {
      const said = await work({ ...this.values })
      if (said) this.#note = { text: () => said, tone: 'good' }
    } catch (error) {
      const name = error?.field ?? error?.option
      if (Object.hasOwn(this.values, name)) this.errors[name] = explain(error)
      else this.#note = { text: () => explain(error), tone: 'bad' }
    }
    this.busy = false
    this.#host.requestUpdate()
  }

  /** How it went, for screen readers too. @param {string} [name] for tests to find it: `data-note` */
  note (name = '') {
    return html`<p class="note ${this.#note?.tone ?? ''}" role="status" data-note=${name || nothing}>${this.#note?.text() ?? ''}</p>`
  }

  #judge (name) {
    return this.#rules[name]?.(this.values[name], this.values) ?? ''
  }
}

/**
 * @param {Form} form @param {string} name
 * @param {{ label: string, hint?: string, type?: 'text'|'number'|'checkbox'|'textarea'|'select', width?: number,
 *   options?: (string | { value: string, label: string })[], list?: string[], placeholder?: string, disabled?: boolean, mono?: boolean }} look
 *   width in characters; options of a select; list: what may be typed, as suggestions
 */
export function field (form, name, look) {
  const { label, hint, type = 'text', width, options = [], list, placeholder, disabled = false, mono = false } = look
  const id = `${form.id}-${name}`
  const error = form.errors[name] ?? ''
  const described = [hint && `${id}-hint`, error && `${id}-error`].filter(Boolean).join(' ') || nothing
  const value = form.values[name]
  const set = (event) => form.set(name, type === 'checkbox' ? event.target.checked : event.target.value)
  const invalid = error ? 'true' : nothing
  const control = () => {
    switch (type) {
      case 'checkbox': return html`<input type="checkbox" id=${id} name=${name} .checked=${live(Boolean(value))} ?disabled=${disabled}
        aria-describedby=${described} @change=${set}>`
      case 'textarea': return html`<textarea id=${id} name=${name} rows="4" class=${mono ? 'mono' : ''} .value=${live(value)} ?disabled=${disabled}
        aria-invalid=${invalid} aria-describedby=${described} placeholder=${placeholder ?? nothing} @input=${set} @blur=${() => form.touch(name)}></textarea>`
      case 'select': return html`<select id=${id} name=${name} ?disabled=${disabled} aria-invalid=${invalid} aria-describedby=${described} @change=${set}>
        ${options.map((option) => {
          const { value: own, label: words } = typeof option === 'string' ? { value: option, label: option } : option
          return html`<option value=${own} .selected=${own === value}>${words}</option>`
        })}</select>`
      default: return html`<input id=${id} name=${name} type="text" inputmode=${type === 'number' ? 'decimal' : 'text'} autocomplete="off" spellcheck="false"
        size=${width ?? 18} class="${mono ? 'mono' : ''} ${type}" .value=${live(String(value))} ?disabled=${disabled} placeholder=${placeholder ?? nothing}
        list=${list ? `${id}-list` : nothing} aria-invalid=${invalid} aria-describedby=${described} @input=${set} @blur=${() => form.touch(name)}>
        ${list ? html`<datalist id="${id}-list">${list.map((entry) => html`<option value=${entry}></option>`)}</datalist>` : ''}`
    }
  }
  return html`<div class="field ${type} ${error ? 'wrong' : ''}" data-field=${name}>
    <label for=${id}>${label}</label>${control()}
    ${hint ? html`<p class="hint" id="${id}-hint">${hint}</p>` : ''}
    ${error ? html`<p class="error" id="${id}-error" role="alert">${error}</p>` : ''}
  </div>`
}

/** A rule: a whole number from `min` to `max`. @param {number} min @param {number} max @returns {Rule} */
export const wholeNumber = (min, max) => (text) => {
  const value = Number(text)
  return String(text).trim() !== '' && Number.isInteger(value) && value >= min && value <= max ? '' : t('form.whole', { min: number(min), max: number(max) })
}

/** A rule: some text. @returns {Rule} */
export const needed = () => (text) => String(text).trim() === '' ? t('form.needed') : ''
