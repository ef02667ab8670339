//! Parameters of documents as fields: schemas become kinds, names become words that people say.

use std::collections::HashMap;

use rec_core::Json;
use rec_core::json::Object;

use super::api::{Field, Said, Shape, capitalised};
use super::grammar::{Grammar, Slot};
use super::kind::Kind;
use crate::engine::solver::words_of;
use crate::schema::{self, violations};

/// What texts say that nothing is known of. People quote them.
const TEXTS: &[&str] = &[
    "blue folder",
    "second floor",
    "morning shift",
    "north gate",
    "window seat",
    "spare key",
    "green label",
    "quiet corner",
    "winter edition",
    "old harbour",
    "silver line",
    "first draft",
];

/// Parts of names that hang on another word: `isIndoor` is said as "that is indoor", `withHelmet` as "with helmet".
const FLAG_WORDS: &[&str] = &["is", "has", "with", "include", "includes", "only", "allow"];

/// Names that are said before their value as they are: `from`, `until`.
const PREPOSITIONS: &[&str] = &["from", "to", "until", "since", "before", "after", "near", "at"];

/// Words by which readers of schemas know places and people: they have no business in the description of a plain text.
const TELLTALE: &[&str] = &["city", "cities", "country", "person", "contact", "author", "doctor", "language"];

/// Whose names are people's.
const PERSONS: &[&str] = &[
    "person",
    "customer",
    "client",
    "contact",
    "owner",
    "user",
    "member",
    "guest",
    "patient",
    "employee",
    "author",
    "doctor",
    "driver",
    "first",
    "last",
    "full",
    "account",
    "student",
    "teacher",
    "traveller",
    "passenger",
    "sender",
    "holder",
];

/// Reads the schemas of one document.
#[derive(Default)]
pub(super) struct Reader {
    /// By object: its prefix, and the name and kind of its identifier.
    objects: HashMap<String, (String, Option<(String, Kind)>)>,
    /// What the operation that is open leaves out.
    pub(super) notes: Vec<String>,
    place: String,
    object: String,
}

impl Reader {
    /// Makes an object known, with the parameter that names one of it.
    pub(super) fn object(&mut self, singular: &str, id: Option<&str>, schema: Option<&Json>) {
        let prefix = self.prefix(singular);
        let kind = |prefix: &str| match schema.map(plain).as_ref().and_then(schema::type_of) {
            Some("integer") => Kind::Integer(1, 99_999),
            _ => Kind::Identifier(prefix.to_owned()),
        };
        let entry = self.objects.entry(singular.to_owned()).or_insert((prefix, None));
        if let (None, Some(name)) = (&entry.1, id) {
            entry.1 = Some((cleaned(name), kind(&entry.0)));
        }
    }

    /// What the identifiers of an object begin with: its letters, not another's.
    pub(super) fn prefix(&self, singular: &str) -> String {
        if let Some((known, _)) = self.objects.get(singular) {
            return known.clone();
        }
        let letters: Vec<char> =
            singular.chars().filter(char::is_ascii_alphabetic).map(|c| c.to_ascii_uppercase()).collect();
        let first = *letters.first().unwrap_or(&'I');
        let taken = |prefix: &String| {
            self.objects.values().any(|(known, _)| known == prefix)
                || Grammar::embedded().objects.iter().any(|object| object.prefix == *prefix)
        };
        let pairs = letters.iter().skip(1).map(|second| format!("{first}{second}"));
        let triples = letters.iter().skip(2).map(|third| format!("{first}{}{third}", letters[1]));
        let numbered = (2..).map(|number| format!("{first}{number}"));
        pairs.chain(triples).chain(numbered).find(|prefix| !taken(prefix)).unwrap_or_default()
    }

    /// The kind of an object's identifiers.
    pub(super) fn identifier(&self, singular: &str) -> Kind {
        match self.objects.get(singular) {
            Some((_, Some((_, kind)))) => kind.clone(),
            _ => Kind::Identifier(self.prefix(singular)),
        }
    }

