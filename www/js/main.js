// Opens the cluster and puts the views on the page.
import { createCluster } from '../sdk/index.js'
import { Store } from './store.js'
import { explain } from './words.js'
import { brokersView } from './views/brokers.js'
import { storageView } from './views/storage.js'
import { topicFormView, topicTableView } from './views/topics.js'
import { produceView } from './views/produce.js'
import { consumeView } from './views/consume.js'
import { timelineView } from './views/timeline.js'

const BROKERS = 3
const status = document.getElementById('status')
const at = (id) => document.getElementById(id)

const options = new URLSearchParams(location.search)
const started = performance.now()
status.textContent = 'Starting three brokers…'

try {
  const cluster = await createCluster({
    name: options.get('name') ?? 'playground',
    brokers: BROKERS,
    profile: 'lab',
    config: { 'default.replication.factor': 3, 'min.insync.replicas': 2, 'num.partitions': 6 }
  })
  status.textContent = `Ready in ${Math.round(performance.now() - started)} ms`
  const store = new Store(cluster)
  cluster.on('event', (event) => store.add(event))
  const kafka = cluster.kafka({ clientId: 'page' })
  const admin = kafka.admin()
  await admin.connect()
  store.show(brokersView(at('broker-cards')))
  store.show(storageView(at('storage-view'), cluster))
  store.show(topicFormView(at('topic-form'), admin))
  store.show(topicTableView(at('topic-table'), admin, cluster))
  store.show(produceView(at('produce-view'), kafka, admin, cluster))
  store.show(consumeView(at('consume-view'), kafka))
  store.show(timelineView(at('timeline-view')))
  globalThis.tabmq = { cluster, kafka, admin, store }
  document.body.dataset.ready = 'true'
} catch (error) {
  status.textContent = 'Not started'
  const note = document.createElement('p')
  note.className = 'note bad'
  note.setAttribute('role', 'alert')
  note.textContent = explain(error)
  document.querySelector('main').before(note)
  document.body.dataset.failed = error.name ?? 'Error'
}
