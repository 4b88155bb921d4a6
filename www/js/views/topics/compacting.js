// Compaction under way: how far each broker is, and an end to it. Kafka has no call that ends one: it ends when the topic's
// configs would no longer begin it, which is what Cancel sees to.
import { html } from 'lit'
import { app } from '../../app.js'
import { explain, number, t } from '../../i18n/index.js'
import { toast } from '../../shell/toasts.js'
import { TOPIC, configsOf } from './configs.js'

const RATIO = 'min.cleanable.dirty.ratio'
/** No log is dirtier than that. */
const NEVER = '1'

/** The ratios that Cancel took away, by topic; null: the default. @type {Map<string, string | null>} */
const before = new Map()

/** @param {string} topic @param {import('../../../sdk/model.js').Partition[]} partitions */
export function compaction (topic, partitions) {
  const under = partitions.flatMap(({ progress }, index) => {
    const brokers = Object.entries(progress).filter(([, { compacting }]) => compacting !== null)
    return brokers.length ? [{ index, brokers }] : []
  })
  const entries = configsOf(topic)?.entries ?? []
  const entry = (name) => entries.find(({ configName }) => configName === name)
  const off = !!entry('cleanup.policy')?.configValue.includes('compact') && Number(entry(RATIO)?.configValue) === Number(NEVER)
  return html`
    ${under.length ? html`<section class="panel" data-compacting><div class="row spread"><h2>${t('topics.compacting', { count: under.length })}</h2>
        <button type="button" class="danger" data-do="cancel-compaction" ?disabled=${off} @click=${() => cancel(topic, entry(RATIO))}>${t('topics.cancelCompaction')}</button></div>
      <ul class="moves">${under.map(({ index, brokers }) => html`<li><b>${t('topics.partitionNumber', { partition: index })}</b>
        ${brokers.map(([id, { compacting }]) => {
          const said = t('topics.compactingAt', { id, percent: number(compacting / 10, 0) })
          return html`<span class="copying"><progress aria-label=${said} max="1000" .value=${compacting}></progress> ${said}</span>`
        })}</li>`)}</ul></section>` : ''}
    ${off ? html`<p class="note" data-not-compacted>${t('topics.notCompacted', { config: RATIO })}
      <button type="button" class="small" data-do="compact-again" @click=${() => alter(topic, before.get(topic) ?? null)}>${t('topics.compactAgain')}</button></p>` : ''}`
}

/** @param {string} topic @param {import('./configs.js').Entry | undefined} entry */
async function cancel (topic, entry) {
  if (entry) before.set(topic, entry.isDefault ? null : entry.configValue)
  if (await alter(topic, NEVER)) toast(t('topics.compactionCancelled', { topic }), 'good')
}

/** @param {string} topic @param {string | null} value */
async function alter (topic, value) {
  try {
    await app.admin.alterConfigs({ resources: [{ type: TOPIC, name: topic, configEntries: [{ name: RATIO, value }] }] })
    return true
  } catch (error) {
    toast(explain(error), 'bad')
    return false
  }
}
