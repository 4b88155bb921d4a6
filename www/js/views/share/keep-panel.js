// Export and import, of the whole cluster or of a topic, as a .zip.
import { html } from 'lit'
import { View } from '../../kit/view.js'
import { dropZone } from '../../kit/drop.js'
import { Job } from '../../kit/job.js'
import { app } from '../../app.js'
import { bytes, explain, t } from '../../i18n/index.js'
import { download, pack, unpack } from '../../archive.js'
import { ConflictError, exportCluster, importCluster } from './keep.js'
import { MANIFEST, ManifestError, isCluster } from './manifest.js'

class Keep extends View {
  static slices = ['topics', 'page']
  static everyMs = 500
  static properties = { what: { state: true }, archive: { state: true }, topicError: { state: true } }

  constructor () {
    super()
    /** '' for the whole cluster, else a topic. */
    this.what = ''
    /** An exported topic that waits for its name. @type {{ name: string, files: Record<string, Uint8Array>, topic: string } | null} */
    this.archive = null
    this.topicError = ''
    this.job = new Job(this)
  }

  render () {
    const topics = app.store.userTopics()
    const { running } = this.job
    return html`<p class="hint">${t('share.keepHint')}</p>
      <div class="row">
        <label>${t('share.what')} <select name="export-what" @change=${(event) => { this.what = event.target.value }}>
          <option value="">${t('share.whole')}</option>${topics.map((topic) => html`<option value=${topic} .selected=${topic === this.what}>${t('share.topicOf', { topic })}</option>`)}</select></label>
        <button type="button" class="primary" data-do="export" ?disabled=${running} @click=${() => this.#export(topics.includes(this.what) ? this.what : '')}>${t('share.export')}</button>
      </div>
      <div class="row">
        ${dropZone({ label: t('share.drop'), name: 'import-zip', accept: '.zip', disabled: running, take: (file) => this.#open(file) })}
      </div>
      ${this.archive ? html`<form novalidate data-form="import-topic" @submit=${(event) => { event.preventDefault(); this.#importTopic() }}>
        <div class="field ${this.topicError ? 'wrong' : ''}"><label for="import-as">${t('share.importAs')}</label>
          <input id="import-as" name="import-as" .value=${this.archive.topic} ?disabled=${running} aria-invalid=${this.topicError ? 'true' : 'false'} aria-describedby="import-as-error"
            @input=${(event) => { this.archive.topic = event.target.value; this.topicError = '' }}>
          <p class="error" id="import-as-error" role="alert">${this.topicError}</p></div>
        <button class="primary" ?disabled=${running}>${t('share.import')}</button></form>` : ''}
      ${this.job.view('keep')}`
  }

  #tools ({ signal, progress }) {
    return { signal, step: (done, of, key, topic) => progress(done, of, t(`share.${key}`, { topic })) }
  }

  /** @param {string} topic '' for all of the cluster */
  #export (topic) {
    const cluster = app.source.name
    return this.job.run(t('share.exporting', { topic: topic || cluster }), async (tools) => {
      const files = topic
        ? await app.source.cluster.exportTopic(topic, { signal: tools.signal, onProgress: ({ partition, partitions }) => tools.progress(partition, partitions) })
        : await exportCluster(this.#tools(tools))
      const zip = pack(files)
      const name = topic ? `${topic}.zip` : `${cluster}.tabmq.zip`
      download(name, zip)
      return t('share.exported', { name, size: bytes(zip.length) })
    })
  }

  /** @param {File} file */
  async #open (file) {
    this.archive = null
    this.topicError = ''
    const { name } = file
    let files
    try {
      files = unpack(name, new Uint8Array(await file.arrayBuffer()))
    } catch (error) {
      return this.job.say(`${t('share.refused')} ${explain(error)}`, 'bad')
    }
    if (isCluster(files)) return this.#import(name, files)
    if (!Object.keys(files).some((path) => path.endsWith('.log'))) return this.job.say(`${t('share.refused')} ${t('share.neither', { name, manifest: MANIFEST })}`, 'bad')
    this.archive = { name, files, topic: name.replace(/\.[^.]*$/, '').replace(/[^A-Za-z0-9._-]/g, '-') }
    this.job.say(t('share.isTopic', { name, count: Object.keys(files).length }))
  }

  #import (name, files) {
    return this.job.run(t('share.importing', { name }), async (tools) => {
      try {
        const { topics, records, groups, shifted, without } = await importCluster(files, this.#tools(tools))
        const more = [shifted.length ? t('share.shifted', { topics: shifted.join(', ') }) : '', without.length ? t('share.without', { topics: without.join(', ') }) : '']
        return [t('share.imported', { name, topics, records, groups }), ...more].join(' ').trim()
      } catch (error) {
        if (tools.signal.aborted) throw error
        throw new Error(`${t('share.refused')} ${inWords(error, name)}`)
      }
    }, { partly: () => t('share.nothingLeft') })
  }

  async #importTopic () {
    const { name, files, topic } = this.archive
    if (!topic.trim()) { this.topicError = t('form.needed'); return }
    if (app.store.model.topics.has(topic)) { this.topicError = t('share.topicThere', { topic }); return }
    const done = await this.job.run(t('share.importing', { name }), async ({ signal, progress }) => {
      const { records } = await app.source.cluster.importTopic(topic, files, { signal, onProgress: ({ bytes: sofar, of }) => progress(sofar, of) })
      return t('share.importedTopic', { topic, records })
    })
    if (done) this.archive = null
  }
}
customElements.define('tabmq-keep', Keep)

/** @param {any} error @param {string} name of the .zip */
function inWords (error, name) {
  if (error instanceof ManifestError) {
    const { file, place, why, detail } = /** @type {any} */ (error)
    return t(`share.manifest.${why}`, { name, file, place, detail })
  }
  if (error instanceof ConflictError) return t(`share.conflict.${error.what}`, { names: error.names.join(', ') })
  return `${name}: ${explain(error)}`
}
