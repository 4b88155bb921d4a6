// Topics: a form to make one, and a table of the partitions of the one selected.
import { html } from 'lit'
import { View } from '../kit/view.js'
import { Form, field, needed } from '../kit/field.js'
import { Job } from '../kit/job.js'
import { confirm } from '../kit/dialog.js'
import { emptyState } from '../kit/parts.js'
import { app } from '../app.js'
import { bytes, explain, number, t } from '../i18n/index.js'
import { navigate } from '../shell/router.js'
import { download, pack } from '../archive.js'

class Topics extends View {
  static slices = ['topics', 'progress', 'page']
  static everyMs = 100
  static properties = { param: {}, query: { attribute: false } }

  constructor () {
    super()
    this.param = ''
    this.form = new Form(this, { topic: 'orders', partitions: '6', replicas: '3' }, { topic: needed(), partitions: needed(), replicas: needed() })
    this.job = new Job(this)
  }

  willUpdate (changed) {
    if (changed.has('param') && this.param) app.store.selectedTopic = this.param
  }

  render () {
    const { store } = app
    const topics = [...store.model.topics.keys()].sort(internalLast)
    if (!store.selectedTopic || (!store.model.topics.has(store.selectedTopic) && store.selectedTopic !== this.param)) {
      store.selectedTopic = store.userTopics()[0] ?? null
    }
    const selected = store.selectedTopic
    const partitions = store.model.topics.get(selected) ?? []
    const most = Math.max(1, ...partitions.map((partition) => ends(partition).logEnd))
    return html`<div class="head"><h1>${t('topics.title')}</h1></div>
      <section class="panel"><h2>${t('topics.new')}</h2>
        <form novalidate @submit=${(event) => this.form.submit(event, (values) => this.#create(values))}>
          ${field(this.form, 'topic', { label: t('topics.name'), width: 18 })}
          ${field(this.form, 'partitions', { label: t('topics.partitions'), type: 'number', width: 5 })}
          ${field(this.form, 'replicas', { label: t('topics.replicas'), type: 'number', width: 5 })}
          <button class="primary" ?disabled=${this.form.busy}>${t('topics.create')}</button>
        </form>
        ${this.form.note('topic')}
      </section>
      <section class="panel">
        <div class="row">
          <label>${t('topics.topic')} <select name="selected-topic" ?disabled=${topics.length === 0} @change=${(event) => navigate(`#/topics/${encodeURIComponent(event.target.value)}`)}>
            ${topics.map((topic) => html`<option .selected=${topic === selected} value=${topic}>${topic}</option>`)}</select></label>
          <button type="button" data-do="export" ?disabled=${!selected || this.job.running} @click=${() => this.#export(selected)} title=${t('topics.exportTitle')}>${t('topics.export')}</button>
          <button type="button" class="danger" data-do="delete" ?disabled=${!selected || selected.startsWith('__')} @click=${() => this.#remove(selected)}>${t('topics.delete')}</button>
        </div>
        ${this.job.view('table')}
        ${partitions.length === 0 ? emptyState(selected ? t('topics.none', { topic: selected }) : t('topics.empty')) : html`
        <div class="scroll" tabindex="0" role="region" aria-label=${t('topics.partitionsOf', { topic: selected })}>
        <table>
          <thead><tr><th class="number">${t('topics.partition')}</th><th class="number">${t('topics.leader')}</th><th>${t('topics.inSync')}</th>
            <th class="number">${t('topics.epoch')}</th><th class="number">${t('topics.highWatermark')}</th><th class="number">${t('topics.logEnd')}</th><th>${t('topics.records')}</th></tr></thead>
          <tbody>${partitions.map((partition, index) => row(partition, index, most))}</tbody>
        </table></div>`}
      </section>`
  }

  async #create ({ topic, partitions, replicas }) {
    await app.admin.createTopics({ topics: [{ topic, numPartitions: Number(partitions), replicationFactor: Number(replicas) }] })
    navigate(`#/topics/${encodeURIComponent(topic)}`)
    return t('topics.created', { topic })
  }

  async #remove (topic) {
    if (!await confirm({ title: t('topics.deleteTitle', { topic }), text: t('topics.deleteText'), action: t('topics.delete'), danger: true })) return
    try {
      await app.admin.deleteTopics({ topics: [topic] })
      this.job.say(t('topics.deleted', { topic }), 'good')
      navigate('#/topics')
    } catch (error) {
      this.job.say(explain(error), 'bad')
    }
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
customElements.define('tabmq-topics', Topics)

const internalLast = (a, b) => Number(a.startsWith('__')) - Number(b.startsWith('__')) || a.localeCompare(b)

/** The leader's ends; while there is no leader, the furthest replica's. */
function ends ({ leader, progress }) {
  const all = Object.values(progress)
  return (leader !== null && progress[leader]) || all.sort((a, b) => b.logEnd - a.logEnd)[0] || { highWatermark: 0, logEnd: 0 }
}

function row (partition, index, most) {
  const { leader, leaderEpoch, replicas, isr } = partition
  const { highWatermark, logEnd } = ends(partition)
  const role = (id) => id === leader ? 'leader' : isr.includes(id) ? 'inSync' : 'outOfSync'
  return html`<tr data-partition=${index}>
    <td class="number">${index}</td>
    <td class="number">${leader ?? html`<span class="bad">${t('topics.noLeader')}</span>`}</td>
    <td>${replicas.map((id) => html`<span class="replica ${isr.includes(id) ? 'in-sync' : ''} ${id === leader ? 'leads' : ''}" title=${t(`replica.${role(id)}`, { id })}>${id}</span>`)}</td>
    <td class="number">${leaderEpoch}</td>
    <td class="number" data-high-watermark>${number(highWatermark)}</td>
    <td class="number">${number(logEnd)}</td>
    <td><progress class="strip" max=${most} .value=${highWatermark} aria-label=${t('topics.committed', { count: highWatermark })}></progress></td>
  </tr>`
}
