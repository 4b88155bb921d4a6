// Small things that many views show.
import { html, nothing } from 'lit'
import { t, time } from '../i18n/index.js'
import { openDialog } from './dialog.js'
import { toast } from '../shell/toasts.js'

/** Nothing there yet: a sentence, and what to do about it. @param {string} text @param {any} [action] a button or link */
export function emptyState (text, action = '') {
  return html`<div class="empty"><p>${text}</p>${action}</div>`
}

/** When it happened, with the exact time at the pointer. @param {number} at ms since the epoch */
export function stamp (at) {
  return html`<time datetime=${new Date(at).toISOString()} title=${time(at, true)}>${time(at)}</time>`
}

/**
 * "Copy as …": what the page did, as commands for other tools.
 * `copyAs([{ name: 'kafka-topics.sh', text: 'kafka-topics.sh --create …' }, { name: 'kafkajs', text: '…' }])`
 * @param {{ name: string, text: string }[]} forms
 */
export function copyAs (forms) {
  const open = () => openDialog({
    title: () => t('copy.title'),
    wide: true,
    body: () => forms.map(({ name, text }) => html`<section class="copy"><div class="row"><h3>${name}</h3>
      <button type="button" @click=${() => copy(text)}>${t('copy.copy')}</button></div><pre tabindex="0"><code>${text}</code></pre></section>`)
  })
  return html`<button type="button" class="quiet" @click=${open} disabled=${forms.length ? nothing : true}>${t('copy.as')}</button>`
}

/** @param {string} text */
export async function copy (text) {
  try {
    await navigator.clipboard.writeText(text)
    toast(t('copy.copied'), 'good')
  } catch (error) {
    toast(t('copy.failed', { reason: error.message }), 'bad')
  }
}
