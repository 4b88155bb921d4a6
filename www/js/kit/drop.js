// A place to drop a file on, or to choose one. The browser's own field would speak the browser's language.
//
//   ${dropZone({ label: t('produce.drop'), accept: '.zip', disabled: this.job.running, take: (file) => this.open(file) })}
import { html, nothing } from 'lit'
import { t } from '../i18n/index.js'

/** @param {{ label: string, name?: string, accept: string, disabled: boolean, take: (file: File) => unknown }} zone */
export function dropZone ({ label, name, accept, disabled, take }) {
  const over = (event, on) => {
    event.preventDefault()
    event.currentTarget.classList.toggle('over', on)
  }
  const dropped = (event) => {
    over(event, false)
    const [file] = event.dataTransfer?.files ?? []
    if (file && !disabled) take(file)
  }
  const chosen = ({ target }) => {
    const [file] = target.files
    // The same file again is a choice, too.
    target.value = ''
    if (file) take(file)
  }
  return html`<label class="drop ${disabled ? 'disabled' : ''}" @dragover=${(event) => over(event, !disabled)} @dragleave=${(event) => over(event, false)} @drop=${dropped}>
    <span>${label}</span><span class="button" aria-hidden="true">${t('form.chooseFile')}</span>
    <input type="file" class="hidden" name=${name ?? nothing} accept=${accept} ?disabled=${disabled} @change=${chosen}></label>`
}
