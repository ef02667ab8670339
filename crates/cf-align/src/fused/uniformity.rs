//! Uniformity and its gradient over the weighted vectors of one side of a batch.
//!
//! With unit vectors `z_a`, each standing for `c_a` rows of the batch, and `k_ab = exp(-t |z_a - z_b|^2)
//! = exp(2t (z_a . z_b - 1))`, the kernel computes
//!
//! ```text
//! sum  = sum_{a<b} c_a c_b k_ab
//! G_a  = c_a sum_{b != a} c_b k_ab z_b
//! ```
//!
//! in symmetric tiles of 64 x 64: the Gram tile, its exponentials and both products stay in the first-level cache;
//! no batch x batch matrix exists. Rows that stand for the same id are merged by the caller, which changes nothing
//! but the work: equal vectors add `k = 1` and no gradient to each other.

use super::simd::{Kernel, Simd, dispatch};

/// Rows and columns of a tile.
pub(crate) const TILE: usize = 64;
/// Half of them: tiles on the diagonal leave out one of their four squares.
const HALF: usize = TILE / 2;

/// The unit vectors of one side of a batch, in rows and in transposed panels.
#[derive(Clone, Debug, Default)]
pub(crate) struct Sphere {
    /// Vectors in use.
    pub n: usize,
    /// Their length in memory, a multiple of 16.
    pub width: usize,
    /// `[capacity, width]`, zero from row `n` to the end of its tile.
    pub rows: Vec<f32>,
    /// Tile by tile transposed: `[capacity / 64, width, 64]`.
    pub panels: Vec<f32>,
    /// How many rows of the batch each vector stands for; zero where there is no vector.
    pub weights: Vec<f32>,
}

impl Sphere {
    /// Room for `capacity` vectors.
    pub fn with_capacity(capacity: usize, width: usize) -> Self {
        let rows = capacity.next_multiple_of(TILE);
        Self {
            n: 0,
            width,
            rows: vec![0.0; rows * width],
            panels: vec![0.0; rows * width],
            weights: vec![0.0; rows],
        }
    }

    /// How many tiles are in use.
    pub fn tiles(&self) -> usize {
        self.n.div_ceil(TILE)
    }
}

/// Transposes the rows of one tile `[64, width]` into its panel `[width, 64]`.
pub(crate) fn transpose_tile(rows: &[f32], width: usize, panel: &mut [f32]) {
    // Blocks of 16 x 16 keep both sides within a few cache lines.
    for column in (0..width).step_by(16) {
        for row in (0..TILE).step_by(16) {
            for c in column..(column + 16).min(width) {
                for r in row..row + 16 {
                    panel[c * TILE + r] = rows[r * width + c];
                }
            }
        }
    }
}

/// The part of `sum` (see the module's head) that lies in the tile row `tile`; with `gradient` (`[capacity, width]`)
/// its share of `G` is added there.
pub(crate) fn tile_row(sphere: &Sphere, tile: usize, two_t: f32, gradient: Option<&mut [f32]>) -> f64 {
    let end = sphere.tiles() * TILE;
    assert!(tile < sphere.tiles() && sphere.weights.len() >= end && sphere.width.is_multiple_of(16));
    assert!(sphere.rows.len() >= end * sphere.width && sphere.panels.len() >= end * sphere.width);
    if let Some(gradient) = &gradient {
        assert!(gradient.len() >= end * sphere.width);
    }
    dispatch(TileRow { sphere, tile, two_t, gradient })
}

struct TileRow<'a> {
    sphere: &'a Sphere,
    tile: usize,
    two_t: f32,
    gradient: Option<&'a mut [f32]>,
}

impl Kernel for TileRow<'_> {
    type Output = f64;
    #[inline(always)]
    fn run<S: Simd>(self) -> f64 {
        match S::COLUMNS {
            4 => tile_row_with::<S, 4>(self),
            2 => tile_row_with::<S, 2>(self),
            _ => tile_row_with::<S, 1>(self),
        }
    }
}

#[repr(align(64))]
struct Tile([f32; TILE * TILE]);

