//! The state of a back office: people, items, depots, stock, orders.

use std::sync::Arc;

use rand::RngExt;
use rec_core::random::{Random, stream};

use crate::env::{chance, hash};

/// Names that employees may have; a world uses half of them.
pub const NAMES: [&str; 48] = [
    "Ada", "Alan", "Anna", "Ben", "Bea", "Carl", "Cleo", "Dora", "Dan", "Edda", "Emil", "Eva", "Finn", "Fay",
    "Gus", "Gina", "Hugo", "Hedy", "Ida", "Ivan", "Jane", "Jon", "Kai", "Kim", "Lea", "Leo", "Lina", "Max",
    "Mia", "Nils", "Nora", "Olga", "Otto", "Paul", "Pia", "Quin", "Rosa", "Ron", "Sara", "Sven", "Tina",
    "Tom", "Uma", "Vera", "Will", "Xena", "Yan", "Zoe",
];
/// Labels that items may have; a world uses half of them.
pub const LABELS: [&str; 60] = [
    "anvil", "awl", "axe", "bag", "ball", "band", "bell", "belt", "bin", "bolt", "book", "bowl", "box",
    "brush", "cable", "cap", "cart", "chair", "chalk", "clamp", "clock", "coat", "comb", "cord", "cup",
    "desk", "disk", "door", "drill", "drum", "fan", "file", "flag", "fork", "frame", "glass", "glove",
    "glue", "hat", "hinge", "hook", "hose", "jar", "key", "kite", "knob", "lamp", "lens", "lock", "mat",
    "mug", "nail", "net", "pan", "pen", "pipe", "plate", "rope", "saw", "tape",
];
/// Where employees live and depots stand.
pub const CITIES: [&str; 12] =
    ["Athens", "Bern", "Cairo", "Delhi", "Essen", "Fez", "Graz", "Hull", "Izmir", "Jena", "Kyoto", "Lima"];
/// What prices are in.
pub const CURRENCIES: [&str; 4] = ["crown", "dinar", "franc", "mark"];
/// What a token allows.
pub const SCOPES: [&str; 2] = ["orders", "refunds"];

pub(super) const EMPLOYEES: usize = 24;
pub(super) const ITEMS: usize = 30;
pub(super) const DEPOTS: usize = 8;
pub(super) const ORDERS: usize = 20;
pub(super) const TOKENS: usize = 8;
/// Numbers in replies and answers are below this.
pub const NUMBERS: i64 = 200;

/// A person. Places in the lists of names, cities and currencies.
#[derive(Clone, Debug)]
pub(super) struct Employee {
    pub name: usize,
    pub city: usize,
    pub currency: usize,
}

/// What is sold.
#[derive(Clone, Debug)]
pub(super) struct Item {
    pub label: usize,
    pub price: i64,
    pub currency: usize,
}

/// Who ordered what, where from.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Order {
    pub employee: usize,
    pub item: usize,
    pub depot: usize,
    pub currency: usize,
    pub refunded: Option<i64>,
}

/// What does not change.
#[derive(Debug)]
pub(super) struct Register {
    pub seed: u64,
    pub employees: Vec<Employee>,
    pub items: Vec<Item>,
    /// What a parcel costs from each depot to each city, in the currency of the goods.
    pub fees: Vec<[i64; CITIES.len()]>,
    /// How many of the smallest units each currency is worth.
    pub weights: [i64; CURRENCIES.len()],
    /// The number of the token for each scope.
    pub tokens: [usize; SCOPES.len()],
}

/// A back office.
#[derive(Clone, Debug)]
pub struct World {
    pub(super) register: Arc<Register>,
    pub(super) stock: Vec<[i64; DEPOTS]>,
    pub(super) orders: Vec<Order>,
    pub(super) granted: [bool; SCOPES.len()],
}

fn sample(of: usize, count: usize, rng: &mut Random) -> Vec<usize> {
    let mut all: Vec<usize> = (0..of).collect();
    for at in 0..count {
        let other = rng.random_range(at..of);
        all.swap(at, other);
    }
    all.truncate(count);
    all
}

