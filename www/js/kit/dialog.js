// Dialogs: the browser's own, so that the focus stays inside, Escape closes, and it goes back to where it was.
//
//   const dialog = openDialog({ title: () => t('keys.title'), body: () => html`…` })   // dialog.close(), dialog.update()
//   if (await confirm({ title: t('topics.deleteTitle', { topic }), text: t('topics.deleteText'), action: t('topics.delete'), danger: true })) …
import { html, render } from 'lit'
import { onLanguage, t } from '../i18n/index.js'

let dialogs = 0

/** @param {{ title: () => string, body: (dialog: { close: (value?: any) => void, update: () => void }) => any, wide?: boolean }} what */
export function openDialog ({ title, body, wide = false }) {
  const element = document.createElement('dialog')
  const id = `dialog-${++dialogs}`
  element.className = wide ? 'wide' : ''
  element.setAttribute('aria-labelledby', id)
  /** @type {(value: any) => void} */
  let settle
  let value
  const closed = new Promise((resolve) => { settle = resolve })
  const dialog = {
    close: (/** @type {any} */ given = undefined) => {
      value = given
      element.close()
    },
    update: () => render(html`
      <header><h2 id=${id}>${title()}</h2>
        <button type="button" class="icon" aria-label=${t('dialog.close')} title=${t('dialog.close')} @click=${() => dialog.close()}>×</button></header>
      <div class="body">${body(dialog)}</div>`, element),
    /** Resolves with what `close` was given. */
    closed,
    element
  }
  const end = onLanguage(dialog.update)
  element.addEventListener('close', () => {
    end()
    element.remove()
    settle(value)
  })
  // A click beside it.
  element.addEventListener('click', (event) => { if (event.target === element) dialog.close() })
  document.body.append(element)
  dialog.update()
  element.showModal()
  return dialog
}

/** @param {{ title: string, text: any, action: string, danger?: boolean }} question @returns {Promise<boolean>} */
export async function confirm ({ title, text, action, danger = false }) {
  const dialog = openDialog({
    title: () => title,
    body: ({ close }) => html`<p>${text}</p>
      <div class="row end"><button type="button" @click=${() => close(false)}>${t('dialog.cancel')}</button>
        <button type="button" class=${danger ? 'danger' : 'primary'} @click=${() => close(true)}>${action}</button></div>`
  })
  return await dialog.closed === true
}
