// Moving partitions to other brokers (KIP-455), and giving leadership back to the preferred replicas.
import { html } from 'lit'
import { Form, field } from '../../kit/field.js'
import { openDialog } from '../../kit/dialog.js'
import { copyAs } from '../../kit/parts.js'
import { app } from '../../app.js'
import { explain, t } from '../../i18n/index.js'
import { toast } from '../../shell/toasts.js'
import { commandsOf } from '../../commands/index.js'

/** ELECTION_NOT_NEEDED: all is well already. */
const NOT_NEEDED = 84

/** @param {string} topic @param {number[]} partitions */
export async function electPreferred (topic, partitions) {
  try {
    const { topics } = await app.admin.electLeaders({ electionType: 'preferred', topics: [{ topic, partitions }] })
    const failed = topics.flatMap((one) => one.partitions).filter(({ errorCode }) => errorCode !== 0 && errorCode !== NOT_NEEDED)
    if (failed.length) toast(failed.map(({ partition, error }) => `${topic}-${partition}: ${error}`).join(', '), 'bad')
    else toast(t('topics.elected', { count: partitions.length }), 'good')
  } catch (error) {
    toast(explain(error), 'bad')
  }
}

/** @param {string} topic @param {number[]} partitions */
export async function cancelMove (topic, partitions) {
  try {
    await app.admin.alterPartitionReassignments({ topics: [{ topic, partitionAssignment: partitions.map((partition) => ({ partition, replicas: null })) }] })
    toast(t('topics.moveCancelled'), 'good')
  } catch (error) {
    toast(explain(error), 'bad')
  }
}

/** `1, 2, 3` as ids; null when it is none. @param {string} text @returns {number[] | null} */
function ids (text) {
  const parts = String(text).split(/[\s,]+/).filter(Boolean)
  return parts.length && parts.every((part) => /^\d+$/.test(part)) ? parts.map(Number) : null
}

/** @param {string} text */
function judge (text) {
  const found = ids(text)
  if (!found) return t('topics.replicasWrong')
  const missing = found.find((id) => !app.store.model.brokers.has(id))
  if (missing !== undefined) return t('topics.noBroker', { id: String(missing) })
  return new Set(found).size === found.length ? '' : t('topics.twice')
}

/** Which brokers each partition is to be on. @param {string} topic */
export function openMove (topic) {
  const partitions = app.store.model.topics.get(topic) ?? []
  const values = Object.fromEntries(partitions.map(({ replicas, removing }, index) => [`p${index}`, replicas.filter((id) => !removing.includes(id)).join(', ')]))
  /** @type {any} */ let dialog = null
  const form = new Form({ requestUpdate: () => dialog?.update() }, values, Object.fromEntries(Object.keys(values).map((name) => [name, judge])))
  const changed = () => Object.keys(values).flatMap((name, partition) => {
    const replicas = ids(form.values[name])
    return replicas && replicas.join(', ') !== values[name] ? [{ partition, replicas }] : []
  })
  const call = () => ({ topics: [{ topic, partitionAssignment: changed() }] })
  dialog = openDialog({
    title: () => t('topics.moveTitle', { topic }),
    body: ({ close }) => html`<form novalidate class="stacked" @submit=${(event) => form.submit(event, async () => {
      const { length: count } = changed()
      if (count === 0) throw new Error(t('topics.nothingMoves'))
      await app.admin.alterPartitionReassignments(call())
      toast(t('topics.moveBegun', { count }), 'good')
      close()
    })}>
      <p>${t('topics.moveText', { brokers: app.store.brokers().map(({ id }) => id).join(', ') })}</p>
      <div class="move-fields">${Object.keys(values).map((name, index) => field(form, name, { label: t('topics.partitionNumber', { partition: index }), width: 12, mono: true }))}</div>
      ${form.note('move')}
      <div class="row end">${copyAs(changed().length ? commandsOf([{ what: 'alterPartitionReassignments', given: [call()] }]) : [])}
        <button type="button" @click=${() => close()}>${t('dialog.cancel')}</button><button class="primary" ?disabled=${form.busy}>${t('topics.moveNow')}</button></div>
    </form>`
  })
}
