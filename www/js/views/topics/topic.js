// One topic: each partition to scale with its readers, every replica of it, its configs; and what can be done to it.
import { html, nothing } from 'lit'
import { View } from '../../kit/view.js'
import { Form, field, wholeNumber } from '../../kit/field.js'
import { Job } from '../../kit/job.js'
import { openDialog } from '../../kit/dialog.js'
import { copyAs, emptyState } from '../../kit/parts.js'
import { app } from '../../app.js'
import { bytes, number, t } from '../../i18n/index.js'
import { navigate } from '../../shell/router.js'
import { toast } from '../../shell/toasts.js'
import { download, pack } from '../../archive.js'
import { commandsOf } from '../../commands/index.js'
import { configOf, configsOf, safety } from './configs.js'
import { coloursOf, factsOf, leading, readersOf } from './facts.js'
import { compaction } from './compacting.js'
import { cancelMove, electPreferred, openMove } from './moving.js'
import { removeTopic } from './removing.js'
import { strip } from './strip.js'

const EVERY_MS = 200
/** So many partitions are shown whole without being asked for. */
const OPEN_MAX = 4

class Topic extends View {
  static slices = ['topics', 'configs', 'progress', 'traffic', 'groups', 'commits', 'brokers', 'page']
  static everyMs = EVERY_MS
  static properties = { name: {}, query: { attribute: false }, opened: { state: true } }

  constructor () {
    super()
    this.name = ''
    this.query = new URLSearchParams()
    this.job = new Job(this)
    /** Partitions a person opened or closed. @type {Map<number, boolean>} */
    this.opened = new Map()
  }

  willUpdate (changed) {
    if (changed.has('name')) this.opened = new Map()
  }

  updated (changed) {
    const wanted = this.query.get('partition')
    if ((changed.has('query') || changed.has('name')) && wanted !== null) this.querySelector(`[data-partition="${CSS.escape(wanted)}"]`)?.scrollIntoView({ block: 'nearest' })
  }

