//! What a dialogue is to be about: the hidden goal of the user.

use rand::RngExt;
use rec_core::json::Object;
use rec_core::random::Random;
use rec_core::{Json, ToolCall};
use serde::{Deserialize, Serialize};

use super::small_talk::Talk;
use crate::schema::put;
use crate::tss::{Answer, Api, Field, Grammar, Kind, Pool, Said, Shape, Wording};

/// The four types of dialogues.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DialogType {
    /// One call a turn.
    Single,
    /// Several calls at once.
    Parallel,
    /// A call that needs the result of another.
    Dependent,
    /// No call.
    NoTool,
}

impl DialogType {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Single, Self::Parallel, Self::Dependent, Self::NoTool];

    /// Its name in the data.
    pub fn name(self) -> &'static str {
        match self {
            Self::Single => "single",
            Self::Parallel => "parallel",
            Self::Dependent => "dependent",
            Self::NoTool => "no_tool",
        }
    }
}

/// Which of several results is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Pick {
    /// The first, second, …
    Place(usize),
    /// The least price.
    Cheapest,
    /// The greatest rating.
    BestRated,
}

/// Something that the user wants done.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Wish {
    /// Index into [`Pool::apis`].
    pub api: usize,
    /// Index into the object's functions.
    pub function: usize,
    /// The arguments; of a spread one the first value.
    pub arguments: Object,
    /// A parameter that takes one value and gets several: several calls.
    pub spread: Option<(Vec<String>, Vec<Json>)>,
    /// The identifier comes from an earlier result.
    pub pick: Option<Pick>,
}

/// One turn of the user.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Turn {
    /// Calls are wanted; one value may be told only when asked.
    Calls {
        /// What is wanted.
        wishes: Vec<Wish>,
        /// Which wish lacks which parameter at first.
        withheld: Option<(usize, Vec<String>)>,
    },
    /// A value is missing, and the dialogue ends with the question.
    Missing {
        /// What is wanted.
        wish: Wish,
        /// The parameter that is not told.
        withheld: Vec<String>,
    },
    /// No tool on offer can do it.
    Irrelevant(Wish),
    /// No tool is needed.
    Chat(Talk),
}

/// How a user speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Style {
    /// In few words.
    Terse,
    /// With please and thank you.
    Polite,
    /// In wishes rather than orders.
    Indirect,
    /// As in a chat.
    Noisy,
}

impl Style {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Terse, Self::Polite, Self::Indirect, Self::Noisy];

    /// Its name in the data and in prompts.
    pub fn name(self) -> &'static str {
        match self {
            Self::Terse => "terse",
            Self::Polite => "polite",
            Self::Indirect => "indirect",
            Self::Noisy => "noisy",
        }
    }
}

/// A dialogue before it is spoken.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    /// Its type.
    pub kind: DialogType,
    /// Indices into [`Pool::apis`] of the tools on offer, in order.
    pub candidates: Vec<usize>,
    /// The user's turns.
    pub turns: Vec<Turn>,
    /// How the user speaks.
    pub style: Style,
    /// How values are said.
    pub wording: Wording,
    /// Whether the user says other words than the tools' descriptions.
    pub synonyms: bool,
}

impl Wish {
    /// The calls, as far as they are known before results are: without the identifier that comes from one.
    pub fn calls(&self, pool: &Pool) -> Vec<ToolCall> {
        let name = &pool.apis[self.api].spec.name;
        let call = |arguments: Object| ToolCall::new("", name.as_str(), Json::Object(arguments));
        match &self.spread {
            None => vec![call(self.arguments.clone())],
            Some((path, values)) => values
                .iter()
                .map(|value| {
                    let mut arguments = self.arguments.clone();
                    put(&mut arguments, path, value.clone());
                    call(arguments)
                })
                .collect(),
        }
    }

    /// What is given for the leaf at `path`.
    pub fn argument(&self, path: &[&str]) -> Option<&Json> {
        let (head, tail) = path.split_first()?;
        tail.iter().try_fold(self.arguments.get(*head)?, |value, name| value.get(name))
    }
}

