// Errors with kafkajs's names and fields, so that code which tells them apart moves over unchanged.

export class KafkaJSError extends Error {
  /** @param {string} message @param {{ retriable?: boolean, cause?: unknown }} [options] */
  constructor (message, { retriable = true, cause } = {}) {
    super(message, cause === undefined ? undefined : { cause })
    this.name = this.constructor.name
    this.retriable = retriable
  }
}

export class KafkaJSNonRetriableError extends KafkaJSError {
  /** @param {string} message @param {{ cause?: unknown }} [options] */
  constructor (message, options = {}) {
    super(message, { ...options, retriable: false })
  }
}

/** A broker's answer was an error of Kafka's table. `type` is its name, `code` its number. */
export class KafkaJSProtocolError extends KafkaJSError {
  /** @param {{ message: string, type: string, code: number, retriable: boolean, topic?: string, partition?: number }} error */
  constructor (error) {
    super(error.message, { retriable: error.retriable })
    this.type = error.type
    this.code = error.code
    this.topic = error.topic
    this.partition = error.partition
  }
}

export class KafkaJSConnectionError extends KafkaJSError {}
export class KafkaJSRequestTimeoutError extends KafkaJSError {}
export class KafkaJSTimeout extends KafkaJSNonRetriableError {}

/** An option is unknown or out of range; `option` names it. */
export class TabmqOptionError extends KafkaJSNonRetriableError {
  /** @param {string} option @param {string} reason */
  constructor (option, reason) {
    super(`${option}: ${reason}`)
    this.option = option
  }
}

/** The cluster of this name runs in another tab, and is not shared with this one. */
export class TabmqClusterInUseError extends KafkaJSNonRetriableError {
  /** @param {string} name @param {string} [why] */
  constructor (name, why = 'this one was asked not to share it') {
    super(`Cluster '${name}' is open in another tab, and ${why}. Take it over (takeOver: true), close that tab, or open a cluster of another name.`)
  }
}

/** A file given to `importTopic` is cut, changed, mixed up or not Kafka's: `file` from `byte` on. Nothing was created. */
export class TabmqFileError extends KafkaJSNonRetriableError {
  /** @param {{ file: string, at: number, message: string }} error */
  constructor ({ file, at, message }) {
    super(message)
    this.file = file
    this.byte = at
  }
}

/** A broker's worker could not start, or the cluster was not ready in time; `message` says why. */
export class TabmqStartError extends KafkaJSNonRetriableError {}

/** A failure of the Rust client as kafkajs's class. @param {any} failure @returns {Error} */
export function typed (failure) {
  if (failure instanceof Error) return failure
  const { kind, message, retriable } = failure
  const where = failure.topic === undefined ? '' : ` (${failure.topic}${failure.partition === undefined ? '' : `-${failure.partition}`})`
  const words = message === failure.type || where === '' ? message + where : message
  switch (kind) {
    case 'protocol': return new KafkaJSProtocolError({ ...failure, message: words })
    case 'timeout': return new KafkaJSRequestTimeoutError(words, { retriable })
    case 'connection': return new KafkaJSConnectionError(words, { retriable })
    case 'invalid': {
      const [option, ...rest] = message.split(': ')
      return rest.length ? new TabmqOptionError(option, rest.join(': ')) : new KafkaJSNonRetriableError(message)
    }
    case 'closed':
    case 'unsupported': return new KafkaJSNonRetriableError(words)
    default: return new KafkaJSError(String(message ?? failure))
  }
}

const CLASSES = {
  KafkaJSError, KafkaJSNonRetriableError, KafkaJSProtocolError, KafkaJSConnectionError, KafkaJSRequestTimeoutError, KafkaJSTimeout,
  TabmqOptionError, TabmqClusterInUseError, TabmqFileError, TabmqStartError
}

/** An error as another tab can be told it. @param {any} error */
export function flattened (error) {
  return { ...error, name: error?.name ?? 'Error', message: String(error?.message ?? error), cause: undefined }
}

/** What `flattened` was given, as far as it matters. @param {any} plain */
export function restored ({ name, message, ...facts }) {
  const error = new KafkaJSError(message)
  Object.setPrototypeOf(error, (CLASSES[name] ?? KafkaJSError).prototype)
  return Object.assign(error, { name }, facts)
}