    /// What calls name an object's identifier, if any does.
    pub(super) fn id_name(&self, singular: &str) -> Option<String> {
        self.objects.get(singular)?.1.as_ref().map(|(name, _)| name.clone())
    }

    /// Begins with another operation.
    pub(super) fn open(&mut self, place: &str, object: &str) {
        place.clone_into(&mut self.place);
        object.clone_into(&mut self.object);
        self.notes.clear();
    }

    /// The parameters of a call. The error tells which required one has no kind.
    pub(super) fn fields(
        &mut self,
        parameters: &Json,
        unsaid: &[String],
        grammar: &mut Grammar,
    ) -> Result<Vec<Field>, String> {
        let parameters = plain(parameters);
        let object = self.object.clone();
        let mut fields = self.group(&parameters, &object, unsaid, &[], grammar)?;
        let family = |field: &Field| match &field.shape {
            Shape::One(Kind::Integer(..)) => Some(std::mem::discriminant(&Kind::Number(0.0, 0.0))),
            Shape::One(kind) | Shape::Many(kind) => Some(std::mem::discriminant(kind)),
            Shape::Group(_) => None,
        };
        let families: Vec<_> = fields.iter().map(family).collect();
        for (at, field) in fields.iter_mut().enumerate() {
            // "In Oslo" tells nothing where two cities are asked for.
            let only = families.iter().filter(|family| **family == families[at]).count() == 1;
            if let (true, Said::Slot(slot)) = (only, field.said) {
                field.said = Said::Slot(more_phrases(slot, grammar));
            }
        }
        Ok(fields)
    }

    /// The members of a record that have a kind; nothing of the others is told.
    pub(super) fn members(&mut self, record: &Json, grammar: &mut Grammar) -> Vec<Field> {
        let (object, kept) = (self.object.clone(), self.notes.len());
        let mut all = Vec::new();
        for (name, property) in schema::properties(record) {
            let property = plain(property);
            if property.get("properties").is_none()
                && let Ok(field) = self.field(name, &property, true, &object, &[], grammar)
            {
                all.push(field);
            }
        }
        self.notes.truncate(kept);
        all
    }

    /// The members of an object that belong to `owner`; `outer` are the words of the groups around.
    fn group(
        &mut self,
        object: &Json,
        owner: &str,
        unsaid: &[String],
        outer: &[String],
        grammar: &mut Grammar,
    ) -> Result<Vec<Field>, String> {
        let required: Vec<&str> = schema::required(object).collect();
        let mut fields: Vec<Field> = Vec::new();
        for (name, property) in schema::properties(object) {
            let must = required.contains(&name);
            let told = if unsaid.iter().any(|known| known == name) {
                self.notes.push(format!(
                    "{}: parameter {name}: left out: headers and cookies are not said",
                    self.place
                ));
                continue;
            } else if fields.iter().any(|field| field.name == cleaned(name)) {
                Err("another is called the same".to_owned())
            } else {
                self.field(name, &plain(property), must, owner, outer, grammar)
            };
            match told {
                Ok(field) => {
                    if field.name != name {
                        self.notes.push(format!("{}: parameter {name}: called {}", self.place, field.name));
                    }
                    fields.push(field);
                }
                Err(why) if must => return Err(format!("parameter {name} is required: {why}")),
                Err(why) => self.notes.push(format!("{}: parameter {name}: left out: {why}", self.place)),
            }
        }
        Ok(fields)
    }

