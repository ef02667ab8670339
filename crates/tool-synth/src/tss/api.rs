//! A synthesised API: typed fields with their meaning, and the [`ToolSpec`] that is all a solver sees of it.

use rand::RngExt;
use rec_core::json::Object;
use rec_core::random::Random;
use rec_core::{Json, ToolSpec};
use serde::Serialize;

use super::grammar::{Answer, Grammar, fill};
use super::kind::{Kind, pick};

/// Where a field's meaning, and so its wording, comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Said {
    /// A slot of the grammar.
    Slot(usize),
    /// The identifier of the object.
    Id,
    /// Which of several qualifiers, said as an adjective of the object.
    Qualifier,
    /// Which of several verbs.
    Action,
    /// A group: its members are said.
    Group,
}

/// What a field holds.
#[derive(Clone, Debug, PartialEq)]
pub enum Shape {
    /// One value.
    One(Kind),
    /// A list of values.
    Many(Kind),
    /// Named fields.
    Group(Vec<Field>),
}

/// A parameter, or a member of a result.
#[derive(Clone, Debug, PartialEq)]
pub struct Field {
    /// Its name as the tool spells it.
    pub name: String,
    /// What the schema says about it.
    pub description: String,
    /// What it holds.
    pub shape: Shape,
    /// Whether it must be given.
    pub required: bool,
    /// What holds if it is not given.
    pub default: Option<Json>,
    /// A pattern beyond that of its kind.
    pub pattern: Option<String>,
    /// Its meaning.
    pub said: Said,
}

impl Field {
    /// The field of a slot.
    pub fn of_slot(grammar: &Grammar, slot: usize, required: bool) -> Self {
        let entry = &grammar.slots[slot];
        let kind = entry.kind.clone();
        Self {
            name: entry.name.clone(),
            description: entry.description.clone(),
            shape: if entry.many { Shape::Many(kind) } else { Shape::One(kind) },
            required,
            default: None,
            pattern: None,
            said: Said::Slot(slot),
        }
    }

    /// Its JSON Schema.
    pub fn schema(&self) -> Json {
        let mut schema = match &self.shape {
            Shape::One(kind) => kind.schema(),
            Shape::Many(kind) => {
                let mut list = Object::new();
                list.insert("type".into(), Json::from("array"));
                list.insert("items".into(), Json::Object(kind.schema()));
                list
            }
            Shape::Group(fields) => object_schema(fields),
        };
        if let Some(pattern) = &self.pattern {
            schema.insert("pattern".into(), Json::from(pattern.as_str()));
            if let Some(example) = self.example() {
                schema.insert("examples".into(), Json::Array(vec![example]));
            }
        }
        if let Some(default) = &self.default {
            schema.insert("default".into(), default.clone());
        }
        // After the type, where readers look for it.
        schema.insert("description".into(), Json::from(self.description.as_str()));
        let last = schema.len() - 1;
        schema.move_index(last, 1);
        Json::Object(schema)
    }

    /// A value that is always the same.
    pub fn example(&self) -> Option<Json> {
        match &self.shape {
            Shape::One(kind) => Some(kind.sample(&mut rec_core::random::stream(0, "example", 0))),
            _ => None,
        }
    }

    /// How deep its values nest: 0 for a scalar, 1 for a list of scalars.
    pub fn nesting(&self) -> usize {
        match &self.shape {
            Shape::One(Kind::Items(_) | Kind::People | Kind::Route | Kind::Grid | Kind::Week) => 2,
            Shape::One(_) => 0,
            Shape::Many(_) => 1,
            Shape::Group(fields) => 1 + fields.iter().map(Self::nesting).max().unwrap_or(0),
        }
    }
}

/// The schema of an object with these fields.
pub fn object_schema(fields: &[Field]) -> Object {
    let required: Vec<&str> =
        fields.iter().filter(|field| field.required).map(|field| field.name.as_str()).collect();
    let properties: Json = fields.iter().map(|field| (field.name.as_str(), field.schema())).collect();
    let mut schema = Object::new();
    schema.insert("type".into(), Json::from("object"));
    schema.insert("properties".into(), properties);
    schema.insert("required".into(), Json::from(required));
    schema
}

/// How names are spelt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum NameStyle {
    /// `find_flights`
    Snake,
    /// `findFlights`
    Camel,
    /// `travel.find_flights`
    Dotted,
    /// `Find Flights`, as in ToolACE's public rows.
    Spaced,
}

impl NameStyle {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Snake, Self::Camel, Self::Dotted, Self::Spaced];

    /// A style, most often snake case.
    pub fn sample(random: &mut Random) -> Self {
        match random.random_range(0..20) {
            0..12 => Self::Snake,
            12..16 => Self::Camel,
            16..18 => Self::Dotted,
            _ => Self::Spaced,
        }
    }

    /// Words joined to the name of a function in `domain`.
    pub fn function(self, words: &str, domain: &str) -> String {
        let parts = parts(words);
        match self {
            Self::Snake => parts.join("_"),
            Self::Camel => camel(&parts),
            Self::Dotted => format!("{domain}.{}", parts.join("_")),
            Self::Spaced => parts.iter().map(|word| capitalised(word)).collect::<Vec<_>>().join(" "),
        }
    }

    /// Words joined to the name of a parameter.
    pub fn parameter(self, words: &str) -> String {
        let parts = parts(words);
        if self == Self::Camel { camel(&parts) } else { parts.join("_") }
    }
}

