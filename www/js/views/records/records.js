// Records: browse a partition, jump to an offset or a time, search it, follow its end; and one record in full.
import { html, nothing } from 'lit'
import { View } from '../../kit/view.js'
import { Form, field } from '../../kit/field.js'
import { Job } from '../../kit/job.js'
import { copyAs, emptyState } from '../../kit/parts.js'
import { app } from '../../app.js'
import { dateTime, explain, number, t, time } from '../../i18n/index.js'
import { commandsOf } from '../../commands/index.js'
import { leading } from '../topics/facts.js'
import { RecordCache } from './cache.js'
import { FIELDS, FilterError, compile } from './filter.js'
import { loosely } from './bytes.js'
import { MATCHES_MAX, Tail, brief, search } from './scan.js'
import '../../kit/virtual.js'
import './record.js'

const EVERY_MS = 250
const ALL = 'all'

class Records extends View {
  static slices = ['topics', 'progress', 'page']
  static everyMs = EVERY_MS
  static properties = { param: {}, query: { attribute: false }, mode: { state: true }, picked: { state: true }, topic: { state: true }, partition: { state: true } }
  /** @type {RecordCache | null} */ #cache = null
  /** Where the list began when it was opened: rows keep their places while retention deletes the first ones. @type {Map<number, number>} */ #origin = new Map()
  /** @type {Tail | null} */ #tail = null
  /** @type {import('./scan.js').Brief[]} */ #matches = []
  #test = /** @type {(row: any) => boolean} */ (() => true)
  /** What a scroll is due to, once the list is there. @type {{ partition: number, offset: number } | null} */ #goTo = null

  constructor () {
    super()
    this.param = ''
    this.query = new URLSearchParams()
    /** @type {'browse' | 'search' | 'tail'} */ this.mode = 'browse'
    /** @type {import('./cache.js').Row | null} */ this.picked = null
    this.topic = ''
    /** A number, or ALL. */ this.partition = '0'
    this.jump = new Form(this, { offset: '', time: '' }, { offset: (text) => this.#judgeOffset(text), time: (text) => text.trim() === '' || readTime(text) !== null ? '' : t('records.timeWrong') })
    this.filter = new Form(this, { kind: 'text', text: '' }, { text: (text, { kind }) => kind === 'filter' && text.trim() !== '' ? wrongFilter(text) : '' })
    this.job = new Job(this)
  }

  disconnectedCallback () {
    super.disconnectedCallback()
    // What is not shown costs nothing.
    this.#tail?.end()
    this.#tail = null
    if (this.mode === 'tail') this.mode = 'browse'
  }

  willUpdate (changed) {
    if (changed.has('query')) this.#address()
    if (!this.topic || !app.store.model.topics.has(this.topic)) {
      const wanted = this.query.get('topic')
      if (!wanted) this.topic = app.store.selectedTopic && app.store.model.topics.has(app.store.selectedTopic) ? app.store.selectedTopic : app.store.userTopics()[0] ?? ''
    }
    if (changed.has('topic') || changed.has('partition') || (!this.#cache && this.topic)) this.#open()
    if (this.mode === 'tail') this.#tail?.take(this.#ends(), this.#test)
  }

  updated () {
    if (!this.#goTo) return
    const list = /** @type {any} */ (this.querySelector('tabmq-virtual'))
    if (!list) return
    const { partition, offset } = this.#goTo
    this.#goTo = null
    const index = this.#indexOf(partition, offset)
    // The list learns of its length in the same update.
    list.updateComplete.then(() => {
      list.active = index
      list.scrollToIndex(index)
    })
  }

  /** Follows the address. */
  #address () {
    const topic = this.query.get('topic')
    if (topic !== null && topic !== this.topic) {
      this.topic = topic
      this.partition = '0'
    }
    if (topic !== null) app.store.selectedTopic = topic
    const partition = this.query.get('partition')
    if (partition !== null && (partition === ALL || /^\d+$/.test(partition))) this.partition = partition
    const offset = this.query.get('offset')
    if (offset !== null && /^\d+$/.test(offset)) {
      this.jump.values.offset = offset
      this.#show(Number(this.partition === ALL ? 0 : this.partition), Number(offset))
    }
    const q = this.query.get('q')
    if (q !== null) Object.assign(this.filter.values, { text: q, kind: this.query.get('kind') === 'filter' ? 'filter' : 'text' })
  }

  #open () {
    this.#cache?.end()
    this.#cache = this.topic ? new RecordCache(this.topic, () => this.requestUpdate()) : null
    this.#tail?.end()
    this.#tail = null
    this.#matches = []
    this.mode = 'browse'
    if (this.picked && !this.#goTo) this.picked = null
    if (this.job.running) this.job.cancel()
    this.#origin = new Map()
  }

  /** Those that are looked at, with what their leader tells. */
  #partitions () {
    const all = app.store.model.topics.get(this.topic) ?? []
    return all.flatMap((partition, index) => partition && (this.partition === ALL || String(index) === this.partition) ? [{ index, replica: leading(partition) }] : [])
  }

  /** @returns {Map<number, number>} high watermarks */
  #ends () {
    return new Map(this.#partitions().map(({ index, replica }) => [index, replica.highWatermark]))
  }

  /** The list: each partition's offsets, one after the other. */
  #spans () {
    return this.#partitions().map(({ index, replica }) => {
      // Until a leader has told anything there is nothing to remember.
      if (!this.#origin.has(index) && replica.logEnd > 0) this.#origin.set(index, replica.logStart)
      // A log that was cut below where we began begins anew.
      const from = Math.min(this.#origin.get(index) ?? 0, replica.highWatermark)
      return { partition: index, from, count: replica.highWatermark - from }
    })
  }

  #placeOf (spans, index) {
    for (const { partition, from, count } of spans) {
      if (index < count) return { partition, offset: from + index }
      index -= count
    }
    return null
  }

  #indexOf (partition, offset) {
    let before = 0
    for (const span of this.#spans()) {
      if (span.partition === partition) return before + Math.min(Math.max(0, offset - span.from), Math.max(0, span.count - 1))
      before += span.count
    }
    return 0
  }

