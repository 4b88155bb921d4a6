// Opens the cluster and hands it to the page.
import { app, option } from './app.js'
import { Demo } from './demo.js'
import { applySettings } from './shell/settings.js'
import { openLive } from './source/live.js'
import { Actions } from './state/actions.js'
import { FIRST, opening } from './state/clusters.js'
import { Store } from './state/store.js'
import './shell/shell.js'

applySettings()
const shell = /** @type {any} */ (document.querySelector('tabmq-shell'))
const started = performance.now()

const name = option('name') ?? FIRST

try {
  app.actions = new Actions()
  app.source = app.actions.source(await openLive({
    ...await opening(name),
    storage: option('storage') === 'memory' ? 'memory' : 'indexeddb',
    takeOver: option('takeOver') === 'yes'
  }))
  if (option('takeOver')) history.replaceState(null, '', withoutTakeOver())
  app.store = new Store(app.source)
  app.kafka = app.actions.kafka(app.source.kafka({ clientId: 'page' }))
  app.admin = app.kafka.admin()
  app.demo = new Demo()
  // For the browser's console, and for tests.
  Object.assign(globalThis, { tabmq: { ...app, cluster: app.source.cluster } })
  await shell.opened(performance.now() - started)
  document.body.dataset.ready = 'true'
  // Who opens a link with a scenario is to see that one.
  if (option('demo') !== 'off' && !location.hash.includes('scenario=')) await app.demo.begin()
} catch (error) {
  console.warn(error)
  shell.failure = { error, cluster: name }
  document.body.dataset.failed = error.name ?? 'Error'
}

/** The address, so that loading it again does not take the cluster over again. */
function withoutTakeOver () {
  const address = new URL(location.href)
  address.searchParams.delete('takeOver')
  return address
}
