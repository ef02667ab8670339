//! What is asked in the back office: families of tasks, the calls that solve them, and tasks drawn from a seed.

use std::collections::BTreeMap;

use rand::RngExt;
use rec_core::random::stream;
use rec_core::{Json, ToolCall, ToolSpec};
use serde::{Deserialize, Serialize};

use super::tools::{DECOYS, USEFUL, USELESS, finish};
use super::world::{CITIES, CURRENCIES, LABELS, NAMES, World};
use crate::env::Reply;
use crate::env::server::{Calls, ToolServer};
use crate::{Error, Result};

/// How long the way is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Tier {
    /// Two or three useful calls.
    T1,
    /// Four or five.
    T2,
    /// Six to eight.
    T3,
    /// Cannot be solved: something asked for does not exist, or a needed tool is not offered.
    TU,
}

impl Tier {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::T1, Self::T2, Self::T3, Self::TU];
}

/// A kind of task.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[allow(missing_docs)]
pub enum Family {
    CityOf,
    PriceOf,
    PriceIn,
    StockNear,
    PriceFor,
    PlaceOrder,
    LandedCost,
    OrderNear,
    Refund,
    StockOfTwo,
}

/// One call of a program: arguments are registers, or words if they begin with `=`; members of the reply go into registers.
#[derive(Clone, Copy, Debug)]
pub(super) struct Instruction {
    pub tool: &'static str,
    pub arguments: &'static [(&'static str, &'static str)],
    pub results: &'static [(&'static str, &'static str)],
}

const fn call(
    tool: &'static str,
    arguments: &'static [(&'static str, &'static str)],
    results: &'static [(&'static str, &'static str)],
) -> Instruction {
    Instruction { tool, arguments, results }
}

const FIND_EMPLOYEE: Instruction = call("find_employee", &[("name", "name")], &[("emp", "emp")]);
const GET_EMPLOYEE: Instruction =
    call("get_employee", &[("emp", "emp")], &[("city", "city"), ("currency", "to")]);
const FIND_ITEM: Instruction = call("find_item", &[("label", "label")], &[("item", "item")]);
const GET_PRICE: Instruction =
    call("get_price", &[("item", "item")], &[("price", "price"), ("currency", "from")]);
const NEAREST_DEPOT: Instruction = call("nearest_depot", &[("city", "city")], &[("depot", "depot")]);
const GET_STOCK: Instruction =
    call("get_stock", &[("item", "item"), ("depot", "depot")], &[("stock", "stock")]);
const CONVERT_PRICE: Instruction =
    call("convert", &[("amount", "price"), ("from", "from"), ("to", "to")], &[("amount", "amount")]);
const CREATE_ORDER: Instruction = call(
    "create_order",
    &[("token", "token"), ("emp", "emp"), ("item", "item"), ("depot", "depot")],
    &[("order", "order")],
);
const ORDERS_TOKEN: Instruction = call("request_token", &[("scope", "=orders")], &[("token", "token")]);

const QUOTE_SHIPPING: Instruction =
    call("quote_shipping", &[("depot", "depot"), ("city", "city")], &[("fee", "fee")]);
const ADD_FEE: Instruction = call("add", &[("a", "price"), ("b", "fee")], &[("sum", "price")]);
const LATEST_ORDER: Instruction = call("latest_order", &[("emp", "emp")], &[("order", "order")]);
const GET_ORDER: Instruction =
    call("get_order", &[("order", "order")], &[("item", "item"), ("currency", "to")]);
const REFUNDS_TOKEN: Instruction = call("request_token", &[("scope", "=refunds")], &[("token", "token")]);
const REFUND_ORDER: Instruction = call(
    "refund_order",
    &[("token", "token"), ("order", "order"), ("amount", "amount")],
    &[("refunded", "refunded")],
);
const FIRST_STOCK: Instruction =
    call("get_stock", &[("item", "item"), ("depot", "depot")], &[("stock", "price")]);
const FIND_SECOND: Instruction = call("find_item", &[("label", "second")], &[("item", "item")]);
const ADD_STOCK: Instruction = call("add", &[("a", "price"), ("b", "stock")], &[("sum", "amount")]);

impl Family {
    /// All of them.
    pub const ALL: [Self; 10] = [
        Self::CityOf,
        Self::PriceOf,
        Self::PriceIn,
        Self::StockNear,
        Self::PriceFor,
        Self::PlaceOrder,
        Self::LandedCost,
        Self::OrderNear,
        Self::Refund,
        Self::StockOfTwo,
    ];

