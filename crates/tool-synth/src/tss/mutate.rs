//! Evolution's operators: each changes an API to another valid one, or leaves it as it is.

use rand::RngExt;
use rec_core::Json;
use rec_core::random::Random;

use super::api::{Api, Field, NameStyle, Said, Shape};
use super::grammar::{Answer, Grammar};
use super::kind::{Kind, pick};

/// A change of an API.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Operator {
    /// One more optional parameter.
    AddParameter,
    /// One optional parameter less.
    DropOptional,
    /// An optional parameter becomes required.
    Require,
    /// A required parameter becomes optional.
    Unrequire,
    /// A scalar becomes a scalar of another type.
    Retype,
    /// A scalar becomes a list.
    Widen,
    /// Parameters move into an object.
    Nest,
    /// An open text becomes one of a few values.
    AddEnum,
    /// Bounds become narrower.
    AddRange,
    /// A text gets a pattern.
    AddPattern,
    /// An optional parameter gets a default.
    AddDefault,
    /// One more member of the result.
    AddReturnField,
    /// A member of the result changes its type.
    RetypeReturn,
    /// Another qualifier of the object is covered too.
    MergeFunctionality,
    /// Only the first of several qualifiers is covered.
    SplitFunctionality,
    /// Names are spelt in another style.
    Rename,
}

impl Operator {
    /// All of them.
    pub const ALL: [Self; 16] = [
        Self::AddParameter,
        Self::DropOptional,
        Self::Require,
        Self::Unrequire,
        Self::Retype,
        Self::Widen,
        Self::Nest,
        Self::AddEnum,
        Self::AddRange,
        Self::AddPattern,
        Self::AddDefault,
        Self::AddReturnField,
        Self::RetypeReturn,
        Self::MergeFunctionality,
        Self::SplitFunctionality,
        Self::Rename,
    ];

    /// Its name in a lineage.
    pub fn name(self) -> &'static str {
        match self {
            Self::AddParameter => "add_parameter",
            Self::DropOptional => "drop_optional",
            Self::Require => "require",
            Self::Unrequire => "unrequire",
            Self::Retype => "retype",
            Self::Widen => "widen",
            Self::Nest => "nest",
            Self::AddEnum => "add_enum",
            Self::AddRange => "add_range",
            Self::AddPattern => "add_pattern",
            Self::AddDefault => "add_default",
            Self::AddReturnField => "add_return_field",
            Self::RetypeReturn => "retype_return",
            Self::MergeFunctionality => "merge_functionality",
            Self::SplitFunctionality => "split_functionality",
            Self::Rename => "rename",
        }
    }

    /// The operator called `name`.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|operator| operator.name() == name)
    }

    /// Applies it. Tells whether anything changed; the lineage then has it.
    pub fn apply(self, api: &mut Api, grammar: &Grammar, random: &mut Random) -> bool {
        let changed = match self {
            Self::AddParameter => add_parameter(api, grammar, random),
            Self::DropOptional => drop_optional(api, random),
            Self::Require => require(api, random),
            Self::Unrequire => unrequire(api, random),
            Self::Retype => choose(&mut api.fields, random, is_plain, retype),
            Self::Widen => choose(&mut api.fields, random, is_plain, widen),
            Self::Nest => nest(api, random),
            Self::AddEnum => choose(&mut api.fields, random, is_plain, add_enum),
            Self::AddRange => choose(&mut api.fields, random, is_plain, add_range),
            Self::AddPattern => choose(&mut api.fields, random, is_plain, add_pattern),
            Self::AddDefault => choose(
                &mut api.fields,
                random,
                |field| !field.required && field.default.is_none() && is_plain(field),
                add_default,
            ),
            Self::AddReturnField => add_return_field(api, grammar, random),
            Self::RetypeReturn => {
                choose(&mut api.returns, random, |field| matches!(field.said, Said::Slot(_)), retype)
            }
            Self::MergeFunctionality => merge(api, grammar, random),
            Self::SplitFunctionality => split(api),
            Self::Rename => rename(api, random),
        };
        if changed {
            api.lineage.operators.push(self.name());
            api.render(grammar);
        }
        changed
    }
}

