// A partition drawn to scale: its segments from the log start to the log end offset, the high watermark, and where its
// readers are. All of it stands beside it as text, too.
import { html } from 'lit'
import { css } from '../../kit/css.js'
import { bytes, number, t } from '../../i18n/index.js'

/** More segments than can be told apart are drawn as one. */
const BLOCKS_MAX = 160

/**
 * @param {import('../../../sdk/model.js').Replica} replica
 * @param {{ name: string, committed: number | null, position: number | null }[]} readers @param {Map<string, number>} colours
 */
export function strip (replica, readers, colours) {
  const { logStart, highWatermark, logEnd } = replica
  const size = logEnd - logStart
  if (size <= 0) return html`<div class="offset-strip empty-log"><span>${t('topics.noRecords')}</span></div>`
  const at = (offset) => `${Math.min(100, Math.max(0, (offset - logStart) / size * 100))}%`
  const span = (from, to) => css({ left: at(from), width: `${Math.max(0, Math.min(to, logEnd) - Math.max(from, logStart)) / size * 100}%` })
  const pin = (kind, name, offset) => offset === null ? '' : html`<i class="pin ${kind} series-${colours.get(name) ?? 1}" title="${name}: ${kind === 'committed' ? t('topics.committedAt', { offset }) : t('topics.readsAt', { offset })}" ${css({ left: at(offset) })}></i>`
  return html`<div class="offset-strip" aria-hidden="true">
    <div class="track">
      ${blocks(replica).map(({ from, to, size, active }, index) => html`<i class="segment ${index % 2 ? 'odd' : ''} ${active ? 'active' : ''}"
        title="${t('topics.segment', { from, to: to - 1, size: bytes(size) })}${active ? ` ${t('topics.segmentActive')}` : ''}" ${span(from, to)}></i>`)}
      ${highWatermark < logEnd ? html`<i class="uncommitted" title=${t('topics.uncommitted', { count: logEnd - highWatermark })} ${span(Math.max(highWatermark, logStart), logEnd)}></i>` : ''}
      <i class="watermark" title="${t('topics.highWatermark')} ${number(highWatermark)}" ${css({ left: at(highWatermark) })}></i>
    </div>
    <div class="pins">${readers.map(({ name, committed, position }) => html`${pin('committed', name, committed)}${pin('position', name, position)}`)}</div>
  </div>`
}

/** The segments with what is left of them above the log start. @param {import('../../../sdk/model.js').Replica} replica */
function blocks ({ segments, logStart, logEnd, bytes: total }) {
  const closed = segments.slice(0, -1).reduce((sum, [, size]) => sum + size, 0)
  const all = segments.map(([base, size], index) => {
    const active = index === segments.length - 1
    return { from: Math.max(base, logStart), to: active ? logEnd : segments[index + 1][0], size: active ? Math.max(size, total - closed) : size, active }
  }).filter(({ from, to }) => to > from)
  const step = Math.ceil(all.length / BLOCKS_MAX)
  if (step <= 1) return all
  const merged = []
  for (let index = 0; index < all.length; index += step) {
    const group = all.slice(index, index + step)
    merged.push({ from: group[0].from, to: group.at(-1).to, size: group.reduce((sum, { size }) => sum + size, 0), active: group.at(-1).active })
  }
  return merged
}
