//! What the macros say when they are used wrongly: each message at the right place, with what to
//! write instead.
//!
//! After a change, write the messages anew with `TRYBUILD=overwrite` and read them.

#[test]
fn compile_fail() {
    let cases = trybuild::TestCases::new();
    cases.compile_fail("compile_fail/*.rs");
}
