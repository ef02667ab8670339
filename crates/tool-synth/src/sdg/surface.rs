//! The offline user: a goal as a sentence that a person would write.

use rand::RngExt;
use rec_core::json::Object;
use rec_core::random::{Random, stream};
use rec_core::{Json, Message};

use super::goal::{Pick, Style, Turn, Wish};
use crate::tss::kind::{join_and, pick};
use crate::tss::{Answer, Api, Field, Grammar, Kind, Pool, Said, Shape, Wording, capitalised, fill};

/// What the user says next.
#[derive(Clone, Copy, Debug)]
pub enum Say<'a> {
    /// A turn.
    Turn(&'a Turn),
    /// The value that the assistant asked for.
    Supply(&'a Wish, &'a [String]),
}

/// The task of the user.
#[derive(Clone, Debug)]
pub struct UserTask<'a> {
    /// What to say.
    pub say: Say<'a>,
    /// How.
    pub style: Style,
    /// How values are said.
    pub wording: Wording,
    /// Whether to avoid the words of the tools' descriptions.
    pub synonyms: bool,
    /// Tool, description and arguments of each wish, for engines that write from a prompt.
    pub expected: Vec<(String, String, Object)>,
    /// The conversation so far.
    pub before: &'a [Message],
}

impl UserTask<'_> {
    /// The orders of the complexity evaluator and the goal, in words.
    pub fn orders(&self) -> String {
        let mut orders = Vec::new();
        if self.synonyms {
            orders.push("Use other words than the tool's description for what it is about.".to_owned());
        }
        match self.say {
            Say::Turn(
                Turn::Calls { withheld: Some((_, path)), .. } | Turn::Missing { withheld: path, .. },
            ) => {
                orders.push(format!("Do not tell the value of {} yet.", path.join(".")));
            }
            Say::Turn(Turn::Chat(talk)) => orders.push(format!("Say: {}", talk.message)),
            Say::Turn(Turn::Calls { wishes, .. }) => {
                for pick in wishes.iter().filter_map(|wish| wish.pick) {
                    orders.push(format!("For the last one refer to {} of what is found.", picked(pick)));
                }
            }
            Say::Turn(Turn::Irrelevant(_)) => {}
            Say::Supply(_, path) => orders.push(format!("Answer with the value of {} only.", path.join("."))),
        }
        orders.join("\n")
    }
}

fn picked(pick: Pick) -> &'static str {
    match pick {
        Pick::Place(0) => "the first",
        Pick::Place(1) => "the second",
        Pick::Place(_) => "the third",
        Pick::Cheapest => "the cheapest",
        Pick::BestRated => "the best-rated",
    }
}

/// The user's next message.
pub fn utter(task: &UserTask<'_>, grammar: &Grammar, pool: &Pool, seed: u64) -> String {
    let mut random = stream(seed, "user", 0);
    let mut speaker = Speaker { task, grammar, pool, random: &mut random };
    match task.say {
        Say::Turn(Turn::Chat(talk)) => talk.message.clone(),
        Say::Turn(Turn::Irrelevant(wish)) => speaker.message(std::slice::from_ref(wish), None),
        Say::Turn(Turn::Missing { wish, withheld }) => {
            speaker.message(std::slice::from_ref(wish), Some((0, withheld)))
        }
        Say::Turn(Turn::Calls { wishes, withheld }) => {
            speaker.message(wishes, withheld.as_ref().map(|(at, path)| (*at, path.as_slice())))
        }
        Say::Supply(wish, path) => speaker.supply(wish, path),
    }
}

struct Speaker<'a, 'r> {
    task: &'a UserTask<'a>,
    grammar: &'a Grammar,
    pool: &'a Pool,
    random: &'r mut Random,
}

impl Speaker<'_, '_> {
    fn message(&mut self, wishes: &[Wish], withheld: Option<(usize, &[String])>) -> String {
        let mut sentences = Vec::new();
        for (at, wish) in wishes.iter().enumerate() {
            let hidden = withheld.filter(|(known, _)| *known == at).map(|(_, path)| path);
            let head = self.head(wish, hidden);
            let mut phrases = self.phrases(wish, hidden);
            // Nobody puts ten conditions in one sentence.
            let rest = if phrases.len() > 5 { phrases.split_off(4) } else { Vec::new() };
            let mut request = head;
            for phrase in phrases {
                request.push(' ');
                request.push_str(&phrase);
            }
            sentences.push(if at == 0 {
                self.opening(&request)
            } else {
                self.next(&request, wish.pick.is_some())
            });
            if !rest.is_empty() {
                let lead = pick(&["That would be", "It should be", "Please make it"], self.random);
                sentences.push(format!("{lead} {}.", rest.join(" ")));
            }
        }
        let mut text = sentences.join(" ");
        if self.task.style == Style::Polite && self.random.random_bool(0.3) {
            text.push_str(" Thank you!");
        }
        text
    }

    fn opening(&mut self, request: &str) -> String {
        let forms: &[&str] = match self.task.style {
            Style::Terse => &["{X}."],
            Style::Polite => {
                &["Could you please {x}?", "Please {x}.", "Would you please {x}?", "Can you {x}, please?"]
            }
            Style::Indirect => &[
                "I would like you to {x}.",
                "I need you to {x}.",
                "It would be great if you could {x}.",
                "I was hoping you could {x}.",
            ],
            Style::Noisy => &["hey, {x}, thx!", "hi there! {x}.", "ok so can u {x}?", "hello, {x}!"],
        };
        let form = pick(forms, self.random);
        form.replace("{X}", &capitalised(request)).replace("{x}", request)
    }

