//! What each role may do: one typed enum a role, and everything that is told about it made from the same declaration.
//!
//! `actions!` declares the enums. From a declaration come the JSON form (`{"type": …, "content": …}`), the text form
//! (`Name[argument, …]`), the JSON Schema, the native tools, the grammar, the list in the prompt and the table in the
//! documentation, so that they cannot disagree. The forms are in [`crate::grammar`], the ladder of parsers in
//! [`crate::parser`].

use std::fmt;

use rec_core::{Json, ToolCall};
use serde::{Deserialize, Serialize};

use crate::request::Request;

/// A member of the team.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AgentRole {
    /// Leads: delegates and gives the answer.
    Manager,
    /// Studies a user or an item with the data tools and the models.
    Analyst,
    /// Finds items: by text, by likeness, by request.
    Searcher,
    /// Says in plain terms what is asked for.
    Interpreter,
    /// Judges a finished attempt.
    Reflector,
}

impl AgentRole {
    /// All roles.
    pub const ALL: [Self; 5] =
        [Self::Manager, Self::Analyst, Self::Searcher, Self::Interpreter, Self::Reflector];

    /// The name in traces and configurations.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Manager => "manager",
            Self::Analyst => "analyst",
            Self::Searcher => "searcher",
            Self::Interpreter => "interpreter",
            Self::Reflector => "reflector",
        }
    }

    /// What the role is told that it may do: what needs an encyclopedia only where one is connected.
    pub fn offered(self, encyclopedia: bool) -> impl Iterator<Item = &'static ActionSpec> {
        let needs = |spec: &ActionSpec| matches!(spec.tool, Some("encyclopedia" | "passage"));
        self.specs().iter().filter(move |spec| encyclopedia || !needs(spec))
    }

    /// What the role may do.
    pub const fn specs(self) -> &'static [ActionSpec] {
        match self {
            Self::Manager => ManagerAction::SPECS,
            Self::Analyst => AnalystAction::SPECS,
            Self::Searcher => SearcherAction::SPECS,
            Self::Interpreter => InterpreterAction::SPECS,
            Self::Reflector => ReflectorAction::SPECS,
        }
    }
}

impl fmt::Display for AgentRole {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// What an argument is, which decides its schema and how its text is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `user` or `item`.
    Subject,
    /// The outside id of a user or an item; `7` and `"7"` are the same, and `user_7` too unless the data set has an id of just that
    /// name.
    Id,
    /// A whole number from 1.
    Count,
    /// `true` or `false`.
    Flag,
    /// Text.
    Text,
    /// The task's answer: a number, a list of item ids, or text.
    Answer,
    /// A list of the manager's other actions.
    Steps,
    /// What is wanted of items; see [`Request`].
    Request,
}

/// One argument.
#[derive(Clone, Copy, Debug)]
pub struct ArgumentSpec {
    /// Its name in native calls.
    pub name: &'static str,
    /// What it is.
    pub kind: Kind,
    /// What it is for, for the model.
    pub about: &'static str,
}

/// One action.
#[derive(Clone, Copy, Debug)]
pub struct ActionSpec {
    /// The name in both forms; read without regard to case.
    pub name: &'static str,
    /// What it does, for the model.
    pub about: &'static str,
    /// The tool it calls, if it calls one. The arguments have the names of the tool's.
    pub tool: Option<&'static str>,
    /// The arguments, in order.
    pub arguments: &'static [ArgumentSpec],
}

/// The ability to be one role's set of actions; implemented by `actions!`.
pub trait ActionSet: Sized {
    /// Whose actions these are.
    const ROLE: AgentRole;
    /// What can be done, in the order of the variants.
    const SPECS: &'static [ActionSpec];

    /// The action number `index` with these arguments.
    ///
    /// # Errors
    /// What is wrong with which argument.
    fn from_parts(index: usize, values: &[Json]) -> Result<Self, String>;

    /// The number of the action and its arguments.
    fn parts(&self) -> (usize, Vec<Json>);
}

/// The ability to be an argument.
pub trait Argument: Sized {
    /// The argument from JSON.
    ///
    /// # Errors
    /// What was found and what is accepted.
    fn read(kind: Kind, value: &Json) -> Result<Self, String>;
    /// The argument as JSON.
    fn write(&self) -> Json;
}