    fn field(
        &mut self,
        name: &str,
        schema: &Json,
        required: bool,
        owner: &str,
        outer: &[String],
        grammar: &mut Grammar,
    ) -> Result<Field, String> {
        let mut words = words_of(name);
        if words.is_empty() {
            return Err("a name without letters".to_owned());
        }
        let described = described(schema, &words, owner);
        let (name, default) = (cleaned(name), None);
        if schema.get("properties").is_some() {
            let mut outer = outer.to_vec();
            outer.extend(words.iter().cloned());
            let mut members = self.group(schema, &words.join(" "), &[], &outer, grammar)?;
            if members.is_empty() {
                return Err("an object without members that could be said".to_owned());
            }
            // What must be there must hold something.
            if required && !members.iter().any(|member| member.required) {
                members[0].required = true;
            }
            let shape = Shape::Group(members);
            return Ok(Field {
                name,
                description: described,
                shape,
                required,
                default,
                pattern: None,
                said: Said::Group,
            });
        }
        let many = schema::type_of(schema) == Some("array");
        let (kind, pattern) = if many {
            let item = schema.get("items").map(plain).ok_or("a list of anything")?;
            let count = |bound: &str| schema.get(bound).and_then(Json::as_i64);
            if count("maxItems").is_some_and(|most| most < 2)
                || count("minItems").is_some_and(|least| least > 2)
            {
                return Err("lists have two or three items here".to_owned());
            }
            match self.listed(&item) {
                Some(kind) => (kind, None),
                None => match self.kind(&item, &words)? {
                    (Kind::Choice(_) | Kind::Flag, _) => return Err("a list of choices".to_owned()),
                    (_, Some(_)) => return Err("a list of texts with a pattern".to_owned()),
                    (kind, None) => (kind, None),
                },
            }
        } else {
            self.kind(schema, &words)?
        };
        let many = many && !kind.is_nested();
        let plainly = matches!(kind, Kind::Title(_) | Kind::Word(_));
        let tells = |text: &str| words_of(text).iter().any(|word| TELLTALE.contains(&word.as_str()));
        let description =
            if plainly && tells(&described) && !words.iter().any(|word| TELLTALE.contains(&word.as_str())) {
                capitalised(&words.join(" "))
            } else {
                described
            };
        let default = schema.get("default").filter(|value| {
            !required
                && !many
                && !kind.is_nested()
                && violations(value, &Json::Object(kind.schema())).is_empty()
        });
        let key = words.join("_");
        // "The owner name" where the call has a name of its own.
        if let Some(group) = outer.last().filter(|group| !words.contains(group) && words.len() == 1) {
            words.insert(0, group.clone());
        }
        let slot = slot(key, &words, kind.clone(), many, &description)?;
        let at = kept(slot, grammar);
        let default = default.cloned();
        let shape = if many { Shape::Many(kind) } else { Shape::One(kind) };
        Ok(Field { name, description, shape, required, default, pattern, said: Said::Slot(at) })
    }

    /// The two lists of records that people can say.
    fn listed(&self, item: &Json) -> Option<Kind> {
        let of = |name: &str| {
            schema::properties(item)
                .find(|(known, _)| *known == name)
                .and_then(|(_, kind)| schema::type_of(kind))
        };
        match (schema::properties(item).count(), of("name"), of("quantity"), of("age")) {
            (2, Some("string"), Some("integer"), _) => {
                let list = Grammar::embedded().lists.get("goods").cloned();
                Some(Kind::Items(list.unwrap_or_default()))
            }
            (2, Some("string"), _, Some("integer")) => Some(Kind::People),
            _ => None,
        }
    }

    /// The kind of a scalar, and a pattern beyond it.
    fn kind(&self, schema: &Json, words: &[String]) -> Result<(Kind, Option<String>), String> {
        if let Some(values) = schema.get("enum").and_then(Json::as_array) {
            let sayable = |text: &&str| {
                text.starts_with(|letter: char| letter.is_alphabetic())
                    && text
                        .chars()
                        .all(|letter| letter.is_alphanumeric() || matches!(letter, '_' | '-' | ' '))
            };
            let texts: Vec<String> =
                values.iter().filter_map(Json::as_str).filter(sayable).map(str::to_owned).collect();
            return if texts.is_empty() {
                Err("choices that are no words".to_owned())
            } else {
                Ok((Kind::Choice(texts), None))
            };
        }
        match schema::type_of(schema) {
            Some("boolean") => Ok((Kind::Flag, None)),
            Some("integer") => {
                let (low, high) = self.bounds(schema, words, true)?;
                Ok((Kind::Integer(low as i64, high as i64), None))
            }
            Some("number") => {
                let (low, high) = self.bounds(schema, words, false)?;
                Ok((Kind::Number(low, high), None))
            }
            Some("string") => self.text(schema, words),
            Some(other) => Err(format!("{other} is of no kind that people say")),
            None => Err("its schema has no type".to_owned()),
        }
    }

