//! Known bugs that can be switched on, one at a time, to see that the simulator finds them (`tests/known_bugs_are_found.rs`).
//! Without the feature `mutations` every question is answered "no" by the compiler, and nothing of this is in a build.

/// A known bug (the last nine were found by the simulator itself): what the code at its place does wrong while it is on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mutation {
    /// A partition's leader counts its own log end, not what is durable.
    AckBeforeDurable,
    /// acks=1 is answered before the leader's storage has committed.
    AckOneBeforeDurable,
    /// A quorum node answers a vote before it is stored.
    VoteBeforePersisted,
    /// A quorum node votes for every candidate of an epoch.
    VoteTwice,
    /// Votes are given whatever the candidate's log has.
    VoteForShorterLog,
    /// A voter that hears no leader begins an epoch without asking first.
    StandWithoutPreVote,
    /// A voter that hears its leader grants pre-votes all the same.
    PreVoteWhileLed,
    /// The metadata log loses its beginning before the snapshot that stands for it is durable.
    TrimBeforeSnapshot,
    /// A snapshot leaves out the topics' configs.
    SnapshotWithoutConfigs,
    /// Voters are changed while an earlier change is not committed.
    TwoVoterChangesAtOnce,
    /// The majority is that of the last committed set of voters.
    OldMajorityCounts,
    /// The quorum's leader counts its own log end, not what is durable.
    QuorumCountsUnflushedTail,
    /// The quorum's leader commits what a minority has.
    QuorumCommitsWithoutMajority,
    /// A follower fetches on before its last fetch is durable, from its log end.
    FollowerPromisesUnflushedTail,
    /// A follower of a new leader cuts its log at its high watermark, not where epochs part (KIP-101).
    TruncateToHighWatermark,
    /// A leader does not tell a follower where their logs part.
    IgnoreDivergence,
    /// The end of an epoch is told one too high.
    EpochEndOffByOne,
    /// The controller takes a leader's ISR of an earlier partition epoch.
    AcceptStaleIsr,
    /// The controller lets brokers into an ISR that are fenced, or were another incarnation when they fetched.
    AcceptIneligibleReplica,
    /// The controller makes any replica leader, in sync or not.
    ElectOutOfSync,
    /// A reassignment is complete before the replicas that it brings are in sync.
    ReassignBeforeInSync,
    /// A replica that a reassignment takes off stays in the ISR.
    RemovedReplicaStaysInIsr,
    /// A partition without a leader gets one that lacks records, whatever `unclean.leader.election.enable` says.
    UncleanWithoutLeave,
    /// A broker that did not stop in good order stays eligible to lead.
    EligibleAfterUncleanShutdown,
    /// A broker that registers anew keeps what its earlier life led.
    KeepLeadershipAcrossRestart,
    /// A leader that is deposed answers waiting produces as if all were well.
    AckAfterDeposed,
    /// The high watermark does not wait for replicas that are to leave the ISR.
    ShrinkIsrAtOnce,
    /// The high watermark rises below `min.insync.replicas`.
    IgnoreMinIsr,
    /// Consumers read up to the log end.
    ConsumersReadUncommitted,
    /// A batch sent again is appended again.
    AcceptDuplicateSequence,
    /// Producers are forgotten when a log is opened.
    ForgetProducersOnRestart,
    /// An offset commit is answered when it is appended.
    CommitAnsweredBeforeReplicated,
    /// A quorum node takes its leader's high watermark for what its own storage may still refuse.
    FollowerCommitsUnflushedTail,
    /// A request of a peer that is refused closes the connection, which nobody opens again.
    RefusedRequestClosesPeer,
    /// A voter that lost its storage votes on, and counts, with an empty one.
    OtherStorageVotes,
    /// A broker that was paused is sure of what is committed without a majority of the voters.
    SureWithoutMajority,
    /// A consumer sends commits that wait in the next generation, over what others have committed.
    CommitsOutliveGeneration,
    /// A consumer's fetches do not name the leader epoch: a deposed leader sends it back to the start.
    FetchWithoutLeaderEpoch,
    /// A consumer waits for a start offset that was asked for before a rebalance.
    StaleLookupStalls,
    /// A fetch session's response leaves a partition out whose high watermark has moved, when it has no records.
    SessionForgetsHighWatermark,
    /// A broker that was paused goes on as if no time had passed.
    PausedLeaderActs,
    /// A broker that was paused believes a leader that does not know itself what is committed.
    SureByNewLeader,
    /// A member that comes back reads the group's offsets without its commits under way.
    UnstableOffsets,
    /// A group's leader goes by its last share, where the first is in force, and never sees new partitions.
    LastShareCounts,
    /// A producer takes NOT_LEADER_OR_FOLLOWER for "not in any log" and numbers the batch anew.
    DeposedMeansNotAppended,
}

