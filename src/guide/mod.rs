//! How to do common things, a page each.
//!
//! | page | read it for |
//! |---|---|
//! | [`compiler`] | an error message of the compiler |

pub mod coming_from;
pub mod compiler;
