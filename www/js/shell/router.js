// The part of the address after `#`: `#/topics/orders?partition=2` is the view `topics`, of `orders`, with a query.

/** @typedef {{ name: string, param: string, query: URLSearchParams }} Route */

/** @returns {Route} */
export function route () {
  const [path, query = ''] = location.hash.replace(/^#\/?/, '').split('?')
  const [name, ...rest] = path.split('/')
  let param = rest.join('/')
  try {
    param = decodeURIComponent(param)
  } catch {
    // A stray % stays as it was typed; the view says that there is no such thing.
  }
  return { name, param, query: new URLSearchParams(query) }
}

/** @param {string} hash `#/topics/orders` */
export function navigate (hash) {
  location.hash = hash
}
