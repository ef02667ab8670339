//! Plans of dialogues: drawn by type, then made harder or easier by the complexity evaluator's orders.

use std::collections::HashMap;

use rand::RngExt;
use rec_core::random::{Random, stream};
use serde::{Deserialize, Serialize};

use super::goal::{DialogType, Pick, Plan, Style, Turn, Wish, lists, spread, wish, withholdable};
use super::small_talk::talk;
use crate::error::{Error, Result};
use crate::tss::{Api, Grammar, Pool, Said, Wording, check_weights};

/// What dialogues are drawn.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Mix {
    /// Weights of single, parallel, dependent and no-tool dialogues.
    pub types: [f64; 4],
    /// Weights of the three no-tool kinds: irrelevant tools, a missing parameter, chat.
    pub no_tool: [f64; 3],
    /// The most tools on offer.
    pub candidates: usize,
    /// Weights of one, two, three and four turns.
    pub turns: [f64; 4],
    /// How often an optional parameter is used.
    pub optional: f64,
    /// How often a value is told only when asked for.
    pub withheld: f64,
}

impl Default for Mix {
    fn default() -> Self {
        Self {
            types: [0.30, 0.25, 0.20, 0.25],
            no_tool: [0.5, 0.25, 0.25],
            candidates: 12,
            turns: [0.6, 0.25, 0.1, 0.05],
            optional: 0.35,
            withheld: 0.1,
        }
    }
}

impl Mix {
    /// # Errors
    /// [`Error::Config`] with the setting and what it accepts.
    pub fn validate(&self) -> Result<()> {
        for (name, weights) in
            [("types", &self.types[..]), ("no_tool", &self.no_tool[..]), ("turns", &self.turns[..])]
        {
            check_weights(name, weights)?;
        }
        if self.candidates < 4 {
            return Err(Error::config("candidates", format!("{}: at least 4", self.candidates)));
        }
        for (name, share) in [("optional", self.optional), ("withheld", self.withheld)] {
            if !(0.0..=1.0).contains(&share) {
                return Err(Error::config(name, format!("{share}: 0 to 1")));
            }
        }
        Ok(())
    }
}

fn weighted(weights: &[f64], random: &mut Random) -> usize {
    let mut at: f64 = random.random_range(0.0..weights.iter().sum());
    for (index, weight) in weights.iter().enumerate() {
        if at < *weight {
            return index;
        }
        at -= weight;
    }
    weights.len() - 1
}

/// Draws plans from a pool.
#[derive(Debug)]
pub struct Planner<'a> {
    grammar: &'a Grammar,
    pool: &'a Pool,
    mix: &'a Mix,
    by_object: HashMap<usize, Vec<usize>>,
    by_domain: HashMap<usize, Vec<usize>>,
}

impl<'a> Planner<'a> {
    /// A planner over a pool.
    pub fn new(grammar: &'a Grammar, pool: &'a Pool, mix: &'a Mix) -> Self {
        let mut by_object: HashMap<usize, Vec<usize>> = HashMap::new();
        let mut by_domain: HashMap<usize, Vec<usize>> = HashMap::new();
        for api in &pool.apis {
            by_object.entry(api.object).or_default().push(api.id);
            by_domain.entry(api.domain(grammar)).or_default().push(api.id);
        }
        Self { grammar, pool, mix, by_object, by_domain }
    }

