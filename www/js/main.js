// Opens the cluster and hands it to the page.
import { app, option } from './app.js'
import { explain, t } from './i18n/index.js'
import { Demo } from './demo.js'
import { applySettings } from './shell/settings.js'
import { openLive } from './source/live.js'
import { Store } from './state/store.js'
import './shell/shell.js'

const BROKERS = 3

applySettings()
const shell = /** @type {any} */ (document.querySelector('tabmq-shell'))
const started = performance.now()

try {
  app.source = await openLive({
    name: option('name') ?? 'playground',
    brokers: BROKERS,
    profile: 'lab',
    takeOver: option('takeOver') === 'yes',
    config: { 'default.replication.factor': 3, 'min.insync.replicas': 2, 'num.partitions': 6 }
  })
  if (option('takeOver')) history.replaceState(null, '', withoutTakeOver())
  app.store = new Store(app.source)
  app.kafka = app.source.kafka({ clientId: 'page' })
  app.admin = app.kafka.admin()
  app.demo = new Demo()
  // For the browser's console, and for tests.
  Object.assign(globalThis, { tabmq: { ...app, cluster: app.source.cluster } })
  await shell.opened(performance.now() - started)
  document.body.dataset.ready = 'true'
  if (option('demo') !== 'off') await app.demo.begin()
} catch (error) {
  console.warn(error)
  shell.failure = { title: t('failure.title'), text: explain(error), hint: hint(error), takeOver: error.name === 'TabmqClusterInUseError' }
  document.body.dataset.failed = error.name ?? 'Error'
}

/** The address, so that loading it again does not take the cluster over again. */
function withoutTakeOver () {
  const address = new URL(location.href)
  address.searchParams.delete('takeOver')
  return address
}

/** What a person can do about it. @param {any} error */
function hint (error) {
  if (error.name === 'TabmqClusterInUseError') return t('failure.inUse')
  if (/refuses storage/.test(error.message)) return t('failure.storage')
  return t('failure.other')
}