impl Argument for String {
    fn read(kind: Kind, value: &Json) -> Result<Self, String> {
        match (kind, value) {
            (Kind::Id, Json::Number(number)) if number.is_integer() => Ok(number.to_string()),
            (Kind::Id, Json::String(text)) if bare_id(text).is_empty() => Err("an empty id".into()),
            (Kind::Id, Json::String(text)) => Ok(text.trim().to_owned()),
            (Kind::Id, other) => Err(format!("{} where an id is expected", other.kind())),
            (_, Json::String(text)) => Ok(text.clone()),
            (_, Json::Number(number)) => Ok(number.to_string()),
            (_, Json::Null) => Ok(String::new()),
            (_, other) => Err(format!("{} where text is expected", other.kind())),
        }
    }

    fn write(&self) -> Json {
        Json::from(self.as_str())
    }
}

/// An id without blanks and without the prefix that models like to put before it. Only who knows the ids of the data set can say
/// whether the prefix is part of one.
pub(crate) fn bare_id(text: &str) -> &str {
    let text = text.trim();
    let lower = text.get(..5).map(str::to_ascii_lowercase);
    match lower.as_deref() {
        Some("user_" | "item_" | "user " | "item ") => text[5..].trim_start(),
        _ => text,
    }
}

impl Argument for u32 {
    fn read(_: Kind, value: &Json) -> Result<Self, String> {
        let number = match value {
            Json::String(text) => text.trim().parse().ok(),
            other => other.as_i64().and_then(|number| Self::try_from(number).ok()),
        };
        number
            .filter(|&count| count > 0)
            .ok_or_else(|| format!("{value} where a whole number from 1 is expected"))
    }

    fn write(&self) -> Json {
        Json::from(i64::from(*self))
    }
}

impl Argument for bool {
    fn read(_: Kind, value: &Json) -> Result<Self, String> {
        match value {
            Json::Bool(flag) => Ok(*flag),
            Json::String(text) if text.trim().eq_ignore_ascii_case("true") => Ok(true),
            Json::String(text) if text.trim().eq_ignore_ascii_case("false") => Ok(false),
            other => Err(format!("{other} where true or false is expected")),
        }
    }

    fn write(&self) -> Json {
        Json::from(*self)
    }
}

/// What the Analyst studies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Subject {
    /// A user.
    User,
    /// An item.
    Item,
}

impl Argument for Subject {
    fn read(_: Kind, value: &Json) -> Result<Self, String> {
        match value.as_str().map(|text| text.trim().to_ascii_lowercase()).as_deref() {
            Some("user") => Ok(Self::User),
            Some("item") => Ok(Self::Item),
            _ => Err(format!("{value} where `user` or `item` is expected")),
        }
    }

    fn write(&self) -> Json {
        Json::from(match self {
            Self::User => "user",
            Self::Item => "item",
        })
    }
}

/// An answer as it was given, not yet held against its task.
impl Argument for Json {
    fn read(_: Kind, value: &Json) -> Result<Self, String> {
        match value {
            Json::Number(_) | Json::String(_) | Json::Array(_) => Ok(value.clone()),
            other => Err(format!("{} where a number, a list of ids or text is expected", other.kind())),
        }
    }

    fn write(&self) -> Json {
        self.clone()
    }
}

impl Argument for Vec<ManagerAction> {
    fn read(_: Kind, value: &Json) -> Result<Self, String> {
        let steps = value
            .as_array()
            .ok_or_else(|| format!("{} where a list of actions is expected", value.kind()))?;
        if steps.is_empty() || steps.len() > crate::limits::PLAN_STEPS {
            return Err(format!("{} steps; a plan has 1 to {}", steps.len(), crate::limits::PLAN_STEPS));
        }
        let read = |step: &Json| match Action::from_json(AgentRole::Manager, step) {
            Ok(Action::Manager(ManagerAction::Plan { .. } | ManagerAction::Finish { .. })) => {
                Err("a plan holds neither Plan nor Finish".to_owned())
            }
            Ok(Action::Manager(action)) => Ok(action),
            Ok(_) => Err("an action of another role".to_owned()),
            Err(error) => Err(error),
        };
        steps.iter().map(read).collect()
    }

