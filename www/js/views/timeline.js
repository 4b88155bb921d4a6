// What happened, newest first, in plain words.
import { html, render } from '../../vendor/lit-html/lit-html.js'
import { repeat } from '../../vendor/lit-html/directives/repeat.js'
import { inWords } from '../words.js'

/** @param {HTMLElement} root */
export function timelineView (root) {
  let paused = null

  const time = (at) => new Date(at).toLocaleTimeString('en', { hourCycle: 'h23', hour: '2-digit', minute: '2-digit', second: '2-digit', fractionalSecondDigits: 3 })

  return (store) => {
    const events = paused ?? store.timeline
    const lines = []
    for (let i = events.length - 1; i >= 0 && lines.length < 200; i--) {
      const words = inWords(events[i])
      if (words) lines.push({ event: events[i], words })
    }
    render(html`
      <div class="row"><button @click=${() => { paused = paused ? null : [...store.timeline]; store.changed() }}
        aria-pressed=${paused ? 'true' : 'false'}>${paused ? 'Go on' : 'Pause'}</button></div>
      <ol id="timeline-list" tabindex="0" aria-label="Cluster events, newest first">${repeat(lines, ({ event }) => event, ({ event, words }) => html`
        <li><time>${time(event.at)}</time><span class="who">broker ${event.broker}</span><span class="what ${words.tone ?? ''}">${words.text}</span></li>`)}
      </ol>`, root)
  }
}
