// How far a group is behind: a line a partition over the last minutes, with what happened marked on it, and the figures now.
import { html } from 'lit'
import { View } from '../../kit/view.js'
import { emptyState } from '../../kit/parts.js'
import { app } from '../../app.js'
import { number, t } from '../../i18n/index.js'
import { historyOf, marksOf, placesOf } from '../../state/lag.js'
import '../../kit/chart.js'
import '../../kit/table.js'

/** Lines that can be told apart: the whole, and the partitions furthest behind. */
const PARTITIONS_SHOWN = 7
const EVERY_MS = 1000
const MARKS_SHOWN = 8
/** What led to the first sample is told, too. */
const BEFORE_S = 30
/** Events of one moment are one mark. */
const MARK_MS = 1500

class LagPanel extends View {
  static slices = ['commits', 'progress', 'groups', 'page']
  static everyMs = EVERY_MS
  static properties = { group: {}, owners: { attribute: false } }

  constructor () {
    super()
    this.group = ''
    /** Who has which partition, by `topic-partition`. @type {Map<string, string>} */ this.owners = new Map()
  }

  connectedCallback () {
    super.connectedCallback()
    // A group that stands still falls behind all the same.
    const timer = setInterval(() => { if (!app.store.paused) this.requestUpdate() }, EVERY_MS)
    this.own(() => clearInterval(timer))
  }

  render () {
    const places = placesOf(this.group)
    if (places.length === 0) return emptyState(t('groups.noCommits'))
    const history = historyOf(this.group)
    const names = [...history.places.keys()].sort((a, b) => most(history.places.get(b)) - most(history.places.get(a))).slice(0, PARTITIONS_SHOWN).sort()
    const series = [{ label: t('groups.total') }, ...names.map((label) => ({ label }))]
    const data = [history.at.slice(), history.total.slice(), ...names.map((name) => history.places.get(name).slice())]
    return html`${history.at.length > 1 ? html`<tabmq-chart .title=${t('groups.lagOverTime')} .series=${series} .data=${data} .marks=${this.#marks(history.at[0] - BEFORE_S)} .height=${200}></tabmq-chart>`
      : html`<p class="hint">${t('groups.gathering')}</p>`}
      <tabmq-table .label=${t('groups.lagPerPartition')} .rows=${places} .key=${({ topic, partition }) => `${topic}-${partition}`} .columns=${[
        { id: 'place', label: t('topics.partition'), value: ({ topic, partition }) => `${topic}-${partition}`, cell: ({ topic, partition }) => html`<a href="#/topics/${encodeURIComponent(topic)}?partition=${partition}">${topic}-${partition}</a>` },
        { id: 'committed', label: t('groups.committed'), value: ({ committed }) => committed ?? -1, number: true, cell: ({ committed }) => committed === null ? '–' : number(committed) },
        { id: 'end', label: t('topics.highWatermark'), value: ({ end }) => end, number: true },
        { id: 'lag', label: t('groups.lag'), title: t('groups.lagTitle'), value: ({ lag }) => lag ?? -1, number: true, cell: ({ lag }) => lag === null ? '–' : html`<b data-lag>${number(lag)}</b>` },
        { id: 'owner', label: t('groups.owner'), value: (place) => this.owners.get(`${place.topic}-${place.partition}`) ?? '', cell: (place) => this.owners.get(`${place.topic}-${place.partition}`) ?? html`<span class="hint">${t('groups.nobody')}</span>` }
      ]}></tabmq-table>`
  }

  /** What happened to the group, and what was done to it. @param {number} from seconds since the epoch */
  #marks (from) {
    const { timeline, paused, heldBack } = app.store
    const shown = timeline.slice(0, timeline.length - (paused ? heldBack : 0))
    const told = shown.filter((event) => event.type === 'groupState' && event.group === this.group).map(({ at, state, generation, members }) =>
      ({ at, label: t('groups.mark.state', { state, generation, count: members.length }), own: false }))
    const own = marksOf(this.group).map(({ at, key, params }) => ({ at, label: t(`groups.mark.${key}`, params), own: true }))
    const marks = []
    for (const mark of [...told, ...own].filter(({ at }) => at / 1000 >= from).sort((a, b) => a.at - b.at)) {
      const last = marks.at(-1)
      // A rebalance is many states within a moment: the last one counts.
      if (last && !last.own && !mark.own && mark.at - last.begun < MARK_MS) last.label = mark.label
      else marks.push({ ...mark, at: mark.at / 1000, begun: mark.at })
    }
    return marks.slice(-MARKS_SHOWN)
  }
}
customElements.define('tabmq-lag', LagPanel)

const most = (values) => Math.max(0, ...values.map((value) => value ?? 0))
