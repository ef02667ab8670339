//! Adam (Kingma & Ba, ICLR 2015) over embedding tables, as `torch.optim.Adam` computes it: L2 decay joins the
//! gradient, every row moves at every step.
//!
//! A row that is absent from the batch has the gradient `weight_decay * p`, so its next state depends on nothing
//! but itself and the step's number. The dense update is therefore *deferred*: a row is brought up to date when it
//! is next needed, all missed steps in one go while its values are in registers. The arithmetic is that of the
//! dense update, element by element and in the same order; only the traffic to memory goes.

use rayon::prelude::*;

use super::rows::RowsMut;
use super::simd::{Kernel, Simd, dispatch};

const BETA1: f32 = 0.9;
const BETA2: f32 = 0.999;
const EPSILON: f32 = 1e-8;
/// Rows in a parallel task over a whole table.
const CHUNK: usize = 256;

/// The numbers of one step that all elements share.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Step {
    /// `learning_rate / (1 - beta1^t)`.
    rate: f32,
    /// `1 / sqrt(1 - beta2^t)`.
    correction: f32,
}

/// Adam's schedule: the numbers of every step since the tables were last brought up to date.
#[derive(Clone, Debug)]
pub(crate) struct Schedule {
    learning_rate: f64,
    pub weight_decay: f32,
    /// Finished steps.
    pub step: u64,
    /// The step at which all rows were up to date.
    base: u64,
    /// Steps `base + 1 ..`.
    steps: Vec<Step>,
}

impl Schedule {
    /// A schedule that holds `capacity` steps between two calls of [`Schedule::rebase`] without allocating.
    pub fn new(learning_rate: f64, weight_decay: f64, capacity: usize) -> Self {
        let weight_decay = weight_decay as f32;
        Self { learning_rate, weight_decay, step: 0, base: 0, steps: Vec::with_capacity(capacity) }
    }

    /// Begins the next step.
    pub fn advance(&mut self) {
        self.step += 1;
        let t = self.step as f64;
        self.steps.push(Step {
            rate: (self.learning_rate / (1.0 - 0.9_f64.powf(t))) as f32,
            correction: (1.0 / (1.0 - 0.999_f64.powf(t)).sqrt()) as f32,
        });
    }

    /// Forgets the steps so far; all rows must be up to date.
    pub fn rebase(&mut self, step: u64) {
        self.step = step;
        self.base = step;
        self.steps.clear();
    }

    /// The steps after `done` up to and including `until`.
    fn between(&self, done: u64, until: u64) -> &[Step] {
        &self.steps[(done - self.base) as usize..(until - self.base) as usize]
    }

    fn current(&self) -> Step {
        *self.steps.last().expect("advance was called")
    }
}

/// Parameters and both moments of the rows of a table, and how far each row has come.
#[derive(Clone, Debug)]
pub(crate) struct Table {
    pub width: usize,
    pub values: Vec<f32>,
    pub first: Vec<f32>,
    pub second: Vec<f32>,
    /// The step each row is at.
    pub done: Vec<u64>,
}

impl Table {
    pub fn new(values: Vec<f32>, width: usize) -> Self {
        let n = values.len();
        Self { width, values, first: vec![0.0; n], second: vec![0.0; n], done: vec![0; n / width] }
    }

    pub fn writer(&mut self) -> TableWriter<'_> {
        TableWriter {
            values: RowsMut::new(&mut self.values, self.width),
            first: RowsMut::new(&mut self.first, self.width),
            second: RowsMut::new(&mut self.second, self.width),
            done: RowsMut::new(&mut self.done, 1),
        }
    }

    /// Brings every row up to the schedule's step; with `lazy` by declaring it to be there.
    pub fn flush(&mut self, schedule: &Schedule, lazy: bool) {
        let (rows, until) = (self.done.len(), schedule.step);
        let writer = self.writer();
        (0..rows.div_ceil(CHUNK)).into_par_iter().for_each(|chunk| {
            for row in chunk * CHUNK..((chunk + 1) * CHUNK).min(rows) {
                // SAFETY: chunks are disjoint.
                unsafe {
                    if lazy {
                        writer.skip(row, until);
                    } else {
                        writer.catch_up(row, schedule, until);
                    }
                }
            }
        });
    }

    /// The schedule's current step on all rows, which must be at the step before.
    pub fn update(&mut self, gradient: &[f32], schedule: &Schedule) {
        let length = CHUNK * self.width;
        self.values
            .par_chunks_mut(length)
            .zip(self.first.par_chunks_mut(length))
            .zip(self.second.par_chunks_mut(length))
            .zip(gradient.par_chunks(length))
            .for_each(|(((p, m), v), g)| update_all(p, m, v, g, schedule));
        self.done.fill(schedule.step);
    }
}

/// A table whose rows are updated in parallel.
#[derive(Clone, Copy)]
pub(crate) struct TableWriter<'a> {
    values: RowsMut<'a, f32>,
    first: RowsMut<'a, f32>,
    second: RowsMut<'a, f32>,
    done: RowsMut<'a, u64>,
}

