// A member that this page runs: what it has, what it reads, and what can be done to it.
import { html } from 'lit'
import { explain, number, t } from '../../i18n/index.js'
import { crash, pace, remove, resume, start, stick, stop } from '../../work/members.js'
import { inWords } from './group.js'

const PACES = [0, 1, 10, 100, 1000, 10000]

/** @param {any} entry of work/members.js */
export function memberCard (entry) {
  const { id, spec, state, error, figures, memberId, leads, assignment, stuck, out } = entry
  const runs = state === 'starting' || state === 'running'
  const paces = PACES.includes(spec.perSecond) ? PACES : [...PACES, spec.perSecond].sort((a, b) => a - b)
  const inHandler = stuck === 'handler'
  const shown = !runs ? state : out ? 'out' : inHandler ? 'stuck' : state
  return html`<article class="worker ${state} ${stuck ? 'stuck' : ''} ${out ? 'out' : ''}" data-consumer=${spec.clientId} aria-label=${t('groups.member', { name: spec.clientId })}>
    <header class="row spread"><h3>${spec.clientId}</h3>${leads && runs && !out ? html`<span class="badge" title=${t('groups.leadsTitle')}>${t('groups.leads')}</span>` : ''}<span class="state">${t(`work.${shown}`)}</span></header>
    ${runs ? html`<p>${t('groups.has')} <b data-assignment>${inWords(assignment) || t('groups.nothing')}</b></p>` : ''}
    <p>${t('groups.read')} <b class="number" data-count>${number(figures?.read ?? 0)}</b> <span class="rate">${t('produce.perSecond', { rate: figures?.perSecond ?? 0 })}</span></p>
    ${state === 'crashed' ? html`<p class="hint">${t('groups.crashedHint', { ms: number(spec.sessionTimeout) })}</p>` : ''}
    ${out && runs ? html`<p class="hint">${t('groups.outHint', { ms: number(spec.maxPollInterval) })}</p>`
      : stuck && runs ? html`<p class="hint">${t(inHandler ? 'groups.stuckHint' : 'groups.stickingHint', { ms: number(spec.maxPollInterval) })}</p>` : ''}
    <p class="note bad" role="status">${error ? explain(error) : ''}</p>
    ${runs ? html`<ol class="records mono" aria-label=${t('groups.latest', { name: spec.clientId })}>${(figures?.latest ?? []).map(({ topic, partition, offset, key, value }) =>
      html`<li>${topic}-${partition} @${offset}  ${key ?? '–'}  ${value ?? '–'}</li>`)}</ol>
      <div class="row">
        <label>${t('groups.paceOf')} <select name="pace" aria-label=${t('groups.paceOfMember', { name: spec.clientId })} @change=${(event) => pace(id, Number(event.target.value))}>${paces.map((perSecond) =>
          html`<option value=${perSecond} .selected=${perSecond === spec.perSecond}>${perSecond ? t('produce.perSecond', { rate: perSecond }) : t('groups.pace.full')}</option>`)}</select></label>
        <button type="button" data-do="stop" title=${t('groups.stopTitle')} @click=${() => stop(id)}>${t('groups.stop')}</button>
        <button type="button" class="danger" data-do="crash" title=${t('groups.crashTitle')} @click=${() => crash(id)}>${t('groups.crash')}</button>
        ${stuck ? html`<button type="button" data-do="resume" @click=${() => resume(id)}>${t('groups.resume')}</button>`
          : html`<button type="button" class="danger" data-do="stick" title=${t('groups.stickTitle', { ms: number(spec.maxPollInterval) })} @click=${() => stick(id)}>${t('groups.stick')}</button>`}
      </div>` : html`<p class="hint mono">${memberId}</p><div class="row">
        <button type="button" data-do="again" ?disabled=${state === 'stopping'} @click=${() => start(spec, id)}>${t('produce.again')}</button>
        <button type="button" data-do="remove" ?disabled=${state === 'stopping'} @click=${() => remove(id)}>${t('produce.remove')}</button></div>`}
  </article>`
}
