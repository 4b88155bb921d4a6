// What a person chose for the page, kept in this browser: language, theme, whether single keys do something.
import { LANGUAGES, setLanguage } from '../i18n/index.js'
import { option } from '../app.js'

export const THEMES = ['auto', 'light', 'dark']

/** Storage may be refused as a whole; then a choice lasts as long as the page. @param {string} name */
export function stored (name) {
  try {
    return localStorage.getItem(`tabmq.${name}`)
  } catch {
    return null
  }
}

/** @param {string} name @param {string} value */
export function store (name, value) {
  try {
    localStorage.setItem(`tabmq.${name}`, value)
  } catch {
    // As above.
  }
}

/** As the address says, or as chosen before, or as the browser prefers. */
export function applySettings () {
  const preferred = navigator.languages.map((tag) => tag.slice(0, 2)).find((tag) => Object.hasOwn(LANGUAGES, tag))
  setLanguage(option('lang') ?? stored('lang') ?? preferred ?? 'en')
  showTheme(theme())
}

/** @param {string} language */
export function chooseLanguage (language) {
  store('lang', language)
  setLanguage(language)
}

export const theme = () => THEMES.includes(stored('theme')) ? stored('theme') : 'auto'

/** @param {string} chosen */
export function chooseTheme (chosen) {
  store('theme', chosen)
  showTheme(chosen)
}

/** @param {string} chosen */
function showTheme (chosen) {
  document.documentElement.classList.toggle('light', chosen === 'light')
  document.documentElement.classList.toggle('dark', chosen === 'dark')
  document.dispatchEvent(new CustomEvent('tabmq-theme'))
}
