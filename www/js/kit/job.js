// Long work, with progress and an end to it.
//
//   job = new Job(this)
//   start () {
//     return this.job.run(t('produce.importing', { topic }), async ({ signal, progress }) => {
//       await app.source.cluster.importTopic(topic, files, { signal, onProgress: ({ bytes, of }) => progress(bytes, of, t(…)) })
//       return t('produce.imported', { topic })             // what to say at the end
//     })
//   }
//   render () { return html`… ${this.job.view()}` }
//
// Cancelling aborts `signal`; work that ends by it is told as cancelled, with what `partly()` says was done.
import { html, nothing } from 'lit'
import { explain, t } from '../i18n/index.js'

export class Job {
  #host
  #title = ''
  #done = 0
  #of = 0
  #abort = new AbortController()
  /** @type {{ text: string, tone: string }} */ #note = { text: '', tone: '' }
  running = false

  /** @param {{ requestUpdate: () => void }} host */
  constructor (host) {
    this.#host = host
  }

  /**
   * @param {string} title
   * @param {(tools: { signal: AbortSignal, progress: (done: number, of: number, text?: string) => void }) => Promise<string | void>} work
   * @param {{ partly?: () => string }} [options] partly: what was done until it failed or was cancelled
   */
  async run (title, work, { partly = () => '' } = {}) {
    if (this.running) return false
    this.running = true
    this.#abort = new AbortController()
    this.#title = title
    this.#done = 0
    this.#of = 0
    this.say(title)
    const { signal } = this.#abort
    try {
      const said = await work({
        signal,
        progress: (done, of, text) => {
          this.#done = done
          this.#of = of
          if (text !== undefined && !signal.aborted) this.#note = { text, tone: '' }
          this.#host.requestUpdate()
        }
      })
      signal.throwIfAborted()
      this.#note = { text: said || '', tone: 'good' }
      return true
    } catch (error) {
      this.#note = signal.aborted
        ? { text: `${t('job.cancelled')} ${partly()}`.trim(), tone: '' }
        : { text: `${explain(error)} ${partly()}`.trim(), tone: 'bad' }
      return false
    } finally {
      this.running = false
      this.#host.requestUpdate()
    }
  }

  cancel () {
    this.#abort.abort()
    this.say(t('job.cancelling'))
  }

  /** @param {string} text @param {''|'good'|'bad'} [tone] */
  say (text, tone = '') {
    this.#note = { text, tone }
    this.#host.requestUpdate()
  }

  /** The bar, the button, and how it went. @param {string} [name] for tests: `data-note` */
  view (name = '') {
    return html`<div class="job ${this.running ? 'running' : ''}">
      ${this.running ? html`<progress aria-label=${this.#title} max=${this.#of || 1} value=${this.#of ? this.#done : nothing}></progress>
        <button type="button" class="danger" @click=${() => this.cancel()}>${t('job.cancel')}</button>` : ''}
      <p class="note ${this.#note.tone}" role="status" data-note=${name || nothing}>${this.#note.text}</p>
    </div>`
  }
}
