//! How alike two texts are: the cosine of their hashed character 3-gram counts.

const SIZE: usize = 512;

/// The weighted 3-grams of a text, of length 1.
#[derive(Clone, Debug)]
pub struct Grams(Box<[f32; SIZE]>);

impl Grams {
    /// The 3-grams of `text`. Counts are damped by a logarithm: what is repeated says little more.
    pub fn of(text: &str) -> Self {
        let mut weights = Box::new([0.0_f32; SIZE]);
        let bytes: Vec<u8> = text.to_lowercase().into_bytes();
        for gram in bytes.windows(3) {
            let mut hash = 0x811c_9dc5_u32;
            for byte in gram {
                hash = (hash ^ u32::from(*byte)).wrapping_mul(0x0100_0193);
            }
            // The low bits of this hash of three bytes are poor.
            weights[(hash >> 7) as usize % SIZE] += 1.0;
        }
        let mut norm = 0.0;
        for weight in weights.iter_mut() {
            *weight = weight.ln_1p();
            norm += *weight * *weight;
        }
        if norm > 0.0 {
            let scale = norm.sqrt().recip();
            weights.iter_mut().for_each(|weight| *weight *= scale);
        }
        Self(weights)
    }

    /// The cosine: 1 for equal texts, 0 for texts without a common 3-gram.
    pub fn cosine(&self, other: &Self) -> f32 {
        self.0.iter().zip(other.0.iter()).map(|(a, b)| a * b).sum()
    }
}