fn is_plain(field: &Field) -> bool {
    matches!(field.said, Said::Slot(_))
}

/// Changes one of the fields that `fits`, in random order, until one lets itself be changed.
fn choose(
    fields: &mut [Field],
    random: &mut Random,
    fits: impl Fn(&Field) -> bool,
    change: impl Fn(&mut Field, &mut Random) -> bool,
) -> bool {
    let mut order: Vec<usize> = (0..fields.len()).filter(|at| fits(&fields[*at])).collect();
    while !order.is_empty() {
        let at = order.swap_remove(random.random_range(0..order.len()));
        if change(&mut fields[at], random) {
            return true;
        }
    }
    false
}

/// Slots that a caller may name with almost any object.
const GENERAL: &[&str] = &[
    "limit",
    "language",
    "currency",
    "format",
    "units",
    "priority",
    "note",
    "email",
    "phone",
    "contact_name",
    "payment",
    "reminder",
    "channel",
    "sort_by",
    "tags",
    "frequency",
    "start_time",
    "due_date",
    "website",
    "budget",
];

fn add_parameter(api: &mut Api, grammar: &Grammar, random: &mut Random) -> bool {
    let known: Vec<&str> = all_slots(&api.fields, grammar);
    let free: Vec<&str> = GENERAL
        .iter()
        .copied()
        .filter(|name| {
            let Some(slot) = grammar.slot_named(name) else { return false };
            let of_lists = matches!(*name, "limit" | "sort_by" | "budget");
            (!of_lists || api.answer(grammar) == Answer::List)
                && !known.contains(name)
                && !clashes(&grammar.slots[slot].kind, &api.fields, grammar, name)
        })
        .collect();
    if free.is_empty() || api.fields.len() >= 10 {
        return false;
    }
    let Some(field) = drawn(&free, api, false, grammar, random) else { return false };
    api.fields.push(field);
    true
}

/// A field for one of the slots, named as the API names its own.
fn drawn(slots: &[&str], api: &Api, required: bool, grammar: &Grammar, random: &mut Random) -> Option<Field> {
    let name: &&str = pick(slots, random);
    let mut field = Field::of_slot(grammar, grammar.slot_named(name)?, required);
    field.name = api.style.parameter(&field.name);
    Some(field)
}

/// Whether nobody could tell two values apart by the way they are said.
fn clashes(kind: &Kind, fields: &[Field], grammar: &Grammar, name: &str) -> bool {
    let similar = |other: &Kind| match (kind, other) {
        (Kind::Flag, Kind::Flag) => false,
        (Kind::Email, Kind::Email)
        | (Kind::Phone, Kind::Phone)
        | (Kind::Url, Kind::Url)
        | (Kind::Title(_), Kind::Title(_))
        | (Kind::Currency, Kind::Currency)
        | (Kind::People, Kind::People)
        | (Kind::Week, Kind::Week) => true,
        (Kind::Choice(a), Kind::Choice(b)) => a.iter().any(|value| b.contains(value)),
        _ => false,
    };
    let languages = |name: &str| name.contains("language");
    Api::leaves_of(fields).iter().any(|(_, field)| {
        let kind = match &field.shape {
            Shape::One(kind) | Shape::Many(kind) => kind,
            Shape::Group(_) => return false,
        };
        let slot = match field.said {
            Said::Slot(slot) => grammar.slots[slot].name.as_str(),
            _ => "",
        };
        similar(kind) || (languages(slot) && languages(name))
    })
}

fn all_slots<'g>(fields: &[Field], grammar: &'g Grammar) -> Vec<&'g str> {
    Api::leaves_of(fields)
        .iter()
        .filter_map(|(_, field)| match field.said {
            Said::Slot(slot) => Some(grammar.slots[slot].name.as_str()),
            _ => None,
        })
        .collect()
}

fn drop_optional(api: &mut Api, random: &mut Random) -> bool {
    let free: Vec<usize> =
        (0..api.fields.len()).filter(|at| !api.fields[*at].required && api.fields.len() > 1).collect();
    if free.is_empty() {
        return false;
    }
    api.fields.remove(*pick(&free, random));
    true
}

