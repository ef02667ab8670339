//! Python's `random.Random`, seeded with an integer.

use std::sync::{Arc, LazyLock, OnceLock};

use num_bigint::BigInt;
use rand_mt::Mt;

/// Words made ready when the first is drawn: enough for nearly every scenario, and clones share them.
const READY: usize = 64;

/// A Mersenne Twister in the state that Python's seeding by an integer gives. Cheap to clone until its first words are used up.
#[derive(Clone, Debug)]
pub struct Random {
    ready: Arc<OnceLock<[u32; READY]>>,
    used: usize,
    /// The generator itself, once the ready words are used up.
    beyond: Option<Box<Mt>>,
    key: Arc<[u32]>,
}

impl Random {
    /// The generator with the seed of a class, which nearly all scenarios leave as it is. The first words of these seeds are constants,
    /// and made once.
    pub fn of_class(seed: i64) -> Self {
        static KNOWN: LazyLock<[(i64, Random); 3]> = LazyLock::new(|| {
            [141_053, 200_191, 1_053_520].map(|seed| (seed, Random::new(&BigInt::from(seed))))
        });
        let known = KNOWN.iter().find(|(known, _)| *known == seed);
        known.map_or_else(|| Random::new(&BigInt::from(seed)), |(_, random)| random.clone())
    }

    /// As `random.Random(seed)`: the key is the magnitude in words of 32 bits, the lowest first.
    pub fn new(seed: &BigInt) -> Self {
        let key: Arc<[u32]> = seed.magnitude().to_u32_digits().into();
        let key = if key.is_empty() { Arc::from([0u32]) } else { key };
        Random { ready: Arc::default(), used: 0, beyond: None, key }
    }

    fn word(&mut self) -> u32 {
        if self.used < READY {
            let key = &self.key;
            let ready = self.ready.get_or_init(|| {
                let mut twister = Mt::new_with_key(key.iter().copied());
                std::array::from_fn(|_| twister.next_u32())
            });
            self.used += 1;
            return ready[self.used - 1];
        }
        let key = &self.key;
        self.beyond
            .get_or_insert_with(|| {
                let mut twister = Mt::new_with_key(key.iter().copied());
                for _ in 0..READY {
                    twister.next_u32();
                }
                Box::new(twister)
            })
            .next_u32()
    }

    /// `getrandbits(bits)` for up to 64 bits: low word first, the last one cut to its high bits.
    fn bits(&mut self, bits: u32) -> u64 {
        if bits <= 32 {
            return (self.word() >> (32 - bits)) as u64;
        }
        let low = self.word() as u64;
        low | ((self.word() >> (64 - bits)) as u64) << 32
    }

    /// `randint(low, high)`: draws of as many bits as the count of values has, until one is below the count.
    pub fn integer(&mut self, low: i64, high: i64) -> i64 {
        let count = (high - low) as u64 + 1;
        let bits = 64 - count.leading_zeros();
        loop {
            let r = self.bits(bits);
            if r < count {
                return low + r as i64;
            }
        }
    }

    /// `random()`: 53 bits.
    pub fn unit(&mut self) -> f64 {
        let (a, b) = (self.word() >> 5, self.word() >> 6);
        (a as f64 * 67_108_864.0 + b as f64) * (1.0 / 9_007_199_254_740_992.0)
    }

    /// `uniform(low, high)`.
    pub fn uniform(&mut self, low: f64, high: f64) -> f64 {
        low + (high - low) * self.unit()
    }
}
