// What happened, newest first, in plain words; each event linked to what it concerns.
import { html } from 'lit'
import { repeat } from 'lit/directives/repeat.js'
import { View } from '../kit/view.js'
import { app } from '../app.js'
import { rich, t, time } from '../i18n/index.js'
import { concerns, hrefOf, inWords } from '../state/timeline.js'

/** A broker that is back brings a change of the ISR for each of its partitions: so many at once are one line. */
const MERGED_MIN = 4
const MERGED_WITHIN_MS = 2000

/** @typedef {{ event: any, words: import('../state/timeline.js').Words }} Line */

class Timeline extends View {
  static slices = ['timeline', 'page']
  static properties = { shown: { attribute: false }, filter: { attribute: false } }

  constructor () {
    super()
    /** How many, at most. */
    this.shown = 200
    /** @type {(event: any) => boolean} */ this.filter = () => true
  }

  render () {
    const { timeline, paused, heldBack } = app.store
    /** @type {Line[][]} Each is drawn as one line, or as one each. */
    const lines = []
    // What came during a pause waits behind it.
    for (let index = timeline.length - 1 - (paused ? heldBack : 0); index >= 0 && lines.length < this.shown; index--) {
      const event = timeline[index]
      const words = this.filter(event) ? inWords(event) : null
      if (!words) continue
      if (goesWith(lines.at(-1), event, words)) lines.at(-1).push({ event, words })
      else lines.push([{ event, words }])
    }
    if (lines.length === 0) return html`<p class="note">${t('timeline.empty')}</p>`
    return html`<ol class="timeline" tabindex="0" aria-label=${t('timeline.label')}>${repeat(
      lines.flatMap((run) => run.length < MERGED_MIN ? run.map((line) => [line]) : [run]), ([{ event }]) => event, (run) => html`
      <li><time>${time(run[0].event.at, true)}</time>${who(run[0].event)}${run.length > 1 ? merged(run) : what(run[0])}</li>`)}
    </ol>`
  }
}
customElements.define('tabmq-timeline', Timeline)

/** Newest first: `event` came just before the last of the run. @param {Line[] | undefined} run @param {any} event @param {Line['words']} words */
function goesWith (run, event, words) {
  const { event: last, words: before } = run?.at(-1) ?? {}
  return words.key === 'event.isr' && before?.key === words.key && last.broker === event.broker && last.at - event.at <= MERGED_WITHIN_MS
}

/** @param {Line} line */
const what = ({ event, words }) => html`<span class="what ${words.tone}">${rich(words.key, linked(event, words.params))}</span>`

/** @param {Line[]} run */
function merged (run) {
  const topics = [...new Set(run.map(({ event }) => event.topic))].sort().join(', ')
  return html`<details class="what"><summary>${t('event.isrs', { count: run.length, topics })}</summary>${run.map((line) => html`<div>${what(line)}</div>`)}</details>`
}

/** @param {any} event */
function who ({ broker }) {
  if (broker === null) return html`<span class="who">${t('timeline.tabs')}</span>`
  return html`<a class="who" href=${hrefOf({ kind: 'broker', id: broker })}>${t('broker.name', { id: broker })}</a>`
}

/** The names in a sentence as links. */
function linked (event, params) {
  const links = { ...params }
  for (const concern of concerns(event)) {
    const link = (text) => html`<a href=${hrefOf(concern)}>${text}</a>`
    if (concern.kind === 'topic' && params.place !== undefined) links.place = link(params.place)
    if (concern.kind === 'topic' && params.topic !== undefined) links.topic = link(params.topic)
    if (concern.kind === 'group') links.group = link(params.group)
    if (concern.kind === 'link') links.to = link(params.to)
  }
  for (const name of ['leader', 'id']) {
    const broker = params[name]
    if (typeof broker === 'number' && app.store.model.brokers.has(broker)) {
      links[name] = html`<a href=${hrefOf({ kind: 'broker', id: broker })}>${broker}</a>`
    }
  }
  return links
}
