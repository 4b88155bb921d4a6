// One group: its members and what they have, how far it is behind, its offsets, what happened to it.
import { html } from 'lit'
import { repeat } from 'lit/directives/repeat.js'
import { View } from '../../kit/view.js'
import { confirm } from '../../kit/dialog.js'
import { copyAs, emptyState } from '../../kit/parts.js'
import { app } from '../../app.js'
import { toast } from '../../shell/toasts.js'
import { navigate } from '../../shell/router.js'
import { explain, number, t } from '../../i18n/index.js'
import { lagOf } from '../../state/lag.js'
import { list, onMembers } from '../../work/members.js'
import { commandsOf } from '../../commands/index.js'
import { memberCard } from './member-card.js'
import { stateOf } from './groups.js'
import './lag-panel.js'
import './member-form.js'
import './reset.js'
import '../timeline.js'

/** @type {Map<string, string>} */
const NOBODY = new Map()

class Group extends View {
  static slices = ['groups', 'commits', 'progress', 'page']
  static everyMs = 500
  static properties = { group: {}, described: { state: true } }
  #describing = ''

  constructor () {
    super()
    this.group = ''
    /**
     * What the coordinator says of its members; events have only their names. owners: who has which partition, by
     * `topic-partition`.
     * @type {{ of: string, protocol: string, members: any[], owners: Map<string, string> }}
     */
    this.described = { of: '', protocol: '', members: [], owners: NOBODY }
  }

  connectedCallback () {
    super.connectedCallback()
    this.own(onMembers(() => this.requestUpdate()))
  }

  updated () {
    const known = app.store.model.groups.get(this.group)
    if (!known || app.store.paused) return
    // Who has what changes with the generation: asked for once each.
    const of = [this.group, known.state, known.generation, ...known.members.map(({ id }) => id)].join(' ')
    if (of === this.#describing) return
    this.#describing = of
    app.admin.describeGroups([this.group]).then(({ groups: [found] }) => {
      const members = found?.members ?? []
      if (of === this.#describing) this.described = { of: this.group, protocol: found?.protocol ?? '', members, owners: ownersOf(members) }
    }, () => {
      // Its coordinator is away: the next change asks again.
      if (of === this.#describing) this.#describing = ''
    })
  }

  render () {
    const { group } = this
    const known = app.store.model.groups.get(group)
    const here = list().filter(({ spec }) => spec.group === group)
    if (!known && here.length === 0) {
      return html`<div class="head"><h1>${group}</h1></div><section class="panel">${emptyState(t('groups.none', { group }), html`<a href="#/groups">${t('groups.back')}</a>`)}</section>`
    }
    const { state = 'Empty', generation = 0, members = [] } = known ?? {}
    const lag = lagOf(group)
    const protocol = this.described.of === group ? this.described.protocol : ''
    return html`<div class="head"><h1><a class="crumb" href="#/groups">${t('groups.title')}</a> ${group}</h1>
        <p class="lead" data-group>${stateOf(state)} ${t('groups.facts', { generation, count: members.length })}${protocol ? ` · ${protocol}` : ''}${lag === null ? '' : html` · <b>${t('groups.lagOf', { count: lag })}</b>`}<span class="hint"> ${t(`groups.state.${state}`)}</span></p>
        <div class="row">${copyAs(commandsOf([{ what: 'describeGroup', given: [group] }]))}<button type="button" class="danger" data-do="delete" @click=${() => this.#delete()}>${t('groups.delete')}</button></div></div>
      <section class="panel"><h2>${t('groups.members')}</h2>
        <div class="workers">${repeat(this.#cards(here, members), ({ key }) => key, ({ card }) => card)}</div>
        <details class="add" ?open=${here.length === 0}><summary>${t('groups.addTitle')}</summary><tabmq-member-form .group=${group}></tabmq-member-form></details>
      </section>
      <div class="group-layout">
        <section class="panel"><h2>${t('groups.lag')}</h2><tabmq-lag .group=${group} .owners=${this.described.of === group ? this.described.owners : NOBODY}></tabmq-lag></section>
        <div class="side">
          <section class="panel"><h2>${t('groups.reset')}</h2><tabmq-reset .group=${group}></tabmq-reset></section>
          <section class="panel"><h2>${t('groups.events')}</h2><tabmq-timeline .shown=${60} .filter=${this.#filter}></tabmq-timeline></section>
        </div>
      </div>`
  }

  #filter = (event) => event.group === this.group

  /** Those of this page, then those of other clients. */
  #cards (here, members) {
    const described = this.described.of === this.group ? this.described.members : []
    const ours = new Set(here.map(({ memberId, state }) => state === 'crashed' ? '' : memberId).filter(Boolean))
    const others = members.filter(({ id }) => !ours.has(id))
    return [
      ...here.map((entry) => ({ key: entry.id, card: memberCard(entry) })),
      ...others.map(({ id, clientId }) => {
        const assignment = described.find(({ memberId }) => memberId === id)?.assignment ?? {}
        const crashed = here.some((entry) => entry.state === 'crashed' && entry.memberId === id)
        return {
          key: id,
          card: html`<article class="worker other ${crashed ? 'crashed' : ''}" data-member=${id} aria-label=${t('groups.member', { name: clientId })}>
            <header class="row spread"><h3>${clientId}</h3><span class="state">${crashed ? t('groups.ghost') : t('groups.other')}</span></header>
            <p class="hint mono">${id}</p><p>${t('groups.has')} <b data-assignment>${inWords(assignment) || t('groups.nothing')}</b></p>
            ${crashed ? html`<p class="hint">${t('groups.ghostHint')}</p>` : ''}</article>`
        }
      })
    ]
  }

  async #delete () {
    const { group } = this
    if (!await confirm({ title: t('groups.deleteTitle', { group }), text: t('groups.deleteText'), action: t('groups.delete'), danger: true })) return
    try {
      await app.admin.deleteGroups([group])
      toast(t('groups.deleted', { group }), 'good')
      navigate('#/groups')
    } catch (error) {
      toast(error.type === 'NON_EMPTY_GROUP' ? t('groups.notEmpty', { group, members: number(app.store.model.groups.get(group)?.members.length ?? 0) }) : explain(error), 'bad')
    }
  }
}
customElements.define('tabmq-group', Group)

/** @param {any[]} members @returns {Map<string, string>} */
function ownersOf (members) {
  const owners = new Map()
  for (const { clientId, assignment } of members) {
    for (const [topic, partitions] of Object.entries(assignment ?? {})) for (const partition of partitions) owners.set(`${topic}-${partition}`, clientId)
  }
  return owners
}

/** `orders: 0 1 2; payments: 1` @param {Record<string, number[]>} assignment */
export function inWords (assignment) {
  const topics = Object.entries(assignment).filter(([, partitions]) => partitions.length)
  return topics.map(([topic, partitions]) => `${topic}: ${[...partitions].sort((a, b) => a - b).join(' ')}`).join('; ')
}
