//! The rows of a batch's slots: normalising them, and turning gradients on the sphere into gradients of rows.

use super::rows::RowsMut;
use super::side::Side;
use super::simd::{Kernel, Simd, dispatch};
use super::uniformity::{Sphere, TILE, transpose_tile};

/// The vectors of one side's slots, on the sphere or as they are.
#[derive(Clone, Debug)]
pub(crate) struct Vectors {
    pub sphere: Sphere,
    /// `1 / max(|v|, 1e-12)` of each slot's raw vector, or 1 where vectors are not normalised.
    pub scales: Vec<f32>,
}

impl Vectors {
    pub fn with_capacity(capacity: usize, width: usize) -> Self {
        let sphere = Sphere::with_capacity(capacity, width);
        let scales = vec![0.0; sphere.weights.len()];
        Self { sphere, scales }
    }

    pub fn writer(&mut self) -> VectorsWriter<'_> {
        let width = self.sphere.width;
        VectorsWriter {
            n: self.sphere.n,
            width,
            rows: RowsMut::new(&mut self.sphere.rows, TILE * width),
            panels: RowsMut::new(&mut self.sphere.panels, TILE * width),
            weights: RowsMut::new(&mut self.sphere.weights, TILE),
            scales: RowsMut::new(&mut self.scales, TILE),
        }
    }

    #[inline(always)]
    pub fn row(&self, slot: usize) -> &[f32] {
        &self.sphere.rows[slot * self.sphere.width..(slot + 1) * self.sphere.width]
    }
}

/// [`Vectors`] filled in parallel, tile by tile.
#[derive(Clone, Copy)]
pub(crate) struct VectorsWriter<'a> {
    n: usize,
    width: usize,
    rows: RowsMut<'a, f32>,
    panels: RowsMut<'a, f32>,
    weights: RowsMut<'a, f32>,
    scales: RowsMut<'a, f32>,
}

/// What becomes of the raw vectors of a tile.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    /// Kept as they are.
    Raw,
    /// Normalised.
    Unit,
    /// Normalised, and transposed for the uniformity kernel with weights.
    Spread {
        /// Whether a slot counts once, however often its id occurs.
        dedup: bool,
    },
}

impl VectorsWriter<'_> {
    /// Fills tile `tile`: `fill(slots, rows)` gives the raw vectors, [`Form`] says what becomes of them.
    ///
    /// # Safety
    /// No two threads may fill the same tile at once.
    pub unsafe fn fill(
        &self,
        tile: usize,
        side: &Side,
        form: Form,
        fill: impl FnOnce(std::ops::Range<usize>, &mut [f32]),
    ) {
        let slots = tile * TILE..((tile + 1) * TILE).min(self.n);
        let used = slots.len() * self.width;
        // SAFETY: the caller keeps tiles apart.
        let (rows, scales) = unsafe { (self.rows.row(tile), self.scales.row(tile)) };
        fill(slots.clone(), &mut rows[..used]);
        if form == Form::Raw {
            scales.fill(1.0);
            return;
        }
        dispatch(Normalize { rows: &mut rows[..used], scales, width: self.width });
        if let Form::Spread { dedup } = form {
            rows[used..].fill(0.0);
            // SAFETY: the caller keeps tiles apart.
            let (panel, weights) = unsafe { (self.panels.row(tile), self.weights.row(tile)) };
            weights.fill(0.0);
            for (weight, slot) in weights.iter_mut().zip(slots) {
                *weight = if dedup { 1.0 } else { side.pairs_of(slot).len() as f32 };
            }
            transpose_tile(rows, self.width, panel);
        }
    }
}

struct Normalize<'a> {
    rows: &'a mut [f32],
    scales: &'a mut [f32],
    width: usize,
}

impl Kernel for Normalize<'_> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self) {
        for (row, scale) in self.rows.chunks_exact_mut(self.width).zip(self.scales) {
            let norm = dot::<S>(row, row).sqrt();
            *scale = 1.0 / norm.max(1e-12);
            for x in row {
                *x *= *scale;
            }
        }
    }
}