    /// The tier of its solvable tasks.
    pub fn tier(self) -> Tier {
        match self {
            Self::CityOf | Self::PriceOf | Self::PriceIn => Tier::T1,
            Self::StockNear | Self::PriceFor | Self::PlaceOrder => Tier::T2,
            Self::LandedCost | Self::OrderNear | Self::Refund | Self::StockOfTwo => Tier::T3,
        }
    }

    /// Whether solving it changes the office.
    pub fn mutates(self) -> bool {
        matches!(self, Self::PlaceOrder | Self::OrderNear | Self::Refund)
    }

    /// The calls that solve it, and the register that holds the answer.
    pub(super) fn program(self) -> (&'static [Instruction], &'static str) {
        match self {
            Self::CityOf => (&[FIND_EMPLOYEE, GET_EMPLOYEE], "city"),
            Self::PriceOf => (&[FIND_ITEM, GET_PRICE], "price"),
            Self::PriceIn => (&[FIND_ITEM, GET_PRICE, CONVERT_PRICE], "amount"),
            Self::StockNear => (&[FIND_EMPLOYEE, GET_EMPLOYEE, NEAREST_DEPOT, FIND_ITEM, GET_STOCK], "stock"),
            Self::PriceFor => (&[FIND_EMPLOYEE, GET_EMPLOYEE, FIND_ITEM, GET_PRICE, CONVERT_PRICE], "amount"),
            Self::PlaceOrder => (&[FIND_EMPLOYEE, FIND_ITEM, ORDERS_TOKEN, CREATE_ORDER], "order"),
            Self::LandedCost => (
                &[
                    FIND_EMPLOYEE,
                    GET_EMPLOYEE,
                    NEAREST_DEPOT,
                    FIND_ITEM,
                    GET_PRICE,
                    QUOTE_SHIPPING,
                    ADD_FEE,
                    CONVERT_PRICE,
                ],
                "amount",
            ),
            // The answer is what is left, which shows only after the order.
            Self::OrderNear => (
                &[
                    FIND_EMPLOYEE,
                    GET_EMPLOYEE,
                    NEAREST_DEPOT,
                    FIND_ITEM,
                    ORDERS_TOKEN,
                    CREATE_ORDER,
                    GET_STOCK,
                ],
                "stock",
            ),
            Self::Refund => (
                &[
                    FIND_EMPLOYEE,
                    LATEST_ORDER,
                    GET_ORDER,
                    GET_PRICE,
                    CONVERT_PRICE,
                    REFUNDS_TOKEN,
                    REFUND_ORDER,
                ],
                "refunded",
            ),
            Self::StockOfTwo => {
                (&[NEAREST_DEPOT, FIND_ITEM, FIRST_STOCK, FIND_SECOND, GET_STOCK, ADD_STOCK], "amount")
            }
        }
    }

    /// The question, and the registers that it fills.
    fn question(self) -> (&'static [&'static str], &'static [&'static str]) {
        match self {
            Self::CityOf => (&["city", "of", "$name"], &["name"]),
            Self::PriceOf => (&["price", "of", "$label"], &["label"]),
            Self::PriceIn => (&["price", "of", "$label", "in", "$to"], &["label", "to"]),
            Self::StockNear => (&["stock", "of", "$label", "near", "$name"], &["label", "name"]),
            Self::PriceFor => (&["price", "of", "$label", "for", "$name"], &["label", "name"]),
            Self::PlaceOrder => {
                (&["order", "$label", "from", "$depot", "for", "$name"], &["label", "depot", "name"])
            }
            Self::LandedCost => (&["landed", "cost", "of", "$label", "for", "$name"], &["label", "name"]),
            Self::OrderNear => (&["order", "$label", "near", "$name"], &["label", "name"]),
            Self::Refund => (&["refund", "last", "order", "of", "$name"], &["name"]),
            Self::StockOfTwo => {
                (&["stock", "of", "$label", "and", "$second", "near", "$city"], &["label", "second", "city"])
            }
        }
    }
}

/// The words of questions that are neither names nor values.
pub(super) const QUESTION_WORDS: [&str; 14] = [
    "city", "of", "price", "in", "stock", "near", "for", "order", "from", "landed", "cost", "refund", "last",
    "and",
];

