//! Adaptation and evolution: APIs from sub-trees, changed after the examples of a buffer.
//!
//! Functions that a document has a tool for become that tool, before all others, and are neither adapted nor evolved.

use std::collections::HashSet;

use rand::RngExt;
use rec_core::ToolSpec;
use rec_core::random::{Random, stream};
use serde::{Deserialize, Serialize};

use super::api::Api;
use super::grammar::Grammar;
use super::kind::distinct;
use super::mutate::Operator;
use super::similarity::Grams;
use super::tree::Tree;
use crate::dlv;
use crate::error::{Error, Result};

/// How a pool is made.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PoolConfig {
    /// How many APIs. Of documents alone there may be fewer: one an operation.
    pub apis: usize,
    /// Weights of one, two, three and four leaves an API.
    pub levels: [f64; 4],
    /// Examples in the buffer.
    pub buffer: usize,
    /// What an example must have of novelty: one minus its greatest cosine to the buffer.
    pub novelty: f32,
}

impl Default for PoolConfig {
    fn default() -> Self {
        Self { apis: 2_000, levels: [0.4, 0.3, 0.2, 0.1], buffer: 256, novelty: 0.15 }
    }
}

impl PoolConfig {
    /// # Errors
    /// [`Error::Config`] with the setting and what it accepts.
    pub fn validate(&self) -> Result<()> {
        if self.apis < 20 {
            return Err(Error::config("apis", format!("{}: at least 20", self.apis)));
        }
        if self.buffer == 0 {
            return Err(Error::config("buffer", "0: at least 1"));
        }
        super::check_weights("levels", &self.levels)?;
        if !(0.0..=1.0).contains(&self.novelty) {
            return Err(Error::config("novelty", format!("{}: 0 to 1", self.novelty)));
        }
        Ok(())
    }
}

/// The APIs that dialogues draw from.
#[derive(Clone, Debug)]
pub struct Pool {
    /// The functionalities.
    pub tree: Tree,
    /// The APIs; each leaf belongs to one at most.
    pub apis: Vec<Api>,
    /// Owned leaves over leaves.
    pub coverage: f64,
}

struct Buffer {
    /// Examples with their greatest cosine to another, as of when either came in.
    examples: Vec<(usize, Grams, f32)>,
    size: usize,
    novelty: f32,
}

impl Buffer {
    /// Takes an example in if it is new enough; the one that is most like another has to go if there is no room.
    fn admit(&mut self, id: usize, grams: Grams) {
        let cosines: Vec<f32> = self.examples.iter().map(|(_, known, _)| known.cosine(&grams)).collect();
        let nearest = cosines.iter().copied().fold(0.0, f32::max);
        if 1.0 - nearest < self.novelty {
            return;
        }
        for ((_, _, redundancy), cosine) in self.examples.iter_mut().zip(cosines) {
            *redundancy = redundancy.max(cosine);
        }
        self.examples.push((id, grams, nearest));
        if self.examples.len() > self.size {
            let worst =
                (0..self.examples.len()).max_by(|a, b| self.examples[*a].2.total_cmp(&self.examples[*b].2));
            if let Some(worst) = worst {
                self.examples.swap_remove(worst);
            }
        }
    }
}

