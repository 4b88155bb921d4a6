// One run, as the address says (`?seed=1&rounds=6`); its report is on the body, for drivers whose scripts run apart from the
// page's own.
import { chaos } from './chaos.js'

const asked = new URLSearchParams(location.search)
const onStep = (/** @type {string} */ what) => { document.body.dataset.step = what }
const report = await chaos({ seed: Number(asked.get('seed')), rounds: Number(asked.get('rounds')), onStep })
  .catch((error) => ({ failed: `${error}\n${error.stack ?? ''}` }))
document.body.dataset.report = JSON.stringify(report)
