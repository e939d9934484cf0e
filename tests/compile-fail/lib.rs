//! Has only tests: what the compiler says when the macros, and `Flow::add`, are used wrongly. It is a crate of
//! its own because each mistake is compiled with all that this crate depends on, which is little.
