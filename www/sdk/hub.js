// A SharedWorker in which two tabs meet, once: each gets one end of a channel, and they need it no more. A MessagePort can
// only be handed over a port, and this is the only one that tabs have in common.

/** Tabs that wait for another, at most; the one that has waited longest goes. */
const WAITING_MAX = 100
/** Who waits, by the meeting's id. @type {Map<string, MessagePort>} */
const waiting = new Map()

self.addEventListener('connect', (event) => {
  const [tab] = /** @type {MessageEvent} */ (event).ports
  tab.onmessage = ({ data: meeting }) => {
    const other = waiting.get(meeting)
    if (!other) {
      waiting.set(meeting, tab)
      if (waiting.size > WAITING_MAX) waiting.delete(waiting.keys().next().value)
      return
    }
    waiting.delete(meeting)
    const { port1, port2 } = new MessageChannel()
    tab.postMessage(null, [port1])
    other.postMessage(null, [port2])
  }
})