/// A task in a world of its own.
#[derive(Clone, Debug)]
pub struct Task {
    /// Its number among the tasks of its seed.
    pub index: u64,
    /// How hard it is.
    pub tier: Tier,
    /// What is asked.
    pub family: Family,
    /// The question in words of the vocabulary, a blank between them.
    pub query: String,
    /// The tools on offer, shuffled, `Finish` among them.
    pub tools: Vec<ToolSpec>,
    /// What the question says, by register.
    pub(super) given: BTreeMap<&'static str, Json>,
    /// The office at the beginning.
    pub(super) world: World,
    /// The calls that are needed and their replies; none in [`Tier::TU`].
    pub(super) plan: Vec<(ToolCall, Reply)>,
    /// The right value; none where giving up is right.
    pub(super) answer: Option<Json>,
    /// [`World::digest`] as it should be at the end.
    pub(super) goal: u64,
}

impl Task {
    /// The right value; none where giving up is right.
    pub fn answer(&self) -> Option<&Json> {
        self.answer.as_ref()
    }

    /// The calls that are needed, in an order that works.
    pub fn plan(&self) -> impl Iterator<Item = &ToolCall> {
        self.plan.iter().map(|(call, _)| call)
    }
}

/// What tasks are drawn.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TaskConfig {
    /// The shares of the tiers T1, T2, T3 and TU; they need not sum to 1.
    pub tiers: [f64; 4],
    /// Families that are never drawn: for the split `compose`.
    pub without: Vec<Family>,
    /// Decoys under names that training never shows: for the split `decoy`.
    pub unseen_decoys: bool,
    /// Names the set of worlds: training, validation and test have seeds of their own.
    pub seed: u64,
}

impl Default for TaskConfig {
    fn default() -> Self {
        Self { tiers: [0.3, 0.3, 0.3, 0.1], without: Vec::new(), unseen_decoys: false, seed: 0 }
    }
}

impl TaskConfig {
    /// # Errors
    /// [`Error::Config`] if a tier has a share but no family.
    pub fn validate(&self) -> Result<()> {
        if self.tiers.iter().any(|share| !(share.is_finite() && *share >= 0.0))
            || self.tiers.iter().sum::<f64>() <= 0.0
        {
            return Err(Error::config("tasks.tiers", "must be shares, at least one above 0"));
        }
        for (tier, &share) in Tier::ALL.into_iter().zip(&self.tiers) {
            if share > 0.0 && self.families(tier).is_empty() {
                return Err(Error::config("tasks.without", format!("leaves no family of {tier:?}")));
            }
        }
        Ok(())
    }

    fn families(&self, tier: Tier) -> Vec<Family> {
        let fits = |family: &Family| match tier {
            Tier::TU => !family.mutates(),
            _ => family.tier() == tier,
        };
        Family::ALL.into_iter().filter(|family| fits(family) && !self.without.contains(family)).collect()
    }

    /// The task number `index`, of a tier drawn by the shares.
    pub(super) fn draw(&self, server: &ToolServer<World>, index: u64) -> Task {
        let mut left =
            stream(self.seed, "backoffice tier", index).random::<f64>() * self.tiers.iter().sum::<f64>();
        let tier = Tier::ALL.into_iter().zip(&self.tiers).find(|(_, share)| {
            left -= **share;
            left < 0.0
        });
        self.draw_from(server, tier.map_or(Tier::T1, |(tier, _)| tier), index)
    }

    /// The task number `index` of a tier.
    pub(super) fn draw_from(&self, server: &ToolServer<World>, tier: Tier, index: u64) -> Task {
        let mut attempt = 0;
        loop {
            // A task whose question has no answer in its world is drawn again: no order to refund, one currency for all.
            if let Some(task) = self.attempt(server, tier, index, attempt) {
                return task;
            }
            attempt += 1;
        }
    }

