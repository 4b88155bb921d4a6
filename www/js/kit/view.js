// The base of everything drawn from the store. A view names the slices it draws from; it is drawn again after a frame in
// which one of them changed, and when the language changes - while it is on the page, and never otherwise.
//
//   class Example extends View {
//     static slices = ['topics']
//     render () { return html`<h1>${t('topics.title')}</h1>${app.store.userTopics()}` }
//   }
//   customElements.define('tabmq-example', Example)
//
// There is no shadow root: css/page.css is for all of it, and labels reach their fields wherever they are.
import { LitElement } from 'lit'
import { app } from '../app.js'
import { onLanguage } from '../i18n/index.js'

export class View extends LitElement {
  /** Of state/store.js. @type {string[]} */
  static slices = []
  /** Frequent slices need not be drawn in each frame. */
  static everyMs = 0

  /** @type {(() => void)[]} */
  #ends = []

  createRenderRoot () { return this }

  connectedCallback () {
    super.connectedCallback()
    const { slices, everyMs } = /** @type {typeof View} */ (this.constructor)
    if (slices.length && app.store) this.own(app.store.watch(slices, () => this.requestUpdate(), { everyMs }))
    this.own(onLanguage(() => this.requestUpdate()))
    // What was missed while it was away.
    this.requestUpdate()
  }

  disconnectedCallback () {
    super.disconnectedCallback()
    for (const end of this.#ends) end()
    this.#ends = []
  }

  /** Something to end when the view leaves the page. @param {() => void} end */
  own (end) {
    this.#ends.push(end)
  }
}