fn parts(words: &str) -> Vec<String> {
    words
        .split(|letter: char| !letter.is_ascii_alphanumeric())
        .filter(|part| !part.is_empty())
        .map(str::to_lowercase)
        .collect()
}

fn camel(parts: &[String]) -> String {
    parts
        .iter()
        .enumerate()
        .map(|(at, word)| if at == 0 { word.clone() } else { capitalised(word) })
        .collect()
}

/// `word` with a capital first letter.
pub fn capitalised(word: &str) -> String {
    let mut letters = word.chars();
    letters
        .next()
        .map_or_else(String::new, |first| first.to_uppercase().collect::<String>() + letters.as_str())
}

/// Where an API comes from.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Lineage {
    /// 0 for one that was adapted without an example, otherwise one more than its parent's.
    pub generation: usize,
    /// The example of the buffer it was evolved from.
    pub parent: Option<usize>,
    /// The operators that changed it, in order.
    pub operators: Vec<&'static str>,
}

/// An API of the pool.
#[derive(Clone, Debug, PartialEq)]
pub struct Api {
    /// Its place in the pool.
    pub id: usize,
    /// What solvers see.
    pub spec: ToolSpec,
    /// Index into [`Grammar::objects`].
    pub object: usize,
    /// Indices into the object's functions: one, or those that an `action` chooses from.
    pub functions: Vec<usize>,
    /// The qualifiers it covers; an empty one is the unqualified object.
    pub qualifiers: Vec<String>,
    /// The leaves of the tree that it owns.
    pub leaves: Vec<usize>,
    /// How its names are spelt.
    pub style: NameStyle,
    /// Which of a verb's stems its name takes.
    pub stem: usize,
    /// Its parameters.
    pub fields: Vec<Field>,
    /// The members of a result's records.
    pub returns: Vec<Field>,
    /// Where it comes from.
    pub lineage: Lineage,
}

impl Api {
    /// Index into [`Grammar::domains`].
    pub fn domain(&self, grammar: &Grammar) -> usize {
        grammar.objects[self.object].domain
    }

    /// The shape of its answers: that of its first verb.
    pub fn answer(&self, grammar: &Grammar) -> Answer {
        let object = &grammar.objects[self.object];
        grammar.verbs[object.functions[self.functions[0]].verb].answer
    }

    /// Writes name, description and schemas anew from the fields.
    pub fn render(&mut self, grammar: &Grammar) {
        let object = &grammar.objects[self.object];
        if let [one] = self.functions[..]
            && let Some(documented) = &object.functions[one].documented
        {
            self.spec.name.clone_from(&documented.name);
            self.spec.description.clone_from(&documented.description);
            self.spec.parameters = Json::Object(object_schema(&self.fields));
            self.spec.returns = Some(self.return_schema(grammar));
            return;
        }
        let domain = &grammar.domains[object.domain];
        let verb = &grammar.verbs[object.functions[self.functions[0]].verb];
        let qualifier = match &self.qualifiers[..] {
            [one] if !one.is_empty() => format!("{one} "),
            _ => String::new(),
        };
        let (singular, plural) =
            (format!("{qualifier}{}", object.singular), format!("{qualifier}{}", object.plural));
        let (words, mut description) = if self.functions.len() > 1 {
            let verbs: Vec<String> = self
                .functions
                .iter()
                .map(|at| grammar.verbs[object.functions[*at].verb].name.clone())
                .collect();
            let listed = super::kind::join_and(&verbs);
            (format!("manage {singular}"), format!("Manage one {singular}: {listed} it."))
        } else {
            let noun = if verb.answer == Answer::List { &plural } else { &singular };
            let mut words = format!("{} {noun}", verb.stems[self.stem % verb.stems.len()]);
            if self.qualifiers.len() > 1 {
                words.push_str(" by type");
            }
            (words, fill(&verb.description, &singular, &plural))
        };
        if self.qualifiers.len() > 1 {
            description.push_str(" Covers several types of them.");
        }
        self.spec.name = self.style.function(&words, &domain.name);
        self.spec.description = description;
        self.spec.parameters = Json::Object(object_schema(&self.fields));
        self.spec.returns = Some(self.return_schema(grammar));
    }