    fn next(&mut self, request: &str, depends: bool) -> String {
        let forms: &[&str] = if depends {
            &["Then {x}.", "After that, {x}.", "And then {x}."]
        } else {
            &["Also, {x}.", "And {x} as well.", "Also {x}.", "Besides that, {x}."]
        };
        pick(forms, self.random).replace("{x}", request)
    }

    fn adjective(&self, api: &Api, wish: &Wish) -> String {
        let choice = api.fields.iter().find(|field| field.said == Said::Qualifier);
        let word = match choice {
            Some(field) => {
                let value = wish.arguments.get(&field.name).and_then(Json::as_str);
                value.map_or_else(String::new, |value| value.replace('_', "-"))
            }
            None => api.qualifiers.first().cloned().unwrap_or_default(),
        };
        if word.is_empty() { word } else { format!("{word} ") }
    }

    fn head(&mut self, wish: &Wish, hidden: Option<&[String]>) -> String {
        let api = &self.pool.apis[wish.api];
        let object = &self.grammar.objects[api.object];
        let verb = &self.grammar.verbs[object.functions[wish.function].verb];
        // A tool with an action to choose hears the verb itself.
        let request =
            if api.functions.len() > 1 { &verb.requests[0] } else { pick(&verb.requests, self.random) };
        let adjective = self.adjective(api, wish);
        let plural =
            if self.task.synonyms && verb.answer == Answer::List { &object.synonym } else { &object.plural };
        let singular = format!("{adjective}{}", object.singular);
        let plural = format!("{adjective}{plural}");
        let id = api.fields.iter().find(|field| field.said == Said::Id);
        let told = id.filter(|field| hidden.is_none_or(|path| path[0] != field.name));
        match (wish.pick, told) {
            (Some(which), _) => {
                let noun = object.singular.as_str();
                request.replace("the {object} {id}", &format!("{} {noun}", picked(which)))
            }
            (None, Some(field)) => {
                let values = match &wish.spread {
                    Some((path, values)) if path[0] == field.name => values.clone(),
                    _ => wish.arguments.get(&field.name).cloned().into_iter().collect(),
                };
                let spoken: Vec<String> = values.iter().map(spoken_text).collect();
                let noun = if values.len() > 1 { &plural } else { &singular };
                fill(
                    &request.replace("the {object} {id}", &format!("the {noun} {}", join_and(&spoken))),
                    &singular,
                    &plural,
                )
            }
            (None, None) => fill(&request.replace(" {id}", ""), &singular, &plural),
        }
    }

    fn phrases(&mut self, wish: &Wish, hidden: Option<&[String]>) -> Vec<String> {
        let api = &self.pool.apis[wish.api];
        let mut all = Vec::new();
        for (path, field) in Api::leaves_of(&api.fields) {
            if hidden.is_some_and(|hidden| hidden.iter().map(String::as_str).eq(path.iter().copied())) {
                continue;
            }
            if let Some(value) = wish.argument(&path) {
                let spread = wish
                    .spread
                    .as_ref()
                    .filter(|(spread, _)| spread.iter().map(String::as_str).eq(path.iter().copied()))
                    .map(|(_, values)| values.as_slice());
                all.extend(self.phrase(field, value, spread));
            }
        }
        all
    }

    fn phrase(&mut self, field: &Field, value: &Json, spread: Option<&[Json]>) -> Option<String> {
        let Said::Slot(slot) = field.said else { return None };
        let slot = &self.grammar.slots[slot];
        if let Json::Bool(value) = value {
            return if *value { slot.phrases.first().cloned() } else { slot.denial.clone() };
        }
        let (kind, values): (&Kind, Vec<&Json>) = match (&field.shape, spread) {
            (Shape::One(kind), Some(values)) => (kind, values.iter().collect()),
            (Shape::One(kind), None) => (kind, vec![value]),
            (Shape::Many(kind), _) => (kind, value.as_array()?.iter().collect()),
            (Shape::Group(_), _) => return None,
        };
        let spoken: Vec<String> =
            values.into_iter().map(|value| kind.say(value, self.task.wording)).collect();
        let phrase = pick(&slot.phrases, self.random);
        Some(phrase.replace("{v}", &join_and(&spoken)))
    }

    fn supply(&mut self, wish: &Wish, path: &[String]) -> String {
        let api = &self.pool.apis[wish.api];
        let names: Vec<&str> = path.iter().map(String::as_str).collect();
        let field = Api::leaves_of(&api.fields)
            .into_iter()
            .find(|(known, _)| *known == names)
            .map(|(_, field)| field);
        let (Some(field), Some(value)) = (field, wish.argument(&names)) else {
            return "Never mind.".to_owned();
        };
        if field.said == Said::Id {
            if let Shape::One(Kind::Integer(..)) = field.shape {
                // A bare number could be anything.
                let object = &self.grammar.objects[api.object].singular;
                return format!("It is the {object} {}.", spoken_text(value));
            }
            let forms = ["It is {v}.", "The number is {v}.", "Sure, {v}."];
            return pick(&forms, self.random).replace("{v}", &spoken_text(value));
        }
        let phrase = self.phrase(field, value, None).unwrap_or_default();
        match self.task.style {
            Style::Polite => format!("Sure, {phrase}, please."),
            Style::Noisy => format!("oh right, {phrase}!"),
            Style::Terse | Style::Indirect => format!("{}.", capitalised(&phrase)),
        }
    }
}

fn spoken_text(value: &Json) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}
