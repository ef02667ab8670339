//! The hidden command that trains and judges one row with one seed, or a seed's supervised policy, as its run folder says.

use rec_core::run::{RunFolder, Start};

use crate::children;
use crate::cli::Child;
use crate::error::Result;
use crate::tool_rl::training::{ToolJob, work};

/// Does what the run folder says.
///
/// # Errors
/// See [`work`].
pub fn tool_rl_child(arguments: &Child) -> Result<()> {
    let job: ToolJob = children::read_job(&arguments.folder)?;
    let mut run = RunFolder::open(&arguments.folder, &job, Start::Resume)?;
    work(&mut run, &job)
}
