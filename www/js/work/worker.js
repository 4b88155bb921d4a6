// A generator or a member of a group in a thread of its own: `{ type: 'start', role, spec, port }`, then `stop`, and what a
// member can be told (`pace`, `stick`, `resume`). It says `started`, `figures`, `failed`, `ended`, and what member.js tells.
import { clientOf } from '../../sdk/lent.js'
import { plain } from './figures.js'
import { Generator } from './generator.js'
import { Member } from './member.js'

const tell = (message) => self.postMessage(message)
/** @type {any} */
let work

self.onmessage = async ({ data }) => {
  try {
    switch (data.type) {
      case 'start': {
        const client = await clientOf(data.port)
        work = data.role === 'member' ? new Member(client, data.spec, tell) : new Generator(client, data.spec, tell)
        tell({ type: 'started' })
        await work.start()
        break
      }
      case 'stop': await work?.stop(); break
      case 'pace': work?.pace(data.perSecond); break
      case 'stick': work?.stick(); break
      case 'resume': work?.resume(); break
    }
  } catch (error) {
    tell({ type: 'failed', error: plain(error) })
  }
}
