// A chart, with its figures as text beside it. uPlot is loaded when the first one is drawn.
//
//   html`<tabmq-chart title=${t('watch.title')} .series=${[{ label: t('topics.records'), show: byteRate }]}
//     .data=${[seconds, written]}></tabmq-chart>`
//
// data: the times (seconds since the epoch), then the values of each series, as lists or typed arrays of one length; give
// a new outer list to have it drawn. `marks`: `{ at, label }` of events, drawn as lines and listed below, unless `listed` is
// false because the view lists them for several charts.
import { html } from 'lit'
import { ref, createRef } from 'lit/directives/ref.js'
import { View } from './view.js'
import { number, t, time } from '../i18n/index.js'

/** Figures are whole: between 0 and 1 there is nothing to mark. */
const WHOLE_STEPS = Array.from({ length: 13 }, (_, power) => [1, 2, 5].map((step) => step * 10 ** power)).flat()
/** Seconds between two times below a chart. */
const TIME_STEPS = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 1800, 3600, 7200, 21600, 86400]

/** @typedef {{ label: string, show?: (value: number) => string }} Series */

class Chart extends View {
  static properties = { title: {}, series: { attribute: false }, data: { attribute: false }, marks: { attribute: false }, listed: { attribute: false }, height: { type: Number } }
  #holder = createRef()
  /** @type {any} */ #plot = null
  #drawnAs = ''

  constructor () {
    super()
    this.title = ''
    /** @type {Series[]} */ this.series = []
    /** @type {any} */ this.data = [[]]
    /** @type {{ at: number, label: string }[]} at: seconds since the epoch */ this.marks = []
    this.listed = true
    this.height = 160
  }

  connectedCallback () {
    super.connectedCallback()
    const observer = new ResizeObserver(() => this.#size())
    observer.observe(this)
    const scheme = matchMedia('(prefers-color-scheme: dark)')
    const recolour = () => { this.#drawnAs = ''; this.requestUpdate() }
    scheme.addEventListener('change', recolour)
    document.addEventListener('tabmq-theme', recolour)
    this.own(() => {
      observer.disconnect()
      scheme.removeEventListener('change', recolour)
      document.removeEventListener('tabmq-theme', recolour)
      this.#plot?.destroy()
      this.#plot = null
      this.#drawnAs = ''
    })
  }

  render () {
    const last = this.data[0].length - 1
    return html`<figure class="chart"><figcaption>${this.title}</figcaption>
      <div class="plot" aria-hidden="true" ${ref(this.#holder)}></div>
      <dl class="figures">${this.series.map(({ label, show = number }, index) => {
        const values = this.data[index + 1] ?? []
        let max = 0
        for (let n = 0; n < values.length; n++) max = Math.max(max, values[n] ?? 0)
        return html`<div class="figure series-${index + 1}"><dt>${label}</dt><dd><b>${values[last] === undefined || values[last] === null ? '–' : show(values[last])}</b>
          <span>${t('chart.highest', { value: show(max) })}</span></dd></div>`
      })}</dl>
      ${this.listed && this.marks.length ? html`<ul class="marks">${this.marks.map(({ at, label }) => html`<li><time>${time(at * 1000)}</time> ${label}</li>`)}</ul>` : ''}
    </figure>`
  }

  async updated () {
    const as = JSON.stringify([this.series.map(({ label }) => label), this.height])
    if (as === this.#drawnAs && this.#plot) {
      this.#plot.setData(this.data)
      return
    }
    this.#drawnAs = as
    const { default: UPlot } = await import('uplot')
    const holder = /** @type {HTMLElement} */ (this.#holder.value)
    if (!holder?.isConnected || as !== this.#drawnAs) return
    this.#plot?.destroy()
    const style = getComputedStyle(this)
    const colour = (name) => style.getPropertyValue(name).trim()
    const axis = { stroke: colour('--soft'), grid: { stroke: colour('--line'), width: 1 }, ticks: { show: false }, font: `11px ${style.fontFamily}` }
    const show = this.series[0]?.show ?? number
    this.#plot = new UPlot({
      width: holder.clientWidth || 320,
      height: this.height,
      legend: { show: false },
      cursor: { y: false },
      scales: { y: { range: (_, __, max) => [0, max > 0 ? max * 1.1 : 1] } },
      axes: [{ ...axis, size: 28, space: 64, incrs: TIME_STEPS, values: (_, ticks) => ticks.map((at) => time(at * 1000)) }, { ...axis, size: (_, labels) => axisWidth(labels), incrs: WHOLE_STEPS, values: (_, ticks) => ticks.map((value) => show(value)) }],
      series: [{}, ...this.series.map(({ label }, index) => ({ label, stroke: colour(`--series-${index + 1}`), width: 1.5, points: { show: false } }))],
      hooks: { draw: [(plot) => this.#mark(plot, colour('--bad'))] }
    }, this.data, holder)
  }

  #mark (plot, colour) {
    const { ctx, bbox } = plot
    ctx.save()
    ctx.strokeStyle = colour
    ctx.setLineDash([4, 4])
    for (const { at } of this.marks) {
      const x = Math.round(plot.valToPos(at, 'x', true))
      if (x < bbox.left || x > bbox.left + bbox.width) continue
      ctx.beginPath()
      ctx.moveTo(x, bbox.top)
      ctx.lineTo(x, bbox.top + bbox.height)
      ctx.stroke()
    }
    ctx.restore()
  }

  #size () {
    const holder = /** @type {HTMLElement | undefined} */ (this.#holder.value)
    if (this.#plot && holder?.clientWidth) this.#plot.setSize({ width: holder.clientWidth, height: this.height })
  }
}
customElements.define('tabmq-chart', Chart)

/** As wide as its labels are. @param {string[] | null} labels */
const axisWidth = (labels) => Math.max(48, 16 + 6.5 * Math.max(0, ...(labels ?? []).map(({ length }) => length)))
