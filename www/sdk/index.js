// tabmq: a Kafka-compatible cluster in a browser tab. Importing this file does nothing else.
export { createCluster } from './tab.js'
export { decodeBatches, inspectBatch } from './batches.js'
export * from './errors.js'
export { AssignerProtocol, CompressionTypes, ConfigResourceTypes, PartitionAssigners, Partitioners, logLevel, partitionOfKey } from './kafka.js'
export { clientOf } from './lent.js'
export { checkTopicFiles } from './files.js'
