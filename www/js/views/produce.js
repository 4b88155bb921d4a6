// Produce by hand, from a file, or the sample data; import a topic that was exported.
import { html, render } from '../../vendor/lit-html/lit-html.js'
import { ParseError, parse } from '../parse.js'
import { bytesInWords, explain } from '../words.js'
import { unpack } from '../archive.js'

const BATCH = 500
const SAMPLE = { url: './data/flights-20k.json', name: 'flights.json', topic: 'flights', key: 'origin' }

/** @param {HTMLElement} root @param {any} kafka @param {any} admin @param {any} cluster */
export function produceView (root, kafka, admin, cluster) {
  const producer = kafka.producer()
  const connected = producer.connect()
  let note = { text: 'Records of one key stay in order, in one partition.', tone: '' }
  let fileNote = { text: '', tone: '' }
  /** @type {{ name: string, table: import('../parse.js').Table, topic: string, key: string } | null} */
  let file = null
  /** @type {{ name: string, files: Record<string, Uint8Array>, topic: string } | null} An exported topic. */
  let archive = null
  /** @type {{ sent: number, of: number, cancelled: boolean } | null} */
  let job = null

  const send = async (store, event) => {
    event.preventDefault()
    const form = new FormData(event.target)
    const topic = String(form.get('topic'))
    const key = String(form.get('key')) || null
    try {
      await connected
      const [result] = await producer.send({
        topic, acks: Number(form.get('acks')), messages: [{ key, value: String(form.get('value')) }]
      })
      const where = `${topic}, partition ${result.partition}`
      note = { text: result.baseOffset === undefined ? `Sent to ${where}; no ack was asked for.` : `Acked: ${where}, offset ${result.baseOffset}.`, tone: 'good' }
    } catch (error) {
      note = { text: explain(error), tone: 'bad' }
    }
    store.changed()
  }

  const topicOf = (name) => name.replace(/\.[^.]*$/, '').replace(/[^A-Za-z0-9._-]/g, '-')

  /** @param {any} store @param {File} given */
  const openFile = async (store, given) => {
    if (!/\.zip$/i.test(given.name)) return open(store, given.name, await given.text())
    file = null
    try {
      archive = { name: given.name, files: unpack(given.name, new Uint8Array(await given.arrayBuffer())), topic: topicOf(given.name) }
      fileNote = { text: `${given.name}: ${Object.keys(archive.files).length} files of a topic.`, tone: '' }
    } catch (error) {
      archive = null
      fileNote = { text: explain(error), tone: 'bad' }
    }
    store.changed()
  }

  const importArchive = async (store) => {
    const { name, files, topic } = archive
    job = { sent: 0, of: 1, cancelled: false }
    fileNote = { text: `Importing ${name} as ${topic}…`, tone: '' }
    store.changed()
    try {
      const { partitions, records, offsetsKept } = await cluster.importTopic(topic, files, {
        onProgress: ({ phase, bytes, of }) => {
          Object.assign(job, { sent: bytes, of })
          fileNote = { text: `${phase === 'checking' ? 'Checking' : 'Writing'} ${name}: ${bytesInWords(bytes)} of ${bytesInWords(of)}…`, tone: '' }
          store.changed()
        }
      })
      store.selectedTopic = topic
      const offsets = offsetsKept ? 'their offsets are the same' : 'they have new offsets'
      fileNote = { text: `Imported ${topic}: ${records.toLocaleString('en')} records in ${partitions} partitions; ${offsets}.`, tone: 'good' }
      archive = null
    } catch (error) {
      fileNote = { text: `Not imported. ${explain(error)}`, tone: 'bad' }
    }
    job = null
    store.changed()
  }

  const open = async (store, name, text, topic, key) => {
    archive = null
    try {
      const table = parse(name, text)
      file = { name, table, topic: topic ?? topicOf(name), key: key ?? table.columns[0] }
      fileNote = { text: `${name}: ${table.rows.length.toLocaleString('en')} rows.`, tone: '' }
    } catch (error) {
      file = null
      fileNote = { text: `${name}, ${error instanceof ParseError ? error.message : explain(error)}`, tone: 'bad' }
    }
    store.changed()
  }

  const sample = async (store) => {
    const response = await fetch(SAMPLE.url)
    await open(store, SAMPLE.name, await response.text(), SAMPLE.topic, SAMPLE.key)
    if (file) await produceFile(store)
  }

  const produceFile = async (store) => {
    const { table: { rows }, topic, key, name } = file
    job = { sent: 0, of: rows.length, cancelled: false }
    fileNote = { text: `Producing ${name} into ${topic}, keyed by ${key}, acks=all…`, tone: '' }
    store.changed()
    const started = performance.now()
    try {
      await connected
      if (!store.model.topics.has(topic)) {
        await admin.createTopics({ topics: [{ topic, numPartitions: 6, replicationFactor: 3 }] })
      }
      store.selectedTopic = topic
      for (let from = 0; from < rows.length && !job.cancelled; from += BATCH) {
        const messages = rows.slice(from, from + BATCH).map((row) => ({
          key: row[key] === undefined || row[key] === null ? null : String(row[key]), value: JSON.stringify(row)
        }))
        await producer.send({ topic, acks: -1, messages })
        job.sent += messages.length
        store.changed()
      }
      const seconds = (performance.now() - started) / 1000
      const done = job.cancelled ? 'Cancelled' : 'Done'
      fileNote = { text: `${done}: ${job.sent.toLocaleString('en')} records acked in ${seconds.toFixed(1)} s.`, tone: 'good' }
    } catch (error) {
      fileNote = { text: `${explain(error)} ${job.sent.toLocaleString('en')} records were acked before.`, tone: 'bad' }
    }
    job = null
    store.changed()
  }

  const drop = async (store, event) => {
    event.preventDefault()
    event.currentTarget.classList.remove('over')
    const [dropped] = event.dataTransfer?.files ?? []
    if (dropped && !job) await openFile(store, dropped)
  }

  return (store) => {
    const topics = store.userTopics()
    render(html`
      <fieldset>
        <legend>By hand</legend>
        <form @submit=${(event) => send(store, event)} data-form="produce">
          <label>Topic <select name="topic" required>${topics.map((topic) => html`<option ?selected=${topic === store.selectedTopic}>${topic}</option>`)}</select></label>
          <label>Key <input name="key" size="8" autocomplete="off"></label>
          <label>Value <input name="value" size="16" autocomplete="off" value="hello"></label>
          <label>Acks <select name="acks"><option value="-1">all</option><option value="1">1</option><option value="0">0</option></select></label>
          <button class="primary" ?disabled=${topics.length === 0}>Send</button>
        </form>
        <p class="note ${note.tone}" role="status" data-note="produce">${note.text}</p>
      </fieldset>
      <fieldset>
        <legend>From a file</legend>
        <div class="row">
          <button class="primary" ?disabled=${job} @click=${() => sample(store)}>Load 20,000 flights</button>
          <label class="drop"
            @dragover=${(event) => { event.preventDefault(); event.currentTarget.classList.add('over') }}
            @dragleave=${(event) => event.currentTarget.classList.remove('over')}
            @drop=${(event) => drop(store, event)}>Drop a .json, .ndjson, .csv or an exported .zip here, or choose
            <input type="file" accept=".json,.ndjson,.jsonl,.csv,.zip" ?disabled=${job}
              @change=${async (event) => { const [chosen] = event.target.files; if (chosen) await openFile(store, chosen) }}>
          </label>
        </div>
        ${file ? html`<div class="row spaced">
          <label>Topic <input name="file-topic" .value=${file.topic} ?disabled=${job} @input=${(event) => { file.topic = event.target.value }}></label>
          <label>Key column <select name="file-key" ?disabled=${job} @change=${(event) => { file.key = event.target.value }}>
            ${file.table.columns.map((column) => html`<option ?selected=${column === file.key}>${column}</option>`)}</select></label>
          ${job ? html`<button class="danger" @click=${() => { job.cancelled = true }}>Cancel</button>`
            : html`<button @click=${() => produceFile(store)}>Produce</button>`}
        </div>` : ''}
        ${archive ? html`<div class="row spaced">
          <label>New topic <input name="import-topic" .value=${archive.topic} ?disabled=${job} @input=${(event) => { archive.topic = event.target.value }}></label>
          <button ?disabled=${job} @click=${() => importArchive(store)}>Import</button>
        </div>` : ''}
        <p class="note ${fileNote.tone}" role="status" data-note="file">${fileNote.text}</p>
        <progress aria-label=${archive ? 'Bytes imported' : 'Records acked'} max=${job?.of ?? 1} .value=${job?.sent ?? 0}></progress>
      </fieldset>`, root)
  }
}