    fn attempt(&self, server: &ToolServer<World>, tier: Tier, index: u64, attempt: u64) -> Option<Task> {
        let mut rng = stream(self.seed, &format!("backoffice task {tier:?} {attempt}"), index);
        let world = World::generate(rng.random::<u64>());
        let families = self.families(tier);
        let family = families[rng.random_range(0..families.len())];
        let (program, answer_register) = family.program();
        let (words, registers) = family.question();

        // What the question names. In TU half of the tasks name what is not there.
        let register = &world.register;
        let entity_missing = tier == Tier::TU && rng.random::<bool>();
        let named = |missing: bool, all: &[&str], taken: &dyn Fn(usize) -> bool, at: usize| {
            let fitting: Vec<usize> = (0..all.len()).filter(|&place| taken(place) != missing).collect();
            Json::from(all[fitting[at % fitting.len()]])
        };
        let mut given = BTreeMap::new();
        let mut missing = entity_missing;
        for &slot in registers {
            let at = rng.random::<u32>() as usize;
            let value = match slot {
                "name" => {
                    let taken = |name| register.employees.iter().any(|employee| employee.name == name);
                    named(std::mem::take(&mut missing), &NAMES, &taken, at)
                }
                "label" | "second" => {
                    let taken = |label| register.items.iter().any(|item| item.label == label);
                    named(std::mem::take(&mut missing), &LABELS, &taken, at)
                }
                "to" => CURRENCIES[at % CURRENCIES.len()].into(),
                "depot" => format!("d{}", at % super::world::DEPOTS).into(),
                _ => CITIES[at % CITIES.len()].into(),
            };
            given.insert(slot, value);
        }
        if given.get("second").is_some_and(|second| Some(second) == given.get("label")) {
            return None;
        }

        // The needed calls, on a server without failures.
        let mut registers = given.clone();
        let (mut solved, mut calls) = (world.clone(), Calls::default());
        let mut plan = Vec::new();
        for instruction in program {
            let call = instruction.fill(&registers);
            let reply = server.call(&mut solved, &world, 0, &mut calls, &call);
            if !reply.status.is_success() {
                break;
            }
            instruction.bind(&reply, &mut registers);
            plan.push((call, reply));
        }
        let solvable = plan.len() == program.len();
        if solvable == entity_missing {
            return None;
        }
        // Converting between equal currencies would be a step that nobody needs.
        if plan.iter().any(|(call, _)| {
            call.arguments.get("from").is_some_and(|from| Some(from) == call.arguments.get("to"))
        }) {
            return None;
        }

        let lost =
            (tier == Tier::TU && !entity_missing).then(|| program[rng.random_range(0..program.len())].tool);
        let tools = self.offer(server, program, lost, &mut rng);
        let query: Vec<String> = words
            .iter()
            .map(|word| match word.strip_prefix('$') {
                Some(slot) => given[slot].as_str().unwrap_or_default().to_owned(),
                None => (*word).to_owned(),
            })
            .collect();
        let answer = registers.remove(answer_register).filter(|_| tier != Tier::TU);
        let goal = if tier == Tier::TU { world.digest() } else { solved.digest() };
        if tier == Tier::TU {
            plan.clear();
        }
        let query = query.join(" ");
        Some(Task { index, tier, family, query, tools, given, world, plan, answer, goal })
    }

    /// Ten to sixteen tools: the needed ones without `lost`, their decoys four times out of five, others, `Finish`.
    fn offer(
        &self,
        server: &ToolServer<World>,
        program: &[Instruction],
        lost: Option<&str>,
        rng: &mut rec_core::random::Random,
    ) -> Vec<ToolSpec> {
        let decoy = |at: usize| if self.unseen_decoys { DECOYS[at].1 } else { DECOYS[at].0 };
        let mut names: Vec<&str> = Vec::new();
        for instruction in program {
            if !names.contains(&instruction.tool) && lost != Some(instruction.tool) {
                names.push(instruction.tool);
            }
        }
        for at in 0..DECOYS.len() {
            if program.iter().any(|instruction| instruction.tool == DECOYS[at].2) && rng.random::<f64>() < 0.8
            {
                names.push(decoy(at));
            }
        }
        let wanted = rng.random_range(10..=16_usize) - 1;
        let mut others: Vec<&str> =
            USEFUL.into_iter().chain(USELESS).chain((0..DECOYS.len()).map(decoy)).collect();
        others.retain(|name| !names.contains(name) && lost != Some(*name));
        while names.len() < wanted && !others.is_empty() {
            names.push(others.swap_remove(rng.random_range(0..others.len())));
        }
        let mut tools: Vec<ToolSpec> =
            names.iter().filter_map(|name| server.tool(name)).map(|tool| tool.spec.clone()).collect();
        tools.push(finish());
        for at in (1..tools.len()).rev() {
            tools.swap(at, rng.random_range(0..=at));
        }
        tools
    }
}

impl Instruction {
    /// The call with the values of registers; a register without a value gives a null.
    pub(super) fn fill(&self, registers: &BTreeMap<&'static str, Json>) -> ToolCall {
        let value = |source: &str| match source.strip_prefix('=') {
            Some(word) => word.into(),
            None => registers.get(source).cloned().unwrap_or_default(),
        };
        let arguments = self.arguments.iter().map(|&(name, source)| (name, value(source))).collect();
        ToolCall::new("", self.tool, arguments)
    }

    /// Keeps what a reply says.
    pub(super) fn bind(&self, reply: &Reply, registers: &mut BTreeMap<&'static str, Json>) {
        for &(member, register) in self.results {
            if let Some(value) = reply.response.get(member) {
                registers.insert(register, value.clone());
            }
        }
    }
}
