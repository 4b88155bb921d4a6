// Which key a generated record gets. In the worker; nothing here knows of the page.

/** How much of all records the hot key gets. */
const HOT_SHARE = 0.8

/**
 * Keys by a distribution: `uniform`, `zipf` (the n-th key comes 1/n as often as the first), `hot` (one gets 80 %), or `none`
 * (records have no key).
 */
export class Keys {
  #keys
  #pick

  /** @param {'uniform' | 'zipf' | 'hot' | 'none'} distribution @param {number} count @param {() => number} [random] from 0 to 1 */
  constructor (distribution, count, random = Math.random) {
    const utf8 = new TextEncoder()
    this.#keys = distribution === 'none' ? [] : Array.from({ length: count }, (_, index) => utf8.encode(`key-${index + 1}`))
    this.#pick = { none: () => null, uniform: () => Math.floor(random() * count), hot: hot(count, random), zipf: zipf(count, random) }[distribution]
  }

  /** @returns {{ index: number, bytes: Uint8Array } | null} */
  next () {
    const index = this.#pick()
    return index === null ? null : { index, bytes: this.#keys[index] }
  }
}

function hot (count, random) {
  return () => count === 1 || random() < HOT_SHARE ? 0 : 1 + Math.floor(random() * (count - 1))
}

function zipf (count, random) {
  const sums = new Float64Array(count)
  let sum = 0
  for (let index = 0; index < count; index++) sums[index] = sum += 1 / (index + 1)
  return () => {
    const at = random() * sum
    let [low, high] = [0, count - 1]
    while (low < high) {
      const middle = (low + high) >> 1
      if (sums[middle] <= at) low = middle + 1
      else high = middle
    }
    return low
  }
}
