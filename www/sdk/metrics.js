// What brokers count, by Kafka's names, and how fast it grows. Brokers tell twice a second while anything happens to them.

/** How long a rate looks back, in ms. */
const WINDOW_MS = 2000

/**
 * @typedef {Record<string, number>} Numbers
 * @typedef {{ meters: Numbers, gauges: Numbers, requests: Record<string, { count: number, totalTimeMs: number, maxTimeMs: number }> }} Report
 */

export class Metrics {
  /** The latest reports of each broker's present life, oldest first. @type {Map<number, { at: number, report: Report }[]>} */
  #reports = new Map()

  /** @param {number} broker @param {number} at ms @param {Report} report */
  take (broker, at, report) {
    const reports = this.#reports.get(broker) ?? []
    reports.push({ at, report })
    while (reports.length > 2 && reports[1].at < at - WINDOW_MS) reports.shift()
    this.#reports.set(broker, reports)
  }

  /** The broker has ended; it counts from zero when it is back. @param {number} broker */
  forget (broker) {
    this.#reports.delete(broker)
  }

  clear () {
    this.#reports.clear()
  }

  /** @param {number} now ms */
  read (now) {
    const brokers = {}
    const cluster = { meters: {}, gauges: {}, requests: {} }
    for (const [id, reports] of this.#reports) {
      const last = reports.at(-1)
      const first = reports[0]
      // Nothing since: then nothing has happened.
      const span = Math.max(last.at - first.at, now - last.at > WINDOW_MS ? Infinity : 0)
      const rate = (value, before) => span > 0 ? ((value - (before ?? 0)) * 1000) / span : 0
      const own = { meters: {}, gauges: last.report.gauges, requests: {} }
      for (const [name, count] of Object.entries(last.report.meters)) {
        own.meters[name] = { count, rate: rate(count, first.report.meters[name]) }
        cluster.meters[name] ??= { count: 0, rate: 0 }
        cluster.meters[name].count += count
        cluster.meters[name].rate += own.meters[name].rate
      }
      for (const [name, value] of Object.entries(last.report.gauges)) cluster.gauges[name] = (cluster.gauges[name] ?? 0) + value
      for (const [name, { count, totalTimeMs, maxTimeMs }] of Object.entries(last.report.requests)) {
        own.requests[name] = { count, rate: rate(count, first.report.requests[name]?.count), totalTimeMs, maxTimeMs }
        const all = cluster.requests[name] ??= { count: 0, rate: 0, totalTimeMs: 0, maxTimeMs: 0 }
        all.count += count
        all.rate += own.requests[name].rate
        all.totalTimeMs += totalTimeMs
        all.maxTimeMs = Math.max(all.maxTimeMs, maxTimeMs)
      }
      brokers[id] = own
    }
    return { ...cluster, brokers }
  }
}
