// The brokers as cards: state, role in the quorum, what each leads and follows.
import { html, render } from '../../vendor/lit-html/lit-html.js'
import { bytesInWords, explain } from '../words.js'

/** @param {HTMLElement} root */
export function brokersView (root) {
  const notes = new Map()

  const act = async (store, id, action) => {
    notes.delete(id)
    try {
      await store.cluster[action](id)
    } catch (error) {
      notes.set(id, explain(error))
    }
    store.changed()
  }

  const card = (store, broker) => {
    const { leads, follows, outOfSync } = duties(store.model, broker.id)
    const up = broker.state === 'running'
    const down = broker.state === 'crashed' || broker.state === 'stopped'
    const controller = store.model.controller === broker.id
    return html`<article class="broker ${broker.state}" aria-label="Broker ${broker.id}" data-broker=${broker.id}>
      <h3><span>Broker ${broker.id} ${controller ? html`<span class="leader-badge">controller</span>` : ''}</span>
        <span class="state">${broker.state}</span></h3>
      <dl>
        <dt>Quorum</dt><dd>${quorumRole(broker)}</dd>
        <dt>Leads</dt><dd>${leads.length ? brief(leads) : 'no partition'}</dd>
        <dt>Follows</dt><dd>${follows.length ? brief(follows) : 'no partition'}${outOfSync ? html`, <span class="offline">${outOfSync} out of sync</span>` : ''}</dd>
        <dt>Stores</dt><dd class="brief">${bytesInWords(broker.storageBytes)}, with ${bytesInWords(broker.memoryBytes)} of memory</dd>
      </dl>
      <div class="row">
        <button class="danger" ?disabled=${!up} @click=${() => act(store, broker.id, 'kill')}>Kill</button>
        <button ?disabled=${!up} @click=${() => act(store, broker.id, 'stop')}>Stop</button>
        <button ?disabled=${!down} @click=${() => act(store, broker.id, 'start')}>Start</button>
      </div>
      ${notes.has(broker.id) ? html`<p class="note bad" role="alert">${notes.get(broker.id)}</p>` : ''}
    </article>`
  }

  return (store) => render(store.cluster.brokers().map((broker) => card(store, broker)), root)
}

function quorumRole ({ state, quorumRole, quorumEpoch, roles }) {
  if (state === 'crashed' || state === 'stopped') return 'away'
  if (!roles.includes('controller')) return 'observer'
  return quorumRole ? `${quorumRole}, epoch ${quorumEpoch}` : 'joining'
}

/** The user partitions a broker leads and follows, as `topic: 0 2 4`. */
function duties (model, id) {
  const leads = []
  const follows = []
  let outOfSync = 0
  for (const [topic, partitions] of model.topics) {
    if (topic.startsWith('__')) continue
    const of = (test) => partitions.flatMap((partition, index) => test(partition) ? [index] : [])
    const led = of(({ leader }) => leader === id)
    const followed = of(({ leader, replicas }) => leader !== id && replicas.includes(id))
    if (led.length) leads.push([topic, led])
    if (followed.length) follows.push([topic, followed])
    outOfSync += partitions.filter(({ replicas, isr }) => replicas.includes(id) && !isr.includes(id)).length
  }
  return { leads, follows, outOfSync }
}

function brief (topics) {
  return topics.map(([topic, partitions]) => `${topic}: ${partitions.join(' ')}`).join('; ')
}
