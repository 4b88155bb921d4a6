//! Broker and topic configs by Kafka's names, typed and bounded. Two profiles of defaults: `kafka`, Kafka 4.1's own
//! except where a tab needs another; `lab`, where sessions and elections take seconds, so that a person can watch.
//!
//! A config is set by name through `set`, which is the only place where a value is checked.

use crate::sorted::SortedMap;
use crate::time::Duration;
use crate::types::{BrokerId, Compression};

/// A set of defaults.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Profile {
    /// Short sessions and elections, small segments.
    Lab,
    /// Kafka's own defaults.
    Kafka,
}

/// A config that can't be set. Remedy: the message names the config and its bounds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ConfigError {
    /// There is no config of this name.
    Unknown {
        /// The name as given.
        name: String,
    },
    /// The value is not one the config can have.
    Invalid {
        /// The config.
        name: String,
        /// The value as given.
        value: String,
        /// What it may be.
        want: String,
    },
}

impl std::fmt::Display for ConfigError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            ConfigError::Unknown { name } => write!(f, "Unknown config name: {name}"),
            ConfigError::Invalid { name, value, want } => {
                write!(f, "Invalid value {value} for configuration {name}: must be {want}")
            }
        }
    }
}

/// What a config's values are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A whole number within bounds, both inclusive.
    Number {
        /// The least.
        min: i64,
        /// The greatest.
        max: i64,
    },
    /// `true` or `false`.
    Flag,
    /// A fraction from 0 to 1.
    Ratio,
    /// One of these words.
    Word(&'static [&'static str]),
    /// One of these words, or several with commas between.
    List(&'static [&'static str]),
}

impl Kind {
    fn check(self, name: &str, value: &str) -> Result<(), ConfigError> {
        let (fits, want) = match self {
            Kind::Number { min, max } => (
                value.parse::<i64>().is_ok_and(|number| (min..=max).contains(&number)),
                format!("a whole number from {min} to {max}"),
            ),
            Kind::Flag => (value == "true" || value == "false", "true or false".to_owned()),
            Kind::Ratio => (
                value.parse::<f64>().is_ok_and(|ratio| (0.0..=1.0).contains(&ratio)),
                "a number from 0 to 1".to_owned(),
            ),
            Kind::Word(words) => (words.contains(&value), format!("one of {}", words.join(", "))),
            Kind::List(words) => {
                let fits = value.split(',').all(|word| words.contains(&word.trim()));
                (fits, format!("one or more of {}", words.join(", ")))
            }
        };
        match fits {
            true => Ok(()),
            false => Err(ConfigError::Invalid { name: name.to_owned(), value: value.to_owned(), want }),
        }
    }
}

/// A config as DescribeConfigs tells it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigEntry {
    /// Kafka's name.
    pub name: &'static str,
    /// The value in force.
    pub value: String,
    /// The profile's default.
    pub default: String,
    /// What values may be.
    pub kind: Kind,
}

const POSITIVE: Kind = Kind::Number { min: 1, max: i32::MAX as i64 };
const NOT_NEGATIVE: Kind = Kind::Number { min: 0, max: i32::MAX as i64 };
const POSITIVE_LONG: Kind = Kind::Number { min: 1, max: i64::MAX };
const NOT_NEGATIVE_LONG: Kind = Kind::Number { min: 0, max: i64::MAX };
const CLEANUP_POLICY: Kind = Kind::List(&["compact", "delete"]);
const UNLIMITED_LONG: Kind = Kind::Number { min: -1, max: i64::MAX };

