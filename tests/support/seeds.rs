//! The seeds that are always run: by `simulation.rs` as they are, by `known_bugs_are_found.rs` with each known bug.

/// The first 300; and two with what few have.
pub fn fixed() -> Vec<u64> {
    // 985: a broker comes back while the quorum is between two leaders. 1797: one that lost its storage may be elected.
    (1..=300).chain([985, 1797]).collect()
}