    fn write(&self) -> Json {
        Json::Array(self.iter().map(|step| Action::Manager(step.clone()).to_json()).collect())
    }
}

impl Argument for Request {
    fn read(_: Kind, value: &Json) -> Result<Self, String> {
        let text = match value {
            Json::String(text) => text.clone(),
            other => other.to_string(),
        };
        serde_json::from_str(&text).map_err(|error| format!("not a request: {error}"))
    }

    fn write(&self) -> Json {
        serde_json::to_string(self).expect("a request has a text").parse().expect("a request is JSON")
    }
}

/// Declares a role's actions: variant, name, tool, what it does, arguments with kind and what they are for.
macro_rules! actions {
    ($(#[$doc:meta])* $set:ident of $role:ident {
        $($variant:ident $(-> $tool:literal)? : $about:literal { $($field:ident : $type:ty as $kind:ident, $field_about:literal;)* })*
    }) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq)]
        pub enum $set {
            $(#[doc = $about] $variant { $(#[doc = $field_about] $field: $type,)* },)*
        }

        impl ActionSet for $set {
            const ROLE: AgentRole = AgentRole::$role;
            const SPECS: &'static [ActionSpec] = &[$(ActionSpec {
                name: stringify!($variant),
                about: $about,
                tool: actions!(@tool $($tool)?),
                arguments: &[$(ArgumentSpec { name: stringify!($field), kind: Kind::$kind, about: $field_about },)*],
            },)*];

            fn from_parts(index: usize, values: &[Json]) -> Result<Self, String> {
                let name = Self::SPECS[index].name;
                let mut at = 0;
                $(if name == stringify!($variant) {
                    $(
                        let value = values.get(at).ok_or_else(|| format!("`{}` is missing", stringify!($field)))?;
                        let $field = <$type as Argument>::read(Kind::$kind, value)
                            .map_err(|what| format!("`{}`: {what}", stringify!($field)))?;
                        at += 1;
                    )*
                    if at < values.len() {
                        return Err(format!("{} arguments where {at} are expected", values.len()));
                    }
                    return Ok(Self::$variant { $($field),* });
                })*
                unreachable!("every action has a name")
            }

            fn parts(&self) -> (usize, Vec<Json>) {
                let (name, values) = match self {
                    $(Self::$variant { $($field),* } => (stringify!($variant), vec![$($field.write()),*]),)*
                };
                let index = Self::SPECS.iter().position(|spec| spec.name == name).expect("every action is declared");
                (index, values)
            }
        }
    };
    (@tool $tool:literal) => { Some($tool) };
    (@tool) => { None };
}

actions! {
    /// What the Manager may do.
    ManagerAction of Manager {
        Analyse: "Ask the Analyst for a report on a user or an item" {
            kind: Subject as Subject, "user or item";
            id: String as Id, "the id";
        }
        Search: "Ask the Searcher for items that meet a requirement, or for what is known of a title" {
            requirement: String as Text, "what to look for";
        }
        Interpret: "Ask the Interpreter what is asked for, in plain terms" {
            content: String as Text, "the text to interpret";
        }
        Plan: "Lay down all steps before the first is taken; they are Analyse, Search and Interpret" {
            steps: Vec<ManagerAction> as Steps, "the steps, in order";
        }
        Finish: "Give the answer of the task" {
            answer: Json as Answer, "the answer";
        }
    }
}

