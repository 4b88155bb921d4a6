// The frame of the page: header, navigation, the view that the address names, footer.
import { html, nothing } from 'lit'
import { View } from '../kit/view.js'
import { openDialog } from '../kit/dialog.js'
import { app } from '../app.js'
import { LANGUAGES, explain, lang, t } from '../i18n/index.js'
import { addKey, listenForKeys, showKeys } from './keys.js'
import { navigate, route } from './router.js'
import { ROUTES } from './routes.js'
import { THEMES, chooseLanguage, chooseTheme, theme } from './settings.js'
import './failure.js'
import './toasts.js'

const path = (d) => html`<svg viewBox="0 0 24 24" aria-hidden="true"><path d=${d}></path></svg>`
const THEME_ICONS = {
  auto: 'M12 3a9 9 0 1 0 0 18zM12 3a9 9 0 0 1 0 18',
  light: 'M12 8a4 4 0 1 0 0 8 4 4 0 0 0 0-8zM12 2v2M12 20v2M2 12h2M20 12h2M5 5l1.4 1.4M17.6 17.6 19 19M5 19l1.4-1.4M17.6 6.4 19 5',
  dark: 'M20 14.5A8 8 0 0 1 9.5 4 8 8 0 1 0 20 14.5z'
}

class Shell extends View {
  static properties = { failure: { attribute: false }, readyMs: { attribute: false } }
  /** @type {HTMLElement | null} */ #view = null
  /** Those that were open, as they were left: what was typed is there again. @type {Map<string, HTMLElement>} */ #views = new Map()
  #shown = ''
  #takingOver = false
  #takeOverFailure = ''

  constructor () {
    super()
    /** Why there is no cluster. @type {{ error: any, cluster: string } | null} */
    this.failure = null
    /** How long the cluster took to open; null until then. @type {number | null} */
    this.readyMs = null
  }

