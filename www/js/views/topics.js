// Topics: a form to make one, and a table of the partitions of the one selected.
import { html, render } from '../../vendor/lit-html/lit-html.js'
import { bytesInWords, explain } from '../words.js'
import { download, pack } from '../archive.js'

/** @param {HTMLElement} root @param {any} admin */
export function topicFormView (root, admin) {
  let note = { text: 'Three replicas on three brokers: any one of them may fail.', tone: '' }

  const create = async (store, event) => {
    event.preventDefault()
    const form = new FormData(event.target)
    const topic = String(form.get('topic'))
    try {
      await admin.createTopics({
        topics: [{ topic, numPartitions: Number(form.get('partitions')), replicationFactor: Number(form.get('replicas')) }]
      })
      store.selectedTopic = topic
      note = { text: `Created ${topic}.`, tone: 'good' }
    } catch (error) {
      note = { text: explain(error), tone: 'bad' }
    }
    store.changed()
  }

  return (store) => render(html`
    <form @submit=${(event) => create(store, event)}>
      <label>Name <input name="topic" value="orders" required autocomplete="off" size="14"></label>
      <label>Partitions <input name="partitions" type="number" value="6" size="4" required></label>
      <label>Replicas <input name="replicas" type="number" value="3" size="4" required></label>
      <button class="primary">Create topic</button>
    </form>
    <p class="note ${note.tone}" role="status" data-note="topic">${note.text}</p>`, root)
}

/** @param {HTMLElement} root @param {any} admin @param {any} cluster */
export function topicTableView (root, admin, cluster) {
  let note = ''
  let exporting = false

  const remove = async (store, topic) => {
    try {
      await admin.deleteTopics({ topics: [topic] })
      note = `Deleted ${topic}.`
    } catch (error) {
      note = explain(error)
    }
    store.changed()
  }

  const exportTopic = async (store, topic) => {
    const say = (words) => { note = words; store.changed() }
    exporting = true
    say(`Exporting ${topic}…`)
    try {
      const files = await cluster.exportTopic(topic, {
        onProgress: ({ partition, partitions, bytes }) =>
          say(`Exporting ${topic}: partition ${partition + 1} of ${partitions}, ${bytesInWords(bytes)}…`)
      })
      const name = `${topic}.zip`
      const archive = pack(files)
      download(name, archive)
      note = `Exported ${topic}: ${name}, ${bytesInWords(archive.length)}.`
    } catch (error) {
      note = explain(error)
    }
    exporting = false
    store.changed()
  }

  return (store) => {
    const topics = [...store.model.topics.keys()].sort(internalLast)
    if (!store.selectedTopic || !store.model.topics.has(store.selectedTopic)) {
      store.selectedTopic = store.userTopics()[0] ?? null
    }
    const selected = store.selectedTopic
    const partitions = selected ? store.model.topics.get(selected) : []
    const most = Math.max(1, ...partitions.map((partition) => ends(partition).logEnd))
    render(html`
      <div class="row">
        <label>Topic <select name="selected-topic" ?disabled=${topics.length === 0}
            @change=${(event) => { store.selectedTopic = event.target.value; store.changed() }}>
          ${topics.map((topic) => html`<option .selected=${topic === selected} value=${topic}>${topic}</option>`)}
        </select></label>
        <button ?disabled=${!selected || exporting} @click=${() => exportTopic(store, selected)}
          title="Download the topic's records as Kafka's own files">Export</button>
        <button class="danger" ?disabled=${!selected || selected.startsWith('__')} @click=${() => remove(store, selected)}>Delete</button>
        <span class="note" role="status" data-note="table">${note}</span>
      </div>
      <div class="scroll" tabindex="0" role="region" aria-label="Partitions of ${selected ?? 'no topic'}">
      <table>
        <thead><tr><th class="number">Partition</th><th class="number">Leader</th><th>Replicas (in sync)</th>
          <th class="number">Epoch</th><th class="number">High watermark</th><th class="number">Log end</th><th>Records</th></tr></thead>
        <tbody>${partitions.map((partition, index) => row(partition, index, most))}</tbody>
      </table></div>
      ${selected ? '' : html`<p class="note">No topic yet. Create one, or load the flights below.</p>`}`, root)
  }
}

const internalLast = (a, b) => Number(a.startsWith('__')) - Number(b.startsWith('__')) || a.localeCompare(b)

/** The leader's ends; while there is no leader, the furthest replica's. */
function ends ({ leader, progress }) {
  const all = Object.values(progress)
  return (leader !== null && progress[leader]) || all.sort((a, b) => b.logEnd - a.logEnd)[0] || { highWatermark: 0, logEnd: 0 }
}

function row (partition, index, most) {
  const { leader, leaderEpoch, replicas, isr } = partition
  const { highWatermark, logEnd } = ends(partition)
  return html`<tr data-partition=${index}>
    <td class="number">${index}</td>
    <td class="number">${leader ?? html`<span class="offline">none</span>`}</td>
    <td>${replicas.map((id) => html`<span class="replica ${isr.includes(id) ? 'in-sync' : ''} ${id === leader ? 'leads' : ''}"
      title="Broker ${id}: ${id === leader ? 'leader' : isr.includes(id) ? 'in sync' : 'out of sync'}">${id}</span>`)}</td>
    <td class="number">${leaderEpoch}</td>
    <td class="number" data-high-watermark>${highWatermark.toLocaleString('en')}</td>
    <td class="number">${logEnd.toLocaleString('en')}</td>
    <td><progress class="strip" max=${most} .value=${highWatermark} aria-label="${highWatermark} records committed"></progress></td>
  </tr>`
}
