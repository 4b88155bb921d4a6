// Events in plain words.

const list = (ids) => ids.length ? ids.join(', ') : 'none'

/** @param {any} event @returns {{ text: string, tone?: 'good'|'bad' } | null} null for what the timeline leaves out */
export function inWords (event) {
  const place = event.topic === undefined ? '' : `${event.topic}-${event.partition}`
  switch (event.type) {
    case 'workerState': {
      const { state, reason } = event.facts
      if (state === 'crashed') return { text: reason === 'killed' ? 'was killed: its worker is gone' : `crashed: ${reason}`, tone: 'bad' }
      return { text: { starting: 'is starting', stopping: 'is asked to stop: leadership moves first', stopped: 'has stopped' }[state] ?? state }
    }
    case 'brokerState': return event.state === 'running' ? { text: 'is running: it may lead partitions', tone: 'good' } : null
    case 'quorumRole':
      if (event.role === 'leader') return { text: `won the quorum's election of epoch ${event.epoch}`, tone: 'good' }
      if (event.role === 'candidate') return { text: `stands for election in epoch ${event.epoch}` }
      if (event.role === 'resigned') return { text: `laid down the quorum's leadership of epoch ${event.epoch}` }
      return null
    case 'controllerActive': return { text: 'is the active controller now', tone: 'good' }
    case 'brokerRegistered': return { text: `registered broker ${event.id}` }
    case 'brokerFenced': return { text: `fenced broker ${event.id}: no heartbeat, so it leads nothing`, tone: 'bad' }
    case 'brokerUnfenced': return { text: `unfenced broker ${event.id}: it may lead`, tone: 'good' }
    case 'topicCreated': return { text: `created topic ${event.topic}: ${event.partitions} partitions, ${event.replicationFactor} replicas each`, tone: 'good' }
    case 'topicDeleted': return { text: `deleted topic ${event.topic}` }
    case 'partitionsCreated': return { text: `topic ${event.topic} has ${event.partitions} partitions now` }
    case 'partitionChanged':
      if (event.leader === null || event.leader === undefined) return { text: `${place} has no leader: no in-sync replica is alive`, tone: 'bad' }
      if (event.elected) return { text: `elected broker ${event.leader} leader of ${place} (epoch ${event.leaderEpoch}); in sync: ${list(event.isr)}`, tone: 'good' }
      return { text: `in sync for ${place}: ${list(event.isr)}` }
    case 'truncated': return { text: `cut ${place} from ${event.from} to ${event.to}, to agree with its leader` }
    case 'segmentRolled': return { text: `started a new segment of ${place} at offset ${event.base}` }
    case 'segmentsDeleted': return { text: `deleted ${place} from ${event.from} to ${event.to}, by ${event.reason}: ${bytesInWords(event.bytes)} freed` }
    case 'logCompacted': return { text: `compacted ${place} up to ${event.to}: ${event.recordsRemoved.toLocaleString('en')} records went, ${bytesInWords(event.bytesBefore)} became ${bytesInWords(event.bytesAfter)}` }
    case 'logRecovered': return { text: `recovered ${place}: cut at offset ${event.end} (${bytesInWords(event.bytesCut)} gone), ${event.reason}`, tone: 'bad' }
    case 'logDamaged': return { text: `cannot read ${place} from offset ${event.from}${event.to === null || event.to === undefined ? ' on' : ` to ${event.to - 1}`}: its storage is damaged`, tone: 'bad' }
    case 'groupState': return { text: `group ${event.group} is ${event.state}, generation ${event.generation}, ${event.members.length} members: ${event.reason}` }
    case 'storageFailed': return { text: `storage refused a write: ${event.reason}`, tone: 'bad' }
    case 'connectionRefused': return { text: `closed a connection: ${event.reason}`, tone: 'bad' }
    case 'linkChanged': return { text: `link to broker ${event.to}: ${event.cut ? 'cut' : 'open'}` }
    default: return null
  }
}

/** @param {number} bytes */
export function bytesInWords (bytes) {
  const [size, unit] = bytes < 1000 ? [bytes, 'bytes'] : bytes < 1e6 ? [bytes / 1e3, 'kB'] : bytes < 1e9 ? [bytes / 1e6, 'MB'] : [bytes / 1e9, 'GB']
  return `${size.toLocaleString('en', { maximumFractionDigits: size < 10 ? 1 : 0 })} ${unit}`
}

/** An error as a person reads it. @param {any} error */
export function explain (error) {
  return error?.type ? `${error.type}: ${error.message}` : error?.message ?? String(error)
}
