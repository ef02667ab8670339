//! The Reflector: is the answer there, does it rest on evidence, do the models agree?

use rec_core::Json;

use crate::action::{Action, AgentRole, ReflectorAction};
use crate::calibration::{Calibration, spread};
use crate::decider::Decision;
use crate::task::TaskKind;
use crate::view::{AgentView, Assignment};

use super::f64_at;

pub(super) fn decide(view: &AgentView, calibration: &Calibration) -> Decision {
    let verdict = |correctness: bool, reason: String| {
        Decision::typed(reason.clone(), Action::Reflector(ReflectorAction::Verdict { correctness, reason }))
    };
    let Assignment::Reflect { answer, claims } = &view.assignment else {
        return verdict(true, "There is nothing to judge.".into());
    };
    if answer.is_none() {
        return verdict(false, "No answer was given: answer before the steps run out.".into());
    }
    if let Some(claim) = claims.iter().find(|claim| !claim.is_supported(&view.task, &view.steps)) {
        return verdict(false, format!("The claim {:?} is not what {} says.", claim.text, claim.observation));
    }
    if view.task.kind == TaskKind::Rating && view.has(AgentRole::Analyst) && view.attempt == 1 {
        let predictions = view.find("/predict_rating/predictions").and_then(|(_, value)| value.as_array());
        let ratings: Vec<f64> =
            predictions.unwrap_or_default().iter().filter_map(|row| f64_at(row, "/rating")).collect();
        let apart = spread(&ratings);
        if apart > calibration.disagreement {
            return verdict(
                false,
                format!("The models are {apart:.2} apart: ask what people of like taste gave the item."),
            );
        }
    }
    if view.task.kind == TaskKind::Explanation && view.has(AgentRole::Analyst) && claims.len() < 2 {
        let any = view.find("/explain_evidence/contributions/0").is_some();
        if any {
            return verdict(false, "There is evidence that the explanation does not use.".into());
        }
    }
    let studied = view.steps.iter().filter(|step| step.observation.value != Json::Null).count();
    verdict(true, format!("The answer stands on {studied} studied reports."))
}
