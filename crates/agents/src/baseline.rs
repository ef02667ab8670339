//! What a team has to beat: answers from one number or one model, without any agent, as outcomes that are judged like any other.

use rand::RngExt;
use rec_core::random;

use crate::calibration::ranking_scores;
use crate::engine::Outcome;
use crate::error::Result;
use crate::knowledge::Knowledge;
use crate::models::RatingModel;
use crate::protocol::Sample;
use crate::task::{Answer, TaskKind};

/// The answers of each baseline of `task` to `samples`, by the baseline's name; none for tasks whose answer is text.
///
/// Ratings: the mean of training, of the user's and of the item's past ratings, and each rating model. Rankings: by chance
/// (drawn from `seed`), by popularity, and by each ranking model. Items of one score stay in the order of the candidates.
///
/// # Errors
/// Of the ranking models.
pub fn outcomes(
    task: TaskKind,
    knowledge: &Knowledge,
    samples: &[&Sample],
    seed: u64,
) -> Result<Vec<(String, Vec<Outcome>)>> {
    match task {
        TaskKind::Rating => Ok(ratings(knowledge, samples)),
        TaskKind::Ranking => rankings(knowledge, samples, seed),
        TaskKind::Explanation | TaskKind::Conversation => Ok(Vec::new()),
    }
}

fn outcome(knowledge: &Knowledge, sample: &Sample, answer: Answer) -> Outcome {
    Outcome::answered(format!("user-{}", knowledge.dataset.users.token(sample.user.0)), answer)
}

fn ratings(knowledge: &Knowledge, samples: &[&Sample]) -> Vec<(String, Vec<Outcome>)> {
    let global = knowledge.models.bias.mean;
    let mean = |sum: f32, n: usize| if n == 0 { global } else { sum / n as f32 };
    let of_user = |sample: &Sample| {
        let past = knowledge.index.user(sample.user, sample.cut_off);
        mean(past.iter().map(|rated| rated.rating).sum(), past.len())
    };
    let of_item = |sample: &Sample| {
        let past = knowledge.index.item(sample.item, sample.cut_off);
        mean(past.iter().map(|rated| rated.rating).sum(), past.len())
    };
    let answers = |name: &str, predict: &dyn Fn(&Sample) -> f32| {
        let answer = |sample: &&Sample| {
            let rating = predict(sample).clamp(knowledge.scale.0, knowledge.scale.1);
            outcome(knowledge, sample, Answer::Rating(rating))
        };
        (name.to_owned(), samples.iter().map(answer).collect::<Vec<_>>())
    };
    let mut found = vec![
        answers("global mean", &|_| global),
        answers("user mean", &of_user),
        answers("item mean", &of_item),
    ];
    found.extend(knowledge.models.raters.iter().map(|model| {
        let by_model = |sample: &Sample| {
            model.predict(knowledge.index.user(sample.user, sample.cut_off), sample.item).rating
        };
        answers(named(model.as_ref()), &by_model)
    }));
    found
}

/// The name of a rating model in tables of baselines, where no list of models stands beside it.
fn named(model: &dyn RatingModel) -> &str {
    match model.name() {
        "bias" => "user and item biases",
        "recent-bias" => "biases of the last 10",
        "factors" => "biases and factors (MF)",
        other => other,
    }
}

fn rankings(knowledge: &Knowledge, samples: &[&Sample], seed: u64) -> Result<Vec<(String, Vec<Outcome>)>> {
    let mut found: Vec<(String, Vec<Outcome>)> = vec![("random".into(), Vec::new())];
    let id = |at: usize, sample: &Sample| knowledge.dataset.items.token(sample.candidates[at].0).to_owned();
    for sample in samples {
        let n = sample.candidates.len();
        let mut order: Vec<usize> = (0..n).collect();
        let mut random = random::stream(seed, "random ranking", u64::from(sample.cut_off.0));
        for at in (1..n).rev() {
            order.swap(at, random.random_range(0..=at));
        }
        let answer = Answer::Ranking(order.iter().map(|&at| id(at, sample)).collect());
        found[0].1.push(outcome(knowledge, sample, answer));
        let history = knowledge.index.user(sample.user, sample.cut_off);
        let columns =
            ranking_scores(knowledge, Some(sample.user), history, &sample.candidates, sample.cut_off)?;
        for (name, scores) in columns {
            let mut order: Vec<usize> = (0..n).collect();
            order.sort_by(|&a, &b| scores[b].total_cmp(&scores[a]));
            let answer = Answer::Ranking(order.iter().map(|&at| id(at, sample)).collect());
            let answered = outcome(knowledge, sample, answer);
            match found.iter_mut().find(|(known, _)| *known == name) {
                Some((_, own)) => own.push(answered),
                None => found.push((name, vec![answered])),
            }
        }
    }
    Ok(found)
}