actions! {
    /// What the Analyst may do.
    AnalystAction of Analyst {
        UserInfo -> "user_info": "What is known of a user: profile, number and mean of the ratings, favourite genres" {
            user: String as Id, "the user's id";
        }
        ItemInfo -> "item_info": "What is known of an item: title, year, genres, number and mean of the ratings" {
            item: String as Id, "the item's id";
        }
        UserHistory -> "user_history": "The latest ratings of a user" {
            user: String as Id, "the user's id";
            k: u32 as Count, "how many";
        }
        ItemHistory -> "item_history": "The latest ratings of an item" {
            item: String as Id, "the item's id";
            k: u32 as Count, "how many";
        }
        SimilarItems -> "similar_items": "The items that the same people took" {
            item: String as Id, "the item's id";
            k: u32 as Count, "how many";
        }
        SimilarUsers -> "similar_users": "The users who took the same items, with their ratings of one item" {
            user: String as Id, "the user's id";
            item: String as Id, "the item whose ratings are shown";
            k: u32 as Count, "how many";
        }
        PredictRating -> "predict_rating": "What each rating model expects the user to give the item" {
            user: String as Id, "the user's id";
            item: String as Id, "the item's id";
        }
        RankCandidates -> "rank_candidates": "How each ranking model orders a set of items for the user" {
            user: String as Id, "the user's id";
            set: String as Text, "the set's name, such as candidates";
        }
        Evidence -> "explain_evidence": "Which items of the user's history speak for an item, and what they share with it" {
            user: String as Id, "the user's id";
            item: String as Id, "the item's id";
        }
        Finish: "Hand the report to the Manager" {
            report: String as Text, "what was found";
        }
    }
}

actions! {
    /// What the Searcher may do.
    SearcherAction of Searcher {
        Search -> "search": "Full-text search over titles, genres and years" {
            set: String as Text, "the set to search: catalogue, or a set's name such as candidates";
            query: String as Text, "words to look for";
        }
        Lookup -> "lookup": "The entry of one title; misspellings are forgiven" {
            title: String as Text, "the title";
        }
        Similar -> "similar_items": "The items that the same people took" {
            item: String as Id, "the item's id";
            k: u32 as Count, "how many";
        }
        Recommend -> "recommend": "The best items for a request: likes, dislikes, genres, years; they become a named set" {
            request: Request as Request, "what is wanted";
        }
        Why -> "explain_request": "Which of the request's likes speak for an item, and what is known of it" {
            item: String as Id, "the item's id";
            request: Request as Request, "what is wanted";
        }
        Filter -> "filter_candidates": "Keep what meets a request, out of a named set" {
            set: String as Text, "the set's name";
            request: Request as Request, "what is wanted";
        }
        Encyclopedia -> "encyclopedia": "Articles of an encyclopedia, by words: their titles and how they begin" {
            query: String as Text, "words to look for";
        }
        Passage -> "passage": "The next passage that holds a term, in an article that Encyclopedia found" {
            title: String as Text, "the article's title";
            term: String as Text, "what the passage has to speak of";
        }
        Finish: "Hand what was found to the Manager" {
            result: String as Text, "what was found";
        }
    }
}

actions! {
    /// What the Interpreter may do.
    InterpreterAction of Interpreter {
        Summarize -> "summarize": "The most telling sentences of the text at hand" {
            sentences: u32 as Count, "how many";
        }
        Understand -> "understand": "Intent, titles, genres, years and numbers of the last message, over what was said before" {
        }
        Finish: "Hand the plain request to the Manager" {
            prompt: String as Text, "what is asked for";
        }
    }
}

actions! {
    /// What the Reflector may do.
    ReflectorAction of Reflector {
        Verdict: "Say whether the attempt stands, and why; a reason not to is advice for the next attempt" {
            correctness: bool as Flag, "whether the answer should be kept";
            reason: String as Text, "why, and what to do otherwise";
        }
    }
}

impl ManagerAction {
    fn settle_ids(&mut self, settle: &impl Fn(&mut String)) {
        match self {
            Self::Analyse { id, .. } => settle(id),
            Self::Plan { steps } => steps.iter_mut().for_each(|step| step.settle_ids(settle)),
            Self::Search { .. } | Self::Interpret { .. } | Self::Finish { .. } => {}
        }
    }
}

/// An action of any role.
#[derive(Clone, Debug, PartialEq)]
pub enum Action {
    /// Of the Manager.
    Manager(ManagerAction),
    /// Of the Analyst.
    Analyst(AnalystAction),
    /// Of the Searcher.
    Searcher(SearcherAction),
    /// Of the Interpreter.
    Interpreter(InterpreterAction),
    /// Of the Reflector.
    Reflector(ReflectorAction),
}

