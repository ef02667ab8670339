//! Simulated people who look for a film in a dialogue, to measure conversations: each wants one item and does not say which, only
//! what they liked before, then its genre, then its decade, then that they want to see more.
//!
//! They are scripts over real histories: what they want is the row that was held out of training. They know nothing of what an answer
//! says beside the items that it shows.

use std::time::{Duration, Instant};

use futures_util::StreamExt;
use futures_util::stream;
use rec_core::ItemId;
use serde::{Deserialize, Serialize};

use crate::engine::Engine;
use crate::index::CutOff;
use crate::knowledge::Knowledge;
use crate::protocol::Sample;
use crate::request::Request;
use crate::session::Session;
use crate::task::Answer;
use crate::text::words;

/// Items that are shown at a time.
const SHOWN: usize = 5;

/// Somebody who looks for one item.
#[derive(Clone, Debug, PartialEq)]
pub struct Person {
    /// Names them.
    pub id: String,
    /// What they want.
    pub wanted: ItemId,
    /// What they liked before, best and latest first.
    pub liked: Vec<ItemId>,
    /// The first genre of what they want.
    pub genre: Option<String>,
    /// The first year of its decade.
    pub decade: Option<u16>,
}

impl Person {
    /// The user of `sample`, who wants its item; nobody if they did not like it, or liked fewer than two titles before.
    pub fn of_sample(knowledge: &Knowledge, sample: &Sample) -> Option<Self> {
        if sample.rating < knowledge.liked_from() {
            return None;
        }
        let before = knowledge.index.user(sample.user, sample.cut_off);
        let mut liked: Vec<(f32, usize, ItemId)> = before
            .iter()
            .enumerate()
            .filter(|(_, rated)| rated.rating >= knowledge.liked_from() && rated.item() != sample.item)
            .filter(|(_, rated)| knowledge.dataset.catalogue.title(rated.item()).is_some())
            .map(|(at, rated)| (rated.rating, at, rated.item()))
            .collect();
        liked.sort_by(|a, b| b.0.total_cmp(&a.0).then(b.1.cmp(&a.1)));
        let card = knowledge.card(sample.item);
        (liked.len() >= 2).then(|| Self {
            id: format!("person-{}", knowledge.dataset.users.token(sample.user.0)),
            wanted: sample.item,
            liked: liked.into_iter().take(2).map(|(.., item)| item).collect(),
            genre: card.genres.first().cloned(),
            decade: card.year.map(|year| year / 10 * 10),
        })
    }

    /// What they say in turn `turn` (from 1).
    pub fn says(&self, knowledge: &Knowledge, turn: usize) -> String {
        match (turn, &self.genre, self.decade) {
            (1, ..) => {
                let names: Vec<String> =
                    self.liked.iter().map(|&item| format!("\"{}\"", knowledge.card(item).name())).collect();
                format!("I loved {}. What should I watch?", names.join(" and "))
            }
            (2, Some(genre), _) => format!("Rather {genre}, please."),
            (3, _, Some(decade)) => format!("One from the {decade}s."),
            _ => "More, please.".into(),
        }
    }

    /// What they have asked for by turn `turn`, as a request: every item that is shown has to meet it.
    pub fn asked(&self, turn: usize) -> Request {
        let decade = self.decade.filter(|_| turn >= 3);
        Request {
            genres: self.genre.iter().filter(|_| turn >= 2).cloned().collect(),
            from_year: decade,
            to_year: decade.map(|decade| decade + 9),
            ..Request::default()
        }
    }
}

/// What came of one message.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Said {
    /// Whether an agent answered.
    pub valid: bool,
    /// The items that were shown.
    pub shown: Vec<String>,
    /// How many of them met what was asked for so far.
    pub meeting: usize,
    /// Titles with a year that the answer names.
    pub named: usize,
    /// How many of those the catalogue does not have.
    pub unknown: usize,
}

/// A dialogue with a person.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Dialogue {
    /// The person.
    pub id: String,
    /// The turn, from 1, in which they were shown what they want.
    pub found: Option<usize>,
    /// Every turn until then.
    pub turns: Vec<Said>,
    /// The time that answers took, all together; not part of what is compared.
    #[serde(skip)]
    pub taken: Duration,
}

/// Has `person` talk to `engine` for at most `turns` turns.
pub async fn converse(engine: &Engine, person: &Person, turns: usize) -> Dialogue {
    let knowledge = &engine.knowledge;
    let mut session = Session::new(person.id.as_str());
    let mut dialogue =
        Dialogue { id: person.id.clone(), found: None, turns: Vec::new(), taken: Duration::ZERO };
    for turn in 1..=turns {
        let message = person.says(knowledge, turn);
        let started = Instant::now();
        let done = session.say(engine, &message, None, None).await;
        dialogue.taken += started.elapsed();
        let text = match &done.outcome.answer {
            Answer::Text(text) => text.as_str(),
            _ => "",
        };
        let (named, unknown) = named_titles(knowledge, text);
        let items = done.outcome.items.iter().filter_map(|id| knowledge.item(id)).collect::<Vec<_>>();
        let said =
            Said { valid: done.outcome.valid, named, unknown, ..said(knowledge, person, turn, &items) };
        dialogue.turns.push(said);
        if items.contains(&person.wanted) {
            dialogue.found = Some(turn);
            break;
        }
    }
    dialogue
}

