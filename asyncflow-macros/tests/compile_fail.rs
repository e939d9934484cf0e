//! What the compiler says when the macros, and `Flow::add`, are used wrongly: each message at the right
//! place, with what to write instead.
//!
//! They are here, and not with the tests of every backend, because each is compiled with all that this
//! crate depends on, which is little.
//!
//! After a change, write the messages anew with `TRYBUILD=overwrite` and read them.

#[test]
fn compile_fail() {
    trybuild::TestCases::new().compile_fail("tests/compile_fail/*.rs");
}
