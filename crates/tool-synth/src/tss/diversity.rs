//! How different the APIs of a pool are.

use std::collections::{BTreeMap, HashSet};

use rand::RngExt;
use rec_core::random::stream;
use serde::Serialize;

use super::grammar::Grammar;
use super::pool::{Pool, text_of};
use super::similarity::Grams;
use crate::schema;

/// Counts and spreads over a pool.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Diversity {
    /// How many APIs.
    pub apis: usize,
    /// APIs by domain.
    pub domains: BTreeMap<String, usize>,
    /// Parameters by JSON type, at every level.
    pub types: BTreeMap<String, usize>,
    /// Entropy of the types in bits.
    pub type_entropy: f64,
    /// Parameters by how deep their values nest: 0 scalars, 1 lists or objects of scalars, 2 and more lists of lists, lists of
    /// objects, objects of objects.
    pub nesting: BTreeMap<usize, usize>,
    /// APIs with a list of lists, a list of objects, an object of objects.
    pub nested: [usize; 3],
    /// Required parameters over parameters.
    pub required_ratio: f64,
    /// Different names over APIs.
    pub distinct_names: f64,
    /// Mean cosine of two APIs' texts, over 20,000 drawn pairs.
    pub mean_similarity: f64,
    /// Owned leaves over leaves of the tree.
    pub coverage: f64,
    /// How many of 30 clusters of the tree's paths have an API.
    pub clusters: usize,
    /// APIs by operator that changed them.
    pub operators: BTreeMap<String, usize>,
    /// APIs by generation.
    pub generations: BTreeMap<usize, usize>,
}

impl Diversity {
    /// Measures a pool.
    pub fn of(pool: &Pool, grammar: &Grammar) -> Self {
        let mut domains = BTreeMap::new();
        let mut types: BTreeMap<String, usize> = BTreeMap::new();
        let mut nesting = BTreeMap::new();
        let mut operators = BTreeMap::new();
        let mut generations = BTreeMap::new();
        let (mut required, mut parameters) = (0, 0);
        let mut nested = [0; 3];
        for api in &pool.apis {
            *domains.entry(grammar.domains[api.domain(grammar)].title.clone()).or_default() += 1;
            *generations.entry(api.lineage.generation).or_default() += 1;
            for name in api.lineage.operators.iter().collect::<HashSet<_>>() {
                *operators.entry((*name).to_owned()).or_default() += 1;
            }
            for field in &api.fields {
                parameters += 1;
                required += usize::from(field.required);
                *nesting.entry(field.nesting()).or_default() += 1;
            }
            let mut found = [false; 3];
            count_types(&api.spec.parameters, &mut types, &mut found);
            for (count, found) in nested.iter_mut().zip(found) {
                *count += usize::from(found);
            }
        }
        let total = types.values().sum::<usize>().max(1) as f64;
        let type_entropy = types
            .values()
            .map(|count| {
                let share = *count as f64 / total;
                -share * share.log2()
            })
            .sum();
        let names: HashSet<&str> = pool.apis.iter().map(|api| api.spec.name.as_str()).collect();
        let grams: Vec<Grams> = pool.apis.iter().map(|api| Grams::of(&text_of(&api.spec))).collect();
        Self {
            apis: pool.apis.len(),
            domains,
            types,
            type_entropy,
            nesting,
            nested,
            required_ratio: required as f64 / parameters.max(1) as f64,
            distinct_names: names.len() as f64 / pool.apis.len().max(1) as f64,
            mean_similarity: mean_similarity(&grams),
            coverage: pool.coverage,
            clusters: clusters(pool, 30).into_iter().collect::<HashSet<_>>().len(),
            operators,
            generations,
        }
    }
}

fn count_types(parameters: &rec_core::Json, types: &mut BTreeMap<String, usize>, found: &mut [bool; 3]) {
    for (_, property) in schema::properties(parameters) {
        let kind = schema::type_of(property).unwrap_or("any");
        *types.entry(kind.to_owned()).or_default() += 1;
        let below = |name: &str| property.get(name).and_then(schema::type_of);
        found[0] |= kind == "array" && below("items") == Some("array");
        found[1] |= kind == "array" && below("items") == Some("object");
        found[2] |= kind == "object"
            && (below("additionalProperties") == Some("object")
                || schema::properties(property).any(|(_, member)| schema::type_of(member) == Some("object")));
        count_types(property, types, found);
    }
}

fn mean_similarity(grams: &[Grams]) -> f64 {
    if grams.len() < 2 {
        return 0.0;
    }
    let mut random = stream(0, "similarity", 0);
    let pairs = 20_000;
    let mut sum = 0.0;
    for _ in 0..pairs {
        let a = random.random_range(0..grams.len());
        let b = (a + random.random_range(1..grams.len())) % grams.len();
        sum += f64::from(grams[a].cosine(&grams[b]));
    }
    sum / f64::from(pairs)
}

/// The cluster of each API. The centres are functions of the tree, each the one that is least like those before it, by the
/// texts of their paths; an API belongs to the nearest. The subsets of the 6/14/30 ablation are made of it.
pub fn clusters(pool: &Pool, count: usize) -> Vec<usize> {
    let text = |node: usize| Grams::of(&pool.tree.path(node).join(" > "));
    let functions: Vec<Grams> =
        pool.tree.nodes.iter().filter(|node| node.depth == 3).map(|node| text(node.id)).collect();
    let Some(first) = functions.first() else { return vec![0; pool.apis.len()] };
    let mut centres = vec![first];
    let mut nearest: Vec<f32> = functions.iter().map(|one| one.cosine(first)).collect();
    while centres.len() < count.min(functions.len()) {
        let next = (0..functions.len()).min_by(|a, b| nearest[*a].total_cmp(&nearest[*b])).unwrap_or(0);
        for (near, one) in nearest.iter_mut().zip(&functions) {
            *near = near.max(one.cosine(&functions[next]));
        }
        centres.push(&functions[next]);
    }
    pool.apis
        .iter()
        .map(|api| {
            let own = api.leaves.first().map_or_else(|| Grams::of(&api.spec.name), |leaf| text(*leaf));
            (0..centres.len())
                .max_by(|a, b| own.cosine(centres[*a]).total_cmp(&own.cosine(centres[*b])))
                .unwrap_or(0)
        })
        .collect()
}
