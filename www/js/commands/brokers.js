// What is done to brokers and links. No tool of Kafka's does that from afar, so it is said what would be done to their machines.

/** @type {Record<string, import('./index.js').Words>} */
export default {
  kill: { needs: 'cluster', scripts: (id, options) => [`# broker ${id} was killed${options?.silent ? ', silently' : ''}: kill -9 its process`] },
  stop: { needs: 'cluster', scripts: (id) => [`# broker ${id} was stopped: kafka-server-stop.sh on its machine`] },
  start: { needs: 'cluster', scripts: (id) => [`# broker ${id} was started: kafka-server-start.sh on its machine`] },
  addBroker: { needs: 'cluster', scripts: () => ['# a broker was added: start one with a node.id of its own'] },
  decommission: { needs: 'cluster', scripts: (id) => [`# broker ${id} left: move its partitions, stop it, kafka-cluster.sh unregister --id ${id}`] },
  setLink: {
    needs: 'cluster',
    scripts: (from, to, { cut = false, delayMs = 0, lossRatio = 0 }) =>
      [`# link ${from} -> ${to}: ${cut ? 'cut' : `delay ${delayMs} ms, loss ${Math.round(lossRatio * 100)}%`} (tc qdisc … netem on its machine)`]
  }
}