/// The inner product of two rows whose length is a multiple of 16.
#[inline(always)]
pub(crate) fn dot<S: Simd>(a: &[f32], b: &[f32]) -> f32 {
    assert!(a.len() == b.len() && a.len().is_multiple_of(S::LANES));
    let mut sum = S::splat(0.0);
    for at in (0..a.len()).step_by(S::LANES) {
        // SAFETY: `at + LANES <= len` since the length is a multiple of LANES.
        unsafe { sum = S::mul_add(S::load(a.as_ptr().add(at)), S::load(b.as_ptr().add(at)), sum) }
    }
    S::sum(sum)
}

/// Inner products of the pairs of a user tile: `each(pair, x . y)`.
pub(crate) struct Dots<'a, F> {
    pub slots: std::ops::Range<usize>,
    pub side: &'a Side,
    pub own: &'a Vectors,
    pub others: &'a Vectors,
    pub other_slots: &'a [u32],
    pub each: F,
}

impl<F: FnMut(usize, f32)> Kernel for Dots<'_, F> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(mut self) {
        for slot in self.slots {
            for &pair in self.side.pairs_of(slot) {
                let other = self.other_slots[pair as usize] as usize;
                (self.each)(pair as usize, dot::<S>(self.own.row(slot), self.others.row(other)));
            }
        }
    }
}

/// An alignment term: which hop of the users it joins with which hop of the items, and its weight.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Term {
    pub hops: [usize; 2],
    pub weight: f64,
}

/// The gradients of the raw vectors of the slots of one tile.
pub(crate) struct SlotGradients<'a> {
    pub slots: std::ops::Range<usize>,
    /// Which side and which hop's vectors.
    pub of: (usize, usize),
    pub sides: &'a [Side; 2],
    pub hops: &'a [[Vectors; 2]],
    /// Uniformity's `G`, one buffer for each lane, and what it is multiplied with; empty lanes mean no uniformity.
    pub lanes: &'a [f32],
    pub lane_length: usize,
    pub uniformity: f32,
    /// `d loss / d (x . y)` of each pair, for a term of weight 1.
    pub coefficients: &'a [f32],
    pub terms: &'a [Term],
    /// Whether vectors were normalised.
    pub normalized: bool,
    /// `[slots, width]`.
    pub target: &'a mut [f32],
}

impl Kernel for SlotGradients<'_> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self) {
        let (side, hop) = self.of;
        let (own, other_slots) = (&self.sides[side], &self.sides[1 - side].slots);
        let vectors = &self.hops[hop][side];
        let width = vectors.sphere.width;
        for (slot, target) in self.slots.clone().zip(self.target.chunks_exact_mut(width)) {
            target.fill(0.0);
            if self.uniformity != 0.0 {
                for lane in self.lanes.chunks_exact(self.lane_length) {
                    add_scaled::<S>(target, self.uniformity, &lane[slot * width..(slot + 1) * width]);
                }
            }
            for term in self.terms.iter().filter(|term| term.hops[side] == hop) {
                let others = &self.hops[term.hops[1 - side]][1 - side];
                for &pair in own.pairs_of(slot) {
                    let other = other_slots[pair as usize] as usize;
                    let weight = term.weight as f32 * self.coefficients[pair as usize];
                    add_scaled::<S>(target, weight, others.row(other));
                }
            }
            if self.normalized {
                // d(v / |v|) = (I - z z') / |v|.
                let z = vectors.row(slot);
                let radial = dot::<S>(target, z);
                add_scaled::<S>(target, -radial, z);
                let scale = vectors.scales[slot];
                target.iter_mut().for_each(|g| *g *= scale);
            }
        }
    }
}

/// `target += weight * source`; lengths are equal and a multiple of 16.
#[inline(always)]
fn add_scaled<S: Simd>(target: &mut [f32], weight: f32, source: &[f32]) {
    assert!(target.len() == source.len() && target.len().is_multiple_of(S::LANES));
    let weight = S::splat(weight);
    for at in (0..target.len()).step_by(S::LANES) {
        // SAFETY: `at + LANES <= len` since the length is a multiple of LANES.
        unsafe {
            let sum = S::mul_add(weight, S::load(source.as_ptr().add(at)), S::load(target.as_ptr().add(at)));
            S::store(target.as_mut_ptr().add(at), sum);
        }
    }
}