impl Action {
    /// The action number `index` of `role`.
    ///
    /// # Errors
    /// What is wrong with which argument.
    pub fn from_parts(role: AgentRole, index: usize, values: &[Json]) -> Result<Self, String> {
        Ok(match role {
            AgentRole::Manager => Self::Manager(ActionSet::from_parts(index, values)?),
            AgentRole::Analyst => Self::Analyst(ActionSet::from_parts(index, values)?),
            AgentRole::Searcher => Self::Searcher(ActionSet::from_parts(index, values)?),
            AgentRole::Interpreter => Self::Interpreter(ActionSet::from_parts(index, values)?),
            AgentRole::Reflector => Self::Reflector(ActionSet::from_parts(index, values)?),
        })
    }

    /// The number of the action among its role's, and its arguments.
    pub fn parts(&self) -> (usize, Vec<Json>) {
        match self {
            Self::Manager(action) => action.parts(),
            Self::Analyst(action) => action.parts(),
            Self::Searcher(action) => action.parts(),
            Self::Interpreter(action) => action.parts(),
            Self::Reflector(action) => action.parts(),
        }
    }

    /// Takes the prefix (`user_`, `item_`) off ids that are not `known` with it.
    pub(crate) fn settle_ids(&mut self, known: &dyn Fn(&str) -> bool) {
        let settle = |id: &mut String| {
            if !known(id) {
                *id = bare_id(id).to_owned();
            }
        };
        match self {
            Self::Manager(action) => action.settle_ids(&settle),
            Self::Analyst(action) => match action {
                AnalystAction::UserInfo { user }
                | AnalystAction::UserHistory { user, .. }
                | AnalystAction::RankCandidates { user, .. } => settle(user),
                AnalystAction::ItemInfo { item }
                | AnalystAction::ItemHistory { item, .. }
                | AnalystAction::SimilarItems { item, .. } => settle(item),
                AnalystAction::SimilarUsers { user, item, .. }
                | AnalystAction::PredictRating { user, item }
                | AnalystAction::Evidence { user, item } => {
                    settle(user);
                    settle(item);
                }
                AnalystAction::Finish { .. } => {}
            },
            Self::Searcher(SearcherAction::Similar { item, .. } | SearcherAction::Why { item, .. }) => {
                settle(item);
            }
            Self::Searcher(_) | Self::Interpreter(_) | Self::Reflector(_) => {}
        }
    }

    /// Whose action it is.
    pub fn role(&self) -> AgentRole {
        match self {
            Self::Manager(_) => AgentRole::Manager,
            Self::Analyst(_) => AgentRole::Analyst,
            Self::Searcher(_) => AgentRole::Searcher,
            Self::Interpreter(_) => AgentRole::Interpreter,
            Self::Reflector(_) => AgentRole::Reflector,
        }
    }

    /// What is told about the action.
    pub fn spec(&self) -> &'static ActionSpec {
        &self.role().specs()[self.parts().0]
    }

    /// The call of the tool behind the action, if there is one.
    pub fn tool_call(&self, id: impl Into<String>) -> Option<ToolCall> {
        let (index, values) = self.parts();
        let spec = &self.role().specs()[index];
        let arguments = spec.arguments.iter().map(|argument| argument.name).zip(values).collect();
        spec.tool.map(|tool| ToolCall::new(id, tool, arguments))
    }

    /// The text that ends the agent's work, if the action ends it.
    pub fn finishing_text(&self) -> Option<String> {
        match self {
            Self::Analyst(AnalystAction::Finish { report }) => Some(report.clone()),
            Self::Searcher(SearcherAction::Finish { result }) => Some(result.clone()),
            Self::Interpreter(InterpreterAction::Finish { prompt }) => Some(prompt.clone()),
            _ => None,
        }
    }
}

/// The text form.
impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.to_text())
    }
}

#[derive(Serialize, Deserialize)]
struct Tagged {
    role: AgentRole,
    #[serde(rename = "type")]
    kind: Json,
    content: Json,
}

/// As the JSON form with the role beside it.
impl Serialize for Action {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let json = self.to_json();
        let member = |name| json.get(name).cloned().unwrap_or_default();
        Tagged { role: self.role(), kind: member("type"), content: member("content") }.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Action {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let tagged = Tagged::deserialize(deserializer)?;
        let json = [("type", tagged.kind), ("content", tagged.content)].into_iter().collect();
        Self::from_json(tagged.role, &json).map_err(serde::de::Error::custom)
    }
}