impl Pool {
    /// Makes a pool: the same for the same seed.
    ///
    /// # Errors
    /// [`Error::Config`] for settings out of range, or more APIs than the tree has functionalities for;
    /// [`Error::Invalid`] for documents alone with too few operations: dialogues need four about three different objects, so that there
    /// are tools to tell apart.
    pub fn synthesise(grammar: &Grammar, config: &PoolConfig, seed: u64) -> Result<Self> {
        config.validate()?;
        let tree = Tree::of_grammar(grammar);
        let mut random = stream(seed, "pool", 0);
        let leaves: Vec<(usize, (usize, usize, usize))> = tree
            .leaves()
            .into_iter()
            .filter_map(|leaf| Some((leaf, tree.nodes[leaf].functionality?)))
            .collect();
        let documented = |(object, function, _): (usize, usize, usize)| {
            grammar.objects[object].functions[function].documented.is_some()
        };
        let (own, leaves): (Vec<_>, Vec<_>) = leaves.into_iter().partition(|(_, leaf)| documented(*leaf));
        let total = own.len() + leaves.len();
        let mut names: HashSet<String> = HashSet::new();
        let mut apis: Vec<Api> = Vec::with_capacity(config.apis.min(total));
        for (leaf, (object, function, _)) in own.into_iter().take(config.apis) {
            let Some(mut api) = Api::documented(grammar, object, function, leaf) else { continue };
            make_distinct(&mut api, &names, grammar);
            if dlv::definition::faults(&api.spec).is_empty() {
                api.id = apis.len();
                names.insert(api.spec.name.clone());
                apis.push(api);
            }
        }
        let mut owned = apis.len();
        if leaves.is_empty() {
            let objects: HashSet<usize> = apis.iter().map(|api| api.object).collect();
            if apis.len() < 4 || objects.len() < 3 {
                return Err(Error::invalid(format!(
                    "the documents have {} operations about {} objects that dialogues could be about, and 4 about 3 are needed: \
                     add documents, or keep the embedded grammar",
                    apis.len(),
                    objects.len()
                )));
            }
            return Ok(Self { tree, coverage: owned as f64 / total.max(1) as f64, apis });
        }
        if config.apis > total {
            return Err(Error::config(
                "apis",
                format!(
                    "{}: the tree has {} functionalities, and each belongs to one API",
                    config.apis, total
                ),
            ));
        }
        let mut free: Vec<Vec<Vec<usize>>> = vec![Vec::new(); grammar.objects.len()];
        for (object, entry) in grammar.objects.iter().enumerate() {
            free[object] = vec![Vec::new(); entry.functions.len()];
        }
        let mut leaf_of = vec![Vec::new(); grammar.objects.len()];
        for (leaf, (object, function, qualifier)) in &leaves {
            free[*object][*function].push(*qualifier);
            leaf_of[*object].push(((*function, *qualifier), *leaf));
        }
        let mut buffer = Buffer { examples: Vec::new(), size: config.buffer, novelty: config.novelty };
        while apis.len() < config.apis {
            let open: Vec<usize> = (0..free.len())
                .filter(|object| free[*object].iter().any(|function| !function.is_empty()))
                .collect();
            if open.is_empty() {
                return Err(Error::config(
                    "apis",
                    format!("{}: the tree has functionalities for {} only", config.apis, apis.len()),
                ));
            }
            // The objects in turn, so that all domains are met however small the pool is.
            let object = open[random.random_range(0..open.len())];
            // As many leaves as the rest of the tree can spare.
            let spare = free.iter().flatten().map(Vec::len).sum::<usize>() / (config.apis - apis.len());
            let level = level(&config.levels, &mut random).min(spare.max(1));
            let Some(mut api) =
                adapt(grammar, object, level, &mut free[object], &leaf_of[object], &mut random)
            else {
                continue;
            };
            owned += api.leaves.len();
            evolve(&mut api, &apis, &buffer, grammar, &mut random);
            api.id = apis.len();
            make_distinct(&mut api, &names, grammar);
            let faults = dlv::definition::faults(&api.spec);
            if !faults.is_empty() {
                // No operator makes one; a grammar of the user's may.
                continue;
            }
            names.insert(api.spec.name.clone());
            buffer.admit(api.id, Grams::of(&text_of(&api.spec)));
            apis.push(api);
        }
        Ok(Self { tree, apis, coverage: owned as f64 / total.max(1) as f64 })
    }
}

fn level(weights: &[f64; 4], random: &mut Random) -> usize {
    let mut at: f64 = random.random_range(0.0..weights.iter().sum());
    for (level, weight) in weights.iter().enumerate() {
        if at < *weight {
            return level + 1;
        }
        at -= weight;
    }
    4
}

