//! Verbs and nouns of documents: what names of operations mean, and what people say for them.

use super::grammar::Answer;

/// What a verb does, where its name says so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Act {
    List,
    Get,
    Number,
    Make,
    Change,
    /// A verb that says nothing of the answer.
    Other,
}

/// Verbs of names, what people say for them, and what they do.
const VERBS: &[(&[&str], &[&str], Act)] = &[
    (&["search", "find"], &["find", "search for", "look for"], Act::List),
    (&["list", "browse"], &["list"], Act::List),
    (&["recommend", "suggest"], &["recommend", "suggest"], Act::List),
    (&["get", "fetch", "retrieve", "show"], &["get", "show me"], Act::Get),
    (&["track", "monitor"], &["track"], Act::Get),
    (&["check", "verify"], &["check"], Act::Get),
    (&["calculate", "compute"], &["calculate", "compute"], Act::Number),
    (&["estimate", "quote"], &["estimate"], Act::Number),
    (&["convert"], &["convert"], Act::Number),
    (&["book", "reserve"], &["book", "reserve"], Act::Make),
    (&["order", "buy", "purchase"], &["order", "buy"], Act::Make),
    (&["create", "add"], &["create", "add"], Act::Make),
    (&["register", "enroll"], &["register"], Act::Make),
    (&["schedule", "plan", "arrange"], &["schedule", "plan"], Act::Make),
    (&["send", "deliver", "dispatch"], &["send"], Act::Make),
    (&["report", "submit"], &["report", "submit"], Act::Make),
    (&["update", "modify", "change", "edit"], &["update", "change"], Act::Change),
    (&["delete", "remove"], &["delete", "remove"], Act::Change),
    (&["cancel", "revoke"], &["cancel"], Act::Change),
    (&["rate", "review"], &["rate"], Act::Change),
    (&["share", "forward"], &["share"], Act::Change),
    (&["subscribe", "watch"], &["subscribe to"], Act::Make),
];

/// Verbs that are said as they are.
const OTHERS: &[&str] = &[
    "accept",
    "activate",
    "approve",
    "archive",
    "assign",
    "block",
    "charge",
    "close",
    "compare",
    "complete",
    "confirm",
    "copy",
    "count",
    "deactivate",
    "deposit",
    "disable",
    "download",
    "enable",
    "end",
    "export",
    "extend",
    "finish",
    "generate",
    "hire",
    "import",
    "invite",
    "join",
    "lock",
    "merge",
    "move",
    "open",
    "pause",
    "pay",
    "play",
    "print",
    "publish",
    "read",
    "refund",
    "reject",
    "rename",
    "renew",
    "rent",
    "replace",
    "request",
    "reset",
    "restore",
    "resume",
    "return",
    "run",
    "save",
    "select",
    "set",
    "sign",
    "sort",
    "start",
    "stop",
    "summarize",
    "sync",
    "transfer",
    "translate",
    "unlock",
    "upload",
    "validate",
    "withdraw",
    "write",
];

/// Words after which a tool's name tells of its parameters: `find_pets_by_status`.
pub(super) const CONDITIONS: &[&str] = &["by", "for", "from", "in", "with", "of", "to", "at", "on"];

pub(super) fn verb_entry(word: &str) -> Option<(&'static [&'static str], Act)> {
    let known = VERBS.iter().find(|(words, ..)| words.contains(&word));
    known
        .map(|(_, sayings, act)| (*sayings, *act))
        .or_else(|| OTHERS.contains(&word).then_some((&[], Act::Other)))
}

/// What an operation is about.
#[derive(Clone, Debug)]
pub(super) struct Noun {
    /// One of it.
    pub(super) singular: String,
    /// Many of it.
    pub(super) plural: String,
    /// Whether the document names many of it.
    pub(super) many: bool,
}

impl Noun {
    /// Of the words of a path's segment, or of a name.
    pub(super) fn of(words: &[String]) -> Self {
        let Some((last, before)) = words.split_last() else {
            return Self { singular: "entry".into(), plural: "entries".into(), many: false };
        };
        let (one, many) = (singular(last), plural(&singular(last)));
        let whole =
            |word: &str| before.iter().map(String::as_str).chain([word]).collect::<Vec<_>>().join(" ");
        Self { singular: whole(&one), plural: whole(&many), many: one != *last }
    }
}

