// A member of a consumer group, in its worker.
import { plain } from './figures.js'
import { Meter } from '../state/meter.js'

const FIGURES_EVERY_MS = 250
/** As Java's client has it. */
const POLL_RECORDS_MAX = 500
/** A member that takes its time takes at most this much of a batch at once; the rest is read again. */
const SLICE_MS = 500
const LATEST = 5
const LATEST_BYTES_MAX = 200

export class Member {
  #spec
  #tell
  #consumer
  #read = 0
  #rate = new Meter()
  /** @type {{ topic: string, partition: number, offset: string, key: string | null, value: string | null }[]} */ #latest = []
  /** While it is there handlers wait for it. @type {{ promise: Promise<void>, end: () => void } | null} */ #stuck = null
  /** @type {any} */ #timer = 0
  #told = ''

  /**
   * @param {{ kafka: (options: any) => any }} client @param {import('./members.js').MemberSpec} spec
   * @param {(message: any) => void} tell
   */
  constructor (client, spec, tell) {
    this.#spec = spec
    this.#tell = tell
    const { group, clientId, assignor, sessionTimeout, maxPollInterval } = spec
    const perPoll = spec.perSecond ? Math.max(1, Math.min(POLL_RECORDS_MAX, Math.ceil(spec.perSecond * SLICE_MS / 1000))) : POLL_RECORDS_MAX
    this.#consumer = client.kafka({ clientId }).consumer({
      groupId: group, partitionAssigners: [assignor], sessionTimeout, maxPollInterval, maxPollRecords: perPoll,
      heartbeatInterval: Math.max(100, Math.min(3000, Math.floor(sessionTimeout / 3)))
    })
    const { GROUP_JOIN, REBALANCING, CRASH } = this.#consumer.events
    this.#consumer.on(GROUP_JOIN, ({ payload }) => this.#tell({
      type: 'joined', generation: payload.generationId, memberId: payload.memberId, leads: payload.isLeader,
      assignor: payload.groupProtocol, assignment: payload.memberAssignment
    }))
    this.#consumer.on(REBALANCING, ({ payload }) => this.#tell({ type: payload.lost ? 'lost' : 'revoked' }))
    this.#consumer.on(CRASH, ({ payload }) => {
      if (!payload.restart) this.#tell({ type: 'failed', error: plain(payload.error) })
    })
  }

  async start () {
    const { topics, fromBeginning, commit, commitInterval } = this.#spec
    this.#timer = setInterval(() => this.#figures(), FIGURES_EVERY_MS)
    await this.#consumer.subscribe({ topics, fromBeginning })
    await this.#consumer.run({
      autoCommit: commit === 'auto', autoCommitInterval: commitInterval, eachBatchAutoResolve: false,
      eachBatch: ({ batch, resolveOffset, isRunning }) => this.#take(batch, resolveOffset, isRunning)
    })
  }

  async stop () {
    this.#stuck?.end()
    await this.#consumer.disconnect()
    clearInterval(this.#timer)
    this.#figures()
    this.#tell({ type: 'ended' })
  }

  /** Changes its pace, in records a second; 0: as fast as it can. @param {number} perSecond */
  pace (perSecond) {
    this.#spec = { ...this.#spec, perSecond }
  }

  /** The handler of the next batch does not come back until `resume`. */
  stick () {
    if (this.#stuck) return
    let end = () => {}
    const promise = new Promise((resolve) => { end = () => resolve(undefined) })
    this.#stuck = { promise, end }
  }

  resume () {
    this.#stuck?.end()
    this.#stuck = null
  }

  async #take (batch, resolveOffset, isRunning) {
    const { perSecond, commit } = this.#spec
    const taken = perSecond ? Math.max(1, Math.min(batch.messages.length, Math.ceil(perSecond * SLICE_MS / 1000))) : batch.messages.length
    if (this.#stuck) {
      this.#tell({ type: 'stuck' })
      await this.#stuck.promise
    }
    if (perSecond) await new Promise((resolve) => setTimeout(resolve, taken * 1000 / perSecond))
    if (!isRunning()) return
    const messages = taken === batch.messages.length ? batch.messages : batch.messages.slice(0, taken)
    const last = messages[messages.length - 1]
    this.#read += messages.length
    this.#rate.add(performance.now(), messages.length)
    this.#latest = [...this.#latest, ...messages.slice(-LATEST).map((message) => ({
      topic: batch.topic, partition: batch.partition, offset: message.offset, key: shown(message.key), value: shown(message.value)
    }))].slice(-LATEST)
    resolveOffset(last.offset)
    if (commit !== 'manual') return
    const offset = String(Number(last.offset) + 1)
    await this.#consumer.commitOffsets([{ topic: batch.topic, partition: batch.partition, offset }])
      .catch((error) => this.#tell({ type: 'notCommitted', error: plain(error) }))
  }

  #figures () {
    const figures = { read: this.#read, perSecond: this.#rate.perSecond(performance.now()), latest: this.#latest }
    const told = JSON.stringify(figures)
    // A member that has nothing to read has nothing to tell.
    if (told === this.#told) return
    this.#told = told
    this.#tell({ type: 'figures', figures })
  }
}

const text = new TextDecoder()
const shown = (bytes) => bytes === null ? null : text.decode(bytes.subarray(0, LATEST_BYTES_MAX))