    fn bounds(&self, schema: &Json, words: &[String], whole: bool) -> Result<(f64, f64), String> {
        let figure = |name: &str| schema.get(name).and_then(Json::as_f64);
        let step = if whole { 1.0 } else { 0.5 };
        if figure("multipleOf").is_some_and(|of| of <= 0.0 || (step / of).fract() != 0.0) {
            return Err("multiples of a step".to_owned());
        }
        let strict = |name: &str| schema.get(name).and_then(Json::as_bool) == Some(true);
        let low = figure("exclusiveMinimum").map(|low| low + step).or_else(|| {
            figure("minimum").map(|low| if strict("exclusiveMinimum") { low + step } else { low })
        });
        let high = figure("exclusiveMaximum").map(|high| high - step).or_else(|| {
            figure("maximum").map(|high| if strict("exclusiveMaximum") { high - step } else { high })
        });
        let usual = self.known(words).find_map(|slot| match &slot.kind {
            Kind::Integer(low, high) => Some((*low as f64, *high as f64)),
            Kind::Number(low, high) => Some((*low, *high)),
            _ => None,
        });
        let id = words.last().is_some_and(|word| word == "id");
        let (least, most) = usual.unwrap_or(if id { (1.0, 99_999.0) } else { (1.0, 60.0) });
        let (mut low, mut high) = match (low, high) {
            (Some(low), Some(high)) => (low, high),
            (Some(low), None) => (low, if most > low { most } else { low.abs().mul_add(2.0, low) + 60.0 }),
            (None, Some(high)) => (if least < high { least } else { high - 60.0 }, high),
            (None, None) => (least, most),
        };
        if whole {
            (low, high) = (low.ceil(), high.floor());
        }
        if low > high {
            return Err("its minimum is above its maximum".to_owned());
        }
        Ok((low.clamp(-1e9, 1e9), high.clamp(-1e9, 1e9)))
    }

    /// Slots of the embedded grammar that the words may mean, the nearest first.
    fn known<'a>(&'a self, words: &'a [String]) -> impl Iterator<Item = &'static Slot> + 'a {
        let grammar = Grammar::embedded();
        let whole = words.join("_");
        let owned = format!("{}_{whole}", self.object.replace(' ', "_"));
        let last = words.last().cloned().unwrap_or_default();
        // Pets, rooms and files have names that are no person's.
        let about = words.len().checked_sub(2).map_or(self.object.as_str(), |at| words[at].as_str());
        let personal = PERSONS.iter().any(|word| about.ends_with(word));
        let names = [owned, whole, last].into_iter().filter(move |name| name != "name" || personal);
        names.filter_map(|name| grammar.slot_named(&name)).map(|at| &grammar.slots[at])
    }

    fn text(&self, schema: &Json, words: &[String]) -> Result<(Kind, Option<String>), String> {
        let own = |name: &str| schema.get(name).and_then(Json::as_str);
        let kind = match own("format") {
            Some("date") => Some(Kind::Date),
            Some("time") => Some(Kind::Time),
            Some("email") => Some(Kind::Email),
            Some("uri" | "url") => Some(Kind::Url),
            _ => None,
        };
        if let Some(kind) = kind {
            return Ok((kind, None));
        }
        if own("format") == Some("uuid") || words.last().is_some_and(|word| word == "id") {
            let about: Vec<&str> = words.iter().map(String::as_str).filter(|word| *word != "id").collect();
            let about = if about.is_empty() { self.object.clone() } else { about.join(" ") };
            // A text, even if the path of the other object has a number.
            return Ok((Kind::Identifier(self.prefix(&about)), None));
        }
        let listed = schema.get("examples").and_then(Json::as_array).unwrap_or_default();
        let single = ["example", "default"].into_iter().filter_map(|name| schema.get(name));
        let length = |name: &str| schema.get(name).and_then(Json::as_i64);
        let fits = |text: &str| {
            let count = text.chars().count() as i64;
            length("minLength").is_none_or(|least| count >= least)
                && length("maxLength").is_none_or(|most| count <= most)
                && own("pattern").is_none_or(|pattern| schema::matches(pattern, text))
                && !text.is_empty()
                && !text.contains(['"', '“', '”', '\n'])
        };
        let mut values: Vec<String> = listed
            .iter()
            .chain(single)
            .filter_map(Json::as_str)
            .filter(|text| fits(text))
            .map(str::to_owned)
            .collect();
        values.dedup();
        let pattern = own("pattern").map(str::to_owned);
        if values.is_empty() && pattern.is_none() && own("format").is_none() {
            let usual = self.known(words).find_map(|slot| match &slot.kind {
                Kind::Choice(values) => Some(Kind::Word(values.clone())),
                kind @ (Kind::City
                | Kind::Country
                | Kind::Person
                | Kind::Email
                | Kind::Phone
                | Kind::Url
                | Kind::Date
                | Kind::Time
                | Kind::Currency
                | Kind::Word(_)
                | Kind::Title(_)) => Some(kind.clone()),
                _ => None,
            });
            if let Some(kind) = usual {
                return Ok((kind, None));
            }
        }
        if values.is_empty() {
            values = TEXTS.iter().filter(|text| fits(text)).map(|text| (*text).to_owned()).collect();
        }
        if values.is_empty() {
            return Err("a text of a form that no example shows".to_owned());
        }
        Ok((Kind::Title(values), pattern))
    }
}