    fn return_schema(&self, grammar: &Grammar) -> Json {
        let field = |kind: &str, description: &str| -> Json {
            [("type", Json::from(kind)), ("description", Json::from(description))].into_iter().collect()
        };
        let object = |properties: Vec<(&str, Json)>| -> Json {
            let required: Vec<&str> = properties.iter().map(|(name, _)| *name).collect();
            let required = Json::from(required);
            let properties: Json = properties.into_iter().collect();
            [("type", Json::from("object")), ("properties", properties), ("required", required)]
                .into_iter()
                .collect()
        };
        let all: Vec<(&str, Json)> =
            self.returns.iter().map(|field| (field.name.as_str(), field.schema())).collect();
        match self.answer(grammar) {
            Answer::List => {
                let list: Json = [
                    ("type", Json::from("array")),
                    ("description", Json::from("What was found, best first")),
                    ("items", object(all)),
                ]
                .into_iter()
                .collect();
                object(vec![("results", list), ("total", field("integer", "How many were found"))])
            }
            Answer::Record => object(all),
            Answer::Number => {
                let mut members = vec![("value", field("number", "The figure"))];
                members.extend(all);
                object(members)
            }
            Answer::Receipt => {
                let mut members = all;
                let state: Json = [
                    ("type", Json::from("string")),
                    ("description", Json::from("What became of it")),
                    ("enum", Json::from(vec!["confirmed", "pending"])),
                ]
                .into_iter()
                .collect();
                members.push(("state", state));
                object(members)
            }
        }
    }

    /// The field of the object's identifier.
    pub fn id_field(grammar: &Grammar, object: usize, style: NameStyle) -> Field {
        let entry = &grammar.objects[object];
        Field {
            name: style.parameter(&format!("{} id", entry.singular)),
            description: format!("Identifier of the {}", entry.singular),
            shape: Shape::One(Kind::Identifier(entry.prefix.clone())),
            required: true,
            default: None,
            pattern: None,
            said: Said::Id,
        }
    }

    /// Leaves of the tree of fields with their paths: groups are entered.
    pub fn leaves_of(fields: &[Field]) -> Vec<(Vec<&str>, &Field)> {
        fn walk<'a>(fields: &'a [Field], path: &[&'a str], out: &mut Vec<(Vec<&'a str>, &'a Field)>) {
            for field in fields {
                let mut path = path.to_vec();
                path.push(&field.name);
                match &field.shape {
                    Shape::Group(members) => walk(members, &path, out),
                    _ => out.push((path, field)),
                }
            }
        }
        let mut out = Vec::new();
        walk(fields, &[], &mut out);
        out
    }

    /// The API that a document has for a function, as it has it; nothing for a function without.
    pub fn documented(grammar: &Grammar, object: usize, function: usize, leaf: usize) -> Option<Self> {
        let entry = grammar.objects[object].functions[function].documented.as_ref()?;
        let mut api = Self {
            id: 0,
            spec: ToolSpec::new("", "", Json::Null),
            object,
            functions: vec![function],
            qualifiers: vec![String::new()],
            leaves: vec![leaf],
            style: NameStyle::Snake,
            stem: 0,
            fields: entry.fields.clone(),
            returns: entry.returns.clone(),
            lineage: Lineage::default(),
        };
        api.render(grammar);
        Some(api)
    }

    /// The API of one sub-tree: an object's functions under qualifiers, before evolution.
    pub fn adapt(
        grammar: &Grammar,
        object: usize,
        functions: Vec<usize>,
        qualifiers: Vec<String>,
        leaves: Vec<usize>,
        random: &mut Random,
    ) -> Self {
        let entry = &grammar.objects[object];
        let style = NameStyle::sample(random);
        let mut fields = Vec::new();
        if functions.len() > 1 {
            let verbs: Vec<String> =
                functions.iter().map(|at| grammar.verbs[entry.functions[*at].verb].name.clone()).collect();
            fields.push(Field {
                name: "action".into(),
                description: format!("What to do with the {}", entry.singular),
                shape: Shape::One(Kind::Choice(verbs)),
                required: true,
                default: None,
                pattern: None,
                said: Said::Action,
            });
        }
        if functions.iter().any(|at| grammar.verbs[entry.functions[*at].verb].by_id) {
            fields.push(Self::id_field(grammar, object, style));
        }
        if qualifiers.len() > 1 {
            let values = qualifiers.iter().map(|name| name.replace('-', "_")).collect();
            let name: &&str = pick(&["type", "kind", "category"], random);
            fields.push(Field {
                name: style.parameter(name),
                description: format!("Which type of {}", entry.plural),
                shape: Shape::One(Kind::Choice(values)),
                required: true,
                default: None,
                pattern: None,
                said: Said::Qualifier,
            });
        }
        for at in &functions {
            for (slot, required) in &entry.functions[*at].slots {
                if fields.iter().any(|field| field.said == Said::Slot(*slot)) {
                    continue;
                }
                // Of several actions none can require what the others do not take.
                let mut field = Field::of_slot(grammar, *slot, *required && functions.len() == 1);
                field.name = style.parameter(&field.name);
                fields.push(field);
            }
        }
        let mut returns = vec![Self::id_field(grammar, object, style)];
        for slot in &entry.fields {
            let mut field = Field::of_slot(grammar, *slot, true);
            field.name = style.parameter(&field.name);
            returns.push(field);
        }
        let mut api = Self {
            id: 0,
            spec: ToolSpec::new("", "", Json::Null),
            object,
            functions,
            qualifiers,
            leaves,
            style,
            stem: random.random_range(0..4),
            fields,
            returns,
            lineage: Lineage::default(),
        };
        api.render(grammar);
        api
    }
}
