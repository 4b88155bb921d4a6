// The editor: CodeMirror, loaded when it is first shown. It lives in a shadow root, where it can have its styles as a sheet; in
// the page it would add a <style>, which the CSP forbids. Until it is there, or when it can't be had, a plain text field does.
//
//   html`<tabmq-editor label=${t('code.editor')} .value=${code} .wrong=${line} @input=${…} @run=${…}></tabmq-editor>`
import { html } from 'lit'
import { View } from '../../kit/view.js'

/** Colours are the page's: a shadow root inherits its custom properties. */
const LOOK = {
  '&': { backgroundColor: 'var(--sunken)', color: 'var(--ink)', fontSize: '.9rem', borderRadius: 'var(--radius-small)', border: '1px solid var(--line)' },
  '&.cm-focused': { outline: '2px solid var(--accent)', outlineOffset: '1px' },
  '.cm-content': { fontFamily: 'var(--mono)', padding: '10px 0', minHeight: '18rem', caretColor: 'var(--ink)' },
  '.cm-gutters': { backgroundColor: 'var(--sunken)', color: 'var(--soft)', border: '0' },
  '.cm-activeLine, .cm-activeLineGutter': { backgroundColor: 'color-mix(in srgb, var(--accent) 8%, transparent)' },
  '.cm-scroller': { overflow: 'auto', maxHeight: '70vh' },
  '&.cm-focused .cm-selectionBackground, .cm-selectionBackground': { backgroundColor: 'color-mix(in srgb, var(--accent) 28%, transparent)' },
  '&.cm-focused .cm-cursor': { borderLeftColor: 'var(--ink)' },
  '.cm-wrong': { backgroundColor: 'var(--bad-soft)', boxShadow: 'inset 3px 0 var(--bad)' }
}

class Editor extends View {
  static properties = { label: {}, value: { attribute: false }, wrong: { attribute: false } }
  /** @type {any} */ #view = null
  /** @type {any} */ #mirror = null
  /** @type {any} */ #mark = null

  constructor () {
    super()
    this.label = ''
    this.value = ''
    /** The line that failed, from 1. @type {number | null} */ this.wrong = null
  }

  /** The line where the code stops being JavaScript; null when it does not, or nobody knows. @returns {number | null} */
  syntaxErrorLine () {
    if (!this.#view) return null
    const { state } = this.#view
    let found = null
    this.#mirror.syntaxTree(state).iterate({ enter: (node) => { if (node.type.isError && found === null) found = state.doc.lineAt(node.from).number } })
    return found
  }

  /** @param {number} line from 1 */
  goTo (line) {
    if (!this.#view) return
    const { doc } = this.#view.state
    this.#view.dispatch({ selection: { anchor: doc.line(Math.min(line, doc.lines)).from }, scrollIntoView: true })
    this.#view.focus()
  }

  render () {
    return html`${this.#view ? '' : html`<textarea class="mono plain" rows="18" spellcheck="false" aria-label=${this.label} .value=${this.value}
      @input=${(event) => { event.stopPropagation(); this.#typed(event.target.value) }}></textarea>`}<div class="mirror"></div>`
  }

  async firstUpdated () {
    /** @type {typeof import('codemirror-bundle')} */
    const mirror = await import('codemirror-bundle')
    const { Decoration, EditorState, EditorView, HighlightStyle, StateEffect, StateField, tags } = mirror
    this.#mirror = mirror
    this.#mark = StateEffect.define()
    const marked = StateField.define({
      create: () => Decoration.none,
      update: (marks, transaction) => {
        const given = transaction.effects.find((effect) => effect.is(this.#mark))
        if (given) return given.value === null || given.value > transaction.state.doc.lines ? Decoration.none : Decoration.set([Decoration.line({ class: 'cm-wrong' }).range(transaction.state.doc.line(given.value).from)])
        return transaction.docChanged ? Decoration.none : marks
      },
      provide: (field) => EditorView.decorations.from(field)
    })
    const style = HighlightStyle.define([
      { tag: [tags.keyword, tags.operatorKeyword, tags.controlKeyword, tags.modifier], color: 'var(--series-4)' },
      { tag: [tags.string, tags.special(tags.string), tags.regexp], color: 'var(--good)' },
      { tag: [tags.number, tags.bool, tags.null], color: 'var(--series-3)' },
      { tag: [tags.comment], color: 'var(--soft)', fontStyle: 'italic' },
      { tag: [tags.function(tags.variableName), tags.function(tags.propertyName)], color: 'var(--accent)' }
    ])
    const root = /** @type {HTMLElement} */ (this.querySelector('.mirror')).attachShadow({ mode: 'open' })
    this.#view = new EditorView({
      root,
      parent: root,
      state: EditorState.create({
        doc: this.value,
        extensions: [
          mirror.lineNumbers(), mirror.history(), mirror.drawSelection(), mirror.highlightActiveLine(), mirror.indentOnInput(), mirror.bracketMatching(),
          mirror.javascript(), mirror.syntaxHighlighting(style), marked, EditorView.lineWrapping, EditorView.theme(LOOK),
          // Tab leaves the editor, as it leaves everything else.
          mirror.keymap.of([{ key: 'Mod-Enter', run: () => { this.dispatchEvent(new CustomEvent('run')); return true } }, ...mirror.defaultKeymap, ...mirror.historyKeymap]),
          EditorView.contentAttributes.of({ 'aria-label': this.label, 'data-editor': 'code' }),
          EditorView.updateListener.of((update) => { if (update.docChanged) this.#typed(update.state.doc.toString()) })
        ]
      })
    })
    this.requestUpdate()
  }

  updated (changed) {
    if (!this.#view) return
    const text = this.#view.state.doc.toString()
    if (changed.has('value') && this.value !== text) this.#view.dispatch({ changes: { from: 0, to: text.length, insert: this.value } })
    if (changed.has('wrong')) this.#view.dispatch({ effects: this.#mark.of(this.wrong) })
  }

  #typed (text) {
    if (text === this.value) return
    this.value = text
    this.dispatchEvent(new CustomEvent('typed', { detail: text }))
  }
}
customElements.define('tabmq-editor', Editor)
