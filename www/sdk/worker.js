// A broker's worker: loads the module the page compiled, opens the broker, announces it, and from then on passes
// messages to it. Messages sent before `ready` would be lost, so the page sends none.
import init, { BrokerHost } from './tabmq.js'

const post = (message) => self.postMessage(message)
let host

self.onmessage = async ({ data, ports }) => {
  switch (data.type) {
    case 'open':
      try {
        await init({ module_or_path: data.module })
        host = await BrokerHost.open(data.config, post)
        post({ type: 'ready' })
      } catch (error) {
        post({ type: 'failed', reason: String(error?.message ?? error) })
      }
      break
    case 'connectPeer': host.connectPeer(data.broker, ports[0]); break
    case 'disconnectPeer': host.disconnectPeer(data.broker); break
    case 'connectClient': host.connectClient(ports[0], data.guest); break
    case 'disconnectGuest': host.disconnectGuest(data.guest); break
    case 'setLink': host.setLink(data.broker, data.cut, data.delayMs, data.lossRatio); break
    case 'shutDown': host.shutDown(); break
    case 'end': host.end(); break
  }
}