fn require(api: &mut Api, random: &mut Random) -> bool {
    // Of several actions none requires what the others do not take.
    api.functions.len() == 1
        && choose(
            &mut api.fields,
            random,
            // A flag that must be given needs a way to be denied.
            |field| {
                !field.required
                    && field.default.is_none()
                    && !matches!(field.shape, Shape::One(Kind::Flag) | Shape::Group(_))
            },
            |field, _| {
                field.required = true;
                true
            },
        )
}

fn unrequire(api: &mut Api, random: &mut Random) -> bool {
    api.fields.iter().filter(|field| field.required).count() > 1
        && choose(
            &mut api.fields,
            random,
            |field| field.required && is_plain(field),
            |field, _| {
                field.required = false;
                true
            },
        )
}

fn retype(field: &mut Field, _: &mut Random) -> bool {
    let Shape::One(kind) = &field.shape else { return false };
    let other = match kind {
        Kind::Integer(low, high) => Kind::Number(*low as f64, *high as f64),
        Kind::Number(low, high) if low.ceil() + 2.0 < high.floor() => {
            Kind::Integer(low.ceil() as i64, high.floor() as i64)
        }
        Kind::Word(values) => Kind::Title(values.clone()),
        Kind::Choice(values) if values.iter().all(|value| !value.contains('_')) => Kind::Word(values.clone()),
        _ => return false,
    };
    field.shape = Shape::One(other);
    field.default = None;
    field.pattern = None;
    true
}

fn widen(field: &mut Field, _: &mut Random) -> bool {
    let Shape::One(kind) = &field.shape else { return false };
    if !matches!(kind, Kind::City | Kind::Country | Kind::Email | Kind::Word(_) | Kind::Date) {
        return false;
    }
    // Only one of a pair can become a list: "from A and B to C" says nothing.
    if ["origin", "destination", "start", "end", "check", "departure", "return", "birth", "due", "delivery"]
        .iter()
        .any(|word| field.name.to_lowercase().contains(word))
    {
        return false;
    }
    field.shape = Shape::Many(kind.clone());
    field.name = plural(&field.name);
    field.description = format!("{}; several may be given", field.description);
    field.default = None;
    field.pattern = None;
    true
}

pub(super) fn plural(name: &str) -> String {
    match name.as_bytes() {
        [.., before, b'y'] if !b"aeiou".contains(before) => format!("{}ies", &name[..name.len() - 1]),
        [.., b's' | b'x' | b'h'] => format!("{name}es"),
        _ => format!("{name}s"),
    }
}

fn nest(api: &mut Api, random: &mut Random) -> bool {
    if api.fields.iter().any(|field| matches!(field.shape, Shape::Group(_))) {
        return false;
    }
    // Optional ones: a group is optional as a whole, its members too.
    let free: Vec<usize> =
        (0..api.fields.len()).filter(|at| is_plain(&api.fields[*at]) && !api.fields[*at].required).collect();
    if free.len() < 2 {
        return false;
    }
    let count = random.random_range(2..=free.len().min(4));
    let mut members: Vec<Field> = Vec::new();
    for at in free[..count].iter().rev() {
        members.insert(0, api.fields.remove(*at));
    }
    let (name, description) = pick(
        &[
            ("options", "Further settings"),
            ("filters", "What the outcome has to fulfil"),
            ("details", "Further details"),
            ("preferences", "What the person prefers"),
        ],
        random,
    );
    api.fields.push(Field {
        name: api.style.parameter(name),
        description: (*description).to_owned(),
        shape: Shape::Group(members),
        required: false,
        default: None,
        pattern: None,
        said: Said::Group,
    });
    true
}

fn add_enum(field: &mut Field, random: &mut Random) -> bool {
    let Shape::One(Kind::Word(values)) = &field.shape else { return false };
    if values.len() < 4 {
        return false;
    }
    let few = super::kind::distinct(values, random.random_range(3..=values.len().min(5)), random);
    field.shape = Shape::One(Kind::Choice(few.into_iter().cloned().collect()));
    field.default = None;
    field.pattern = None;
    true
}

