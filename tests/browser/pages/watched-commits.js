// Tells of each `commit()` whether its transaction had begun: one of its requests had succeeded.
const channel = new BroadcastChannel('watched-commits')
const begun = new WeakSet()
const { commit } = IDBTransaction.prototype
IDBTransaction.prototype.commit = function () {
  channel.postMessage(begun.has(this) ? 'begun' : 'not begun')
  return commit.call(this)
}
for (const method of ['put', 'add', 'get', 'getAll', 'delete']) {
  const original = IDBObjectStore.prototype[method]
  IDBObjectStore.prototype[method] = function (...args) {
    const request = original.apply(this, args)
    request.addEventListener('success', () => begun.add(this.transaction))
    return request
  }
}