impl Mutation {
    /// Those that the fixed seeds find.
    pub const ALL: [Mutation; 38] = [
        Mutation::AckBeforeDurable,
        Mutation::AckOneBeforeDurable,
        Mutation::VoteBeforePersisted,
        Mutation::VoteTwice,
        Mutation::VoteForShorterLog,
        Mutation::StandWithoutPreVote,
        Mutation::PreVoteWhileLed,
        Mutation::TrimBeforeSnapshot,
        Mutation::SnapshotWithoutConfigs,
        Mutation::TwoVoterChangesAtOnce,
        Mutation::OldMajorityCounts,
        Mutation::QuorumCountsUnflushedTail,
        Mutation::QuorumCommitsWithoutMajority,
        Mutation::FollowerPromisesUnflushedTail,
        Mutation::TruncateToHighWatermark,
        Mutation::IgnoreDivergence,
        Mutation::EpochEndOffByOne,
        Mutation::AcceptStaleIsr,
        Mutation::AcceptIneligibleReplica,
        Mutation::ElectOutOfSync,
        Mutation::ReassignBeforeInSync,
        Mutation::RemovedReplicaStaysInIsr,
        Mutation::UncleanWithoutLeave,
        Mutation::EligibleAfterUncleanShutdown,
        Mutation::KeepLeadershipAcrossRestart,
        Mutation::AckAfterDeposed,
        Mutation::ShrinkIsrAtOnce,
        Mutation::IgnoreMinIsr,
        Mutation::ConsumersReadUncommitted,
        Mutation::AcceptDuplicateSequence,
        Mutation::ForgetProducersOnRestart,
        Mutation::CommitAnsweredBeforeReplicated,
        Mutation::FollowerCommitsUnflushedTail,
        Mutation::OtherStorageVotes,
        Mutation::CommitsOutliveGeneration,
        Mutation::PausedLeaderActs,
        Mutation::SureByNewLeader,
        Mutation::SureWithoutMajority,
    ];
    /// Not found by the fixed seeds: some were by the simulator in longer runs, some by unit tests.
    pub const RARE: [Mutation; 7] = [
        Mutation::SessionForgetsHighWatermark,
        Mutation::RefusedRequestClosesPeer,
        Mutation::FetchWithoutLeaderEpoch,
        Mutation::StaleLookupStalls,
        Mutation::UnstableOffsets,
        Mutation::LastShareCounts,
        Mutation::DeposedMeansNotAppended,
    ];
}

/// True while this bug is switched on.
#[cfg(not(feature = "mutations"))]
#[inline(always)]
pub const fn mutated(_: Mutation) -> bool {
    false
}

#[cfg(feature = "mutations")]
mod switch {
    use std::cell::Cell;

    use super::Mutation;

    thread_local! {
        // A test's thread runs one simulation at a time; others are not concerned.
        static ON: Cell<Option<Mutation>> = const { Cell::new(None) };
    }

    /// True while this bug is switched on.
    pub fn mutated(mutation: Mutation) -> bool {
        ON.get() == Some(mutation)
    }

    /// Switches a bug on, for this thread, and any other off.
    pub fn switch_on(mutation: Option<Mutation>) {
        ON.set(mutation);
    }
}

#[cfg(feature = "mutations")]
pub use switch::{mutated, switch_on};
