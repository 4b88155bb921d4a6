// The globals of Node that kafkajs reads. esbuild puts these in their place.
import { Buffer } from 'buffer'

export { Buffer }

export const process = {
  env: {},
  /** @param {[number, number]} [since] */
  hrtime(since = [0, 0]) {
    const nanos = Math.round(performance.now() * 1e6) - (since[0] * 1e9 + since[1])
    return [Math.floor(nanos / 1e9), nanos % 1e9]
  },
}
