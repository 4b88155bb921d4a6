// Where a group reads on: its committed offsets, set anew. As Kafka has it only while it has no members. What would change
// is shown first.
import { html } from 'lit'
import { View } from '../../kit/view.js'
import { Form, field } from '../../kit/field.js'
import { copyAs } from '../../kit/parts.js'
import { app } from '../../app.js'
import { explain, number, t } from '../../i18n/index.js'
import { mark, placesOf } from '../../state/lag.js'
import { list } from '../../work/members.js'
import { commandsOf } from '../../commands/index.js'

/** @typedef {{ topic: string, changes: { partition: number, from: number | null, to: number, clamped: boolean }[] }} Plan */

class Reset extends View {
  static slices = ['groups', 'topics', 'page']
  static properties = { group: {}, plan: { state: true } }

  constructor () {
    super()
    this.group = ''
    /** @type {Plan | null} */ this.plan = null
    this.form = new Form(this, { topic: '', partition: '', to: 'earliest', time: '', offset: '' }, {
      topic: (text) => app.store.model.topics.has(text) ? '' : t('form.needed'),
      partition: (text, { topic }) => this.#wrongPartition(text, topic),
      time: (text, { to }) => to !== 'time' || !Number.isNaN(Date.parse(text)) ? '' : t('groups.wrongTime'),
      offset: (text, { to }) => to !== 'offset' || /^\d{1,15}$/.test(String(text).trim()) ? '' : t('groups.wrongOffset')
    })
  }

  willUpdate (changed) {
    if (changed.has('group')) this.plan = null
  }

  render () {
    const { form, group, plan } = this
    const members = app.store.model.groups.get(group)?.members.length ?? 0
    const own = [...new Set([...placesOf(group).map(({ topic }) => topic), ...list().filter(({ spec }) => spec.group === group).flatMap(({ spec }) => spec.topics)])]
    const topics = own.length ? own.filter((topic) => app.store.model.topics.has(topic)) : app.store.userTopics()
    if (!topics.includes(form.values.topic)) form.values.topic = topics[0] ?? ''
    const { to } = form.values
    const changed = () => { this.plan = null }
    return html`<p class="hint" data-members>${members ? t('groups.resetBusy', { count: members }) : t('groups.resetHint')}</p>
      <form novalidate class="stacked" data-form="reset" @input=${changed} @change=${changed} @submit=${(event) => form.submit(event, (values) => this.#preview(values))}>
        <div class="row">
          ${field(form, 'topic', { label: t('topics.topic'), type: 'select', options: topics })}
          ${field(form, 'partition', { label: t('topics.partition'), width: 5, placeholder: t('groups.allPartitions') })}
          ${field(form, 'to', { label: t('groups.resetTo'), type: 'select', options: ['earliest', 'latest', 'time', 'offset'].map((value) => ({ value, label: t(`groups.to.${value}`) })) })}
          ${to === 'offset' ? field(form, 'offset', { label: t('groups.offset'), type: 'number', width: 9 }) : ''}
          ${to === 'time' ? this.#time() : ''}
        </div>
        <div class="row"><button data-do="preview" ?disabled=${form.busy}>${t('groups.preview')}</button>${copyAs(commandsOf([{ what: 'resetTo', given: [{ group, ...form.values }] }]))}</div>
      </form>
      ${plan ? html`<div class="scroll" tabindex="0" role="region" aria-label=${t('groups.plan')}><table data-plan><caption>${t('groups.plan')}</caption>
        <thead><tr><th>${t('topics.partition')}</th><th class="number">${t('groups.from')}</th><th class="number">${t('groups.to')}</th></tr></thead>
        <tbody>${plan.changes.map(({ partition, from, to, clamped }) => html`<tr><td>${plan.topic}-${partition}</td><td class="number">${from === null ? '–' : number(from)}</td>
          <td class="number"><b>${number(to)}</b>${clamped ? html` <span class="warn">${t('groups.clamped')}</span>` : ''}</td></tr>`)}</tbody></table></div>
        <div class="row"><button type="button" class="primary" data-do="reset" @click=${() => this.#apply()}>${t('groups.apply')}</button>
          <button type="button" @click=${() => { this.plan = null }}>${t('dialog.cancel')}</button></div>` : ''}
      ${form.note('reset')}`
  }

  #time () {
    const { form } = this
    const id = `${form.id}-time`
    const error = form.errors.time
    return html`<div class="field ${error ? 'wrong' : ''}" data-field="time"><label for=${id}>${t('groups.time')}</label>
      <input type="datetime-local" step="1" id=${id} name="time" .value=${form.values.time} aria-invalid=${error ? 'true' : 'false'} aria-describedby="${id}-error" @input=${(event) => form.set('time', event.target.value)}>
      <p class="error" id="${id}-error" role="alert">${error ?? ''}</p></div>`
  }

  #wrongPartition (text, topic) {
    if (!String(text).trim()) return ''
    const count = app.store.model.topics.get(topic)?.length ?? 0
    const value = Number(text)
    return Number.isInteger(value) && value >= 0 && value < count ? '' : t('produce.wrongPartition', { topic, last: number(count - 1) })
  }

  /** Says what would change; refuses while there are members. @param {any} values */
  async #preview ({ topic, partition, to, time, offset }) {
    this.plan = null
    this.#mustBeEmpty()
    const only = String(partition).trim() === '' ? null : Number(partition)
    const wanted = (/** @type {{ partition: number }[]} */ offsets) => offsets.filter((one) => only === null || one.partition === only)
    const ends = wanted(await app.admin.fetchTopicOffsets(topic))
    const found = to === 'time' ? new Map(wanted(await app.admin.fetchTopicOffsetsByTimestamp(topic, Date.parse(time))).map((one) => [one.partition, Number(/** @type {any} */ (one).offset)])) : null
    const committed = new Map(placesOf(this.group).filter((place) => place.topic === topic).map((place) => [place.partition, place.committed]))
    this.plan = {
      topic,
      changes: ends.map((/** @type {any} */ { partition, low, high }) => {
        const asked = { earliest: () => Number(low), latest: () => Number(high), time: () => found.get(partition), offset: () => Number(offset) }[to]()
        // As kafka-consumer-groups.sh: what lies outside becomes the nearest there is.
        const at = Math.min(Math.max(asked, Number(low)), Number(high))
        return { partition, from: committed.get(partition) ?? null, to: at, clamped: at !== asked }
      })
    }
  }

  async #apply () {
    const { topic, changes } = this.plan
    const { group } = this
    try {
      this.#mustBeEmpty()
      await app.admin.setOffsets({ groupId: group, topic, partitions: changes.map(({ partition, to }) => ({ partition, offset: String(to) })) })
      mark(group, 'reset', { topic })
      this.plan = null
      this.form.say(t('groups.resetDone', { topic, count: changes.length }), 'good')
    } catch (error) {
      // A member came between the look and the commit.
      this.form.say(error.type === 'UNKNOWN_MEMBER_ID' ? t('groups.resetRefused', { group }) : explain(error), 'bad')
    }
  }

  #mustBeEmpty () {
    const known = app.store.model.groups.get(this.group)
    if (known?.members.length) throw new Error(t('groups.resetActive', { group: this.group, state: known.state, count: known.members.length }))
  }
}
customElements.define('tabmq-reset', Reset)
