//! Sealing traits.

/// A parameter of the hidden methods of a trait. Other crates cannot name it, so they cannot implement
/// the trait, and methods can be added to it.
#[derive(Clone, Copy, Debug)]
pub struct Sealed;
