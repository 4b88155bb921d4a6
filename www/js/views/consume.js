// Two consumers of one group: who has which partitions, and what arrives.
import { html, render } from '../../vendor/lit-html/lit-html.js'
import { explain } from '../words.js'

const GROUP = 'page-readers'
const LATEST = 8
const text = new TextDecoder()

/** @param {HTMLElement} root @param {any} kafka */
export function consumeView (root, kafka) {
  const consumers = ['A', 'B'].map((name) => new Member(kafka, name))

  return (store) => {
    const topics = store.userTopics()
    const group = store.model.groups.get(GROUP)
    render(html`
      <p class="facts" data-group>Group <b>${GROUP}</b>: ${group ? `${group.state}, generation ${group.generation}, ${group.members.length} members` : 'not started'}.
        Start both, and the partitions are shared out; end one, and the other takes over.</p>
      <div class="consumers">${consumers.map((member) => html`
        <div class="consumer" data-consumer=${member.name}>
          <h3>Consumer ${member.name}</h3>
          <div class="row">
            ${member.running
              ? html`<button @click=${() => member.stop(store)} ?disabled=${member.busy}>Stop</button>`
              : html`<button class="primary" @click=${() => member.start(store)} ?disabled=${member.busy || topics.length === 0}>Start</button>`}
            <span class="note ${member.failed ? 'bad' : ''}" role="status">${member.note}</span>
          </div>
          <p class="facts">Has partitions <b data-assignment>${member.assignment()}</b><br>
            read <b class="number" data-count>${member.count.toLocaleString('en')}</b> records</p>
          <ol class="records mono" aria-label="Latest records of consumer ${member.name}">
            ${member.latest.map((record) => html`<li>${record}</li>`)}</ol>
        </div>`)}
      </div>`, root)
  }
}

/** One consumer of the group, with what the page shows of it. */
class Member {
  constructor (kafka, name) {
    this.kafka = kafka
    this.name = name
    this.running = false
    this.busy = false
    this.failed = false
    this.note = ''
    this.count = 0
    this.latest = []
    this.assigned = {}
  }

  assignment () {
    const topics = Object.entries(this.assigned).filter(([, partitions]) => partitions.length)
    return topics.length ? topics.map(([topic, partitions]) => `${topic}: ${[...partitions].sort((a, b) => a - b).join(' ')}`).join('; ') : 'none'
  }

  async start (store) {
    await this.#change(store, async () => {
      this.consumer = this.kafka.consumer({ groupId: GROUP })
      this.consumer.on(this.consumer.events.GROUP_JOIN, ({ payload }) => {
        this.assigned = payload.memberAssignment
        store.changed()
      })
      await this.consumer.connect()
      await this.consumer.subscribe({ topics: store.userTopics(), fromBeginning: true })
      await this.consumer.run({
        partitionsConsumedConcurrently: 3,
        eachBatch: async ({ batch, resolveOffset }) => {
          for (const message of batch.messages) resolveOffset(message.offset)
          this.count += batch.messages.length
          const shown = batch.messages.slice(-LATEST).map(({ offset, key, value }) =>
            `${batch.topic}-${batch.partition} @${offset}  ${key ? text.decode(key) : '–'}  ${value ? text.decode(value) : '–'}`)
          this.latest = [...this.latest, ...shown].slice(-LATEST)
          store.changed()
        }
      })
      this.running = true
    })
  }

  async stop (store) {
    await this.#change(store, async () => {
      await this.consumer.disconnect()
      this.running = false
      this.assigned = {}
    })
  }

  async #change (store, work) {
    this.busy = true
    this.failed = false
    this.note = ''
    store.changed()
    try {
      await work()
    } catch (error) {
      this.failed = true
      this.note = explain(error)
    }
    this.busy = false
    store.changed()
  }
}
