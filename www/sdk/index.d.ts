// Types of tabmq. Where kafkajs (2.2) has a shape, it is kafkajs's.

export interface ClusterOptions {
  /** The same name reopens the same data. Default 'default'. */
  name?: string
  /**
   * 1 to 9, of a new cluster; default 1. The first 1, 3 or 5 are also the quorum. An existing cluster has the brokers it has:
   * leave this out, or give the number it has or was created with; others are refused (TabmqOptionError).
   */
  brokers?: number
  /** 'kafka': Kafka's own defaults. 'lab': sessions and elections in seconds, to watch. Default 'kafka'. */
  profile?: 'lab' | 'kafka'
  /** Default 'indexeddb'. */
  storage?: 'indexeddb' | 'memory'
  /** Broker configs by Kafka's names. */
  config?: Record<string, string | number | boolean>
  /**
   * What happens when another tab has the cluster open. 'shared' (default): this one joins it, or the other way round. The tab
   * that opened it first owns it: the brokers are its workers, with its `profile` and `config`. When that tab closes, crashes
   * or stops answering, one of the others becomes the owner and opens the brokers from storage; producers and consumers in all
   * tabs reconnect and go on. 'exclusive': TabmqClusterInUseError, for this tab and for those that come later.
   * Clusters in memory are always private to their tab. Sharing needs SharedWorker; where there is none, 'exclusive' is meant.
   */
  tabs?: 'shared' | 'exclusive'
  /** True: this tab becomes the owner, as by `cluster.takeOver()`. Default false. */
  takeOver?: boolean
  wasmUrl?: string | URL
  workerUrl?: string | URL
  /** The SharedWorker in which tabs meet. The same URL in all of them. */
  hubUrl?: string | URL
}

export function createCluster (options?: ClusterOptions): Promise<Cluster>

export interface Broker {
  id: number
  state: 'starting' | 'running' | 'stopping' | 'stopped' | 'crashed'
  roles: string[]
  quorumRole: string
  quorumEpoch: number
  /** Why it crashed. */
  reason?: string
  /** All logs on it, in bytes. */
  storageBytes: number
  /** Its worker's wasm memory, in bytes. It never shrinks. */
  memoryBytes: number
}

export interface LinkFaults { cut?: boolean, delayMs?: number, lossRatio?: number }

export interface MetricsReport {
  /**
   * MessagesInPerSec, BytesInPerSec, BytesOutPerSec (clients), ReplicationBytesInPerSec, ReplicationBytesOutPerSec,
   * IsrShrinksPerSec, IsrExpandsPerSec, LeaderElectionRateAndTimeMs, UncleanLeaderElectionsPerSec; and, not Kafka's,
   * FramesInPerSec and FramesOutPerSec.
   */
  meters: Record<string, { count: number, rate: number }>
  /**
   * Each broker's: PartitionCount, LeaderCount, UnderReplicatedPartitions, UnderMinIsrPartitionCount, ReassigningPartitions.
   * The active controller's: ActiveControllerCount, OfflinePartitionsCount, PreferredReplicaImbalanceCount,
   * GlobalPartitionCount, ActiveBrokerCount, FencedBrokerCount (0 on others).
   */
  gauges: Record<string, number>
  /** By API (`Produce`, `Fetch`, ...; the less frequent ones as `Other`): answered requests, clients' and brokers' together. */
  requests: Record<string, { count: number, rate: number, totalTimeMs: number, maxTimeMs: number }>
}

/**
 * One fact of the cluster's life: `type` says which, `broker` where, `at` when (ms since the Unix epoch). Three have no broker:
 * `ownerGone`: the tab that ran the brokers does no more, for `reason`: 'gone' (closed or crashed), 'closed' (by a call), 'silent',
 * 'handed over', 'taken over' (while it was frozen), 'fenced' (storage said so), 'failed' (its brokers did not start).
 * `ownerChanged`: the brokers run in this tab now (`here`), or in another; `reason` says what became of the last owner. What is
 * known of topics and groups begins anew with it, and faults that were set with `setLink` are gone.
 * `ownerFailed`: this tab was to be the owner and could not, for `reason`; it tries again, unless another tab does.
 */
export interface ClusterEvent { type: string, broker: number | null, at: number, [field: string]: any }