  render () {
    const topics = [...app.store.model.topics.keys()].sort((a, b) => Number(a.startsWith('__')) - Number(b.startsWith('__')) || a.localeCompare(b))
    const head = html`<div class="head"><h1>${t('records.title')}</h1><p class="lead">${t('records.lead')}</p></div>`
    if (topics.length === 0) return html`${head}${emptyState(t('topics.empty'), html`<a href="#/topics">${t('topics.new')}</a>`)}`
    const known = app.store.model.topics.has(this.topic)
    const partitions = app.store.model.topics.get(this.topic) ?? []
    const missing = this.partition !== ALL && !partitions[Number(this.partition)]
    return html`${head}
      <section class="panel record-tools">
        <div class="row">
          <label>${t('topics.topic')} <select name="topic" @change=${(event) => this.#choose({ topic: event.target.value })}>
            ${known ? '' : html`<option value=${this.topic} .selected=${true}>${this.topic}</option>`}
            ${topics.map((topic) => html`<option value=${topic} .selected=${topic === this.topic}>${topic}</option>`)}</select></label>
          <label>${t('topics.partition')} <select name="partition" @change=${(event) => this.#choose({ partition: event.target.value })}>
            <option value=${ALL} .selected=${this.partition === ALL}>${t('records.all')}</option>
            ${partitions.map((_, index) => html`<option value=${index} .selected=${String(index) === this.partition}>${index}</option>`)}</select></label>
          ${this.#jumps()}
        </div>
        ${this.#finder()}
      </section>
      ${!known ? emptyState(t('topics.none', { topic: this.topic })) : missing ? emptyState(t('records.noPartition', { topic: this.topic, partition: this.partition })) : html`
      <div class="records-layout ${this.picked ? 'with-record' : ''}">
        <section class="panel records-list">${this.#list()}</section>
        ${this.picked ? html`<section class="panel record-panel" aria-label=${t('records.oneRecord')}><tabmq-record .row=${this.picked} @close=${() => this.#close()}></tabmq-record></section>` : ''}
      </div>`}`
  }

  #jumps () {
    const single = this.partition !== ALL
    return html`<form novalidate class="jump" @submit=${(event) => this.jump.submit(event, (values) => this.#jump(values))}>
      ${field(this.jump, 'offset', { label: t('records.offset'), type: 'number', width: 9, disabled: !single, placeholder: single ? undefined : t('records.choosePartition') })}
      ${field(this.jump, 'time', { label: t('records.orTime'), width: 20, disabled: !single, placeholder: '2026-11-25 14:05, -5m' })}
      <button ?disabled=${!single || this.jump.busy} data-do="jump">${t('records.go')}</button>
      <button type="button" data-do="first" @click=${() => this.#edge(false)}>${t('records.first')}</button>
      <button type="button" data-do="last" @click=${() => this.#edge(true)}>${t('records.last')}</button>
      ${this.jump.note('jump')}</form>`
  }