impl<'a> TableWriter<'a> {
    /// Brings row `index` up to step `until` with the gradients of an absent row, and returns it.
    ///
    /// # Safety
    /// No other thread may hold the same row.
    #[inline]
    pub unsafe fn catch_up(&self, index: usize, schedule: &Schedule, until: u64) -> &'a [f32] {
        // SAFETY: the caller keeps rows apart.
        let (values, first, second, done) = unsafe {
            (self.values.row(index), self.first.row(index), self.second.row(index), self.done.row(index))
        };
        if done[0] < until {
            let steps = schedule.between(done[0], until);
            dispatch(CatchUp { values, first, second, steps, weight_decay: schedule.weight_decay });
            done[0] = until;
        }
        values
    }

    /// Declares row `index` up to date without moving it: lazy Adam.
    ///
    /// # Safety
    /// No other thread may hold the same row.
    #[inline]
    pub unsafe fn skip(&self, index: usize, until: u64) -> &'a [f32] {
        // SAFETY: the caller keeps rows apart.
        unsafe {
            self.done.row(index)[0] = until;
            self.values.row(index)
        }
    }

    /// The schedule's current step on row `index`, which must be at the step before.
    ///
    /// # Safety
    /// No other thread may hold the same row.
    #[inline]
    pub unsafe fn update(&self, index: usize, gradient: &[f32], schedule: &Schedule) {
        // SAFETY: the caller keeps rows apart.
        let (values, first, second, done) = unsafe {
            (self.values.row(index), self.first.row(index), self.second.row(index), self.done.row(index))
        };
        assert_eq!(done[0] + 1, schedule.step);
        let (step, weight_decay) = (schedule.current(), schedule.weight_decay);
        dispatch(Update { values, first, second, gradient, step, weight_decay });
        done[0] = schedule.step;
    }
}

/// The current step on a whole slice; its length is a multiple of 16.
pub(crate) fn update_all(
    values: &mut [f32],
    first: &mut [f32],
    second: &mut [f32],
    gradient: &[f32],
    schedule: &Schedule,
) {
    let (step, weight_decay) = (schedule.current(), schedule.weight_decay);
    dispatch(Update { values, first, second, gradient, step, weight_decay });
}

#[inline(always)]
fn advance<S: Simd>(
    values: &mut S::V,
    first: &mut S::V,
    second: &mut S::V,
    gradient: S::V,
    step: Step,
    weight_decay: f32,
) {
    let gradient = S::mul_add(S::splat(weight_decay), *values, gradient);
    *first = S::mul_add(S::splat(1.0 - BETA1), S::sub(gradient, *first), *first);
    let square = S::mul(gradient, gradient);
    *second = S::mul_add(S::splat(BETA2), *second, S::mul(S::splat(1.0 - BETA2), square));
    let direction = S::over_root(*first, *second, S::splat(step.correction), S::splat(EPSILON));
    *values = S::mul_add(S::splat(-step.rate), direction, *values);
}

struct CatchUp<'a> {
    values: &'a mut [f32],
    first: &'a mut [f32],
    second: &'a mut [f32],
    steps: &'a [Step],
    weight_decay: f32,
}

impl Kernel for CatchUp<'_> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self) {
        let Self { values, first, second, steps, weight_decay } = self;
        let (n, none) = (values.len(), S::splat(0.0));
        // Four independent chains hide the latency of square root and division.
        let block = 4 * S::LANES;
        let mut at = 0;
        while at + block <= n {
            advance_block::<S, 4>(values, first, second, [none; 4], at, steps, weight_decay);
            at += block;
        }
        while at < n {
            advance_block::<S, 1>(values, first, second, [none], at, steps, weight_decay);
            at += S::LANES;
        }
    }
}

struct Update<'a> {
    values: &'a mut [f32],
    first: &'a mut [f32],
    second: &'a mut [f32],
    gradient: &'a [f32],
    step: Step,
    weight_decay: f32,
}

impl Kernel for Update<'_> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self) {
        let Self { values, first, second, gradient, step, weight_decay } = self;
        let n = values.len();
        assert!(n.is_multiple_of(S::LANES) && gradient.len() == n);
        for at in (0..n).step_by(S::LANES) {
            // SAFETY: `at + LANES <= n` since n is a multiple of LANES.
            let gradient = unsafe { S::load(gradient.as_ptr().add(at)) };
            advance_block::<S, 1>(values, first, second, [gradient], at, &[step], weight_decay);
        }
    }
}

/// Takes `C` registers of elements from `at` on through `steps`, with the same gradient in each.
#[inline(always)]
fn advance_block<S: Simd, const C: usize>(
    values: &mut [f32],
    first: &mut [f32],
    second: &mut [f32],
    gradient: [S::V; C],
    at: usize,
    steps: &[Step],
    weight_decay: f32,
) {
    assert!(at + C * S::LANES <= values.len() && values.len() == first.len() && first.len() == second.len());
    let load = |source: &[f32]| -> [S::V; C] {
        // SAFETY: inside the slice by the assertion above.
        std::array::from_fn(|c| unsafe { S::load(source.as_ptr().add(at + c * S::LANES)) })
    };
    let (mut p, mut m, mut v) = (load(values), load(first), load(second));
    for &step in steps {
        for c in 0..C {
            advance::<S>(&mut p[c], &mut m[c], &mut v[c], gradient[c], step, weight_decay);
        }
    }
    for c in 0..C {
        let at = at + c * S::LANES;
        // SAFETY: as above.
        unsafe {
            S::store(values.as_mut_ptr().add(at), p[c]);
            S::store(first.as_mut_ptr().add(at), m[c]);
            S::store(second.as_mut_ptr().add(at), v[c]);
        }
    }
}