export interface Cluster extends AsyncDisposable {
  readonly name: string
  /**
   * 'owner': the brokers run in this tab. 'joined': in another, and all calls work from here. 'waiting': no tab has them for
   * the moment; clients retry, and calls on the cluster itself are refused (KafkaJSConnectionError, retriable).
   */
  readonly role: 'opening' | 'owner' | 'joined' | 'waiting' | 'closed'
  /**
   * Makes this tab the owner; resolves when the brokers run here. The other tab stops in good order and joins. When it does not
   * answer within 3 s (it is frozen), the cluster is taken from it: nothing that it still writes reaches storage.
   */
  takeOver (): Promise<void>
  kafka (options?: KafkaOptions): Kafka
  brokers (): Broker[]
  /**
   * Counts and states by Kafka's names (the `name` of its JMX beans): of the cluster, and of each broker that runs, since its
   * start. `rate` is per second, over the last two. It asks nobody: brokers tell twice a second.
   */
  metrics (): MetricsReport & { brokers: Record<number, MetricsReport> }
  /**
   * A crash: the worker is ended at once. With `silent` its connections are not even closed. (WebKit keeps what a worker has
   * under way in its storage when it ends, so there it ends when that is over, within a second.)
   */
  kill (id: number, options?: { silent?: boolean }): Promise<void>
  stop (id: number): Promise<void>
  /** Resolves when the broker may lead again. Rejects with a TabmqStartError when its storage does not answer within 20 s. */
  start (id: number): Promise<void>
  /**
   * Adds a broker while the others work; resolves with its id (never one that was used before) when it may lead. It is stored:
   * the cluster opens with it from now on. It gets replicas of new topics; `alterPartitionReassignments` moves others to it.
   */
  addBroker (): Promise<number>
  /**
   * Makes a broker a voter of the quorum that decides on the cluster's metadata, or a voter one that only follows; one change at
   * a time, committed when it resolves. With an even number of voters the quorum stands no more failures than with one less.
   * Rejects with TabmqOptionError for a broker that votes already (or does not), and as `admin.addRaftVoter` and `removeRaftVoter`.
   */
  addVoter (id: number): Promise<void>
  removeVoter (id: number): Promise<void>
  /**
   * Takes a broker out for good: its replicas move to the others while they are read and written (leadership first), it votes no
   * longer, it stops, and its data is deleted. `decommission` events tell the `phase` ('moving', 'stopping', 'gone') and how many
   * `partitions` of how many are still on it. Rejects (KafkaJSNonRetriableError) when it is the quorum's only voter, when too few
   * of the other voters run to decide anything, when too few brokers remain for a topic's replicas, when a partition on it has no
   * leader, or when nothing moves for a minute; what was begun goes on then, and another call as well. The signal ends the wait,
   * not what was begun.
   */
  decommission (id: number, options?: { signal?: AbortSignal }): Promise<void>
  setLink (from: number, to: number, faults?: LinkFaults): void
  /** The first listener also gets the discrete events from before it, 1000 at most: what opening the cluster found. */
  on (name: 'event', listener: (event: ClusterEvent) => void): () => void
  bootstrapServers (): string[]
  /** A port of raw Kafka bytes, `null` for close. */
  connect (host: string, port: number): MessagePort
  /** For unmodified kafkajs. */
  socketFactory (): (options: { host: string, port: number, ssl: any, onConnect: () => void }) => any
  /** Installs globalThis.__kafkaConnect(host, port). */
  exposeConnect (): void
  /**
   * A client for another worker, whose records then never pass through this thread: transfer `port` to it, and give it to
   * `clientOf` there. `end` closes all its connections: call it when the worker has ended or was terminated.
   */
  lend (): { port: MessagePort, end (): void }
  /** What the browser keeps for this origin, and how much it would, in bytes. `persisted`: it will not clear it by itself. */
  storage (): Promise<{ usage: number, quota: number, persisted: boolean }>
  /** Asks the browser not to clear this origin's storage by itself; true when it agrees. It may ask the user. */
  persist (): Promise<boolean>
  /**
   * Committed batches of a partition exactly as the leader has stored them, one after the other, from the one that holds
   * `offset` on: what one fetch brings. Decode them with `decodeBatches`, go on at the last one's `lastOffset + 1`.
   * Rejects with KafkaJSProtocolError (UNKNOWN_TOPIC_OR_PARTITION, OFFSET_OUT_OF_RANGE, ...), KafkaJSRequestTimeoutError or
   * KafkaJSConnectionError after `timeout` ms, or the signal's reason.
   */
  fetchBatches (options: FetchBatchesOptions): Promise<FetchedBatches>
  /**
   * The committed records of a topic as Kafka's own files: batches, offsets and leader epochs exactly as the leaders have
   * them, from the log start to the high watermark at the time of the call. Batches stay whole: where records were deleted up
   * to an offset within a batch, that batch comes with them.
   * Rejects with KafkaJSProtocolError (UNKNOWN_TOPIC_OR_PARTITION; OFFSET_OUT_OF_RANGE when retention deletes what is being
   * read), KafkaJSConnectionError or KafkaJSRequestTimeoutError after `timeout` ms without progress, or the signal's reason.
   */
  exportTopic (topic: string, options?: ExportOptions): Promise<TopicFiles>
  /**
   * Makes a new topic of such files, from here or from a Kafka broker's `log.dirs`. They are all checked before anything is
   * created: TabmqFileError names the file and the byte of what is cut, changed, mixed up, foreign, or of a transaction.
   * Keys, values, headers, timestamps and compression stay. The brokers give new offsets: the same ones when a partition's
   * files begin at 0 without gaps (compaction makes gaps); `offsetsKept` says whether they are. Leader epochs and producer
   * ids are new.
   * Rejects with KafkaJSProtocolError (TOPIC_ALREADY_EXISTS, and others of Kafka's) or as exportTopic does; a topic that was
   * begun is deleted again then.
   */
  importTopic (topic: string, files: TopicFiles, options?: ImportOptions): Promise<ImportSummary>
  /** Closes the cluster in this tab. The data stays; where other tabs have joined, one of them goes on with the brokers. */
  close (): Promise<void>
  /** Closes it in all tabs, and deletes all data. */
  destroy (): Promise<void>
}

