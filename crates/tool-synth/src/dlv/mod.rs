//! Dual-layer verification (ToolACE, section 2.4): 26 rules, then three experts.
//!
//! A rule is a function that reports what it finds wrong; a sample passes a rule that finds nothing, and the layer if all
//! pass. The rules need the trajectory alone and judge data of any origin.
//!
//! ```
//! use rec_core::{Message, Trajectory};
//! let mut sample = Trajectory { id: "1".into(), ..Trajectory::default() };
//! sample.messages = vec![Message::user("What is 2 plus 2?"), Message::assistant("That makes 4.")];
//! assert!(tool_synth::dlv::check(&sample).is_empty());
//! sample.messages.pop();
//! assert_eq!(tool_synth::dlv::check(&sample)[0].rule, "R24");
//! ```

pub mod definition;
mod dialog;
mod executable;
mod experts;
pub mod inject;
mod sample;
mod traceable;

use rec_core::Trajectory;
use serde::{Deserialize, Serialize};

pub use experts::{Expert, Opinion, examine, examine_offline, parse_opinion};
pub use traceable::{is_traceable, normal};

/// What a rule found wrong.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// The rule: `R1` to `R26`.
    pub rule: &'static str,
    /// Where: `/tools/0/parameters/…`, `/messages/3/…`.
    pub path: String,
    /// What is wrong.
    pub message: String,
}

/// Which of the four aspects of ToolACE's Table 4 a rule belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Aspect {
    /// The tools are described clearly.
    Definition,
    /// The calls can be executed.
    Executability,
    /// The messages are whole and clean.
    Dialog,
    /// The parts fit together.
    Consistency,
}

/// A rule of the first layer.
pub struct Rule {
    /// `R1` to `R26`.
    pub id: &'static str,
    /// What holds if it passes.
    pub title: &'static str,
    /// Its aspect.
    pub aspect: Aspect,
    /// Reports every fault.
    pub check: fn(&Trajectory, &mut Vec<Finding>),
}

/// The rules in order.
pub const RULES: [Rule; 26] = {
    use Aspect::{Consistency, Definition, Dialog, Executability};
    const fn rule(
        id: &'static str,
        title: &'static str,
        aspect: Aspect,
        check: fn(&Trajectory, &mut Vec<Finding>),
    ) -> Rule {
        Rule { id, title, aspect, check }
    }
    [
        rule("R1", "parameters are a JSON Schema", Definition, definition::r1),
        rule(
            "R2",
            "name, description and parameters are there, and nothing else",
            Definition,
            definition::r2,
        ),
        rule("R3", "every property has a type and a description", Definition, definition::r3),
        rule("R4", "required names are properties, each once", Definition, definition::r4),
        rule(
            "R5",
            "arrays have items, objects have properties, scalars have neither",
            Definition,
            definition::r5,
        ),
        rule("R6", "enumerated and default values fit", Definition, definition::r6),
        rule("R7", "parameter names are identifiers", Definition, definition::r7),
        rule("R8", "patterns compile and have an example", Definition, definition::r8),
        rule("R9", "a called tool is on offer", Executability, executable::r9),
        rule("R10", "required arguments are given", Executability, executable::r10),
        rule("R11", "all arguments are known", Executability, executable::r11),
        rule("R12", "arguments have the right type", Executability, executable::r12),
        rule("R13", "arguments keep to values, bounds, patterns and formats", Executability, executable::r13),
        rule("R14", "members of arguments are right at every level", Executability, executable::r14),
        rule("R15", "calls can be printed and read again", Executability, executable::r15),
        rule("R16", "no field is empty", Dialog, dialog::r16),
        rule("R17", "no message is too long", Dialog, dialog::r17),
        rule("R18", "no control characters, template tokens or open fences", Dialog, dialog::r18),
        rule("R19", "a message keeps to one script", Dialog, dialog::r19),
        rule("R20", "messages are complete", Dialog, dialog::r20),
        rule("R21", "nothing is said over and over", Dialog, dialog::r21),
        rule("R22", "results answer the calls, in their order", Consistency, sample::r22),
        rule("R23", "replies keep to the form that the system message asks for", Consistency, sample::r23),
        rule("R24", "roles follow each other as they should", Consistency, sample::r24),
        rule("R25", "a tool speaks only when it was called", Consistency, sample::r25),
        rule("R26", "results fit the declared schema", Consistency, sample::r26),
    ]
};

/// All that the rules find wrong, in the order of the rules.
pub fn check(sample: &Trajectory) -> Vec<Finding> {
    let mut found = Vec::new();
    for rule in &RULES {
        (rule.check)(sample, &mut found);
    }
    found
}

/// Whether the sample passes the first layer: [`check`] without the wait for all findings.
pub fn first_finding(sample: &Trajectory) -> Option<Finding> {
    let mut found = Vec::new();
    RULES.iter().find_map(|rule| {
        (rule.check)(sample, &mut found);
        found.pop()
    })
}
