//! What the values of tools hold, as schemas for clients. Members that depend on the data set may come besides.

use rec_core::Json;

use super::object;

/// A named member of an object.
pub(crate) type Member = (&'static str, Shape);

/// What a member is.
#[derive(Clone, Copy)]
pub(crate) enum Shape {
    Text,
    Integer,
    Number,
    /// A mean of nothing is null.
    NumberOrNull,
    /// Members that the data set names.
    Object,
    Numbers,
    Texts,
    /// An item's id, title, year and genres.
    Card,
    List(&'static [Member]),
}

use Shape::{Card, Integer, List, Number, NumberOrNull, Numbers, Object, Text, Texts};

pub(super) const USER: &[Member] = &[
    ("user", Text),
    ("profile", Object),
    ("count", Integer),
    ("mean", NumberOrNull),
    ("genres", List(&[("genre", Text), ("count", Integer), ("mean", Number)])),
];
pub(super) const USER_RATINGS: &[Member] =
    &[("total", Integer), ("mean", NumberOrNull), ("ratings", List(&[("item", Card), ("rating", Number)]))];
pub(super) const NEIGHBOURS: &[Member] =
    &[("users", List(&[("user", Text), ("likeness", Number), ("common", Integer), ("rating", Number)]))];
pub(super) const ITEM: &[Member] =
    &[("item", Card), ("count", Integer), ("mean", NumberOrNull), ("catalogue_mean", Number)];
pub(super) const ITEM_RATINGS: &[Member] =
    &[("total", Integer), ("mean", NumberOrNull), ("ratings", List(&[("user", Text), ("rating", Number)]))];
pub(super) const LIKE_ITEMS: &[Member] =
    &[("set", Text), ("items", List(&[("item", Card), ("likeness", Number)]))];
pub(super) const FOUND: &[Member] = &[("set", Text), ("items", List(&[("item", Card), ("score", Number)]))];
pub(super) const TITLE: &[Member] = &[
    ("item", Card),
    ("count", Integer),
    ("mean", NumberOrNull),
    ("catalogue_mean", Number),
    ("likeness", Number),
    ("others", List(&[("id", Text), ("title", Text)])),
];
pub(super) const PREDICTIONS: &[Member] =
    &[("predictions", List(&[("model", Text), ("rating", Number), ("support", Integer)]))];
pub(super) const SCORES: &[Member] =
    &[("items", Texts), ("models", List(&[("model", Text), ("scores", Numbers)]))];
const CONTRIBUTIONS: Shape = List(&[("item", Card), ("weight", Number), ("shared_genres", Texts)]);
pub(super) const EVIDENCE: &[Member] =
    &[("item", Card), ("contributions", CONTRIBUTIONS), ("item_mean", NumberOrNull), ("item_count", Integer)];
pub(super) const RECOMMENDED: &[Member] = &[
    ("set", Text),
    ("pool", Integer),
    ("items", List(&[("item", Card), ("contributions", CONTRIBUTIONS), ("score", Number)])),
];
pub(super) const FILTERED: &[Member] =
    &[("set", Text), ("size", Integer), ("first", List(&[("id", Text), ("title", Text)]))];
pub(super) const ARTICLES: &[Member] = &[("articles", List(&[("title", Text), ("summary", Text)]))];
pub(super) const PASSAGE: &[Member] =
    &[("title", Text), ("passage", Text), ("number", Integer), ("of", Integer)];
pub(super) const SUMMARY: &[Member] = &[("sentences", Texts)];
pub(super) const UNDERSTOOD: &[Member] = &[("intent", Text), ("names", Object)];

/// The JSON Schema of an object with these members.
pub(crate) fn schema(members: &[Member]) -> Json {
    let properties: Json = members.iter().map(|(name, shape)| ((*name).to_owned(), of(*shape))).collect();
    let required: Vec<&str> = members.iter().map(|(name, _)| *name).collect();
    object([("type", "object".into()), ("properties", properties), ("required", Json::from(required))])
}

fn of(shape: Shape) -> Json {
    let plain = |name: &str| object([("type", name.into())]);
    let list = |items: Json| object([("type", "array".into()), ("items", items)]);
    match shape {
        Text => plain("string"),
        Integer => plain("integer"),
        Number => plain("number"),
        NumberOrNull => object([("anyOf", Json::Array(vec![plain("number"), plain("null")]))]),
        Object => plain("object"),
        Numbers => list(plain("number")),
        Texts => list(plain("string")),
        Card => schema(&[("id", Text), ("title", Text)]),
        List(members) => list(schema(members)),
    }
}
