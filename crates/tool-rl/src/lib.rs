//! placeholder
#![warn(missing_docs)]

pub mod backoffice;
pub mod codec;
pub mod env;
pub mod error;

pub use codec::{ActionCodec, ByteCodec};
pub use env::{End, Facts, Outcome, Reply, Status, ToolEnvironment, Transition};
pub use error::{Error, Result};