/// Takes up to `level` leaves of an object that no API owns: qualifiers of one function, or one qualifier of several that take
/// an identifier.
fn adapt(
    grammar: &Grammar,
    object: usize,
    level: usize,
    free: &mut [Vec<usize>],
    leaf_of: &[((usize, usize), usize)],
    random: &mut Random,
) -> Option<Api> {
    let open: Vec<usize> = (0..free.len()).filter(|function| !free[*function].is_empty()).collect();
    let first = open[random.random_range(0..open.len())];
    let entry = &grammar.objects[object];
    let by_id = |function: usize| grammar.verbs[entry.functions[function].verb].by_id;
    let chosen: Vec<(usize, usize)> = if level > 1 && by_id(first) && random.random_bool(0.5) {
        let qualifier = free[first][random.random_range(0..free[first].len())];
        open.iter()
            .copied()
            .filter(|function| by_id(*function) && free[*function].contains(&qualifier))
            .take(level)
            .map(|function| (function, qualifier))
            .collect()
    } else {
        distinct(&free[first], level, random).into_iter().map(|qualifier| (first, *qualifier)).collect()
    };
    for (function, qualifier) in &chosen {
        free[*function].retain(|known| known != qualifier);
    }
    let word = |qualifier: usize| -> String {
        let known = &grammar.domains[entry.domain].qualifiers;
        qualifier.checked_sub(1).map_or_else(String::new, |at| known[at].clone())
    };
    let mut functions: Vec<usize> = chosen.iter().map(|(function, _)| *function).collect();
    functions.dedup();
    let mut qualifiers: Vec<String> = chosen.iter().map(|(_, qualifier)| word(*qualifier)).collect();
    qualifiers.dedup();
    if qualifiers.len() > 1 {
        // "Any" is no type beside others.
        qualifiers.iter_mut().filter(|word| word.is_empty()).for_each(|word| "standard".clone_into(word));
    }
    let leaves = chosen
        .iter()
        .filter_map(|key| leaf_of.iter().find(|(known, _)| known == key).map(|(_, leaf)| *leaf))
        .collect();
    Some(Api::adapt(grammar, object, functions, qualifiers, leaves, random))
}

/// Changes an API by one to four operators, half of them those of an example.
fn evolve(api: &mut Api, apis: &[Api], buffer: &Buffer, grammar: &Grammar, random: &mut Random) {
    let example = (!buffer.examples.is_empty() && random.random_bool(0.8))
        .then(|| &apis[buffer.examples[random.random_range(0..buffer.examples.len())].0]);
    if let Some(example) = example {
        api.lineage.parent = Some(example.id);
        api.lineage.generation = example.lineage.generation + 1;
    }
    for _ in 0..random.random_range(1..=4) {
        let borrowed = example
            .filter(|_| random.random_bool(0.5))
            .map(|example| &example.lineage.operators)
            .filter(|operators| !operators.is_empty())
            .and_then(|operators| Operator::named(operators[random.random_range(0..operators.len())]));
        let operator = borrowed.unwrap_or_else(|| Operator::ALL[random.random_range(0..Operator::ALL.len())]);
        operator.apply(api, grammar, random);
    }
}

/// Gives an API whose name is taken another: the next stem, then the domain, then a number.
fn make_distinct(api: &mut Api, names: &HashSet<String>, grammar: &Grammar) {
    for stem in 0..3 {
        if !names.contains(&api.spec.name) {
            return;
        }
        api.stem += stem;
        api.render(grammar);
    }
    let domain = &grammar.domains[api.domain(grammar)].name;
    let base = api.spec.name.clone();
    let (blank, spaced) = if base.contains(' ') { (" ", true) } else { ("_", false) };
    for number in 1.. {
        let title = if spaced { super::api::capitalised(domain) } else { domain.clone() };
        let name = match number {
            1 => format!("{base}{blank}{title}"),
            number => format!("{base}{blank}v{number}"),
        };
        if !names.contains(&name) {
            api.spec.name = name;
            return;
        }
    }
}

/// What a specification says in words: name, description, parameters.
pub fn text_of(spec: &ToolSpec) -> String {
    let mut text = format!("{} {}", spec.name.replace(['_', '.'], " "), spec.description);
    for (name, property) in crate::schema::properties(&spec.parameters) {
        text.push(' ');
        text.push_str(name);
        if let Some(description) = property.get("description").and_then(rec_core::Json::as_str) {
            text.push(' ');
            text.push_str(description);
        }
    }
    text
}
