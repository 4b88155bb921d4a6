// A topic's configs: which are there, what they are by default, and changing them. They are asked for once a topic; events tell
// of their changes, wherever those were made.
import { html } from 'lit'
import { View } from '../../kit/view.js'
import { Form, field } from '../../kit/field.js'
import { openDialog } from '../../kit/dialog.js'
import { copyAs } from '../../kit/parts.js'
import { app } from '../../app.js'
import { bytes, duration, explain, t } from '../../i18n/index.js'
import { toast } from '../../shell/toasts.js'
import { commandsOf } from '../../commands/index.js'
import '../../kit/table.js'

export const TOPIC = 2
const BROKER = 4

/** @typedef {{ configName: string, configValue: string, isDefault: boolean, configSynonyms: { configValue: string }[] }} Entry */

/** By topic; a failure is kept as such. @type {Map<string, { entries: Entry[], failure: string }>} */
const known = new Map()
/** By topic: what events told, by config; null: its default. @type {Map<string, Map<string, string | null>>} */
const changes = new Map()
/** Events that came during a pause, which holds what changes by itself. @type {any[]} */
let held = []
/** @type {Set<string>} */
const asked = new Set()
let listening = false
/** @type {Entry[] | null} What a topic gets from the brokers. */
let brokerEntries = null

const HEARD = ['configChanged', 'topicCreated', 'topicDeleted', 'ownerChanged']

function listen () {
  if (listening) return
  listening = true
  app.source.subscribe((event) => {
    if (!HEARD.includes(event.type)) return
    held.push(event)
    settle()
  })
}

function settle () {
  if (app.store.paused) return
  for (const event of held) take(event)
  held = []
}

function take ({ type, topic, name, value = null }) {
  // Other brokers, of which we may not have heard for a while.
  if (type === 'ownerChanged') {
    known.clear()
    changes.clear()
    return
  }
  if (type !== 'configChanged') {
    known.delete(topic)
    changes.delete(topic)
    return
  }
  if (!changes.has(topic)) changes.set(topic, new Map())
  changes.get(topic).set(name, value)
  const found = known.get(topic)
  if (found) found.entries = asTold(topic, found.entries)
}

/** @param {string} topic @param {Entry[]} entries */
function asTold (topic, entries) {
  const told = changes.get(topic)
  if (!told) return entries
  return entries.map((entry) => {
    const value = told.get(entry.configName)
    if (value === undefined) return entry
    return { ...entry, configValue: value ?? defaultOf(entry), isDefault: value === null }
  })
}

/** What is known; asked for when nothing is. @param {string} topic */
export function configsOf (topic) {
  listen()
  settle()
  if (!known.has(topic)) ask(topic)
  return known.get(topic) ?? null
}

/** @param {string} topic */
async function ask (topic) {
  if (asked.has(topic)) return
  asked.add(topic)
  try {
    const { resources: [{ configEntries }] } = await app.admin.describeConfigs({ resources: [{ type: TOPIC, name: topic }] })
    // A broker may answer a little before it has heard of a change.
    known.set(topic, { entries: asTold(topic, configEntries), failure: '' })
  } catch (error) {
    known.set(topic, { entries: known.get(topic)?.entries ?? [], failure: explain(error) })
  }
  asked.delete(topic)
  app.store.changed()
}

/** @param {string} topic @param {string} name @returns {string | undefined} */
export const configOf = (topic, name) => configsOf(topic)?.entries.find(({ configName }) => configName === name)?.configValue

/** `min.insync.replicas` of a topic without one of its own; 1 until it is known. */
export function minIsrByDefault () {
  if (!brokerEntries) {
    brokerEntries = []
    const id = app.store.brokers().find(({ state }) => state === 'running')?.id
    app.admin.describeConfigs({ resources: [{ type: BROKER, name: String(id) }] }).then(
      ({ resources: [{ configEntries }] }) => { brokerEntries = configEntries; app.store.changed() },
      () => { brokerEntries = null })
  }
  return Number(brokerEntries?.find(({ configName }) => configName === 'min.insync.replicas')?.configValue ?? 1)
}

/** How safe the numbers are, in words; '' when they are. @param {number} replication @param {number} minIsr */
export function safety (replication, minIsr) {
  if (replication === 1) return t('topics.oneReplica')
  return replication > 0 && replication <= minIsr ? t('topics.noSpare', { replicas: replication, min: minIsr }) : ''
}

/** What a number of a config comes to, in units people use. @param {string} name @param {string | null | undefined} value */
export function meaning (name, value) {
  const size = Number(value)
  if (value === '' || value === null || value === undefined || !Number.isFinite(size)) return ''
  if (size === -1) return t('topics.noLimit')
  if (size >= Number.MAX_SAFE_INTEGER) return t('topics.never')
  if (name.endsWith('.bytes') && size >= 1000) return bytes(size)
  return name.endsWith('.ms') && size >= 1000 ? days(size) : ''
}