  connectedCallback () {
    super.connectedCallback()
    listenForKeys()
    const changed = () => this.#show(true)
    addEventListener('hashchange', changed)
    this.own(() => removeEventListener('hashchange', changed))
    ROUTES.forEach(({ name }, index) => addKey({ key: String(index + 1), label: () => t('keys.goTo', { view: t(`nav.${name}`) }), run: () => navigate(`#/${name}`) }))
    addKey({ key: 'p', label: () => t('keys.pause'), run: () => this.#pause() })
    addKey({ key: 't', label: () => t('keys.theme'), run: () => this.#nextTheme() })
  }

  /** The cluster is open: views may be drawn. @param {number} ms */
  opened (ms) {
    this.readyMs = ms
    this.own(app.store.watch(['page', 'held'], () => this.requestUpdate()))
    if (!ROUTES.some(({ name }) => name === route().name)) history.replaceState(null, '', '#/cluster')
    return this.#show(false)
  }

  render () {
    const here = this.#shown
    return html`
      <a class="skip" href="#main" @click=${(event) => { event.preventDefault(); this.#focusView() }}>${t('shell.skip')}</a>
      <header class="bar">
        <a class="brand" href="#/cluster"><svg viewBox="0 0 32 32" aria-hidden="true"><path class="edge" d="M16 7 7 24h18z"></path><circle cx="16" cy="7" r="4.5"></circle><circle cx="7" cy="24" r="4.5"></circle><circle cx="25" cy="24" r="4.5"></circle></svg><b>tabmq</b></a>
        <div class="cluster-name" data-slot="cluster">${app.source ? html`<button type="button" class="quiet" title=${t('share.switch')} @click=${showClusters}>
          <span class="hidden">${t('shell.cluster')} </span>${app.source.name}<span aria-hidden="true"> ▾</span></button>` : ''}</div>
        <p id="status" role="status" class=${this.failure ? 'bad' : ''}>${this.#status()}</p>
        <div class="tools">
          <button type="button" class="pause ${app.store?.paused ? 'on' : ''}" aria-pressed=${app.store?.paused ? 'true' : 'false'} ?disabled=${!app.store}
            title=${t('shell.pauseTitle')} @click=${() => this.#pause()}>${path(app.store?.paused ? 'M8 5l11 7-11 7z' : 'M8 5v14M16 5v14')}<span>${app.store?.paused ? t('shell.goOn') : t('shell.pause')}</span></button>
          <label class="lang"><span class="hidden">${t('shell.language')}</span><select name="lang" @change=${(event) => chooseLanguage(event.target.value)}>
            ${Object.entries(LANGUAGES).map(([tag, name]) => html`<option value=${tag} lang=${tag} .selected=${tag === lang()}>${name}</option>`)}</select></label>
          <button type="button" class="icon" data-theme=${theme()} aria-label=${t(`shell.theme.${theme()}`)} title=${t(`shell.theme.${theme()}`)} @click=${() => this.#nextTheme()}>${path(THEME_ICONS[theme()])}</button>
          <button type="button" class="icon" aria-label=${t('keys.title')} title="${t('keys.title')} (?)" @click=${showKeys}>?</button>
        </div>
      </header>
      <nav aria-label=${t('shell.views')}><ul>${ROUTES.map(({ name, icon }) => html`<li><a href="#/${name}" aria-current=${here === name ? 'page' : nothing}>${path(icon)}<span>${t(`nav.${name}`)}</span></a></li>`)}</ul></nav>
      <main id="main" tabindex="-1">
        ${app.store?.paused ? html`<p class="paused" role="status">${t('shell.paused', { count: app.store.heldBack })}</p>` : ''}
        ${this.failure ? html`<tabmq-failure .error=${this.failure.error} .cluster=${this.failure.cluster}></tabmq-failure>` : ''}
        ${this.#elsewhere()}
        ${this.#view ?? (this.failure ? '' : html`<div class="opening"><div class="pulse" aria-hidden="true"></div><p>${t('shell.opening')}</p></div>`)}
      </main>
      <footer><p>${t('shell.trademark')}</p></footer>
      <tabmq-toasts></tabmq-toasts>`
  }

  updated () {
    document.title = this.#shown ? `${t(`nav.${this.#shown}`)} · tabmq` : t('shell.title')
  }

  /** The brokers run in another tab, or nowhere, or the cluster is no longer ours: says so, and offers to have them here. */
  #elsewhere () {
    const role = app.source?.role
    if (role === 'closed') return html`<p class="elsewhere" role="status"><span>${t('shell.closed')}</span>
      <button type="button" data-do="open-here" @click=${openHere}>${t('shell.openHere')}</button></p>`
    const joined = role === 'joined'
    if (!joined && role !== 'waiting') return ''
    return html`<p class="elsewhere" role="status"><span>${t(joined ? 'shell.joined' : 'shell.waiting')}</span>
      <button type="button" data-do="take-over" ?disabled=${this.#takingOver} @click=${() => this.#takeOver()}>${t('shell.takeOver')}</button>
      ${this.#takeOverFailure ? html`<span class="bad" role="alert">${this.#takeOverFailure}</span>` : ''}</p>`
  }

  async #takeOver () {
    this.#takingOver = true
    this.#takeOverFailure = ''
    this.requestUpdate()
    await app.source.takeOver().catch((error) => { this.#takeOverFailure = explain(error) })
    this.#takingOver = false
    this.requestUpdate()
  }

  #status () {
    if (this.failure) return t('shell.notStarted')
    return this.readyMs === null ? t('shell.starting') : t('shell.ready', { ms: Math.round(this.readyMs) })
  }

  /** Puts the view of the address on the page. @param {boolean} focus */
  async #show (focus) {
    if (this.readyMs === null) return
    const { name, param, query } = route()
    const found = ROUTES.find((one) => one.name === name) ?? ROUTES[0]
    await found.load()
    if (route().name !== name) return
    if (found.name !== this.#shown) {
      if (!this.#views.has(found.name)) {
        const view = document.createElement(found.tag)
        view.classList.add('view')
        this.#views.set(found.name, view)
      }
      this.#view = this.#views.get(found.name)
      this.#shown = found.name
    } else {
      focus = false
    }
    Object.assign(this.#view, { param, query })
    this.requestUpdate()
    await this.updateComplete
    if (focus) this.#focusView()
  }

  #focusView () {
    const main = /** @type {HTMLElement} */ (this.querySelector('main'))
    main.focus({ preventScroll: true })
    scrollTo({ top: 0 })
  }

  #pause () {
    app.store?.pause(!app.store.paused)
  }

  #nextTheme () {
    chooseTheme(THEMES[(THEMES.indexOf(theme()) + 1) % THEMES.length])
    this.requestUpdate()
  }
}
customElements.define('tabmq-shell', Shell)

/** The cluster of this page is closed for good: another page begins. */
function openHere () {
  const address = new URL(location.href)
  address.searchParams.set('takeOver', 'yes')
  location.assign(address)
}

async function showClusters () {
  await import('../views/share/clusters.js')
  openDialog({ title: () => t('share.clusters'), wide: true, body: () => html`<tabmq-clusters></tabmq-clusters>` })
}
