/**
 * A transaction on all of a database that does not end before it is told to: nobody else reads or writes there meanwhile.
 * @param {string} name
 * @returns {Promise<{ release: () => Promise<void> }>} when it has begun
 */
export async function hold (name) {
  const request = indexedDB.open(name)
  const database = /** @type {IDBDatabase} */ (await new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result)
    request.onerror = () => reject(request.error)
  }))
  const transaction = database.transaction([...database.objectStoreNames], 'readwrite')
  const ended = new Promise((resolve) => { transaction.oncomplete = resolve })
  const store = transaction.objectStore(database.objectStoreNames[0])
  let held = true
  await new Promise((resolve) => {
    const ask = () => {
      resolve(undefined)
      if (held) store.get('nothing').onsuccess = ask
    }
    store.get('nothing').onsuccess = ask
  })
  return {
    async release () {
      held = false
      await ended
      database.close()
    }
  }
}
