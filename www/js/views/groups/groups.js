// Consumer groups: all of them, or the one that the address names (`#/groups/readers`).
import { html } from 'lit'
import { View } from '../../kit/view.js'
import { emptyState } from '../../kit/parts.js'
import { app } from '../../app.js'
import { number, t } from '../../i18n/index.js'
import { begin, lagOf, placesOf } from '../../state/lag.js'
import { list, onMembers } from '../../work/members.js'
import '../../kit/table.js'
import './group.js'
import './member-form.js'

class Groups extends View {
  static slices = ['groups', 'commits', 'progress', 'topics', 'page']
  static everyMs = 500
  static properties = { param: {}, query: { attribute: false } }

  constructor () {
    super()
    /** The group; '' for all. */
    this.param = ''
  }

  connectedCallback () {
    super.connectedCallback()
    begin()
    this.own(onMembers(() => { if (!this.param) this.requestUpdate() }))
  }

  render () {
    if (this.param) return html`<tabmq-group .group=${this.param}></tabmq-group>`
    const here = new Map()
    for (const { spec, state } of list()) if (state === 'running') here.set(spec.group, (here.get(spec.group) ?? 0) + 1)
    const rows = [...app.store.model.groups].map(([id, { state, generation, members }]) => ({
      id, state, generation, members: members.length, lag: lagOf(id), here: here.get(id) ?? 0,
      topics: [...new Set(placesOf(id).map(({ topic }) => topic))].join(', ')
    }))
    return html`<div class="head"><h1>${t('groups.title')}</h1><p class="lead">${t('groups.lead')}</p></div>
      <section class="panel"><h2>${t('groups.all')}</h2><tabmq-table .label=${t('groups.title')} .rows=${rows} .key=${(row) => row.id} .columns=${[
        { id: 'id', label: t('groups.group'), value: (row) => row.id, cell: (row) => html`<a href="#/groups/${encodeURIComponent(row.id)}">${row.id}</a>` },
        { id: 'state', label: t('groups.state'), value: (row) => row.state, cell: (row) => stateOf(row.state) },
        { id: 'members', label: t('groups.members'), value: (row) => row.members, number: true, cell: (row) => row.here ? t('groups.membersHere', { count: row.members, here: row.here }) : number(row.members) },
        { id: 'lag', label: t('groups.lag'), title: t('groups.lagTitle'), value: (row) => row.lag ?? -1, number: true, cell: (row) => row.lag === null ? '–' : number(row.lag) },
        { id: 'topics', label: t('groups.topics'), value: (row) => row.topics },
        { id: 'generation', label: t('groups.generation'), value: (row) => row.generation, number: true }
      ]} .empty=${emptyState(t('groups.empty'))}></tabmq-table></section>
      <section class="panel"><h2>${t('groups.new')}</h2><p class="hint">${t('groups.newHint')}</p><tabmq-member-form></tabmq-member-form></section>`
  }
}
customElements.define('tabmq-groups', Groups)

/** Kafka's name of a state, and what it means. @param {string} state */
export function stateOf (state) {
  const tone = { Stable: 'good', Empty: '', Dead: '' }[state] ?? 'warn'
  return html`<span class="group-state ${tone}" title=${t(`groups.state.${state}`)}>${state}</span>`
}