#[inline(always)]
fn tile_row_with<S: Simd, const C: usize>(work: TileRow<'_>) -> f64 {
    let TileRow { sphere, tile: i, two_t, mut gradient } = work;
    let width = sphere.width;
    let rows = |tile: usize| (sphere.n - tile * TILE).min(TILE).next_multiple_of(4);
    let mut k = Tile([0.0; TILE * TILE]);
    let mut total = 0.0;
    for j in i..sphere.tiles() {
        // SAFETY: tiles lie inside the buffers (asserted in `tile_row`); four rows at a time stay inside a tile.
        unsafe {
            let z_i = sphere.rows.as_ptr().add(i * TILE * width);
            let z_j = sphere.rows.as_ptr().add(j * TILE * width);
            let panel = sphere.panels.as_ptr().add(j * TILE * width);
            let c_i = sphere.weights.as_ptr().add(i * TILE);
            let c_j = sphere.weights.as_ptr().add(j * TILE);
            let (twice, once) = kernel_tile::<S, C>(
                (z_i, panel, c_i, c_j),
                (rows(i), rows(j), width),
                two_t,
                i == j,
                &mut k.0,
            );
            let mut twice = f64::from(twice);
            if i == j {
                for row in 0..rows(i) {
                    twice -= f64::from(k.0[row * TILE + row]);
                    k.0[row * TILE + row] = 0.0;
                }
            }
            total += 0.5 * twice + f64::from(once);
            let Some(gradient) = gradient.as_deref_mut() else { continue };
            let g_i = gradient.as_mut_ptr().add(i * TILE * width);
            let k = k.0.as_ptr();
            if i == j {
                let first = rows(i).min(HALF);
                product::<S, C>(k, (TILE, 1), z_j, g_i, (first, rows(j), width));
                if rows(i) > HALF {
                    // The lower half: its own square, and the upper half's right square transposed.
                    let (square, g) = (k.add(HALF * TILE + HALF), g_i.add(HALF * width));
                    let rest = rows(i) - HALF;
                    product::<S, C>(square, (TILE, 1), z_j.add(HALF * width), g, (rest, rest, width));
                    product::<S, C>(k.add(HALF), (1, TILE), z_j, g, (rest, HALF, width));
                }
            } else {
                product::<S, C>(k, (TILE, 1), z_j, g_i, (rows(i), rows(j), width));
                let g_j = gradient.as_mut_ptr().add(j * TILE * width);
                product::<S, C>(k, (1, TILE), z_i, g_j, (rows(j), rows(i), width));
            }
        }
    }
    total
}

/// `k[r, c] = c_i[r] c_j[c] exp(two_t (z_i[r] . z_j[c] - 1))` for a tile. On the `diagonal` the square of the lower rows with
/// the upper ones is left out, for it is the transpose of its opposite. Returns the sum of the pairs that occur twice (in the
/// squares on the diagonal), and of those that occur once.
///
/// # Safety
/// `z_i` holds `rows` rows of `width`, `panel` a transposed tile of `width`, `c_i` and `c_j` 64 weights.
#[inline(always)]
unsafe fn kernel_tile<S: Simd, const C: usize>(
    (z_i, panel, c_i, c_j): (*const f32, *const f32, *const f32, *const f32),
    (rows, columns, width): (usize, usize, usize),
    two_t: f32,
    diagonal: bool,
    k: &mut [f32; TILE * TILE],
) -> (f32, f32) {
    let (mut twice, mut once) = (S::splat(0.0), S::splat(0.0));
    for row in (0..rows).step_by(4) {
        let mut column = if diagonal { row / HALF * HALF } else { 0 };
        let square = if diagonal { column + HALF } else { 0 };
        // SAFETY: the caller's promise; blocks of at most HALF columns divide the HALF and the 64 of a tile.
        unsafe {
            let block = KernelBlock { a: z_i.add(row * width), panel, c_i: c_i.add(row), c_j, width, two_t };
            let k = k.as_mut_ptr().add(row * TILE);
            // Wide blocks, four rows by C registers, unless they would reach over the square or beyond the columns.
            while column < columns {
                let end = if column < square { square } else { columns.next_multiple_of(S::LANES) };
                let sum = if column < square { &mut twice } else { &mut once };
                if column + C * S::LANES <= end {
                    *sum = S::add(*sum, block.fill::<S, C>(column, k));
                    column += C * S::LANES;
                } else if C > 2 && column + 2 * S::LANES <= end {
                    *sum = S::add(*sum, block.fill::<S, 2>(column, k));
                    column += 2 * S::LANES;
                } else {
                    *sum = S::add(*sum, block.fill::<S, 1>(column, k));
                    column += S::LANES;
                }
            }
        }
    }
    (S::sum(twice), S::sum(once))
}