const IRREGULAR: &[(&str, &str)] = &[
    ("person", "people"),
    ("child", "children"),
    ("series", "series"),
    ("news", "news"),
    ("weather", "weather"),
    ("information", "information"),
    ("status", "statuses"),
    ("inventory", "inventory"),
    ("media", "media"),
];

fn singular(word: &str) -> String {
    if let Some((one, _)) = IRREGULAR.iter().find(|(one, many)| word == *one || word == *many) {
        return (*one).to_owned();
    }
    let cut = |ending: usize, with: &str| format!("{}{with}", &word[..word.len() - ending]);
    match word {
        _ if word.len() > 4 && word.ends_with("ies") => cut(3, "y"),
        _ if ["sses", "shes", "ches", "xes", "zzes"].iter().any(|ending| word.ends_with(ending)) => {
            cut(2, "")
        }
        // Buses, but not houses and causes.
        _ if word.ends_with("uses") && !word.ends_with("ouses") && !word.ends_with("auses") => cut(2, ""),
        _ if word.len() < 4 || ["ss", "us", "is"].iter().any(|ending| word.ends_with(ending)) => {
            word.to_owned()
        }
        _ if word.ends_with('s') => cut(1, ""),
        _ => word.to_owned(),
    }
}

fn plural(word: &str) -> String {
    let known = IRREGULAR.iter().find(|(one, _)| word == *one);
    known.map_or_else(|| super::mutate::plural(word), |(_, many)| (*many).to_owned())
}

/// What people say for an operation: its verb and those that mean the same.
pub(super) fn requests(verb: &str, noun: &Noun, answer: Answer, by_id: bool) -> Vec<String> {
    let (sayings, act) = verb_entry(verb).unwrap_or((&[], Act::Other));
    let sayings: Vec<&str> = if sayings.is_empty() { vec![verb] } else { sayings.to_vec() };
    let mut all = Vec::new();
    for say in sayings {
        match (by_id, answer) {
            (true, _) if act == Act::Get && matches!(say, "get" | "show me") => {
                all.push(format!("{say} the details of the {{object}} {{id}}"));
            }
            (true, _) => all.push(format!("{say} the {{object}} {{id}}")),
            (false, Answer::List) => {
                all.extend([format!("{say} {{objects}}"), format!("{say} the {{objects}}")])
            }
            (false, Answer::Receipt) if act == Act::Make => all.push(format!("{say} {{a_object}}")),
            (false, _) if noun.many => all.push(format!("{say} the {{objects}}")),
            (false, _) => all.push(format!("{say} the {{object}}")),
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_and_many() {
        for (one, many) in [
            ("pet", "pets"),
            ("category", "categories"),
            ("box", "boxes"),
            ("address", "addresses"),
            ("bus", "buses"),
            ("house", "houses"),
            ("person", "people"),
            ("bike", "bikes"),
            ("status", "statuses"),
        ] {
            assert_eq!((singular(many).as_str(), plural(one).as_str()), (one, many));
        }
        let words = |text: &str| text.split(' ').map(str::to_owned).collect::<Vec<_>>();
        let noun = Noun::of(&words("gift cards"));
        assert_eq!(
            (noun.singular.as_str(), noun.plural.as_str(), noun.many),
            ("gift card", "gift cards", true)
        );
        assert!(!Noun::of(&words("weather")).many);
    }

    #[test]
    fn what_is_said_for_a_verb() {
        let noun = Noun::of(&["pets".to_owned()]);
        assert_eq!(
            requests("delete", &noun, Answer::Receipt, true),
            ["delete the {object} {id}", "remove the {object} {id}"]
        );
        assert_eq!(requests("groom", &noun, Answer::Receipt, true), ["groom the {object} {id}"]);
        assert_eq!(requests("list", &noun, Answer::List, false), ["list {objects}", "list the {objects}"]);
    }
}
