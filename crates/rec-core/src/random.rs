//! Seeded randomness: every random choice of a run comes from a stream named by its seed and its purpose.
//!
//! A stream is rebuilt from `(seed, purpose, index)` instead of being stored, so a run that goes on from a
//! checkpoint draws what the unbroken run would have drawn, whatever the number of threads.

use rand::SeedableRng;

/// The generator used everywhere.
pub type Random = rand_xoshiro::Xoshiro256PlusPlus;

/// The stream number `index` (an epoch, a thread, a user …) of `seed` for one `purpose`.
///
/// ```
/// use rand::Rng;
/// let mut shuffle = rec_core::random::stream(1, "shuffle", 0);
/// let mut again = rec_core::random::stream(1, "shuffle", 0);
/// let mut other = rec_core::random::stream(1, "shuffle", 1);
/// let first = shuffle.next_u64();
/// assert_eq!(first, again.next_u64());
/// assert_ne!(first, other.next_u64());
/// ```
pub fn stream(seed: u64, purpose: &str, index: u64) -> Random {
    // FNV-1a over the purpose, then two rounds of the splitmix finaliser to mix in the numbers.
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    for byte in purpose.bytes() {
        hash = (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
    }
    Random::seed_from_u64(mix(mix(hash ^ seed) ^ index))
}

fn mix(mut x: u64) -> u64 {
    x = x.wrapping_add(0x9e37_79b9_7f4a_7c15);
    x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}