const DAY_MS = 86400000
const days = (ms) => ms >= DAY_MS ? t('topics.days', { count: Math.round(ms / DAY_MS) }) : duration(ms)

class TopicConfigs extends View {
  static slices = ['configs', 'page']
  static properties = { topic: {}, all: { state: true } }

  constructor () {
    super()
    this.topic = ''
    this.all = false
  }

  connectedCallback () {
    super.connectedCallback()
    if (known.get(this.topic)?.failure) ask(this.topic)
  }

  render () {
    const found = configsOf(this.topic)
    if (!found) return html`<p class="note">${t('topics.askingConfigs')}</p>`
    const rows = found.entries.filter(({ isDefault }) => this.all || !isDefault)
    const with_ = (name, value) => html`<code>${value}</code>${meaning(name, value) ? html` <span class="rate">${meaning(name, value)}</span>` : ''}`
    return html`
      <div class="row spread"><h2>${t('topics.configs')}</h2>
        <label class="check"><input type="checkbox" name="all-configs" .checked=${this.all} @change=${(event) => { this.all = event.target.checked }}> ${t('topics.allConfigs', { count: found.entries.length })}</label></div>
      ${found.failure ? html`<p class="note bad">${found.failure}</p>` : ''}
      <tabmq-table class="configs" .label=${t('topics.configs')} .rows=${rows} .key=${(entry) => entry.configName} .columns=${[
        { id: 'name', label: t('topics.config'), value: (entry) => entry.configName, cell: ({ configName, isDefault }) => html`<code class=${isDefault ? '' : 'changed'}>${configName}</code>${isDefault ? '' : html` <span class="tag">${t('topics.changed')}</span>`}` },
        { id: 'value', label: t('topics.value'), value: (entry) => entry.configValue, cell: ({ configName, configValue }) => with_(configName, configValue) },
        { id: 'default', label: t('topics.default'), value: defaultOf, cell: (entry) => with_(entry.configName, defaultOf(entry)) },
        { id: 'actions', label: '', cell: (entry) => html`<button type="button" data-config=${entry.configName} aria-label=${t('topics.editConfig', { name: entry.configName })} @click=${() => editConfig(this.topic, entry)}>${t('topics.edit')}</button>` }
      ]} .empty=${html`<p class="note">${t('topics.nothingChanged')}</p>`}></tabmq-table>`
  }
}
customElements.define('tabmq-topic-configs', TopicConfigs)

/** @param {Entry} entry */
const defaultOf = ({ configSynonyms, configValue }) => configSynonyms.at(-1)?.configValue ?? configValue

/** @param {string} topic @param {Entry} entry */
function editConfig (topic, entry) {
  const { configName: name, configValue } = entry
  /** @type {any} */ let dialog = null
  const form = new Form({ requestUpdate: () => dialog?.update() }, { value: configValue ?? '' })
  /** @param {string | null} value */
  const call = (value) => ({ resources: [{ type: TOPIC, name: topic, configEntries: [{ name, value }] }] })
  /** @param {string | null} value */
  const alter = async (value) => {
    try {
      await app.admin.alterConfigs(call(value))
    } catch (error) {
      error.field = 'value'
      throw error
    }
    toast(value === null ? t('topics.configReset', { name, topic }) : t('topics.configSet', { name, topic, value }), 'good')
    dialog.close()
  }
  dialog = openDialog({
    title: () => t('topics.editConfig', { name }),
    body: ({ close }) => {
      const value = String(form.values.value).trim()
      return html`<form novalidate class="stacked" @submit=${(event) => form.submit(event, () => alter(value))}>
        ${field(form, 'value', { label: name, hint: meaning(name, value) || t('topics.defaultIs', { value: defaultOf(entry) }), width: 28, mono: true })}
        <p class="note">${t('topics.defaultIs', { value: defaultOf(entry) })} ${meaning(name, defaultOf(entry))}</p>
        ${form.note('config')}
        <div class="row end">${copyAs(commandsOf([{ what: 'alterConfigs', given: [call(value)] }]))}
          ${entry.isDefault ? '' : html`<button type="button" data-do="reset" @click=${(event) => form.submit(event, () => alter(null))}>${t('topics.reset')}</button>`}
          <button type="button" @click=${() => close()}>${t('dialog.cancel')}</button>
          <button class="primary" ?disabled=${form.busy}>${t('topics.save')}</button></div>
      </form>`
    }
  })
}
