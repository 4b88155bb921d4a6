// Consumer groups: those there are, and two consumers of the page's own, with what arrives.
import { html } from 'lit'
import { View } from '../kit/view.js'
import { app } from '../app.js'
import { explain, number, t } from '../i18n/index.js'
import '../kit/table.js'

const GROUP = 'page-readers'
const LATEST = 8
const text = new TextDecoder()

class Groups extends View {
  static slices = ['groups', 'topics', 'page']
  static everyMs = 100
  static properties = { param: {}, query: { attribute: false } }

  render () {
    const topics = app.store.userTopics()
    const groups = [...app.store.model.groups].map(([id, group]) => ({ id, ...group }))
    const own = app.store.model.groups.get(GROUP)
    return html`<div class="head"><h1>${t('groups.title')}</h1><p class="lead">${t('groups.lead')}</p></div>
      <section class="panel"><tabmq-table .label=${t('groups.title')} .rows=${groups} .key=${(group) => group.id} .columns=${[
        { id: 'id', label: t('groups.group'), value: (group) => group.id },
        { id: 'state', label: t('groups.state'), value: (group) => group.state },
        { id: 'generation', label: t('groups.generation'), value: (group) => group.generation, number: true },
        { id: 'members', label: t('groups.members'), value: (group) => group.members.length, number: true }
      ]} .empty=${html`<p class="note">${t('groups.empty')}</p>`}></tabmq-table></section>
      <section class="panel"><h2>${GROUP}</h2>
        <p data-group>${own ? t('groups.own', { state: own.state, generation: own.generation, count: own.members.length }) : t('groups.notStarted')} ${t('groups.hint')}</p>
        <div class="consumers">${members().map((member) => this.#member(member, topics))}</div></section>`
  }

  connectedCallback () {
    super.connectedCallback()
    const changed = () => this.requestUpdate()
    for (const member of members()) this.own(member.onChange(changed))
  }

  #member (member, topics) {
    return html`<div class="consumer" data-consumer=${member.name}>
      <div class="row spread"><h3>${t('groups.consumer', { name: member.name })}</h3>
        ${member.running ? html`<button type="button" @click=${() => member.stop()} ?disabled=${member.busy}>${t('groups.stop')}</button>`
          : html`<button type="button" class="primary" @click=${() => member.start(topics)} ?disabled=${member.busy || topics.length === 0}>${t('groups.start')}</button>`}</div>
      <p class="note ${member.failed ? 'bad' : ''}" role="status">${member.note}</p>
      <p>${t('groups.has')} <b data-assignment>${member.assignment() || t('groups.nothing')}</b><br>${t('groups.read')} <b class="number" data-count>${number(member.count)}</b></p>
      <ol class="records mono" aria-label=${t('groups.latest', { name: member.name })}>${member.latest.map((record) => html`<li>${record}</li>`)}</ol>
    </div>`
  }
}
customElements.define('tabmq-groups', Groups)

/** They go on while another view is shown. @type {Member[]} */
let made = []
let madeFor = null
function members () {
  if (madeFor !== app.kafka) {
    madeFor = app.kafka
    made = ['A', 'B'].map((name) => new Member(app.kafka, name))
  }
  return made
}

/** One consumer of the group, with what the page shows of it. */
class Member {
  /** @type {Set<() => void>} */ #listeners = new Set()
  #frame = 0

  constructor (kafka, name) {
    this.kafka = kafka
    this.name = name
    this.running = false
    this.busy = false
    this.failed = false
    this.note = ''
    this.count = 0
    this.latest = []
    this.assigned = {}
  }

  onChange (listener) {
    this.#listeners.add(listener)
    return () => { this.#listeners.delete(listener) }
  }

  assignment () {
    const topics = Object.entries(this.assigned).filter(([, partitions]) => partitions.length)
    return topics.map(([topic, partitions]) => `${topic}: ${[...partitions].sort((a, b) => a - b).join(' ')}`).join('; ')
  }

  async start (topics) {
    await this.#change(async () => {
      this.consumer = this.kafka.consumer({ groupId: GROUP })
      this.consumer.on(this.consumer.events.GROUP_JOIN, ({ payload }) => {
        this.assigned = payload.memberAssignment
        this.#changed()
      })
      await this.consumer.connect()
      await this.consumer.subscribe({ topics, fromBeginning: true })
      await this.consumer.run({
        partitionsConsumedConcurrently: 3,
        eachBatch: async ({ batch, resolveOffset }) => {
          for (const message of batch.messages) resolveOffset(message.offset)
          this.count += batch.messages.length
          const shown = batch.messages.slice(-LATEST).map(({ offset, key, value }) =>
            `${batch.topic}-${batch.partition} @${offset}  ${key ? text.decode(key) : '–'}  ${value ? text.decode(value) : '–'}`)
          this.latest = [...this.latest, ...shown].slice(-LATEST)
          this.#changed()
        }
      })
      this.running = true
    })
  }

  async stop () {
    await this.#change(async () => {
      await this.consumer.disconnect()
      this.running = false
      this.assigned = {}
    })
  }

  async #change (work) {
    this.busy = true
    this.failed = false
    this.note = ''
    this.#changed()
    try {
      await work()
    } catch (error) {
      this.failed = true
      this.note = explain(error)
    }
    this.busy = false
    this.#changed()
  }

  /** Drawn at most once a frame, and not while the page is paused. */
  #changed () {
    if (this.#frame) return
    this.#frame = requestAnimationFrame(() => {
      this.#frame = 0
      if (app.store.paused && !this.busy) return
      for (const listener of this.#listeners) listener()
    })
  }
}