  #finder () {
    const { kind } = this.filter.values
    return html`<form novalidate class="find" @submit=${(event) => this.filter.submit(event, () => this.#search())}>
        ${field(this.filter, 'kind', { label: t('records.find'), type: 'select', options: [{ value: 'text', label: t('records.textContains') }, { value: 'filter', label: t('records.filterIs') }] })}
        <div class="grow">${field(this.filter, 'text', { label: kind === 'filter' ? t('records.expression') : t('records.text'), width: 44, mono: kind === 'filter', placeholder: kind === 'filter' ? "value.drink = 'latte' and offset > 100" : undefined, hint: kind === 'filter' ? t('records.filterHint', { fields: FIELDS.join(', ') }) : undefined })}</div>
        <button class="primary" ?disabled=${this.job.running || !this.topic} data-do="search">${t('records.search')}</button>
        <button type="button" class=${this.mode === 'tail' ? 'on' : ''} aria-pressed=${this.mode === 'tail' ? 'true' : 'false'} data-do="tail" @click=${() => this.#follow()}>${t('records.tail')}</button>
        ${this.mode === 'browse' ? '' : html`<button type="button" data-do="browse" @click=${() => this.#browse()}>${t('records.back')}</button>`}
        ${copyAs(commandsOf([{ what: 'consume', given: [{ topic: this.topic, partition: this.partition === ALL ? 0 : Number(this.partition), offset: this.picked?.offset ?? this.#partitions()[0]?.replica.logStart ?? 0 }] }]))}
      </form>${this.job.view('search')}`
  }

  #list () {
    const wide = this.partition === ALL
    const columns = html`<div class="record-row record-head ${wide ? 'wide' : ''}" aria-hidden="true">${wide ? html`<span>${t('topics.partition')}</span>` : ''}<span>${t('records.offset')}</span><span>${t('records.time')}</span><span>${t('record.key')}</span><span>${t('record.value')}</span></div>`
    if (this.mode === 'tail') {
      const { rows, passed, failure, paused } = this.#tail
      const waiting = this.#tail.waiting(this.#ends())
      return html`<div class="row spread"><h2>${t('records.tailOf', { topic: this.topic })}</h2>
          <button type="button" data-do="pause-tail" aria-pressed=${paused ? 'true' : 'false'} @click=${() => this.#pauseTail(!paused)}>${paused ? t('records.goOn') : t('records.pause')}</button></div>
        <p class="note ${paused ? 'warn' : ''}" role="status" data-note="tail">${paused ? t('records.tailPaused', { count: waiting }) : t('records.tailRuns', { count: rows.length })}${passed ? ` ${t('records.passed', { count: passed })}` : ''}</p>
        ${failure ? html`<p class="note bad">${explain(failure)}</p>` : ''}
        ${columns}<tabmq-virtual class="record-list" label=${t('records.tailOf', { topic: this.topic })} .count=${rows.length} .follow=${!paused} .row=${(index) => line(rows[index], wide)}
          .selected=${rows.findIndex((row) => this.#isPicked(row))} @leave=${() => this.#pauseTail(true)} @pick=${(event) => this.#pick(rows[event.detail.index])}></tabmq-virtual>`
    }
    if (this.mode === 'search') {
      const rows = this.#matches
      return html`<h2>${t('records.found', { count: rows.length })}</h2>
        ${columns}${rows.length ? html`<tabmq-virtual class="record-list" label=${t('records.found', { count: rows.length })} .count=${rows.length} .row=${(index) => line(rows[index], wide)}
          .selected=${rows.findIndex((row) => this.#isPicked(row))} @pick=${(event) => this.#pick(rows[event.detail.index])}></tabmq-virtual>` : emptyState(this.job.running ? t('records.nothingYet') : t('records.nothing'))}`
    }
    const spans = this.#spans()
    const count = spans.reduce((sum, span) => sum + span.count, 0)
    const cache = this.#cache
    if (!cache) return ''
    cache.begin()
    const row = (index) => {
      const place = this.#placeOf(spans, index)
      if (!place) return ''
      const found = cache.at(place.partition, place.offset)
      return found ? line(brief(found), wide) : html`<div class="record-row ${wide ? 'wide' : ''}">${wide ? html`<span>${place.partition}</span>` : ''}<span>${number(place.offset)}</span><span class="none">${found === null ? t('records.none') : t('records.loading')}</span></div>`
    }
    return html`<div class="row spread"><h2>${t('records.count', { count })}</h2></div>
      ${cache.failure ? html`<p class="note bad" role="alert">${cache.failure} <button type="button" class="small" @click=${() => cache.retry()}>${t('records.retry')}</button></p>` : ''}
      ${count === 0 ? emptyState(t('records.empty'), html`<a href="#/produce">${t('nav.produce')}</a>`) : html`${columns}
      <tabmq-virtual class="record-list" label=${t('records.title')} .count=${count} .row=${row} .selected=${this.picked ? this.#indexOf(this.picked.partition, this.picked.offset) : -1}
        @pick=${(event) => { const place = this.#placeOf(spans, event.detail.index); if (place) this.#pick(place) }}></tabmq-virtual>`}`
  }

  #isPicked ({ partition, offset }) {
    return this.picked?.partition === partition && this.picked.offset === offset
  }

  /** @param {{ topic?: string, partition?: string }} what */
  #choose ({ topic = this.topic, partition }) {
    this.jump.errors = {}
    this.picked = null
    if (topic !== this.topic) {
      this.topic = topic
      app.store.selectedTopic = topic
      const partitions = app.store.model.topics.get(topic) ?? []
      if (partition === undefined && this.partition !== ALL && !partitions[Number(this.partition)]) this.partition = '0'
    }
    if (partition !== undefined) this.partition = partition
    this.#write()
  }

  /** The address, for who wants to keep or share it; no step of the browser's history. */
  #write (offset = /** @type {number | null} */ (null)) {
    const query = new URLSearchParams({ topic: this.topic, partition: this.partition })
    if (offset !== null) query.set('offset', String(offset))
    history.replaceState(null, '', `#/records?${query}`)
  }

  /** @param {{ partition: number, offset: number }} place */
  async #pick ({ partition, offset }) {
    const cache = this.#cache
    try {
      const row = await cache.get(partition, offset)
      if (cache !== this.#cache) return
      this.picked = row
      if (row) {
        if (this.partition !== ALL) this.#write(offset)
        this.jump.values.offset = String(offset)
        await this.updateComplete
        if (matchMedia('(max-width: 1000px)').matches) this.querySelector('.record-panel')?.scrollIntoView({ block: 'start' })
      } else this.job.say(t('records.noneAt', { partition, offset }), '')
    } catch (error) {
      this.job.say(explain(error), 'bad')
    }
  }

  #close () {
    this.picked = null
    if (this.partition !== ALL) this.#write()
    this.updateComplete.then(() => /** @type {HTMLElement | null} */ (this.querySelector('.virtual'))?.focus())
  }

  /** Scrolls to a record and opens it. */
  async #show (partition, offset) {
    this.mode = 'browse'
    this.#goTo = { partition, offset }
    this.requestUpdate()
    await this.updateComplete
    if (this.#cache) await this.#pick({ partition, offset })
  }

  #judgeOffset (text) {
    if (String(text).trim() === '') return ''
    const found = this.#partitions()[0]
    if (!found) return ''
    const { logStart, highWatermark } = found.replica
    const offset = Number(text)
    if (!Number.isInteger(offset) || offset < 0) return t('records.offsetWrong')
    return offset >= logStart && offset < highWatermark ? '' : t('records.offsetOutside', { from: logStart, to: Math.max(logStart, highWatermark - 1) })
  }

  async #jump ({ offset, time: when }) {
    const partition = Number(this.partition)
    if (when.trim() !== '') {
      const at = readTime(when)
      const found = await app.admin.fetchTopicOffsetsByTimestamp(this.topic, at)
      const place = Number(found.find((one) => one.partition === partition)?.offset)
      const { highWatermark } = this.#partitions()[0].replica
      if (place >= highWatermark) {
        throw Object.assign(new Error(t('records.nothingSince', { time: dateTime(at) })), { field: 'time' })
      }
      this.jump.values.time = ''
      await this.#show(partition, place)
      return t('records.firstSince', { offset: place, time: dateTime(at) })
    }
    if (offset.trim() === '') throw Object.assign(new Error(t('form.needed')), { field: 'offset' })
    await this.#show(partition, Number(offset))
  }

  /** @param {boolean} last */
  #edge (last) {
    this.mode = 'browse'
    // The first one may be another by now.
    if (!last) for (const { index, replica } of this.#partitions()) this.#origin.set(index, replica.logStart)
    const spans = this.#spans()
    const span = last ? spans.findLast(({ count }) => count > 0) : spans.find(({ count }) => count > 0)
    if (span) this.#goTo = { partition: span.partition, offset: last ? span.from + span.count - 1 : span.from }
    this.requestUpdate()
  }

  #browse () {
    this.job.running && this.job.cancel()
    this.#tail?.end()
    this.#tail = null
    this.mode = 'browse'
  }

  /** What the fields say is looked for. */
  #testOf () {
    const { kind, text } = this.filter.values
    if (text.trim() === '') return () => true
    if (kind === 'filter') return compile(text)
    const wanted = text.toLowerCase()
    return ({ key, value, headers }) => loosely(value).toLowerCase().includes(wanted) || loosely(key).toLowerCase().includes(wanted) ||
      Object.entries(headers).some(([name, one]) => name.toLowerCase().includes(wanted) || [one].flat().some((bytes) => bytes && loosely(bytes).toLowerCase().includes(wanted)))
  }

  #search () {
    if (String(this.filter.values.text).trim() === '') throw Object.assign(new Error(t('form.needed')), { field: 'text' })
    const test = this.#testOf()
    this.#tail?.end()
    this.#tail = null
    this.#matches = []
    this.mode = 'search'
    const matches = this.#matches
    const ranges = this.#partitions().map(({ index, replica }) => ({ partition: index, from: replica.logStart, to: replica.highWatermark }))
    // The form is free meanwhile: the job has its own button.
    this.job.run(t('records.searching'), async ({ signal, progress }) => {
      const { looked, full } = await search({
        topic: this.topic, ranges, test, signal,
        found: (row) => { matches.push(row); this.requestUpdate() },
        progress: (done, of) => progress(done, of, t('records.searched', { done, of, found: matches.length }))
      })
      return full ? t('records.searchFull', { count: MATCHES_MAX, looked }) : t('records.searchDone', { count: matches.length, looked })
    }, { partly: () => t('records.searchPartly', { count: matches.length }) })
  }

  #follow () {
    if (this.mode === 'tail') return this.#browse()
    this.job.running && this.job.cancel()
    try {
      this.#test = this.#testOf()
    } catch (error) {
      // The field says it.
      this.filter.touch('text')
      return
    }
    // The last few records come first, so that there is something to see.
    const from = new Map(this.#partitions().map(({ index, replica }) => [index, Math.max(replica.logStart, replica.highWatermark - 50)]))
    this.#tail?.end()
    this.#tail = new Tail(this.topic, from, () => this.requestUpdate())
    this.mode = 'tail'
  }

  /** @param {boolean} paused */
  #pauseTail (paused) {
    if (!this.#tail) return
    this.#tail.paused = paused
    this.requestUpdate()
  }
}
customElements.define('tabmq-records', Records)

/** A record in a list. @param {import('./scan.js').Brief} row @param {boolean} wide with its partition */
function line (row, wide) {
  if (!row) return ''
  const { partition, offset, timestamp, key, value, headers, control, transactional } = row
  return html`<div class="record-row ${wide ? 'wide' : ''}">${wide ? html`<span>${partition}</span>` : ''}<span>${number(offset)}</span><span title=${timestamp < 0 ? nothing : dateTime(timestamp)}>${timestamp < 0 ? '–' : time(timestamp)}</span>
    <span class=${key === null ? 'none' : ''}>${key ?? 'null'}</span><span class=${value === null ? 'none' : ''}>${control ? html`<b class="tag">${t('records.control')}</b> ` : transactional ? html`<b class="tag">tx</b> ` : ''}${headers ? html`<b class="tag" title=${t('records.headerCount', { count: headers })}>+${headers}</b> ` : ''}${value ?? 'null'}</span></div>`
}

/** @param {string} source @returns {string} '' when it is right */
function wrongFilter (source) {
  try {
    compile(source)
    return ''
  } catch (error) {
    if (error instanceof FilterError) return t('records.atColumn', { column: error.column, why: t(`records.wrong.${error.code}`, { found: error.found, fields: FIELDS.join(', ') }) })
    throw error
  }
}

const UNITS_MS = { s: 1000, m: 60000, h: 3600000, d: 86400000 }

/** Ms since the epoch, of a date, of such a number, or of `-5m`. @param {string} text @returns {number | null} */
export function readTime (text) {
  const trimmed = text.trim()
  const ago = /^-(\d+(?:\.\d+)?)\s*([smhd])$/.exec(trimmed)
  if (ago) return Math.round(Date.now() - Number(ago[1]) * UNITS_MS[ago[2]])
  if (/^\d{10,}$/.test(trimmed)) return Number(trimmed)
  const at = /^\d{4}-\d{2}-\d{2}/.test(trimmed) ? Date.parse(trimmed.replace(' ', 'T')) : NaN
  return Number.isNaN(at) ? null : at
}