/// Draws what is wanted of an API: values for all required leaves and some optional ones.
pub fn wish(api: &Api, grammar: &Grammar, optional: f64, random: &mut Random) -> Wish {
    let function = api.functions[random.random_range(0..api.functions.len())];
    let object = &grammar.objects[api.object];
    let entry = &object.functions[function];
    // Of an API with several verbs only the parameters of the chosen one make sense.
    let takes = |field: &Field| match field.said {
        Said::Slot(slot) if api.functions.len() > 1 => {
            entry.slots.iter().any(|(known, _)| *known == slot)
                || !api
                    .functions
                    .iter()
                    .any(|other| object.functions[*other].slots.iter().any(|(known, _)| *known == slot))
        }
        _ => true,
    };
    let needs = |field: &Field| {
        field.required
            || matches!(field.said, Said::Slot(slot) if api.functions.len() > 1
                && entry.slots.iter().any(|(known, required)| *known == slot && *required))
    };
    let mut arguments = Object::new();
    let mut strings: Vec<Json> = Vec::new();
    for (path, field) in Api::leaves_of(&api.fields) {
        if !takes(field) || !(needs(field) || random.random_bool(optional)) {
            continue;
        }
        let value = match (&field.shape, field.said) {
            (_, Said::Action) => Json::from(grammar.verbs[entry.verb].name.as_str()),
            (Shape::One(kind), _) => {
                let mut value = kind.sample(random);
                // Nobody flies from Oslo to Oslo.
                for _ in 0..20 {
                    if !matches!(value, Json::String(_)) || !strings.contains(&value) {
                        break;
                    }
                    value = kind.sample(random);
                }
                value
            }
            (Shape::Many(kind), _) => {
                let count = random.random_range(2..=3);
                let mut list: Vec<Json> = Vec::new();
                for _ in 0..40 {
                    let value = kind.sample(random);
                    if list.len() < count && !list.contains(&value) && !strings.contains(&value) {
                        list.push(value);
                    }
                }
                Json::Array(list)
            }
            (Shape::Group(_), _) => continue,
        };
        // A flag that cannot be denied in words is only worth saying if it is true.
        if let (Json::Bool(false), Said::Slot(slot)) = (&value, field.said)
            && grammar.slots[slot].denial.is_none()
        {
            if !field.required {
                continue;
            }
            let path: Vec<String> = path.iter().map(|name| (*name).to_owned()).collect();
            put(&mut arguments, &path, Json::from(true));
            continue;
        }
        if matches!(value, Json::String(_)) {
            strings.push(value.clone());
        }
        let path: Vec<String> = path.iter().map(|name| (*name).to_owned()).collect();
        put(&mut arguments, &path, value);
    }
    order_pairs(&mut arguments, api, grammar);
    Wish { api: api.id, function, arguments, spread: None, pick: None }
}

/// A period does not end before it begins, and nobody checks out before the first night.
fn order_pairs(arguments: &mut Object, api: &Api, grammar: &Grammar) {
    const PAIRS: &[(&str, &str)] = &[
        ("start_date", "end_date"),
        ("check_in", "check_out"),
        ("departure_date", "return_date"),
        ("start_time", "end_time"),
    ];
    for (first, second) in PAIRS {
        let name = |slot: &str| {
            api.fields.iter().find_map(|field| match field.said {
                Said::Slot(known) if grammar.slots[known].name == slot => Some(field.name.clone()),
                _ => None,
            })
        };
        let (Some(first), Some(second)) = (name(first), name(second)) else { continue };
        let (Some(a), Some(b)) = (arguments.get(&first).cloned(), arguments.get(&second).cloned()) else {
            continue;
        };
        if let (Some(from), Some(to)) = (a.as_str(), b.as_str())
            && from > to
        {
            arguments.insert(first, b.clone());
            arguments.insert(second, a);
        }
    }
}

/// Spreads one scalar of a wish over several values. Tells whether there was one.
pub fn spread(wish: &mut Wish, api: &Api, random: &mut Random) -> bool {
    let leaves: Vec<(Vec<String>, Kind)> = Api::leaves_of(&api.fields)
        .into_iter()
        .filter_map(|(path, field)| {
            let kind = match (&field.shape, field.said) {
                (Shape::One(kind), Said::Slot(_) | Said::Id) => kind.clone(),
                _ => return None,
            };
            // "From A and B to C and D" leaves open who goes where.
            let paired = ["origin", "destination", "start", "end", "check", "departure", "return", "birth"]
                .iter()
                .any(|word| field.name.to_lowercase().contains(word));
            let fits = matches!(
                kind,
                Kind::City | Kind::Country | Kind::Date | Kind::Word(_) | Kind::Identifier(_) | Kind::Email
            ) && (!paired || matches!(kind, Kind::Identifier(_)));
            (fits && wish.argument(&path).is_some())
                .then(|| (path.iter().map(|name| (*name).to_owned()).collect(), kind))
        })
        .collect();
    if leaves.is_empty() {
        return false;
    }
    let (path, kind) = leaves[random.random_range(0..leaves.len())].clone();
    let names: Vec<&str> = path.iter().map(String::as_str).collect();
    let Some(first) = wish.argument(&names).cloned() else { return false };
    let taken: Vec<Json> = wish.arguments.values().cloned().collect();
    let mut values = vec![first];
    let count = random.random_range(2..=3);
    for _ in 0..40 {
        let value = kind.sample(random);
        if values.len() < count && !values.contains(&value) && !taken.contains(&value) {
            values.push(value);
        }
    }
    if values.len() < 2 {
        return false;
    }
    wish.spread = Some((path, values));
    true
}

/// The parameters whose absence an assistant must notice.
pub fn withholdable(api: &Api, wish: &Wish) -> Vec<Vec<String>> {
    Api::leaves_of(&api.fields)
        .into_iter()
        .filter(|(path, field)| {
            path.len() == 1
                && field.required
                && field.default.is_none()
                && matches!(field.said, Said::Slot(_) | Said::Id)
                && wish.argument(path).is_some()
                && wish.spread.as_ref().is_none_or(|(spread, _)| spread[0] != path[0])
                && !(field.said == Said::Id && wish.pick.is_some())
        })
        .map(|(path, _)| path.iter().map(|name| (*name).to_owned()).collect())
        .collect()
}

/// Whether the API's answers are lists with identifiers.
pub fn lists(api: &Api, grammar: &Grammar) -> bool {
    api.answer(grammar) == Answer::List
}
