// What is going on, in a sentence, and one click to make something happen: the first thing a visitor reads.
import { html } from 'lit'
import { View } from '../../kit/view.js'
import { app } from '../../app.js'
import { duration, rich, t } from '../../i18n/index.js'

class Story extends View {
  static slices = ['brokers', 'topics', 'progress', 'commits', 'timeline', 'page']
  static everyMs = 250

  connectedCallback () {
    super.connectedCallback()
    this.own(app.demo.onChange(() => this.requestUpdate()))
  }

  render () {
    const { demo } = app
    if (demo.state === 'none') return ''
    return html`<section class="panel story" aria-label=${t('demo.title')} data-demo=${demo.state}>
      ${demo.state === 'running' ? this.#running() : this.#idle()}
      ${demo.failure ? html`<p class="note bad" role="alert">${demo.failure}</p>` : ''}
    </section>`
  }

  #idle () {
    const { demo } = app
    return html`<p>${demo.state === 'starting' ? t('demo.starting') : t('demo.stopped', { topic: demo.topic })}</p>
      ${demo.state === 'stopped' ? html`<div class="row"><button type="button" class="primary" @click=${() => demo.start()}>${t('demo.start')}</button></div>` : ''}`
  }

  #running () {
    const { demo, store } = app
    const { leader, written, read, election, killed } = demo.facts()
    const topic = html`<a href="#/topics/${demo.topic}">${demo.topic}</a>`
    const group = html`<a href="#/groups/${demo.group}">${demo.group}</a>`
    const count = (value, name) => html`<b class="number" data-demo-count=${name}>${t('demo.count', { value })}</b>`
    const down = killed !== null && ['crashed', 'stopped'].includes(store.model.brokers.get(killed)?.state)
    return html`
      <p class="lead">${rich('demo.sentence', { topic, group, perSecond: demo.perSecond, written: count(written, 'written'), read: count(read, 'read') })}</p>
      ${killed === null ? html`<p>${t('demo.try')}</p>` : html`<p data-election>${election
        ? rich('demo.election', { killed, place: `${demo.topic}-0`, leader: html`<b>${election.leader}</b>`, epoch: election.epoch, after: html`<b>${duration(election.afterMs)}</b>` })
        : t('demo.waiting', { killed, place: `${demo.topic}-0` })}</p>`}
      <div class="row">
        ${down ? html`<button type="button" class="primary" data-do="restart" @click=${() => demo.restart()}>${t('demo.restart', { id: killed })}</button>`
          : html`<button type="button" class="primary" data-do="kill-leader" ?disabled=${leader === null} @click=${() => demo.killLeader()}>${leader === null ? t('demo.noLeader') : t('demo.kill', { place: `${demo.topic}-0`, id: leader })}</button>`}
        <button type="button" data-do="stop-demo" @click=${() => demo.stop()}>${t('demo.stop')}</button>
      </div>`
  }
}
customElements.define('tabmq-story', Story)