/**
 * Files by path, as Kafka lays them out: `<topic>-<partition>/<20-digit base offset>.log`, `.index`, `.timeindex`, and
 * `<topic>-<partition>/leader-epoch-checkpoint`. For an import only the .log files have to be there.
 */
export type TopicFiles = Record<string, Uint8Array>
export interface ExportOptions {
  /** Ms without progress after which it fails; default 30000. */
  timeout?: number
  signal?: AbortSignal
  onProgress?: (progress: { partition: number, partitions: number, bytes: number }) => void
}
export interface ImportOptions {
  /** Ms without progress after which it fails; default 30000. */
  timeout?: number
  signal?: AbortSignal
  replicationFactor?: number
  /** Configs of the new topic. Without `retention.ms` it is -1: old records would be deleted as soon as they are there. */
  configEntries?: { name: string, value: string }[]
  onProgress?: (progress: { phase: 'checking' | 'writing', bytes: number, of: number }) => void
}
export interface ImportSummary {
  partitions: number
  records: number
  /** False when some record has another offset than it had. */
  offsetsKept: boolean
}

/** In a worker: the client that `cluster.lend()` gave the port of. */
export function clientOf (port: MessagePort): Promise<{ kafka (options?: KafkaOptions): Kafka }>
export interface FetchBatchesOptions {
  topic: string
  /** Default 0. */
  partition?: number
  /** Default: the log start. */
  offset?: number | string
  /** As many bytes at most, but one whole batch in any case. Default, and most: 1 MiB. */
  maxBytes?: number
  /** How long it may take, in ms; default 30000. */
  timeout?: number
  signal?: AbortSignal
}
export interface FetchedBatches {
  /** The last batch may be cut short. Empty when nothing is committed from `offset` on. */
  bytes: Uint8Array
  /** Where the read began: as asked, or the log start. */
  offset: number
  /** The first offset kept. */
  logStart: number
  /** Offsets below it are committed. */
  highWatermark: number
}
/** A record batch's header. */
export interface BatchHeader {
  baseOffset: number
  lastOffset: number
  leaderEpoch: number
  crc: number
  attributes: number
  /** 'uncompressed', 'gzip', 'snappy', 'lz4', 'zstd'. */
  compression: string
  /** Timestamps are the broker's. */
  logAppendTime: boolean
  transactional: boolean
  /** The broker's own: transaction markers, leader changes. */
  control: boolean
  baseTimestamp: number
  maxTimestamp: number
  /** -1 without one. */
  producerId: number
  producerEpoch: number
  baseSequence: number
  recordCount: number
}
/** A batch and where it lies in the bytes it was read from. */
export interface DecodedBatch extends BatchHeader {
  at: number
  size: number
  messages: KafkaMessage[]
  /** Why its records can't be read; then there are none. */
  error?: string
}
/** The whole batches of what `fetchBatches` gave. A cluster must have been opened before: its code decodes them. */
export function decodeBatches (bytes: Uint8Array): DecodedBatch[]
/** A batch taken apart. */
export interface InspectedBatch extends BatchHeader {
  /** The records' bytes, decompressed; in an uncompressed batch those from byte 61 on. */
  body: Uint8Array
  /**
   * Of each record where its fields end in `body`: length, attributes, timestamp delta, offset delta, key length, key, value
   * length, value, header count, and of each header name length, name, value length, value.
   */
  fieldEnds: Uint32Array[]
}
/** One whole batch; throws KafkaJSNonRetriableError with what is wrong with it. */
export function inspectBatch (batch: Uint8Array): InspectedBatch
/** Checks files as `importTopic` does, and creates nothing: TabmqFileError names the file and the byte of what is wrong. A cluster must have been opened. */
export function checkTopicFiles (files: TopicFiles, options?: Pick<ImportOptions, 'signal' | 'onProgress'>): Promise<{ partitions: number, records: number }>

