// What happened lately, as charts with their figures beside them, and as a timeline in plain words.
import { html } from 'lit'
import { View } from '../../kit/view.js'
import { stamp } from '../../kit/parts.js'
import { app } from '../../app.js'
import { navigate, route } from '../../shell/router.js'
import { byteRate, bytes, duration, number, t } from '../../i18n/index.js'
import { SECONDS } from '../../state/history.js'
import { inWords } from '../../state/timeline.js'
import { KINDS, addressOf, filterOf, passes } from './filter.js'
import { Frames } from './frames.js'
import '../../kit/chart.js'
import '../storage.js'
import '../timeline.js'

const EVERY_MS = 1000
const WINDOWS = [60, 300, SECONDS]
/** As many as there are colours. */
const GROUPS_SHOWN = 8
const MARKS_LISTED = 6
const rate = (value) => t('watch.aSecond', { value: number(value, value < 10 ? 1 : 0) })

class Watch extends View {
  static slices = ['page', 'brokers', 'topics']
  static everyMs = EVERY_MS
  static properties = { param: {}, query: { attribute: false }, window: { state: true } }
  /** As of when the page was paused, or now. @type {Record<string, any>} */ #shown = {}
  #frames = new Frames(SECONDS)

  constructor () {
    super()
    /** @type {URLSearchParams | undefined} */ this.query = undefined
    /** Seconds. */
    this.window = WINDOWS[0]
  }

  connectedCallback () {
    super.connectedCallback()
    this.#frames.start()
    this.own(() => this.#frames.stop())
    const timer = setInterval(() => { if (!app.store.paused) this.requestUpdate() }, EVERY_MS)
    this.own(() => clearInterval(timer))
  }

  willUpdate (changed) {
    if (!app.store.paused || changed.has('window') || !this.#shown.flow) this.#shown = this.#read()
  }

  #read () {
    const { history } = app.store
    const groups = history.groups().slice(0, GROUPS_SHOWN)
    const read = (...series) => history.read(this.window, series)
    const [times] = read()
    // Frames are counted over seconds of their own, which end within those of the others.
    const frames = new Map(this.#frames.seconds.flatMap((one) => [[one.at, one], [one.at + 1, one]]))
    return {
      groups,
      flow: read('records'),
      bytes: read('bytesIn', 'replicated', ...this.#knowsOut() ? ['bytesOut'] : []),
      latency: read('p50', 'p95', 'p99'),
      lag: read(...groups.map((group) => ({ group }))),
      isr: read('underReplicated', 'isrChanges', 'elections'),
      stored: read('stored'),
      frames: [times, times.map((at) => frames.get(at)?.fps ?? null), times.map((at) => frames.get(at)?.longest ?? null)],
      marks: history.marks.filter(({ at }) => at / 1000 >= (times[0] ?? Infinity)).slice()
    }
  }

  #knowsOut () {
    return app.source.metrics() !== null
  }

  render () {
    const { flow, bytes: moved, latency, lag, isr, stored, frames, groups, marks } = this.#shown
    const drawn = marks.map(({ at, event, more }) => ({ at: at / 1000, label: said(event, more) }))
    const chart = (name, data, series) => html`<section class="panel" data-chart=${name}><tabmq-chart .title=${t(`watch.${name}`)} .data=${data} .series=${series} .marks=${drawn} .listed=${false}></tabmq-chart></section>`
    return html`<div class="head"><h1>${t('watch.title')}</h1><p class="lead">${t('watch.lead')}</p>
        <label>${t('watch.window')} <select name="window" @change=${(event) => { this.window = Number(event.target.value) }}>${WINDOWS.map((seconds) =>
          html`<option value=${seconds} .selected=${seconds === this.window}>${duration(seconds * 1000)}</option>`)}</select></label></div>
      <div class="watch-layout">
        <div class="charts">
          ${chart('records', flow, [{ label: t('watch.records.committed'), show: rate }])}
          ${chart('bytes', moved, [{ label: t('watch.bytes.in'), show: byteRate }, { label: t('watch.bytes.replicated'), show: byteRate },
            ...moved.length > 3 ? [{ label: t('watch.bytes.out'), show: byteRate }] : []])}
          ${chart('latency', latency, ['p50', 'p95', 'p99'].map((label) => ({ label, show: (ms) => duration(Number(ms.toPrecision(2))) })))}
          ${groups.length ? chart('lag', lag, groups.map((label) => ({ label, show: (value) => t('watch.lag.records', { count: Math.round(value) }) })))
            : html`<section class="panel" data-chart="lag"><h2>${t('watch.lag')}</h2><p class="note">${t('watch.lag.none')}</p></section>`}
          ${chart('isr', isr, [{ label: t('watch.isr.under') }, { label: t('watch.isr.changes'), show: rate }, { label: t('watch.isr.elections'), show: rate }])}
          ${chart('stored', stored, [{ label: t('watch.stored.all'), show: bytes }])}
          ${chart('frames', frames, [{ label: t('watch.frames.fps'), show: (value) => number(value) }, { label: t('watch.frames.longest'), show: (ms) => duration(ms) }])}
          <section class="panel"><h2>${t('storage.title')}</h2><tabmq-storage></tabmq-storage></section>
        </div>
        <div class="watch-side">
          <section class="panel"><h2>${t('watch.marks')}</h2>${marks.length ? html`<ol class="marks">${marks.slice(-MARKS_LISTED).reverse().map(({ at, event, more }) => html`
            <li class=${inWords(event).tone}>${stamp(at)} ${said(event, more)}</li>`)}</ol>`
            : html`<p class="note">${t('watch.marks.none')}</p>`}</section>
          <section class="panel"><h2>${t('timeline.title')}</h2>${this.#filters()}<tabmq-timeline .filter=${passes(filterOf(this.query))}></tabmq-timeline></section>
        </div>
      </div>`
  }

  #filters () {
    const filter = filterOf(this.query)
    // From the address as it is: another choice may not be drawn yet.
    const choose = (name) => (event) => navigate(addressOf({ ...filterOf(route().query), [name]: event.target.value }))
    // What the address names may be gone; it is still what is shown.
    const of = (list, value) => value && !list.includes(value) ? [...list, value] : list
    const select = (name, label, options) => html`<label>${label} <select name=${name} @change=${choose(name)}><option value="">${t('watch.all')}</option>${options.map(([value, text]) =>
      html`<option value=${value} .selected=${value === filter[name]}>${text}</option>`)}</select></label>`
    const brokers = of(app.store.brokers().map(({ id }) => String(id)), filter.broker)
    const topics = of([...app.store.model.topics.keys()].sort(), filter.topic)
    return html`<div class="row" data-filter>${select('kind', t('watch.kind'), Object.keys(KINDS).map((kind) => [kind, t(`watch.kind.${kind}`)]))}
      ${select('broker', t('watch.broker'), brokers.map((id) => [id, t('broker.name', { id })]))}
      ${select('topic', t('watch.topic'), topics.map((topic) => [topic, topic]))}</div>`
  }
}
customElements.define('tabmq-watch', Watch)

/** An event in a line, with how many others like it came with it. @param {any} event @param {number} more */
function said (event, more) {
  const { key, params } = inWords(event)
  const line = event.broker === null ? t(key, params) : `${t('broker.name', { id: event.broker })} ${t(key, params)}`
  return more ? t('watch.andMore', { line, more }) : line
}
