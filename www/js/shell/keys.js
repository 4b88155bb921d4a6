// Keys. A view adds its own while it is shown: `this.own(addKey({ key: 'k', label: () => t('keys.kill'), run }))`;
// `?` lists them all. They are off where a person types, with a modifier, and when switched off in that list.
import { html } from 'lit'
import { openDialog } from '../kit/dialog.js'
import { t } from '../i18n/index.js'
import { store, stored } from './settings.js'

/** @typedef {{ key: string, label: () => string, run: () => void }} Key */

/** @type {Key[]} */
let keys = []
let enabled = stored('keys') !== 'off'

/** @param {Key} key @returns {() => void} what takes it away again */
export function addKey (key) {
  keys = [...keys, key]
  return () => { keys = keys.filter((other) => other !== key) }
}

/** In a shadow root, too: the editor has one. */
const types = (target) => target instanceof HTMLElement && (target.isContentEditable || /^(INPUT|TEXTAREA|SELECT)$/.test(target.tagName))

/** @param {KeyboardEvent} event */
function pressed (event) {
  if (!enabled || event.ctrlKey || event.metaKey || event.altKey || event.isComposing || types(event.composedPath()[0])) return
  if (document.querySelector('dialog[open]')) return
  const found = keys.findLast(({ key }) => key === event.key)
  if (!found) return
  event.preventDefault()
  found.run()
}

export function listenForKeys () {
  document.addEventListener('keydown', pressed)
  addKey({ key: '?', label: () => t('keys.list'), run: showKeys })
}

export function showKeys () {
  const own = [['Tab', 'keys.tab'], ['Enter', 'keys.enter'], ['Esc', 'keys.escape']]
  openDialog({
    title: () => t('keys.title'),
    body: (dialog) => html`
      <dl class="keys">${keys.map(({ key, label }) => html`<div><dt><kbd>${key}</kbd></dt><dd>${label()}</dd></div>`)}
        ${own.map(([key, label]) => html`<div><dt><kbd>${key}</kbd></dt><dd>${t(label)}</dd></div>`)}</dl>
      <label class="check"><input type="checkbox" .checked=${enabled} @change=${(event) => {
        enabled = event.target.checked
        store('keys', enabled ? 'on' : 'off')
        dialog.update()
      }}> ${t('keys.enabled')}</label>`
  })
}
