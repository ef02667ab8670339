//! Whether a reward pays for never finishing.

use rec_core::{Json, ToolCall};

use super::Shaper;
use crate::env::{End, FINISH, Facts, Outcome, Reply, Status};
use crate::episode::{Episode, Scores, Step};

/// What [`audit_loop_exploit`] found.
#[derive(Clone, Debug, PartialEq)]
pub struct Audit {
    /// The most that an episode gets which finds every needed fact and then idles to the cap, and how it idles.
    pub idling: (f32, &'static str),
    /// The least that an episode gets which solves the task within the cap, and what it does besides.
    pub solving: (f32, &'static str),
}

impl Audit {
    /// Whether idling pays more than solving.
    pub fn is_exploitable(&self) -> bool {
        self.idling.0 > self.solving.0
    }
}

/// What an agent may do with steps that it does not need.
const WAYS: [(&str, bool, bool); 4] = [
    ("nothing", true, false),
    ("new calls that go well and bring nothing", true, true),
    ("the same call again and again", true, false),
    ("calls that fail", false, true),
];

/// Compares the best return of an agent that never finishes with the worst of one that solves the task, when `needed` facts
/// must be found and episodes are cut after `horizon` steps. Judges are taken to see what is there: success for calls that went
/// well, contribution for those that brought a needed fact.
pub fn audit_loop_exploit(shaper: &Shaper, needed: u32, horizon: usize) -> Audit {
    let mut idling = (f32::NEG_INFINITY, "");
    let mut solving = (f32::INFINITY, "");
    for (at, (way, works, fresh)) in WAYS.into_iter().enumerate() {
        let room = horizon.saturating_sub(needed as usize);
        let total = |solves: bool, filler: usize| -> f32 {
            let filler = if at == 0 { 0 } else { filler };
            shaper.rewards(&episode(needed, filler, works, fresh, solves), 1.0).iter().sum()
        };
        let idle = total(false, room);
        if idle > idling.0 {
            idling = (idle, way);
        }
        let solved = total(true, room.saturating_sub(1));
        if solved < solving.0 {
            solving = (solved, way);
        }
    }
    Audit { idling, solving }
}

/// An episode that finds all facts, then does `filler` other calls, then finishes or does not.
fn episode(needed: u32, filler: usize, works: bool, fresh: bool, solves: bool) -> Episode {
    let mut episode = Episode::default();
    let mut known = 0;
    let mut push = |name: &str, number: usize, status: Status, gains: bool| {
        let before = Facts { needed, known };
        known += u32::from(gains);
        let scores = Scores {
            success: f32::from(u8::from(status.is_success())),
            contribution: f32::from(u8::from(gains)),
        };
        episode.steps.push(Step {
            thought: String::new(),
            call: ToolCall::new("", name, [("n", Json::from(number as i64))].into_iter().collect()),
            reply: Reply { status, ..Reply::ok(Json::Null) },
            action: 0..0,
            observation: 0..0,
            log_probs: Vec::new(),
            digest: 0,
            facts: Some([before, Facts { needed, known }]),
            scores: Some(scores),
        });
    };
    for number in 0..needed as usize {
        push("find", number, Status::Ok, true);
    }
    for number in 0..filler {
        let status = if works { Status::Ok } else { Status::BadInput };
        push("idle", if fresh { number } else { 0 }, status, false);
    }
    if solves {
        push(FINISH, 0, Status::FinalAnswer, false);
    }
    episode.end = Some(if solves { End::Finished } else { End::StepLimit });
    episode.outcome = Outcome { score: f32::from(u8::from(solves)), passed: solves };
    episode
}