  render () {
    const topic = this.name
    const back = html`<p class="back"><a href="#/topics">← ${t('topics.title')}</a></p>`
    if (!app.store.model.topics.has(topic)) return html`${back}${emptyState(t('topics.none', { topic }), html`<a href="#/topics">${t('topics.toAll')}</a>`)}`
    const facts = factsOf(topic)
    const { partitions, replication, records, stored, rate, underReplicated, offline } = facts
    const minIsr = Number(configOf(topic, 'min.insync.replicas') ?? 0)
    const unsafe = safety(replication, minIsr)
    const colours = coloursOf(topic)
    const internal = topic.startsWith('__')
    return html`${back}
      <div class="head"><h1>${topic}</h1>
        <p class="lead">${t('topics.summary', { count: partitions.length, replicas: replication, records, size: { bytes: facts.bytes }, stored: { bytes: stored } })}${rate >= 0.05 ? ` ${t('topics.rateNow', { rate: number(rate, rate < 10 ? 1 : 0) })}` : ''}</p></div>
      ${offline ? html`<p class="note bad">${t('topics.offlineText', { count: offline })}</p>` : ''}
      ${underReplicated ? html`<p class="note warn" data-under>${t('topics.underText', { count: underReplicated })}</p>` : ''}
      ${unsafe ? html`<p class="note warn" data-unsafe>${unsafe}</p>` : ''}
      <div class="row tools-row">
        <a class="button primary" href=${`#/records?topic=${encodeURIComponent(topic)}`}>${t('topics.browse')}</a>
        <button type="button" data-do="partitions" ?disabled=${internal} @click=${() => morePartitions(topic, partitions.length)}>${t('topics.morePartitions')}</button>
        <button type="button" data-do="move" @click=${() => openMove(topic)}>${t('topics.move')}</button>
        ${partitions.some(notPreferred) ? html`<button type="button" data-do="elect" @click=${() => electPreferred(topic, partitions.flatMap((partition, index) => notPreferred(partition) ? [index] : []))}>${t('topics.elect')}</button>` : ''}
        <button type="button" data-do="export" ?disabled=${this.job.running || !app.source.cluster} title=${t('topics.exportTitle')} @click=${() => this.#export(topic)}>${t('topics.export')}</button>
        ${copyAs(commandsOf([
          { what: 'createTopics', given: [{ topics: [{ topic, numPartitions: partitions.length, replicationFactor: replication, configEntries: changedConfigs(topic) }] }] },
          { what: 'consume', given: [{ topic, partition: 0, offset: 0 }] }
        ]))}
        <button type="button" class="danger end" data-do="delete" ?disabled=${internal} @click=${async () => { if (await removeTopic(topic)) navigate('#/topics') }}>${t('topics.delete')}</button>
      </div>
      ${this.job.view('table')}
      ${this.#moving(topic, partitions)}
      ${compaction(topic, partitions)}
      <section class="panel" aria-label=${t('topics.partitionsOf', { topic })}><div class="row spread"><h2>${t('topics.partitions')}</h2>${legend()}</div>
        <div class="partitions">${partitions.map((partition, index) => this.#partition(topic, partition, index, colours, partitions.length))}</div></section>
      <section class="panel"><tabmq-topic-configs .topic=${topic}></tabmq-topic-configs></section>`
  }

  #partition (topic, partition, index, colours, count) {
    const { leader, leaderEpoch, replicas, isr } = partition
    const replica = leading(partition)
    const { logStart, highWatermark, logEnd } = replica
    const readers = readersOf(topic, index, partition)
    const wanted = this.query.get('partition')
    const open = this.opened.get(index) ?? (count <= OPEN_MAX || wanted === String(index))
    return html`<article class="partition ${wanted === String(index) ? 'pointed' : ''}" data-partition=${index} aria-label=${t('topics.partitionNumber', { partition: index })}>
      <header><h3>${index}</h3>
        <p class="leader" data-leader=${leader ?? nothing}>${leader === null ? html`<b class="bad">${t('topics.noLeader')}</b>` : t('topics.ledBy', { leader, epoch: leaderEpoch })}</p>
        <p class="replicas">${replicas.map((id) => chip(id, partition))}</p>
        ${notPreferred(partition) ? html`<button type="button" class="small" data-do="elect-one" title=${t('topics.electTitle', { leader: replicas[0] })} @click=${() => electPreferred(topic, [index])}>${t('topics.elect')}</button>` : ''}
        <a class="to-records" href=${`#/records?topic=${encodeURIComponent(topic)}&partition=${index}`} aria-label=${t('topics.recordsOf', { partition: index })}>${t('nav.records')}</a></header>
      ${strip(replica, readers, colours)}
      <dl class="offsets">
        <div><dt>${t('topics.logStart')}</dt><dd data-log-start>${number(logStart)}</dd></div>
        <div><dt>${t('topics.highWatermark')}</dt><dd data-high-watermark>${number(highWatermark)}</dd></div>
        <div><dt>${t('topics.logEnd')}</dt><dd data-log-end>${number(logEnd)}</dd></div>
        <div><dt>${t('topics.segments')}</dt><dd data-segments>${number(replica.segments.length)}</dd></div>
        <div><dt>${t('topics.bytes')}</dt><dd>${bytes(replica.bytes)}</dd></div>
      </dl>
      ${readers.length ? html`<ul class="readers">${readers.map((reader) => readerLine(reader, highWatermark, logStart, colours))}</ul>` : ''}
      <details ?open=${open} @toggle=${(event) => { if (event.target.open !== open) this.opened = new Map(this.opened).set(index, event.target.open) }}>
        <summary>${t('topics.replicasOf', { count: replicas.length, inSync: isr.length })}</summary>
        ${open ? replicasTable(partition, index, logEnd) : ''}</details>
    </article>`
  }

  /** Reassignments under way: the controller's own words, as its events bring them. */
  #moving (topic, partitions) {
    const under = partitions.flatMap((partition, index) => partition.adding.length || partition.removing.length ? [{ index, partition }] : [])
    if (under.length === 0) return ''
    return html`<section class="panel" data-moving><div class="row spread"><h2>${t('topics.moving', { count: under.length })}</h2>
        <button type="button" class="danger" data-do="cancel-move" @click=${() => cancelMove(topic, under.map(({ index }) => index))}>${t('topics.cancelMove')}</button></div>
      <ul class="moves">${under.map(({ index, partition }) => {
        const { logStart, logEnd } = leading(partition)
        return html`<li><b>${t('topics.partitionNumber', { partition: index })}</b> ${t('topics.movingText', { adding: partition.adding.join(', ') || '–', removing: partition.removing.join(', ') || '–' })}
          ${partition.adding.map((id) => {
            const there = partition.progress[id]
            const done = there ? Math.max(0, there.logEnd - logStart) : 0
            return html`<span class="copying"><progress aria-label=${t('topics.copying', { id, done, of: logEnd - logStart })} max=${Math.max(1, logEnd - logStart)} .value=${Math.min(done, Math.max(1, logEnd - logStart))}></progress>
              ${t('topics.copying', { id, done, of: logEnd - logStart })}</span>`
          })}</li>`
      })}</ul></section>`
  }

  #export (topic) {
    return this.job.run(t('topics.exporting', { topic }), async ({ signal, progress }) => {
      const files = await app.source.cluster.exportTopic(topic, {
        signal,
        onProgress: ({ partition, partitions, bytes: done }) =>
          progress(partition + 1, partitions, t('topics.exportingPart', { topic, partition: partition + 1, partitions, done: { bytes: done } }))
      })
      const name = `${topic}.zip`
      const archive = pack(files)
      download(name, archive)
      return t('topics.exported', { topic, name, size: bytes(archive.length) })
    })
  }
}
customElements.define('tabmq-topic', Topic)

const notPreferred = ({ leader, replicas, isr }) => leader !== null && replicas.length > 0 && leader !== replicas[0] && isr.includes(replicas[0])

/** @param {string} topic */
const changedConfigs = (topic) => (configsOf(topic)?.entries ?? []).filter(({ isDefault }) => !isDefault).map(({ configName, configValue }) => ({ name: configName, value: configValue }))

const roleOf = (id, { leader, isr }) => id === leader ? 'leader' : isr.includes(id) ? 'inSync' : 'outOfSync'

const chip = (id, partition) => html`<span class="replica ${partition.isr.includes(id) ? 'in-sync' : ''} ${id === partition.leader ? 'leads' : ''}" title=${t(`replica.${roleOf(id, partition)}`, { id })}>${id}<span class="hidden">
  ${t(`replica.${roleOf(id, partition)}`, { id })}</span></span>`

function readerLine ({ name, group, committed, position }, highWatermark, logStart, colours) {
  const lag = committed === null ? null : Math.max(0, highWatermark - Math.max(committed, logStart))
  return html`<li data-reader=${name}><i class="dot series-${colours.get(name) ?? 1}" aria-hidden="true"></i>
    ${group ? html`<a href=${`#/groups/${encodeURIComponent(name)}`}>${name}</a>` : html`<span>${name} <span class="rate">${t('topics.noGroup')}</span></span>`}
    <span>${committed === null ? (group ? t('topics.nothingCommitted') : '') : t('topics.committedAt', { offset: committed })}</span>
    ${position === null ? '' : html`<span>${t('topics.readsAt', { offset: position })}</span>`}
    ${lag === null ? '' : html`<span class=${lag > 0 ? '' : 'rate'}>${t('topics.lag', { lag })}</span>`}</li>`
}

function replicasTable (partition, index, logEnd) {
  const { replicas, isr, leader, progress, leaderEpoch } = partition
  return html`<div class="scroll" tabindex="0" role="region" aria-label=${t('topics.replicasOfPartition', { partition: index })}><table class="replica-table">
    <thead><tr><th>${t('topics.broker')}</th><th>${t('topics.role')}</th><th class="number">${t('topics.epoch')}</th><th class="number">${t('topics.logStart')}</th>
      <th class="number">${t('topics.highWatermark')}</th><th class="number">${t('topics.logEnd')}</th><th class="number">${t('topics.behind')}</th><th class="number">${t('topics.segments')}</th><th class="number">${t('topics.bytes')}</th></tr></thead>
    <tbody>${replicas.map((id) => {
      const there = progress[id]
      const down = app.store.model.brokers.get(id)?.state !== 'running'
      const behind = there ? Math.max(0, logEnd - there.logEnd) : 0
      return html`<tr data-replica=${id}><td><a href=${`#/cluster/broker-${id}`}>${t('broker.name', { id })}</a></td>
        <td>${id === leader ? t('topics.role.leader') : isr.includes(id) ? t('topics.role.inSync') : html`<b class="warn">${t('topics.role.outOfSync')}</b>`}${down ? html` <b class="bad">${t('topics.down')}</b>` : ''}</td>
        <td class="number">${number(there?.leaderEpoch >= 0 ? there.leaderEpoch : leaderEpoch)}</td>
        ${there ? html`<td class="number">${number(there.logStart)}</td><td class="number">${number(there.highWatermark)}</td><td class="number">${number(there.logEnd)}</td>
          <td class="number">${behind ? html`<b class="warn">${number(behind)}</b>` : number(0)}</td><td class="number">${number(there.segments.length)}</td><td class="number">${bytes(there.bytes)}</td>`
          : html`<td class="number" colspan="6">${t('topics.notHeard')}</td>`}</tr>`
    })}</tbody></table></div>`
}

/** What is what in the strips. */
function legend () {
  const one = (look, text) => html`<li><i class=${look} aria-hidden="true"></i>${text}</li>`
  return html`<ul class="legend" aria-label=${t('topics.legend')}>${one('segment', t('topics.legend.segments'))}${one('watermark', t('topics.highWatermark'))}${one('uncommitted', t('topics.legend.uncommitted'))}
    ${one('pin committed series-1', t('topics.legend.committed'))}${one('pin position series-1', t('topics.legend.position'))}</ul>`
}

/** @param {string} topic @param {number} now */
function morePartitions (topic, now) {
  /** @type {any} */ let dialog = null
  const form = new Form({ requestUpdate: () => dialog?.update() }, { count: String(now + 1) }, { count: wholeNumber(now + 1, 10000) })
  const call = () => ({ topicPartitions: [{ topic, count: Number(form.values.count) || now + 1 }] })
  dialog = openDialog({
    title: () => t('topics.morePartitions'),
    body: ({ close }) => html`<form novalidate class="stacked" @submit=${(event) => form.submit(event, async ({ count }) => {
      try {
        await app.admin.createPartitions(call())
      } catch (error) {
        error.field = 'count'
        throw error
      }
      toast(t('topics.partitionsAdded', { topic, count: Number(count) }), 'good')
      close()
    })}>
      <p>${t('topics.morePartitionsText', { count: now })}</p>
      ${field(form, 'count', { label: t('topics.partitions'), type: 'number', width: 6 })}
      <div class="row end">${copyAs(commandsOf([{ what: 'createPartitions', given: [call()] }]))}
        <button type="button" @click=${() => close()}>${t('dialog.cancel')}</button><button class="primary" ?disabled=${form.busy}>${t('topics.add')}</button></div>
    </form>`
  })
}