/// Four rows of a tile of the kernel.
#[derive(Clone, Copy)]
struct KernelBlock {
    a: *const f32,
    panel: *const f32,
    c_i: *const f32,
    c_j: *const f32,
    width: usize,
    two_t: f32,
}

impl KernelBlock {
    /// Fills `C` registers of columns from `column` on, and gives their sum.
    ///
    /// # Safety
    /// As in [`kernel_tile`]; `k` is the first of the four rows.
    #[inline(always)]
    unsafe fn fill<S: Simd, const C: usize>(self, column: usize, k: *mut f32) -> S::V {
        let mut sums = [S::splat(0.0); 4];
        // SAFETY: the caller's promise.
        unsafe {
            let cosines = gram::<S, C>(self.a, self.width, self.panel.add(column), self.width);
            for r in 0..4 {
                let weight = S::splat(*self.c_i.add(r));
                for c in 0..C {
                    let at = column + c * S::LANES;
                    let argument = S::mul_add(cosines[r][c], S::splat(self.two_t), S::splat(-self.two_t));
                    let weights = S::mul(weight, S::load(self.c_j.add(at)));
                    let value = S::mul(S::exp(argument), weights);
                    sums[r] = S::add(sums[r], value);
                    S::store(k.add(r * TILE + at), value);
                }
            }
        }
        S::add(S::add(sums[0], sums[1]), S::add(sums[2], sums[3]))
    }
}

/// Inner products of four rows with `C` registers of columns: `a` in rows of `stride`, `panel` transposed with 64
/// columns a row.
///
/// # Safety
/// `a` is readable for four rows of `depth`, `panel` for `depth` rows of 64.
#[inline(always)]
pub(crate) unsafe fn gram<S: Simd, const C: usize>(
    a: *const f32,
    stride: usize,
    panel: *const f32,
    depth: usize,
) -> [[S::V; C]; 4] {
    let mut sums = [[S::splat(0.0); C]; 4];
    for d in 0..depth {
        // SAFETY: the caller's promise.
        unsafe {
            let mut columns = [S::splat(0.0); C];
            for (c, column) in columns.iter_mut().enumerate() {
                *column = S::load(panel.add(d * TILE + c * S::LANES));
            }
            for (r, sums) in sums.iter_mut().enumerate() {
                let x = S::splat(*a.add(r * stride + d));
                for c in 0..C {
                    sums[c] = S::mul_add(x, columns[c], sums[c]);
                }
            }
        }
    }
    sums
}

/// `g[r] += sum_j k[r, j] z[j]` for `rows` rows and `depth` terms; element `(r, j)` of the tile lies at
/// `r * strides.0 + j * strides.1`, so that swapped strides give the transposed tile.
///
/// # Safety
/// `z` holds `depth` and `g` `rows` rows of `width`, `k` all that the strides reach; rows is a multiple of 4.
#[inline(always)]
unsafe fn product<S: Simd, const C: usize>(
    k: *const f32,
    strides: (usize, usize),
    z: *const f32,
    g: *mut f32,
    (rows, depth, width): (usize, usize, usize),
) {
    let block = C * S::LANES;
    for row in (0..rows).step_by(4) {
        let mut column = 0;
        // SAFETY: the caller's promise; `width` is a multiple of LANES.
        unsafe {
            let k = k.add(row * strides.0);
            while column + block <= width {
                product_block::<S, C>(k, strides, z.add(column), g.add(row * width + column), (depth, width));
                column += block;
            }
            while column < width {
                product_block::<S, 1>(k, strides, z.add(column), g.add(row * width + column), (depth, width));
                column += S::LANES;
            }
        }
    }
}

