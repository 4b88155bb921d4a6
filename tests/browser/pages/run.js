// Calls what the address names (`?module=chaos&call=chaos&options={"seed":1}`) and leaves on the body what it gives, for
// drivers whose scripts run apart from the page's own (every-browser.mjs).
const asked = new URLSearchParams(location.search)
const onStep = (/** @type {string} */ what) => { document.body.dataset.step = what }
let report
try {
  const module = await import(`/pages/${asked.get('module')}.js`)
  report = await module[asked.get('call')]({ ...JSON.parse(asked.get('options')), onStep })
} catch (error) {
  report = { failed: `${error}\n${error.stack ?? ''}` }
}
document.body.dataset.report = JSON.stringify(report)