fn same(a: &Slot, b: &Slot) -> bool {
    a.name == b.name
        && a.kind == b.kind
        && a.many == b.many
        && a.description == b.description
        && a.phrases == b.phrases
}

/// The slot with what people say for the slot of that name in the embedded grammar, if it is of the same kind.
fn more_phrases(slot: usize, grammar: &mut Grammar) -> usize {
    let known = Grammar::embedded();
    let mut more = grammar.slots[slot].clone();
    let Some(usual) = known.slot_named(&more.name).map(|at| &known.slots[at]) else { return slot };
    let numbers = |kind: &Kind| matches!(kind, Kind::Integer(..) | Kind::Number(..));
    let alike = usual.kind == more.kind || (numbers(&usual.kind) && numbers(&more.kind));
    if !alike || usual.many != more.many || more.kind == Kind::Flag {
        return slot;
    }
    let new =
        usual.phrases.iter().filter(|phrase| !more.phrases.contains(phrase)).cloned().collect::<Vec<_>>();
    more.phrases.extend(new);
    kept(more, grammar)
}

/// The place of a slot; it is added if it is new.
fn kept(slot: Slot, grammar: &mut Grammar) -> usize {
    grammar.slots.iter().position(|known| same(known, &slot)).unwrap_or_else(|| {
        grammar.slots.push(slot);
        grammar.slots.len() - 1
    })
}

/// The slot of a parameter: what people say for it holds the words of its name.
fn slot(key: String, words: &[String], kind: Kind, many: bool, description: &str) -> Result<Slot, String> {
    let mut denial = None;
    let bare: Vec<&str> = words.iter().map(String::as_str).collect();
    let phrases = if kind == Kind::Flag {
        let telling: Vec<&str> = bare.iter().copied().filter(|word| !FLAG_WORDS.contains(word)).collect();
        let said = telling.join(" ");
        let last = telling.last().ok_or("a truth value whose name says nothing")?;
        let state = bare[0] == "is" || ["ed", "able", "ible"].iter().any(|ending| last.ends_with(ending));
        denial = Some(if state { format!("that is not {said}") } else { format!("without {said}") });
        vec![if state { format!("that is {said}") } else { format!("with {said}") }]
    } else {
        let id = bare.len() > 1 && bare.last() == Some(&"id");
        let said = if id { bare[..bare.len() - 1].join(" ") } else { bare.join(" ") };
        match kind {
            Kind::Identifier(_) | Kind::Integer(..) if id => vec![format!("for the {said} {{v}}")],
            _ if PREPOSITIONS.contains(&said.as_str()) => vec![format!("{said} {{v}}")],
            Kind::Integer(..) | Kind::Number(..) if !many && bare[bare.len() - 1].ends_with('s') => {
                vec![format!("with {{v}} {said}")]
            }
            Kind::Integer(..) | Kind::Number(..) if !many => {
                vec![
                    super::grammar::fill("with {a_object} of {v}", &said, ""),
                    format!("with the {said} {{v}}"),
                ]
            }
            _ => vec![format!("with the {said} {{v}}")],
        }
    };
    Ok(Slot { name: key, kind, many, description: description.to_owned(), phrases, denial })
}