export interface KafkaOptions { clientId?: string, requestTimeout?: number, logLevel?: number }

export interface Kafka {
  admin (options?: AdminOptions): Admin
  producer (options?: ProducerOptions): Producer
  consumer (options: ConsumerOptions): Consumer
}

export type Bytes = string | Uint8Array | null
export interface Message {
  key?: Bytes
  value: Bytes
  headers?: Record<string, Bytes | Bytes[]>
  partition?: number
  timestamp?: string | number
}
/** One of `CompressionTypes`. */
export type CompressionType = 0 | 1 | 2 | 3 | 4
export interface SendOptions { acks?: -1 | 0 | 1, timeout?: number, compression?: CompressionType, signal?: AbortSignal }
export interface ProducerRecord extends SendOptions { topic: string, messages: Message[] }
export interface ProducerBatch extends SendOptions { topicMessages?: { topic: string, messages: Message[] }[] }
export interface RecordMetadata { topicName: string, partition: number, errorCode: number, baseOffset?: string, logAppendTime?: string }

export interface PartitionerArgs { topic: string, partitionMetadata: { partitionId: number, leader: number }[], message: Message }
export type CreatePartitioner = () => (args: PartitionerArgs) => number

export interface ProducerOptions {
  /** Default true: a retry makes no duplicate. */
  idempotent?: boolean
  createPartitioner?: CreatePartitioner
  /** How long a batch may wait for company, in ms. */
  linger?: number
  /** A batch is closed at this size, in bytes. Default 1 MiB: what a topic takes by default (`max.message.bytes`). */
  batchSize?: number
  /** How long a record may take from `send` to its ack, in ms. */
  deliveryTimeout?: number
  maxInFlightRequests?: number
}
export interface Producer extends AsyncDisposable {
  connect (): Promise<void>
  send (record: ProducerRecord): Promise<RecordMetadata[]>
  sendBatch (batch: ProducerBatch): Promise<RecordMetadata[]>
  disconnect (): Promise<void>
}

export interface ConsumerOptions {
  groupId: string
  partitionAssigners?: string[]
  sessionTimeout?: number
  rebalanceTimeout?: number
  /**
   * Ms that a handler may have a batch. After that the member leaves its group, and joins again when the handler is done.
   * As in Java's client it is also how long a rebalance waits for this member. Default: rebalanceTimeout.
   */
  maxPollInterval?: number
  /** A handler gets at most this many records of a partition at once; default: all that were fetched. */
  maxPollRecords?: number
  heartbeatInterval?: number
  maxBytes?: number
  maxWaitTimeInMs?: number
}
/**
 * Keys, values and headers are views of their batch's memory, as kafkajs's Buffers are: `slice()` what you keep for long, or
 * send to a worker or a database (which would copy the whole batch each time).
 */