/// One row: Kafka's name, what it may be, the default of `kafka`, the default of `lab`.
struct Row(&'static str, Kind, &'static str, &'static str);

/// Broker configs. Where Kafka's own default differs from the column `kafka`, a comment says why.
const BROKER: &[Row] = &[
    Row("auto.create.topics.enable", Kind::Flag, "true", "true"),
    Row("auto.leader.rebalance.enable", Kind::Flag, "true", "true"),
    Row("broker.heartbeat.interval.ms", POSITIVE, "2000", "200"),
    Row("broker.session.timeout.ms", POSITIVE, "9000", "1000"),
    Row("controller.quorum.election.backoff.max.ms", POSITIVE, "1000", "200"),
    Row("controller.quorum.election.timeout.ms", POSITIVE, "1000", "300"),
    Row("controller.quorum.fetch.snapshot.max.bytes", POSITIVE, "1048576", "1048576"),
    Row("controller.quorum.fetch.timeout.ms", POSITIVE, "2000", "600"),
    Row("controller.quorum.request.timeout.ms", POSITIVE, "2000", "600"),
    Row("default.replication.factor", POSITIVE, "1", "1"),
    Row("delete.topic.enable", Kind::Flag, "true", "true"),
    Row("fetch.max.bytes", Kind::Number { min: 1024, max: i32::MAX as i64 }, "57671680", "57671680"),
    Row("group.initial.rebalance.delay.ms", NOT_NEGATIVE, "3000", "200"),
    Row("group.max.session.timeout.ms", POSITIVE, "1800000", "1800000"),
    Row("group.max.size", POSITIVE, "2147483647", "2147483647"),
    Row("group.min.session.timeout.ms", POSITIVE, "6000", "500"),
    Row("leader.imbalance.check.interval.seconds", POSITIVE, "300", "10"),
    Row("leader.imbalance.per.broker.percentage", NOT_NEGATIVE, "10", "10"),
    Row("log.cleaner.backoff.ms", POSITIVE, "15000", "2000"),
    // Kafka: 128 MiB, for its table of key hashes. Ours holds the keys themselves.
    Row("log.cleaner.dedupe.buffer.size", Kind::Number { min: 65536, max: 67_108_864 }, "8388608", "8388608"),
    Row("log.cleaner.delete.retention.ms", NOT_NEGATIVE_LONG, "86400000", "86400000"),
    Row("log.cleaner.enable", Kind::Flag, "true", "true"),
    Row("log.cleaner.max.compaction.lag.ms", POSITIVE_LONG, "9223372036854775807", "9223372036854775807"),
    Row("log.cleaner.min.cleanable.ratio", Kind::Ratio, "0.5", "0.5"),
    Row("log.cleaner.min.compaction.lag.ms", NOT_NEGATIVE_LONG, "0", "0"),
    Row("log.cleanup.policy", CLEANUP_POLICY, "delete", "delete"),
    Row("log.flush.interval.messages", POSITIVE_LONG, "9223372036854775807", "9223372036854775807"),
    Row("log.retention.bytes", UNLIMITED_LONG, "-1", "-1"),
    Row("log.retention.check.interval.ms", POSITIVE, "300000", "5000"),
    Row("log.retention.ms", UNLIMITED_LONG, "604800000", "604800000"),
    Row("log.roll.ms", POSITIVE_LONG, "604800000", "604800000"),
    // Kafka: 1 GiB. Opening reads the last segment of each log whole, and deleting frees whole segments.
    Row("log.segment.bytes", Kind::Number { min: 1024, max: i32::MAX as i64 }, "8388608", "4194304"),
    Row("max.incremental.fetch.session.cache.slots", NOT_NEGATIVE, "1000", "1000"),
    Row("message.max.bytes", Kind::Number { min: 0, max: 16_777_216 }, "1048588", "1048588"),
    Row("min.insync.replicas", POSITIVE, "1", "1"),
    // Kafka: 20971520. What was written since the last two snapshots is held in memory, and read on opening.
    Row("metadata.log.max.record.bytes.between.snapshots", POSITIVE_LONG, "8388608", "65536"),
    Row("metadata.log.max.snapshot.interval.ms", NOT_NEGATIVE_LONG, "3600000", "600000"),
    Row("num.partitions", POSITIVE, "1", "1"),
    Row("offset.metadata.max.bytes", NOT_NEGATIVE, "4096", "4096"),
    // Kafka: 50. Each partition is a log of its own on every replica of this one machine.
    Row("offsets.topic.num.partitions", POSITIVE, "8", "4"),
    Row("offsets.topic.replication.factor", Kind::Number { min: 1, max: i16::MAX as i64 }, "3", "3"),
    Row("replica.fetch.max.bytes", NOT_NEGATIVE, "1048576", "1048576"),
    Row("replica.fetch.min.bytes", POSITIVE, "1", "1"),
    Row("replica.fetch.response.max.bytes", NOT_NEGATIVE, "10485760", "10485760"),
    Row("replica.fetch.wait.max.ms", POSITIVE, "500", "500"),
    Row("replica.lag.time.max.ms", POSITIVE, "30000", "3000"),
    Row("request.timeout.ms", POSITIVE, "30000", "10000"),
    // Kafka: 100 MiB.
    Row("socket.request.max.bytes", POSITIVE, "16777216", "16777216"),
    Row("unclean.leader.election.enable", Kind::Flag, "false", "false"),
];

/// Topic configs, each with the broker config that gives its default.
const TOPIC: &[(Row, Option<&str>)] = &[
    (Row("cleanup.policy", CLEANUP_POLICY, "delete", "delete"), Some("log.cleanup.policy")),
    (
        Row(
            "compression.type",
            Kind::Word(&["producer", "uncompressed", "gzip", "snappy", "lz4", "zstd"]),
            "producer",
            "producer",
        ),
        None,
    ),
    (
        Row("delete.retention.ms", NOT_NEGATIVE_LONG, "86400000", "86400000"),
        Some("log.cleaner.delete.retention.ms"),
    ),
    // Kafka flushes after so many records; here each commit is flushed, which is at least as often.
    (
        Row("flush.messages", POSITIVE_LONG, "9223372036854775807", "9223372036854775807"),
        Some("log.flush.interval.messages"),
    ),
    (
        Row("max.compaction.lag.ms", POSITIVE_LONG, "9223372036854775807", "9223372036854775807"),
        Some("log.cleaner.max.compaction.lag.ms"),
    ),
    (
        Row("max.message.bytes", Kind::Number { min: 0, max: 16_777_216 }, "1048588", "1048588"),
        Some("message.max.bytes"),
    ),
    (
        Row(
            "message.timestamp.type",
            Kind::Word(&["CreateTime", "LogAppendTime"]),
            "CreateTime",
            "CreateTime",
        ),
        None,
    ),
    (Row("min.cleanable.dirty.ratio", Kind::Ratio, "0.5", "0.5"), Some("log.cleaner.min.cleanable.ratio")),
    (Row("min.compaction.lag.ms", NOT_NEGATIVE_LONG, "0", "0"), Some("log.cleaner.min.compaction.lag.ms")),
    (Row("min.insync.replicas", POSITIVE, "1", "1"), Some("min.insync.replicas")),
    (Row("retention.bytes", UNLIMITED_LONG, "-1", "-1"), Some("log.retention.bytes")),
    (Row("retention.ms", UNLIMITED_LONG, "604800000", "604800000"), Some("log.retention.ms")),
    (
        Row("segment.bytes", Kind::Number { min: 1024, max: i32::MAX as i64 }, "8388608", "4194304"),
        Some("log.segment.bytes"),
    ),
    (Row("segment.ms", POSITIVE_LONG, "604800000", "604800000"), Some("log.roll.ms")),
    (
        Row("unclean.leader.election.enable", Kind::Flag, "false", "false"),
        Some("unclean.leader.election.enable"),
    ),
];

/// A broker's configuration.
#[derive(Debug, Clone)]
pub struct BrokerConfig {
    /// This broker.
    pub node_id: BrokerId,
    /// The quorum's voters; odd numbers serve best.
    pub voters: Vec<BrokerId>,
    /// The cluster's id; brokers of another cluster are refused.
    pub cluster_id: String,
    /// Where clients find this broker.
    pub host: String,
    /// Where clients find this broker.
    pub port: u16,
    /// The rack, if any.
    pub rack: Option<String>,
    profile: Profile,
    overrides: SortedMap<&'static str, String>,
    values: Values,
}

macro_rules! typed {
    ($($(#[$doc:meta])* $field:ident $kind:ident $name:literal;)*) => {
        /// The values in force, read once: they are asked for in every turn.
        #[derive(Debug, Clone, Copy, Default)]
        struct Values {
            $($field: typed!(@type $kind),)*
        }

        impl Values {
            fn of(config: &BrokerConfig) -> Self {
                Self { $($field: typed!(@read $kind config.value($name)),)* }
            }
        }

        impl BrokerConfig {
            $($(#[$doc])* pub fn $field(&self) -> typed!(@type $kind) { self.values.$field })*
        }
    };
    (@type ms) => { Duration };
    (@type number) => { i64 };
    (@type flag) => { bool };
    (@read ms $value:expr) => { Duration::from_millis($value.parse().unwrap_or_default()) };
    (@read number $value:expr) => { $value.parse().unwrap_or_default() };
    (@read flag $value:expr) => { $value == "true" };
}

typed! {
    /// Create a topic when a client asks for one that is not there.
    auto_create_topics_enable flag "auto.create.topics.enable";
    /// Give leadership back to preferred replicas by and by.
    auto_leader_rebalance_enable flag "auto.leader.rebalance.enable";
    /// Between two heartbeats to the controller.
    broker_heartbeat_interval ms "broker.heartbeat.interval.ms";
    /// A broker silent this long is fenced.
    broker_session_timeout ms "broker.session.timeout.ms";
    /// A candidate waits at most this long before it stands again.
    quorum_election_backoff_max ms "controller.quorum.election.backoff.max.ms";
    /// A candidate without a majority after this long has lost.
    quorum_election_timeout ms "controller.quorum.election.timeout.ms";
    /// A follower that could not fetch for this long stands for election; a leader nobody fetched from resigns.
    quorum_fetch_timeout ms "controller.quorum.fetch.timeout.ms";
    /// Bytes of a snapshot asked for at once.
    quorum_fetch_snapshot_max_bytes number "controller.quorum.fetch.snapshot.max.bytes";
    /// A quorum request unanswered for this long has failed.
    quorum_request_timeout ms "controller.quorum.request.timeout.ms";
    /// Replicas of a topic created without a number.
    default_replication_factor number "default.replication.factor";
    /// Topics may be deleted.
    delete_topic_enable flag "delete.topic.enable";
    /// One fetch response's records, at most, in bytes.
    fetch_max_bytes number "fetch.max.bytes";
    /// An empty group waits this long for more members before its first generation.
    group_initial_rebalance_delay ms "group.initial.rebalance.delay.ms";
    /// The longest session a member may ask for.
    group_max_session_timeout ms "group.max.session.timeout.ms";
    /// Members of a group, at most.
    group_max_size number "group.max.size";
    /// The shortest session a member may ask for.
    group_min_session_timeout ms "group.min.session.timeout.ms";
    /// Between two looks for partitions not led by their preferred replica, in seconds.
    leader_imbalance_check_interval_seconds number "leader.imbalance.check.interval.seconds";
    /// So much of a broker's preferred partitions may be led by others before they are given back to it, in percent.
    leader_imbalance_per_broker_percentage number "leader.imbalance.per.broker.percentage";
    /// Between two looks for logs to compact.
    log_cleaner_backoff ms "log.cleaner.backoff.ms";
    /// Bytes of keys that one compaction holds in memory, at most.
    log_cleaner_dedupe_buffer_size number "log.cleaner.dedupe.buffer.size";
    /// Compact logs whose topic says so.
    log_cleaner_enable flag "log.cleaner.enable";
    /// Between two looks for segments whose time is over.
    log_retention_check_interval ms "log.retention.check.interval.ms";
    /// Fetch sessions of one broker, at most.
    fetch_session_cache_slots number "max.incremental.fetch.session.cache.slots";
    /// Bytes of the metadata log after which it gets a snapshot.
    metadata_max_record_bytes_between_snapshots number "metadata.log.max.record.bytes.between.snapshots";
    /// The metadata log gets a snapshot this long after the last if anything was written since; zero: only by its size.
    metadata_max_snapshot_interval ms "metadata.log.max.snapshot.interval.ms";
    /// Partitions of a topic created without a number.
    num_partitions number "num.partitions";
    /// A commit's metadata, at most, in bytes.
    offset_metadata_max_bytes number "offset.metadata.max.bytes";
    /// Partitions of `__consumer_offsets`.
    offsets_topic_num_partitions number "offsets.topic.num.partitions";
    /// Replicas of `__consumer_offsets`.
    offsets_topic_replication_factor number "offsets.topic.replication.factor";
    /// Bytes a follower asks for per partition.
    replica_fetch_max_bytes number "replica.fetch.max.bytes";
    /// A follower's fetch is answered when there are so many bytes, or its time is up.
    replica_fetch_min_bytes number "replica.fetch.min.bytes";
    /// Bytes a follower asks for per fetch.
    replica_fetch_response_max_bytes number "replica.fetch.response.max.bytes";
    /// A follower's fetch waits this long at its leader for something new.
    replica_fetch_wait_max ms "replica.fetch.wait.max.ms";
    /// A follower that has not caught up for this long leaves the ISR.
    replica_lag_time_max ms "replica.lag.time.max.ms";
    /// A request between brokers, or one that waits in a broker, unanswered for this long has failed.
    request_timeout ms "request.timeout.ms";
    /// The largest frame taken.
    socket_request_max_bytes number "socket.request.max.bytes";
}

impl BrokerConfig {
    /// The defaults of `profile`.
    pub fn new(profile: Profile, node_id: BrokerId, voters: Vec<BrokerId>) -> Self {
        let mut config = Self {
            node_id,
            voters,
            cluster_id: String::new(),
            host: format!("broker-{node_id}"),
            port: 9092,
            rack: None,
            profile,
            overrides: SortedMap::new(),
            values: Values::default(),
        };
        config.values = Values::of(&config);
        config
    }

    /// Sets a config by Kafka's name.
    pub fn set(&mut self, name: &str, value: &str) -> Result<(), ConfigError> {
        let row = BROKER.iter().find(|row| row.0 == name);
        let row = row.ok_or_else(|| ConfigError::Unknown { name: name.to_owned() })?;
        row.1.check(name, value)?;
        self.overrides.insert(row.0, value.to_owned());
        self.values = Values::of(self);
        Ok(())
    }

    /// All broker configs, in order of their names.
    pub fn entries(&self) -> Vec<ConfigEntry> {
        BROKER
            .iter()
            .map(|row| ConfigEntry {
                name: row.0,
                value: self.value(row.0).to_owned(),
                default: default_of(row, self.profile).to_owned(),
                kind: row.1,
            })
            .collect()
    }

    fn value(&self, name: &str) -> &str {
        match self.overrides.get(name) {
            Some(value) => value,
            None => BROKER.iter().find(|row| row.0 == name).map_or("", |row| default_of(row, self.profile)),
        }
    }
}

fn default_of(row: &Row, profile: Profile) -> &'static str {
    match profile {
        Profile::Kafka => row.2,
        Profile::Lab => row.3,
    }
}

/// A topic's configuration: its own overrides over its broker's defaults.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TopicConfig {
    /// An ack waits until the records have reached the disk (`flush.messages` below its default).
    pub flush: bool,
    /// `cleanup.policy` has `delete`: old segments go.
    pub delete: bool,
    /// `cleanup.policy` has `compact`: of each key the latest record stays.
    pub compact: bool,
    /// A compacted log is worth cleaning when this part of it, in bytes, is not clean. In thousandths.
    pub min_cleanable_dirty_permille: u32,
    /// Records younger than this are not compacted.
    pub min_compaction_lag: Duration,
    /// Records older than this are compacted whatever the dirty ratio; none for no limit.
    pub max_compaction_lag: Option<Duration>,
    /// A tombstone stays this long after the compaction that first met it.
    pub delete_retention: Duration,
    /// Records older than this may go; none keeps them.
    pub retention: Option<Duration>,
    /// A partition larger than this loses its oldest segments; none keeps all.
    pub retention_bytes: Option<u64>,
    /// A segment larger than this is closed.
    pub segment_bytes: u64,
    /// A segment older than this is closed.
    pub segment: Duration,
    /// The largest batch taken, in bytes.
    pub max_message_bytes: usize,
    /// acks=all needs this many replicas in sync.
    pub min_insync_replicas: usize,
    /// Timestamps are the broker's, not the producer's.
    pub log_append_time: bool,
    /// A replica outside the ISR may become leader, losing what it has not.
    pub unclean_leader_election: bool,
    /// Batches are stored in this codec; none stores them in the producer's.
    pub compression: Option<Compression>,
}

impl TopicConfig {
    /// `overrides` (checked by `check_topic_config`) over the broker's defaults.
    pub fn resolve(broker: &BrokerConfig, overrides: &SortedMap<String, String>) -> TopicConfig {
        let entries: SortedMap<&str, String> =
            topic_entries(broker, overrides).into_iter().map(|entry| (entry.name, entry.value)).collect();
        let number = |name: &str| entries.get(name).and_then(|value| value.parse::<i64>().ok()).unwrap_or(-1);
        let word = |name: &str| entries.get(name).map(String::as_str).unwrap_or_default();
        let policy = |wanted: &str| word("cleanup.policy").split(',').any(|policy| policy.trim() == wanted);
        let ratio: f64 = word("min.cleanable.dirty.ratio").parse().unwrap_or(0.5);
        let lag_max = number("max.compaction.lag.ms");
        TopicConfig {
            flush: number("flush.messages") < i64::MAX,
            delete: policy("delete"),
            compact: policy("compact"),
            min_cleanable_dirty_permille: (ratio * 1000.0) as u32,
            min_compaction_lag: Duration::from_millis(number("min.compaction.lag.ms").unsigned_abs()),
            max_compaction_lag: (lag_max < i64::MAX).then(|| Duration::from_millis(lag_max.unsigned_abs())),
            delete_retention: Duration::from_millis(number("delete.retention.ms").unsigned_abs()),
            retention: u64::try_from(number("retention.ms")).ok().map(Duration::from_millis),
            retention_bytes: u64::try_from(number("retention.bytes")).ok(),
            segment_bytes: number("segment.bytes").unsigned_abs(),
            segment: Duration::from_millis(number("segment.ms").unsigned_abs()),
            max_message_bytes: number("max.message.bytes").unsigned_abs() as usize,
            min_insync_replicas: number("min.insync.replicas").unsigned_abs() as usize,
            log_append_time: word("message.timestamp.type") == "LogAppendTime",
            unclean_leader_election: word("unclean.leader.election.enable") == "true",
            compression: Compression::named(word("compression.type")),
        }
    }
}

/// All topic configs with `overrides` in force, in order of their names.
pub fn topic_entries(broker: &BrokerConfig, overrides: &SortedMap<String, String>) -> Vec<ConfigEntry> {
    TOPIC
        .iter()
        .map(|(row, from_broker)| {
            let inherited = from_broker.map(|name| broker.value(name));
            let default = inherited.unwrap_or(default_of(row, broker.profile)).to_owned();
            let value = overrides.get(row.0).cloned().unwrap_or_else(|| default.clone());
            ConfigEntry { name: row.0, value, default, kind: row.1 }
        })
        .collect()
}

/// One topic config's value: `own` if the topic has one, else its broker's.
pub fn topic_value<'a>(broker: &'a BrokerConfig, name: &str, own: Option<&'a str>) -> &'a str {
    let row = TOPIC.iter().find(|(row, _)| row.0 == name);
    own.or_else(|| {
        row.map(|(row, from)| from.map_or_else(|| default_of(row, broker.profile), |name| broker.value(name)))
    })
    .unwrap_or_default()
}

/// Checks one topic config.
pub fn check_topic_config(name: &str, value: &str) -> Result<(), ConfigError> {
    let row = TOPIC.iter().map(|(row, _)| row).find(|row| row.0 == name);
    let row = row.ok_or_else(|| ConfigError::Unknown { name: name.to_owned() })?;
    row.1.check(name, value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_default_is_a_value_its_config_may_have() {
        for row in BROKER.iter().chain(TOPIC.iter().map(|(row, _)| row)) {
            for value in [row.2, row.3] {
                row.1.check(row.0, value).unwrap();
            }
        }
    }

    #[test]
    fn a_refused_value_names_the_config_and_its_bounds() {
        let mut config = BrokerConfig::new(Profile::Kafka, BrokerId(1), vec![BrokerId(1)]);
        let error = config.set("num.partitions", "0").unwrap_err().to_string();
        assert_eq!(
            error,
            "Invalid value 0 for configuration num.partitions: must be a whole number from 1 to 2147483647"
        );
        assert_eq!(config.set("no.such", "1"), Err(ConfigError::Unknown { name: "no.such".into() }));
    }

    #[test]
    fn a_topics_codec_is_one_word() {
        let config = BrokerConfig::new(Profile::Kafka, BrokerId(1), vec![BrokerId(1)]);
        assert_eq!(TopicConfig::resolve(&config, &SortedMap::new()).compression, None);
        for codec in Compression::ALL {
            check_topic_config("compression.type", &codec.to_string()).unwrap();
            let own = SortedMap::from([("compression.type".to_owned(), codec.to_string())]);
            assert_eq!(TopicConfig::resolve(&config, &own).compression, Some(codec));
        }
        for wrong in ["gzip,lz4", "none", ""] {
            assert!(check_topic_config("compression.type", wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_topic_takes_its_own_value_before_its_brokers() {
        let mut config = BrokerConfig::new(Profile::Kafka, BrokerId(1), vec![BrokerId(1)]);
        config.set("min.insync.replicas", "2").unwrap();
        assert_eq!(TopicConfig::resolve(&config, &SortedMap::new()).min_insync_replicas, 2);
        let own = SortedMap::from([("min.insync.replicas".to_owned(), "3".to_owned())]);
        assert_eq!(TopicConfig::resolve(&config, &own).min_insync_replicas, 3);
    }
}
