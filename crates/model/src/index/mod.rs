//! The fact index: verified facts and what follows from them, so that views never need documents loaded.

pub mod rows;