export interface KafkaMessage {
  key: Uint8Array | null
  value: Uint8Array | null
  timestamp: string
  offset: string
  headers: Record<string, Uint8Array | Uint8Array[] | undefined>
}
export interface EachMessagePayload { topic: string, partition: number, message: KafkaMessage, heartbeat (): Promise<void>, pause (): () => void }
export interface Batch { topic: string, partition: number, highWatermark: string, messages: KafkaMessage[], isEmpty (): boolean, firstOffset (): string | null, lastOffset (): string }
export interface EachBatchPayload {
  batch: Batch
  resolveOffset (offset: string): void
  heartbeat (): Promise<void>
  pause (): () => void
  commitOffsetsIfNecessary (): Promise<void>
  isRunning (): boolean
  isStale (): boolean
}
export interface RunOptions {
  autoCommit?: boolean
  autoCommitInterval?: number
  autoCommitThreshold?: number
  partitionsConsumedConcurrently?: number
  eachMessage?: (payload: EachMessagePayload) => Promise<void>
  eachBatch?: (payload: EachBatchPayload) => Promise<void>
}
export interface TopicPartitionOffset { topic: string, partition: number, offset: string, metadata?: string }
export interface Consumer extends AsyncDisposable, AsyncIterable<EachMessagePayload> {
  /** REBALANCING's payload has `lost`: true when this member was put out of its group. */
  readonly events: { GROUP_JOIN: string, REBALANCING: string, CRASH: string, STOP: string, CONNECT: string, DISCONNECT: string }
  connect (): Promise<void>
  subscribe (subscription: { topics?: string[], topic?: string, fromBeginning?: boolean }): Promise<void>
  run (options: RunOptions): Promise<void>
  on (event: string, listener: (event: { type: string, payload: any }) => void): () => void
  pause (topics: { topic: string, partitions?: number[] }[]): void
  resume (topics: { topic: string, partitions?: number[] }[]): void
  paused (): { topic: string, partitions: number[] }[]
  seek (to: TopicPartitionOffset): void
  commitOffsets (offsets: TopicPartitionOffset[]): Promise<void>
  stop (): Promise<void>
  disconnect (): Promise<void>
}

export interface AdminOptions { timeout?: number }
export interface TopicSpec { topic: string, numPartitions?: number, replicationFactor?: number, configEntries?: { name: string, value: string }[] }
export interface PartitionMetadata { partitionErrorCode: number, partitionId: number, leader: number, replicas: number[], isr: number[] }
export interface OngoingReassignment { partition: number, partitionIndex: number, replicas: number[], addingReplicas: number[], removingReplicas: number[] }
export interface ConfigEntry {
  configName: string
  configValue: string | null
  readOnly: boolean
  isDefault: boolean
  configSource: number
  configSynonyms: { configName: string, configValue: string | null, configSource: number }[]
}
export interface QuorumReplica { replicaId: number, directoryId: string, logEndOffset: string, lastFetchTimestamp: number, lastCaughtUpTimestamp: number }
export interface Admin extends AsyncDisposable {
  connect (): Promise<void>
  disconnect (): Promise<void>
  createTopics (options: { topics: TopicSpec[], validateOnly?: boolean, waitForLeaders?: boolean, timeout?: number }): Promise<boolean>
  deleteTopics (options: { topics: string[], timeout?: number }): Promise<void>
  createPartitions (options: { topicPartitions: { topic: string, count: number }[], timeout?: number }): Promise<boolean>
  listTopics (): Promise<string[]>
  fetchTopicMetadata (options?: { topics?: string[] }): Promise<{ topics: { name: string, partitions: PartitionMetadata[] }[] }>
  fetchTopicOffsets (topic: string): Promise<{ partition: number, offset: string, high: string, low: string }[]>
  /** Deletes the records below each offset (`-1`: all that is committed), on every replica. Fails with OFFSET_OUT_OF_RANGE,
   *  or POLICY_VIOLATION for a topic whose cleanup.policy has no `delete`. */
  deleteTopicRecords (args: { topic: string, partitions: { partition: number, offset: string | number }[] }): Promise<void>
  fetchTopicOffsetsByTimestamp (topic: string, timestamp?: number): Promise<{ partition: number, offset: string }[]>
  fetchOffsets (options: { groupId: string, topics?: string[] }): Promise<{ topic: string, partitions: { partition: number, offset: string, metadata: string | null }[] }[]>
  setOffsets (options: { groupId: string, topic: string, partitions: { partition: number, offset: string }[] }): Promise<void>
  resetOffsets (options: { groupId: string, topic: string, earliest?: boolean }): Promise<void>
  /** Times in ms since the Unix epoch, offsets as text; -1 where the leader knows none. */
  describeQuorum (): Promise<{ leaderId: number, leaderEpoch: number, highWatermark: string, voters: QuorumReplica[], observers: QuorumReplica[] }>
  /** KIP-853. Rejects with KafkaJSProtocolError: DUPLICATE_VOTER, INVALID_REQUEST; REQUEST_TIMED_OUT when it has not caught up in time. */
  addRaftVoter (voter: { voterId: number, voterDirectoryId: string, host: string, port: number }): Promise<void>
  /** KIP-853. Rejects with KafkaJSProtocolError: VOTER_NOT_FOUND; INVALID_REQUEST for the last voter. */
  removeRaftVoter (voter: { voterId: number, voterDirectoryId: string }): Promise<void>
  describeCluster (): Promise<{ brokers: { nodeId: number, host: string, port: number }[], controller: number | null, clusterId: string }>
  /** `configSynonyms`: where else a value may come from; the last is the default. */
  describeConfigs (options: { resources: { type: number, name: string, configNames?: string[] }[] }): Promise<{ resources: { resourceType: number, resourceName: string, configEntries: ConfigEntry[] }[] }>
  alterConfigs (options: { resources: { type: number, name: string, configEntries: { name: string, value: string }[] }[] }): Promise<any>
  /** Moves partitions to other replicas, preferred leader first; `replicas: null` cancels. Resolves when it has begun. */
  alterPartitionReassignments (options: { topics: { topic: string, partitionAssignment: { partition: number, replicas: number[] | null }[] }[], timeout?: number }): Promise<void>
  /** What is under way. (kafkajs's types say `topic` and `partitionIndex`, its code gives `name` and `partition`: here are both.) */
  listPartitionReassignments (options?: { topics?: { topic: string, partitions: number[] }[], timeout?: number }): Promise<{ topics: { topic: string, name: string, partitions: OngoingReassignment[] }[] }>
  /**
   * Elects leaders now: the preferred replicas; or, where nobody leads, any replica that is there, which may lose records
   * ('unclean'). Without topics all are meant. `errorCode` is Kafka's, 84 (ELECTION_NOT_NEEDED) where all is well already.
   */
  electLeaders (options?: { electionType?: 'preferred' | 'unclean', topics?: { topic: string, partitions: number[] }[], timeout?: number }): Promise<{ topics: { topic: string, partitions: { partition: number, errorCode: number, error: string | null }[] }[] }>
  listGroups (): Promise<{ groups: { groupId: string, protocolType: string }[] }>
  describeGroups (groupIds: string[]): Promise<{ groups: any[] }>
  deleteGroups (groupIds: string[]): Promise<{ groupId: string, errorCode: number }[]>
}