fn add_range(field: &mut Field, _: &mut Random) -> bool {
    let fits = |low: f64, high: f64| high - low >= 8.0;
    let narrowed = match &field.shape {
        Shape::One(Kind::Integer(low, high)) if fits(*low as f64, *high as f64) => {
            let quarter = (high - low) / 4;
            Kind::Integer(*low, high - quarter)
        }
        Shape::One(Kind::Number(low, high)) if fits(*low, *high) => {
            Kind::Number(low.ceil(), (high - (high - low) / 4.0).floor())
        }
        _ => return false,
    };
    field.shape = Shape::One(narrowed);
    field.default = None;
    true
}

fn add_pattern(field: &mut Field, _: &mut Random) -> bool {
    let pattern = match &field.shape {
        Shape::One(Kind::City | Kind::Country | Kind::Person) => "^[A-Z][A-Za-z .'-]*$",
        Shape::One(Kind::Word(values))
            if values
                .iter()
                .all(|value| value.chars().all(|letter| letter.is_ascii_lowercase() || letter == ' ')) =>
        {
            "^[a-z ]+$"
        }
        _ => return false,
    };
    if field.pattern.is_some() {
        return false;
    }
    field.pattern = Some(pattern.to_owned());
    true
}

fn add_default(field: &mut Field, random: &mut Random) -> bool {
    let default = match &field.shape {
        Shape::One(Kind::Flag) => Json::from(false),
        Shape::One(kind @ (Kind::Integer(..) | Kind::Number(..) | Kind::Choice(_) | Kind::Currency)) => {
            kind.sample(random)
        }
        _ => return false,
    };
    field.default = Some(default);
    true
}

fn add_return_field(api: &mut Api, grammar: &Grammar, random: &mut Random) -> bool {
    const MEMBERS: &[&str] =
        &["website", "phone", "contact_name", "status", "available", "rating", "price", "currency", "date"];
    let known: Vec<&str> = all_slots(&api.returns, grammar);
    let free: Vec<&str> = MEMBERS.iter().copied().filter(|name| !known.contains(name)).collect();
    if free.is_empty() || api.returns.len() >= 8 {
        return false;
    }
    let Some(field) = drawn(&free, api, true, grammar, random) else { return false };
    api.returns.push(field);
    true
}

fn merge(api: &mut Api, grammar: &Grammar, random: &mut Random) -> bool {
    let known = &grammar.domains[api.domain(grammar)].qualifiers;
    let free: Vec<&String> = known.iter().filter(|word| !api.qualifiers.contains(word)).collect();
    // The field is there already, or can be added beside one qualifier.
    let Some(field) = api.fields.iter_mut().find(|field| field.said == Said::Qualifier) else {
        return false;
    };
    if free.is_empty() || api.qualifiers.len() >= 5 {
        return false;
    }
    api.qualifiers.push((*pick(&free, random)).clone());
    let values = api.qualifiers.iter().map(|word| word.replace('-', "_")).collect();
    field.shape = Shape::One(Kind::Choice(values));
    true
}

fn split(api: &mut Api) -> bool {
    if api.qualifiers.len() < 3 {
        return false;
    }
    api.qualifiers.pop();
    let values = api.qualifiers.iter().map(|word| word.replace('-', "_")).collect();
    if let Some(field) = api.fields.iter_mut().find(|field| field.said == Said::Qualifier) {
        field.shape = Shape::One(Kind::Choice(values));
    }
    true
}

fn rename(api: &mut Api, random: &mut Random) -> bool {
    let other = NameStyle::sample(random);
    if other == api.style {
        return false;
    }
    // Parameters follow, at every level.
    fn respell(fields: &mut [Field], style: NameStyle) {
        for field in fields {
            let mut words = String::new();
            for letter in field.name.chars() {
                if letter.is_ascii_uppercase() {
                    words.push(' ');
                }
                words.push(letter);
            }
            field.name = style.parameter(&words);
            if let Shape::Group(members) = &mut field.shape {
                respell(members, style);
            }
        }
    }
    api.style = other;
    respell(&mut api.fields, other);
    respell(&mut api.returns, other);
    true
}
