// `<div ${css({ left: '10px' })}>`: styles of an element that are computed. lit's own styleMap writes a style attribute
// first, which a strict CSP forbids.
import { noChange } from 'lit'
import { Directive, directive } from 'lit/directive.js'

export const css = directive(class extends Directive {
  /** @type {Set<string>} */ #set = new Set()

  /** @param {Record<string, string>} styles by CSS's names */
  render (styles) { return noChange }

  /** @param {any} part @param {[Record<string, string>]} styles */
  update (part, [styles]) {
    const { style } = part.element
    for (const name of this.#set) if (!Object.hasOwn(styles, name)) style.removeProperty(name)
    for (const [name, value] of Object.entries(styles)) style.setProperty(name, value)
    this.#set = new Set(Object.keys(styles))
    return noChange
  }
})