/// What the schema says of itself, in one sentence, or the words of its name.
fn described(schema: &Json, words: &[String], owner: &str) -> String {
    let own =
        schema.get("description").or_else(|| schema.get("title")).and_then(Json::as_str).unwrap_or_default();
    let first =
        own.trim().split(['\n', ';']).next().unwrap_or_default().split(". ").next().unwrap_or_default();
    let first: String =
        first.trim_end_matches('.').chars().filter(|letter| !matches!(letter, '`' | '*')).take(120).collect();
    let said = words.join(" ");
    match first.trim() {
        "" if said.ends_with("id") => {
            format!("Identifier of the {}", said.strip_suffix(" id").unwrap_or(owner))
        }
        "" if said == owner => capitalised(&said),
        "" => format!("{} of the {owner}", capitalised(&said)),
        text => text.to_owned(),
    }
}

/// Whether a member of an object's records is its own identifier.
pub(super) fn is_id(name: &str, singular: &str) -> bool {
    let words = words_of(name);
    words == ["id"] || words.join(" ") == format!("{singular} id")
}

/// A parameter's name as a Python function can have it.
pub(super) fn cleaned(name: &str) -> String {
    const KEYWORDS: &[&str] = &[
        "False", "None", "True", "and", "as", "assert", "async", "await", "break", "class", "continue",
        "def", "del", "elif", "else", "except", "finally", "for", "from", "global", "if", "import", "in",
        "is", "lambda", "nonlocal", "not", "or", "pass", "raise", "return", "try", "while", "with", "yield",
    ];
    let parts: Vec<&str> = name
        .split(|letter: char| !letter.is_alphanumeric() && letter != '_')
        .filter(|part| !part.is_empty())
        .collect();
    let joined = parts.join("_");
    match joined.chars().next() {
        None => "value".to_owned(),
        Some(first) if first.is_numeric() => format!("_{joined}"),
        _ if KEYWORDS.contains(&joined.as_str()) => format!("{joined}_"),
        _ => joined,
    }
}

/// A schema with its `allOf` joined, the first of its alternatives taken, and null set aside.
pub(super) fn plain(schema: &Json) -> Json {
    let Some(members) = schema.as_object() else { return Json::Object(Object::new()) };
    let mut out = members.clone();
    for name in ["allOf", "anyOf", "oneOf"] {
        let Some(Json::Array(parts)) = out.shift_remove(name) else { continue };
        let mut parts = parts.iter().map(plain).filter(|part| schema::type_of(part) != Some("null"));
        if name == "allOf" {
            parts.for_each(|part| join(&mut out, &part));
        } else if let Some(part) = parts.next() {
            join(&mut out, &part);
        }
    }
    if let Some(Json::Array(kinds)) = out.get("type").cloned()
        && let Some(kind) = kinds.into_iter().find(|kind| kind.as_str() != Some("null"))
    {
        out.insert("type".into(), kind);
    }
    if out.contains_key("properties") && !out.contains_key("type") {
        out.insert("type".into(), Json::from("object"));
    }
    Json::Object(out)
}

fn join(out: &mut Object, part: &Json) {
    for (name, value) in part.as_object().into_iter().flatten() {
        match (name.as_str(), out.get_mut(name), value) {
            ("properties", Some(Json::Object(known)), Json::Object(more)) => {
                known.extend(more.iter().map(|(name, value)| (name.clone(), value.clone())));
            }
            ("required", Some(Json::Array(known)), Json::Array(more)) => known.extend(more.iter().cloned()),
            (_, Some(_), _) => {}
            (_, None, value) => {
                out.insert(name.clone(), value.clone());
            }
        }
    }
}
