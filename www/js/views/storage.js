// What the browser keeps for this page, how much it would, and whether it promises not to clear it.
import { html, render } from '../../vendor/lit-html/lit-html.js'
import { bytesInWords, explain } from '../words.js'

/** Brokers tell of what they store all the time; the browser is asked this often at most. */
const ASK_EVERY_MS = 2000
/** From these shares of the quota on the page warns. (Chromium always says that 10 GB are free; a refused write is told.) */
const LOW = 0.8
const ALMOST_FULL = 0.95

const IN_WORDS = {
  enough: '.',
  low: ': space is getting low.',
  full: ': almost full. Delete a topic to free space.',
  refused: '. It refuses to store more: producers wait until space is freed.',
}

/** @param {HTMLElement} root @param {any} cluster */
export function storageView (root, cluster) {
  let found = null
  let note = null
  let askedAt = -Infinity
  let refused = false

  const ask = async (store) => {
    askedAt = performance.now()
    found = await cluster.storage().catch((error) => { note = { text: explain(error), tone: 'bad' }; return found })
    store.changed()
  }

  const persist = async (store) => {
    try {
      note = await cluster.persist()
        ? { text: 'Agreed: the browser will not clear this data by itself.', tone: 'good' }
        : { text: 'The browser did not agree. It may clear this data when the disk is full.', tone: 'bad' }
    } catch (error) {
      note = { text: explain(error), tone: 'bad' }
    }
    await ask(store)
  }

  return (store) => {
    const refusing = store.refusing.size > 0
    if (performance.now() - askedAt > ASK_EVERY_MS || refusing !== refused) ask(store)
    refused = refusing
    if (!found) return
    const { usage, quota, persisted } = found
    const share = quota > 0 ? usage / quota : 1
    const space = refusing ? 'refused' : share >= ALMOST_FULL ? 'full' : share >= LOW ? 'low' : 'enough'
    render(html`
      <div class="row storage" data-space=${space}>
        <span data-usage>${bytesInWords(usage)} stored of ${bytesInWords(quota)} the browser allows${IN_WORDS[space]}</span>
        <meter aria-label="Storage used" min="0" max="1" low=${LOW} high=${ALMOST_FULL} optimum="0" value=${Math.min(share, 1)}></meter>
        ${persisted
          ? html`<span data-persisted>Kept until you clear it.</span>`
          : html`<button @click=${() => persist(store)}>Keep it for good</button>`}
        <span class="note ${note?.tone ?? ''}" role="status" data-note="storage">${note?.text ?? ''}</span>
      </div>`, root)
  }
}