/** The numbers are those of a record batch, as in kafkajs. */
export const CompressionTypes: { None: 0, GZIP: 1, Snappy: 2, LZ4: 3, ZSTD: 4 }
export const ConfigResourceTypes: { TOPIC: 2, BROKER: 4 }
export const AssignerProtocol: { RANGE: 'range', ROUND_ROBIN: 'roundrobin' }
export const PartitionAssigners: { range: 'range', roundRobin: 'roundrobin' }
/** DefaultPartitioner: murmur2 of the key, as Java's client; without a key, sticky. RoundRobin: without a key, in turn. */
export const Partitioners: { DefaultPartitioner: CreatePartitioner, RoundRobinPartitioner: CreatePartitioner }
/** The partition that the default partitioner puts records of this key into. A cluster must have been opened before. */
export function partitionOfKey (key: string | Uint8Array, partitions: number): number
export const logLevel: { NOTHING: 0, ERROR: 1, WARN: 2, INFO: 4, DEBUG: 5 }

export class KafkaJSError extends Error { readonly retriable: boolean }
export class KafkaJSNonRetriableError extends KafkaJSError {}
/** A broker answered with an error of Kafka's table. */
export class KafkaJSProtocolError extends KafkaJSError {
  readonly type: string
  readonly code: number
  readonly topic?: string
  readonly partition?: number
}
export class KafkaJSConnectionError extends KafkaJSError {}
export class KafkaJSRequestTimeoutError extends KafkaJSError {}
export class KafkaJSTimeout extends KafkaJSNonRetriableError {}
export class TabmqOptionError extends KafkaJSNonRetriableError { readonly option: string }
/** Another tab has the cluster, and it is not shared: one of the two asked for that, or the browser or the other page can't. */
export class TabmqClusterInUseError extends KafkaJSNonRetriableError {}
/** A file given to `importTopic` is wrong from `byte` on. Nothing was created. */
export class TabmqFileError extends KafkaJSNonRetriableError { readonly file: string; readonly byte: number }
export class TabmqStartError extends KafkaJSNonRetriableError {}