/// # Safety
/// As in [`product`], for one block of four rows and `C` registers.
#[inline(always)]
unsafe fn product_block<S: Simd, const C: usize>(
    k: *const f32,
    strides: (usize, usize),
    z: *const f32,
    g: *mut f32,
    (depth, width): (usize, usize),
) {
    // SAFETY: the caller's promise.
    unsafe {
        let mut sums = [[S::splat(0.0); C]; 4];
        for (r, sums) in sums.iter_mut().enumerate() {
            for (c, sum) in sums.iter_mut().enumerate() {
                *sum = S::load(g.add(r * width + c * S::LANES));
            }
        }
        for j in 0..depth {
            let mut vectors = [S::splat(0.0); C];
            for (c, vector) in vectors.iter_mut().enumerate() {
                *vector = S::load(z.add(j * width + c * S::LANES));
            }
            for (r, sums) in sums.iter_mut().enumerate() {
                let weight = S::splat(*k.add(r * strides.0 + j * strides.1));
                for c in 0..C {
                    sums[c] = S::mul_add(weight, vectors[c], sums[c]);
                }
            }
        }
        for (r, sums) in sums.iter().enumerate() {
            for (c, sum) in sums.iter().enumerate() {
                S::store(g.add(r * width + c * S::LANES), *sum);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rec_core::random;

    /// Unit vectors with weights, and what the definitions give in f64.
    fn case(n: usize, dim: usize) -> (Sphere, f64, Vec<f64>) {
        let width = super::super::rows::padded(dim);
        let mut sphere = Sphere::with_capacity(n, width);
        sphere.n = n;
        let mut rng = random::stream(7, "uniformity-test", n as u64);
        for row in 0..n {
            let z = &mut sphere.rows[row * width..row * width + dim];
            crate::init::fill_normal(z, 1.0, &mut rng);
            let norm = z.iter().map(|x| x * x).sum::<f32>().sqrt();
            z.iter_mut().for_each(|x| *x /= norm);
            sphere.weights[row] = (1 + row % 3) as f32;
        }
        for tile in 0..sphere.tiles() {
            let range = tile * TILE * width..(tile + 1) * TILE * width;
            transpose_tile(&sphere.rows[range.clone()], width, &mut sphere.panels[range]);
        }
        let z = |row: usize, d: usize| f64::from(sphere.rows[row * width + d]);
        let (mut sum, mut gradient) = (0.0, vec![0.0; n * width]);
        for a in 0..n {
            for b in 0..n {
                if a == b {
                    continue;
                }
                let cosine: f64 = (0..dim).map(|d| z(a, d) * z(b, d)).sum();
                let k = f64::from(sphere.weights[a] * sphere.weights[b]) * (4.0 * (cosine - 1.0)).exp();
                sum += 0.5 * k;
                for d in 0..dim {
                    gradient[a * width + d] += k * z(b, d);
                }
            }
        }
        (sphere, sum, gradient)
    }

    #[test]
    fn tiles_equal_the_double_sum() {
        for (n, dim) in [(1, 8), (2, 16), (63, 64), (64, 64), (65, 20), (200, 64), (130, 100)] {
            let (sphere, sum, expected) = case(n, dim);
            let mut gradient = vec![0.0; sphere.rows.len()];
            let mut total = 0.0;
            for tile in 0..sphere.tiles() {
                total += tile_row(&sphere, tile, 4.0, Some(&mut gradient));
            }
            assert!((total - sum).abs() <= 1e-6 * sum.abs(), "n {n}: {total} against {sum}");
            let scale = expected.iter().fold(1e-12, |m: f64, x| m.max(x.abs()));
            for (index, expected) in expected.iter().enumerate() {
                let got = f64::from(gradient[index]);
                assert!((got - expected).abs() <= 1e-5 * scale, "n {n} at {index}: {got} against {expected}");
            }
        }
    }
}
