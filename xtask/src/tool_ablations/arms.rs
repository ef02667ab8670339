//! The training sets that are compared.

use crate::error::{Error, Result};

/// What is done to the dialogues.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Nothing: the baseline of all.
    Whole,
    /// Faults are put in, and what the given number of layers of verification finds is replaced.
    Faulty {
        /// 0: nothing is verified; 1: by the rules; 2: by rules and experts.
        layers: usize,
    },
    /// The given third by complexity, from the easiest.
    Third(usize),
    /// Tools of so many of the 30 clusters.
    Clusters(usize),
    /// Without dialogues of a type.
    Without(&'static str),
}

/// A training set.
#[derive(Clone, Copy, Debug)]
pub struct Arm {
    /// Its name.
    pub name: &'static str,
    /// The question it belongs to.
    pub question: &'static str,
    /// What it holds.
    pub about: &'static str,
    /// What is done.
    pub kind: Kind,
}

/// All of them, the baseline first.
pub const ARMS: [Arm; 11] = {
    const fn arm(name: &'static str, question: &'static str, about: &'static str, kind: Kind) -> Arm {
        Arm { name, question, about, kind }
    }
    [
        arm("whole", "baseline", "all types, 30 clusters, no faults", Kind::Whole),
        arm("faults", "verification", "faults, nothing verified", Kind::Faulty { layers: 0 }),
        arm("faults-rules", "verification", "faults, rules", Kind::Faulty { layers: 1 }),
        arm("faults-verified", "verification", "faults, rules and experts", Kind::Faulty { layers: 2 }),
        arm("easy", "complexity", "the easiest third by H", Kind::Third(0)),
        arm("medium", "complexity", "the middle third by H", Kind::Third(1)),
        arm("hard", "complexity", "the hardest third by H", Kind::Third(2)),
        arm("clusters-6", "diversity", "tools of 6 of 30 clusters", Kind::Clusters(6)),
        arm("clusters-14", "diversity", "tools of 14 of 30 clusters", Kind::Clusters(14)),
        arm("no-parallel", "types", "no parallel calls", Kind::Without("parallel")),
        arm("no-no-tool", "types", "no dialogues without a call", Kind::Without("no_tool")),
    ]
};

/// The arm of a name.
///
/// # Errors
/// [`Error::Usage`] with the names that there are.
pub fn find(name: &str) -> Result<&'static Arm> {
    ARMS.iter().find(|arm| arm.name == name).ok_or_else(|| {
        let known: Vec<&str> = ARMS.iter().map(|arm| arm.name).collect();
        Error::Usage(format!("no training set {name}; there are {}", known.join(", ")))
    })
}
