// For a driver whose scripts run beside the page and not in it: calls what tabs.js has, by messages of text.
import * as tabs from './tabs.js'

const say = (answer) => postMessage(JSON.stringify(answer), '*')

addEventListener('message', async ({ data }) => {
  const { id, call, args } = JSON.parse(data)
  if (!call) return
  try {
    say({ id, value: await tabs[call](...args) ?? null })
  } catch (error) {
    say({ id, error: `${error.name}: ${error.message}` })
  }
})
document.documentElement.dataset.ready = 'true'
