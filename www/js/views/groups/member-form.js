// The form that starts members of a group, in threads of their own.
import { html, nothing } from 'lit'
import { View } from '../../kit/view.js'
import { Form, field, needed, wholeNumber } from '../../kit/field.js'
import { copyAs } from '../../kit/parts.js'
import { app } from '../../app.js'
import { navigate } from '../../shell/router.js'
import { t } from '../../i18n/index.js'
import { DEFAULTS, list, nameFor, start } from '../../work/members.js'
import { commandsOf } from '../../commands/index.js'

const MEMBERS_MAX = 8

class MemberForm extends View {
  static slices = ['topics', 'page']
  static properties = { group: {} }

  constructor () {
    super()
    /** Of this group; '' for one that is typed. */
    this.group = ''
    const { assignor, commit } = DEFAULTS
    const numbers = Object.fromEntries(['sessionTimeout', 'maxPollInterval', 'commitInterval'].map((name) => [name, String(DEFAULTS[name])]))
    this.form = new Form(this, { group: DEFAULTS.group, topics: '', members: '2', perSecond: '', fromBeginning: true, assignor, commit, ...numbers }, {
      group: (text) => this.group ? '' : needed()(text, {}),
      topics: (text) => this.#wrongTopics(text),
      members: wholeNumber(1, MEMBERS_MAX),
      perSecond: (text) => String(text).trim() === '' ? '' : wholeNumber(1, 1_000_000)(text, {}),
      sessionTimeout: wholeNumber(1, 1_800_000),
      maxPollInterval: wholeNumber(1, 86_400_000),
      commitInterval: (text, { commit }) => commit === 'auto' ? wholeNumber(1, 3_600_000)(text, {}) : ''
    })
  }

  willUpdate (changed) {
    if (!changed.has('group') || !this.group) return
    // One more is mostly meant to be like those that are there.
    const like = list().findLast(({ spec }) => spec.group === this.group)?.spec
    const topics = like?.topics ?? [...new Set(Object.keys(app.store.model.groups.get(this.group)?.committed ?? {}).map((place) => place.slice(0, place.lastIndexOf('-'))))]
    Object.assign(this.form.values, { topics: topics.join(', '), members: '1' })
    if (!like) return
    const { assignor, commit, sessionTimeout, maxPollInterval, commitInterval, fromBeginning } = like
    Object.assign(this.form.values, { assignor, commit, fromBeginning, sessionTimeout: String(sessionTimeout), maxPollInterval: String(maxPollInterval), commitInterval: String(commitInterval) })
  }

  render () {
    const { form } = this
    const topics = app.store.userTopics()
    if (!form.values.topics && topics.length && !this.group) form.values.topics = topics.includes(app.store.selectedTopic) ? app.store.selectedTopic : topics[0]
    const advanced = ['sessionTimeout', 'maxPollInterval', 'commitInterval'].some((name) => form.errors[name])
    return html`<form novalidate class="stacked" data-form="members" @submit=${(event) => form.submit(event, (values) => this.#start(values))}>
        <div class="row">
          ${this.group ? '' : field(form, 'group', { label: t('groups.group'), width: 14, list: [...app.store.model.groups.keys()] })}
          ${field(form, 'topics', { label: t('groups.topics'), width: 18, list: topics, hint: t('groups.topicsHint') })}
          ${field(form, 'members', { label: t('groups.members'), type: 'number', width: 4 })}
          ${field(form, 'perSecond', { label: t('groups.pace'), type: 'number', width: 9, placeholder: t('groups.pace.full') })}
          ${field(form, 'assignor', { label: t('groups.assignor'), type: 'select', options: ['range', 'roundrobin'] })}
          ${field(form, 'commit', { label: t('groups.commit'), type: 'select', options: ['auto', 'manual', 'none'].map((value) => ({ value, label: t(`groups.commit.${value}`) })) })}
        </div>
        <details ?open=${advanced || nothing}><summary>${t('groups.more')}</summary><div class="row">
          ${field(form, 'sessionTimeout', { label: 'session.timeout.ms', type: 'number', width: 8 })}
          ${field(form, 'maxPollInterval', { label: 'max.poll.interval.ms', type: 'number', width: 9 })}
          ${field(form, 'commitInterval', { label: 'auto.commit.interval.ms', type: 'number', width: 8, disabled: form.values.commit !== 'auto' })}
          ${field(form, 'fromBeginning', { label: t('groups.fromBeginning'), type: 'checkbox' })}
        </div></details>
        <div class="row"><button class="primary" ?disabled=${form.busy}>${this.group ? t('groups.add') : t('groups.start')}</button>${copyAs(commandsOf([{ what: 'join', given: [this.#spec(form.values)] }]))}</div>
      </form>
      ${form.note('members')}`
  }

  #wrongTopics (text) {
    const names = split(text)
    if (names.length === 0) return t('form.needed')
    const unknown = names.find((name) => !app.store.model.topics.has(name))
    return unknown ? t('groups.noTopic', { topic: unknown }) : ''
  }

  /** @returns {Partial<import('../../work/members.js').MemberSpec> & { group: string, topics: string[] }} */
  #spec (values) {
    const { assignor, commit, fromBeginning } = values
    const numbers = Object.fromEntries(['sessionTimeout', 'maxPollInterval', 'commitInterval', 'perSecond'].map((name) => [name, Number(values[name])]))
    return /** @type {any} */ ({ ...numbers, group: this.group || values.group.trim(), topics: split(values.topics), assignor, commit, fromBeginning })
  }

  #start (values) {
    const spec = this.#spec(values)
    for (let number = 0; number < Number(values.members); number++) start({ ...spec, clientId: nameFor(spec.group, spec.group.slice(0, 40)) })
    if (!this.group) navigate(`#/groups/${encodeURIComponent(spec.group)}`)
  }
}
customElements.define('tabmq-member-form', MemberForm)

const split = (text) => [...new Set(String(text).split(/[\s,]+/).filter(Boolean))]