impl World {
    /// The world number `seed`.
    ///
    /// Prices are below 37 and fees below 10, so that any landed cost in any currency stays below [`NUMBERS`].
    pub fn generate(seed: u64) -> Self {
        let mut rng = stream(seed, "backoffice world", 0);
        let names = sample(NAMES.len(), EMPLOYEES, &mut rng);
        let employees: Vec<Employee> = names
            .into_iter()
            .map(|name| Employee {
                name,
                city: rng.random_range(0..CITIES.len()),
                currency: rng.random_range(0..CURRENCIES.len()),
            })
            .collect();
        let labels = sample(LABELS.len(), ITEMS, &mut rng);
        let items: Vec<Item> = labels
            .into_iter()
            .map(|label| Item {
                label,
                price: rng.random_range(4..=36),
                currency: rng.random_range(0..CURRENCIES.len()),
            })
            .collect();
        // The nearest depot of a city is the one with the lowest fee, so no city has two of those.
        let mut fees = vec![[0; CITIES.len()]; DEPOTS];
        for city in 0..CITIES.len() {
            let order = sample(9, DEPOTS, &mut rng);
            for depot in 0..DEPOTS {
                fees[depot][city] = 1 + order[depot] as i64;
            }
        }
        let places = sample(4, 4, &mut rng);
        let weights = std::array::from_fn(|at| [1, 2, 3, 4][places[at]]);
        let tokens = sample(TOKENS, SCOPES.len(), &mut rng);
        let stock = (0..ITEMS).map(|_| std::array::from_fn(|_| rng.random_range(1..=20))).collect();
        let buyers = sample(EMPLOYEES, ORDERS, &mut rng);
        let orders = buyers
            .into_iter()
            .map(|employee| Order {
                employee,
                item: rng.random_range(0..ITEMS),
                depot: rng.random_range(0..DEPOTS),
                currency: rng.random_range(0..CURRENCIES.len()),
                refunded: None,
            })
            .collect();
        let tokens = std::array::from_fn(|scope| tokens[scope]);
        let register = Arc::new(Register { seed, employees, items, fees, weights, tokens });
        Self { register, stock, orders, granted: [false; SCOPES.len()] }
    }

    /// The depot from which a parcel to `city` costs least.
    pub(super) fn nearest_depot(&self, city: usize) -> usize {
        (0..DEPOTS).min_by_key(|&depot| self.register.fees[depot][city]).unwrap_or(0)
    }

    /// An amount in another currency, rounded down.
    pub(super) fn convert(&self, amount: i64, from: usize, to: usize) -> i64 {
        amount.saturating_mul(self.register.weights[from]) / self.register.weights[to]
    }

    /// What an old table says in place of the entry `true_place`: the truth for half of them, another entry for the rest, and
    /// nothing for 15 in 100.
    pub(super) fn stale(&self, table: &str, true_place: usize, places: usize) -> Option<usize> {
        let key = |what: &str| format!("{what} {table} {true_place}");
        if chance(self.register.seed, &key("error")) < 0.15 {
            return None;
        }
        if chance(self.register.seed, &key("fresh")) < 0.5 {
            return Some(true_place);
        }
        let other = hash(self.register.seed, &key("place")) as usize % (places - 1);
        Some(if other >= true_place { other + 1 } else { other })
    }

    /// A number of what a task may have changed: stock, orders and refunds. Granted tokens change nothing in the office.
    pub fn digest(&self) -> u64 {
        // Asked for at every step: no text is made of it.
        let stock = self.stock.iter().flatten().copied();
        let orders = self.orders.iter().flat_map(|order| {
            let Order { employee, item, depot, currency, refunded } = *order;
            let places = [employee, item, depot, currency].map(|place| place as i64);
            places.into_iter().chain([i64::from(refunded.is_some()), refunded.unwrap_or(0)])
        });
        stock.chain(orders).fold(hash(self.register.seed, "office"), mix)
    }
}

/// One number more in a digest.
fn mix(sum: u64, value: i64) -> u64 {
    let x = (sum ^ value as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    x ^ (x >> 29)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn worlds_follow_from_their_seed() {
        assert_eq!(World::generate(3).digest(), World::generate(3).digest());
        assert_ne!(World::generate(3).digest(), World::generate(4).digest());
        // Every change of stock and orders is seen.
        let world = World::generate(3);
        let mut digests = std::collections::BTreeSet::from([world.digest()]);
        for item in 0..world.stock.len() {
            for depot in 0..DEPOTS {
                let mut changed = world.clone();
                changed.stock[item][depot] += 1;
                assert!(digests.insert(changed.digest()));
            }
        }
        for order in 0..world.orders.len() {
            for amount in 0..5 {
                let mut changed = world.clone();
                changed.orders[order].refunded = Some(amount);
                assert!(digests.insert(changed.digest()));
            }
        }
    }

    #[test]
    fn numbers_stay_small() {
        for seed in 0..50 {
            let world = World::generate(seed);
            let fee = world.register.fees.iter().flatten().max().unwrap();
            let price = world.register.items.iter().map(|item| item.price).max().unwrap();
            let most = (0..4).flat_map(|from| (0..4).map(move |to| (from, to)));
            assert!(most.map(|(from, to)| world.convert(price + fee, from, to)).max().unwrap() < NUMBERS);
        }
    }

    #[test]
    fn old_tables_are_right_half_the_time() {
        let world = World::generate(1);
        let told: Vec<_> = (0..4000).map(|at| world.stale("t", at, 5000)).collect();
        let errors = told.iter().filter(|told| told.is_none()).count();
        let right = told.iter().enumerate().filter(|(at, told)| **told == Some(*at)).count();
        assert!((500..700).contains(&errors), "{errors}");
        assert!((1550..1850).contains(&right), "{right}");
    }
}