    fn any(&self, random: &mut Random) -> &'a Api {
        &self.pool.apis[random.random_range(0..self.pool.apis.len())]
    }

    fn wish(&self, api: &Api, random: &mut Random) -> Wish {
        wish(api, self.grammar, self.mix.optional, random)
    }

    /// The plan number `index` of a seed; another `attempt` gives another plan of the same type.
    pub fn plan(&self, seed: u64, index: u64, attempt: u64) -> Plan {
        let kind = DialogType::ALL[weighted(&self.mix.types, &mut stream(seed, "type", index))];
        self.plan_of(kind, &mut stream(seed, &format!("plan {attempt}"), index))
    }

    /// Draws a plan of a type.
    pub fn plan_of(&self, kind: DialogType, random: &mut Random) -> Plan {
        let style = Style::ALL[weighted(&[0.25, 0.3, 0.25, 0.2], random)];
        let wording = Wording {
            date: random.random_range(0..3),
            number_words: random.random_bool(0.3),
            currency_names: random.random_bool(0.4),
            twelve_hours: random.random_bool(0.3),
        };
        let count = weighted(&self.mix.turns, random) + 1;
        let mut turns: Vec<Turn> = Vec::new();
        let mut used: Vec<usize> = Vec::new();
        while turns.len() + 1 < count {
            // Turns before the last are of the easy kinds; the last gives the dialogue its type.
            let turn = if random.random_bool(0.2) {
                Turn::Chat(talk(random))
            } else {
                let api = self.unused(&used, random);
                used.push(api.id);
                Turn::Calls { wishes: vec![self.wish(api, random)], withheld: None }
            };
            if kind != DialogType::NoTool || matches!(turn, Turn::Chat(_)) {
                turns.push(turn);
            } else {
                break;
            }
        }
        let last = match kind {
            DialogType::Single => self.single(&used, random),
            DialogType::Parallel => self.parallel(&used, random),
            DialogType::Dependent => self.dependent(&used, random),
            DialogType::NoTool => self.no_tool(random),
        };
        turns.push(last);
        let mut needed: Vec<usize> = Vec::new();
        for wish in turns.iter().flat_map(wishes) {
            if !needed.contains(&wish.api) {
                needed.push(wish.api);
            }
        }
        let irrelevant = matches!(turns.last(), Some(Turn::Irrelevant(_)));
        let mut candidates: Vec<usize> = if irrelevant { Vec::new() } else { needed.clone() };
        let wanted = random.random_range(1..=self.mix.candidates).max(candidates.len());
        self.add_candidates(&mut candidates, &needed, wanted, random);
        shuffle(&mut candidates, random);
        Plan { kind, candidates, turns, style, wording, synonyms: random.random_bool(0.15) }
    }

    fn unused(&self, used: &[usize], random: &mut Random) -> &'a Api {
        let objects: Vec<usize> = used.iter().map(|id| self.pool.apis[*id].object).collect();
        for _ in 0..50 {
            let api = self.any(random);
            if !objects.contains(&api.object) {
                return api;
            }
        }
        self.any(random)
    }

    fn single(&self, used: &[usize], random: &mut Random) -> Turn {
        let api = self.unused(used, random);
        let wish = self.wish(api, random);
        let withheld = if random.random_bool(self.mix.withheld) {
            let free = withholdable(api, &wish);
            (!free.is_empty()).then(|| (0, free[random.random_range(0..free.len())].clone()))
        } else {
            None
        };
        Turn::Calls { wishes: vec![wish], withheld }
    }

    fn parallel(&self, used: &[usize], random: &mut Random) -> Turn {
        // Half of them call one tool with several values, half call several tools.
        if random.random_bool(0.5) {
            for _ in 0..40 {
                let api = self.unused(used, random);
                let mut wish = self.wish(api, random);
                if spread(&mut wish, api, random) {
                    return Turn::Calls { wishes: vec![wish], withheld: None };
                }
            }
        }
        let count = random.random_range(2..=3);
        let mut used = used.to_vec();
        let mut all = Vec::new();
        while all.len() < count {
            let api = self.unused(&used, random);
            used.push(api.id);
            all.push(self.wish(api, random));
        }
        Turn::Calls { wishes: all, withheld: None }
    }

    fn dependent(&self, used: &[usize], random: &mut Random) -> Turn {
        for _ in 0..400 {
            let first = self.unused(used, random);
            if !lists(first, self.grammar) {
                continue;
            }
            let second: Vec<usize> = self.by_object[&first.object]
                .iter()
                .copied()
                .filter(|id| {
                    let api = &self.pool.apis[*id];
                    api.fields.iter().any(|field| field.said == Said::Id)
                        && !api.fields.iter().any(|field| field.said == Said::Qualifier)
                        && (api.qualifiers[0].is_empty() || first.qualifiers.contains(&api.qualifiers[0]))
                })
                .collect();
            if second.is_empty() {
                continue;
            }
            let api = &self.pool.apis[second[random.random_range(0..second.len())]];
            let mut follow = self.wish(api, random);
            let returns = |name: &str| {
                first.returns.iter().any(
                    |field| matches!(field.said, Said::Slot(slot) if self.grammar.slots[slot].name == name),
                )
            };
            let mut picks = vec![Pick::Place(0), Pick::Place(1)];
            if returns("price") {
                picks.push(Pick::Cheapest);
            }
            if returns("rating") {
                picks.push(Pick::BestRated);
            }
            follow.pick = Some(picks[random.random_range(0..picks.len())]);
            if let Some(field) = api.fields.iter().find(|field| field.said == Said::Id) {
                follow.arguments.shift_remove(&field.name);
            }
            return Turn::Calls { wishes: vec![self.wish(first, random), follow], withheld: None };
        }
        // A pool too small to have such a pair.
        self.parallel(used, random)
    }

    fn no_tool(&self, random: &mut Random) -> Turn {
        match weighted(&self.mix.no_tool, random) {
            0 => Turn::Irrelevant(self.wish(self.any(random), random)),
            1 => {
                for _ in 0..60 {
                    let api = self.any(random);
                    let wish = self.wish(api, random);
                    let free = withholdable(api, &wish);
                    if !free.is_empty() {
                        let withheld = free[random.random_range(0..free.len())].clone();
                        return Turn::Missing { wish, withheld };
                    }
                }
                Turn::Chat(talk(random))
            }
            _ => Turn::Chat(talk(random)),
        }
    }

    /// Adds tools that are not needed until there are `wanted`, half of them from the needed tools' domains.
    fn add_candidates(
        &self,
        candidates: &mut Vec<usize>,
        needed: &[usize],
        wanted: usize,
        random: &mut Random,
    ) {
        let objects: Vec<usize> = needed.iter().map(|id| self.pool.apis[*id].object).collect();
        let names = |candidates: &[usize]| -> Vec<&str> {
            candidates.iter().map(|id| self.pool.apis[*id].spec.name.as_str()).collect()
        };
        for _ in 0..wanted * 20 {
            if candidates.len() >= wanted {
                return;
            }
            let near = needed.first().filter(|_| random.random_bool(0.5));
            let id = match near {
                Some(id) => {
                    let siblings = &self.by_domain[&self.pool.apis[*id].domain(self.grammar)];
                    siblings[random.random_range(0..siblings.len())]
                }
                None => self.any(random).id,
            };
            let api = &self.pool.apis[id];
            // Another tool for the same object could do what is wanted as well.
            if !candidates.contains(&id)
                && !objects.contains(&api.object)
                && !names(candidates).contains(&api.spec.name.as_str())
            {
                candidates.push(id);
            }
        }
    }

    /// Makes a plan harder: one more call, more tools to choose from, other words than the description's, a value that is told
    /// late, numbers as words.
    pub fn complicate(&self, plan: &mut Plan, random: &mut Random) {
        let irrelevant = matches!(plan.turns.last(), Some(Turn::Irrelevant(_)));
        match random.random_range(0..5) {
            0 if plan.kind == DialogType::Parallel => {
                let used: Vec<usize> = plan.turns.iter().flat_map(wishes).map(|wish| wish.api).collect();
                if let Some(Turn::Calls { wishes, .. }) = plan.turns.last_mut()
                    && wishes.len() < 4
                    && wishes.iter().all(|wish| wish.spread.is_none())
                {
                    let api = self.unused(&used, random);
                    // The new tool's object must not be that of a distractor.
                    plan.candidates.retain(|id| self.pool.apis[*id].object != api.object);
                    wishes.push(self.wish(api, random));
                    plan.candidates.push(api.id);
                }
            }
            1 if plan.candidates.len() < self.mix.candidates => {
                let needed: Vec<usize> = plan.turns.iter().flat_map(wishes).map(|wish| wish.api).collect();
                let wanted = (plan.candidates.len() + 3).min(self.mix.candidates);
                self.add_candidates(&mut plan.candidates, &needed, wanted, random);
                shuffle(&mut plan.candidates, random);
            }
            2 if plan.kind == DialogType::Single => {
                if let Some(Turn::Calls { wishes, withheld: withheld @ None }) = plan.turns.last_mut()
                    && let [wish] = &wishes[..]
                {
                    let free = withholdable(&self.pool.apis[wish.api], wish);
                    if !free.is_empty() {
                        *withheld = Some((0, free[random.random_range(0..free.len())].clone()));
                    }
                }
            }
            3 if !irrelevant => plan.wording.number_words = true,
            _ => plan.synonyms = true,
        }
    }

    /// Makes a plan easier: the reverse of [`Self::complicate`].
    pub fn simplify(&self, plan: &mut Plan, random: &mut Random) {
        let needed: Vec<usize> = plan.turns.iter().flat_map(wishes).map(|wish| wish.api).collect();
        plan.synonyms = false;
        plan.wording.number_words = false;
        let keep = (plan.candidates.len() / 2).max(1);
        let mut left = plan.candidates.len();
        plan.candidates.retain(|id| {
            let stays = needed.contains(id) || left <= keep;
            left -= usize::from(!stays);
            stays
        });
        if let Some(Turn::Calls { wishes, withheld }) = plan.turns.last_mut() {
            *withheld = None;
            if plan.kind == DialogType::Parallel && wishes.len() > 2 && random.random_bool(0.5) {
                wishes.pop();
            }
        }
        if plan.turns.len() > 1 && plan.kind != DialogType::NoTool {
            plan.turns.remove(0);
        }
    }
}

/// The wishes of a turn.
pub fn wishes(turn: &Turn) -> Vec<&Wish> {
    match turn {
        Turn::Calls { wishes, .. } => wishes.iter().collect(),
        Turn::Missing { wish, .. } | Turn::Irrelevant(wish) => vec![wish],
        Turn::Chat(_) => Vec::new(),
    }
}

fn shuffle(list: &mut [usize], random: &mut Random) {
    for at in (1..list.len()).rev() {
        list.swap(at, random.random_range(0..=at));
    }
}