/// Has all of `people` talk to `engine`, `in_flight` at once; dialogues in the order of the people.
pub async fn converse_all(
    engine: &Engine,
    people: &[Person],
    turns: usize,
    in_flight: usize,
) -> Vec<Dialogue> {
    let talks = stream::iter(people).map(|person| converse(engine, person, turns));
    talks.buffered(in_flight.max(1)).collect().await
}

/// The baseline: in every turn the most rated items that meet what was asked for and were not shown or named before.
pub fn by_popularity(knowledge: &Knowledge, person: &Person, turns: usize) -> Dialogue {
    let mut order: Vec<ItemId> = (0..knowledge.dataset.n_items()).map(ItemId::from_index).collect();
    order.sort_by_key(|&item| (std::cmp::Reverse(knowledge.count(item, CutOff::NONE)), item));
    let mut past = person.liked.clone();
    let mut dialogue =
        Dialogue { id: person.id.clone(), found: None, turns: Vec::new(), taken: Duration::ZERO };
    for turn in 1..=turns {
        let asked = person.asked(turn);
        let fits = |item: &&ItemId| !past.contains(item) && knowledge.meets(**item, &asked);
        let items: Vec<ItemId> = order.iter().filter(fits).take(SHOWN).copied().collect();
        past.extend(&items);
        dialogue.turns.push(said(knowledge, person, turn, &items));
        if items.contains(&person.wanted) {
            dialogue.found = Some(turn);
            break;
        }
    }
    dialogue
}

fn said(knowledge: &Knowledge, person: &Person, turn: usize, items: &[ItemId]) -> Said {
    let asked = person.asked(turn);
    Said {
        valid: true,
        shown: items.iter().map(|item| knowledge.dataset.items.token(item.0).to_owned()).collect(),
        meeting: items.iter().filter(|item| knowledge.meets(**item, &asked)).count(),
        named: 0,
        unknown: 0,
    }
}

/// How many titles with a year in brackets `text` names, and how many of them the catalogue does not have: the words right
/// before the year have to be one of its titles of that year.
pub fn named_titles(knowledge: &Knowledge, text: &str) -> (usize, usize) {
    let (mut named, mut unknown) = (0, 0);
    for (at, _) in text.match_indices('(') {
        let Some(digits) = text.get(at + 1..at + 5) else { continue };
        let Some(year) = digits.parse::<u16>().ok().filter(|_| text[at + 5..].starts_with(')')) else {
            continue;
        };
        named += 1;
        let before = words(&text[..at]);
        let longest = knowledge.titles.longest().min(before.len());
        let known = (1..=longest).any(|n| {
            let key = before[before.len() - n..].join(" ");
            knowledge.titles.exact(&key, Some(year)).is_some_and(|item| knowledge.year(item) == Some(year))
        });
        unknown += usize::from(!known);
    }
    (named, unknown)
}

/// One value a dialogue for each measure of conversations.
pub fn measures(dialogues: &[Dialogue], turns: usize) -> Vec<(&'static str, Vec<f64>)> {
    let share = |part: usize, all: usize| (all > 0).then(|| part as f64 / all as f64);
    let sum = |dialogue: &Dialogue, of: fn(&Said) -> usize| dialogue.turns.iter().map(of).sum::<usize>();
    let each = |of: &dyn Fn(&Dialogue) -> Option<f64>| dialogues.iter().filter_map(of).collect::<Vec<f64>>();
    vec![
        ("found", each(&|dialogue| Some(f64::from(u8::from(dialogue.found.is_some()))))),
        ("found at once", each(&|dialogue| Some(f64::from(u8::from(dialogue.found == Some(1)))))),
        ("turns", each(&|dialogue| Some(dialogue.found.unwrap_or(turns) as f64))),
        (
            "met",
            each(&|dialogue| {
                share(sum(dialogue, |said| said.meeting), sum(dialogue, |said| said.shown.len()))
            }),
        ),
        (
            "unknown titles",
            each(&|dialogue| share(sum(dialogue, |said| said.unknown), sum(dialogue, |said| said.named))),
        ),
        (
            "nothing shown",
            each(&|dialogue| {
                share(sum(dialogue, |said| usize::from(said.shown.is_empty())), dialogue.turns.len())
            }),
        ),
        (
            "valid",
            each(&|dialogue| share(sum(dialogue, |said| usize::from(said.valid)), dialogue.turns.len())),
        ),
    ]
}
