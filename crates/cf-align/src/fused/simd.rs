//! Vector arithmetic chosen at run time: AVX-512, AVX2 with FMA, or plain arrays that any target compiles.
//!
//! A kernel is written once over `Simd` and run by `dispatch`, which compiles it three times and picks the
//! widest set that the processor has. `SEXTANT_SIMD=avx2|portable` holds it back, for tests and measurements.

use std::sync::OnceLock;

/// One instruction set. All loads and stores are unaligned.
pub(crate) trait Simd: Copy {
    /// A register of `LANES` numbers.
    type V: Copy;
    /// Numbers in a register.
    const LANES: usize;
    /// Registers across which the matrix kernels keep their accumulators, times four rows.
    const COLUMNS: usize;

    fn splat(x: f32) -> Self::V;
    /// # Safety
    /// `source` must be readable for `LANES` numbers.
    unsafe fn load(source: *const f32) -> Self::V;
    /// # Safety
    /// `target` must be writable for `LANES` numbers.
    unsafe fn store(target: *mut f32, x: Self::V);
    fn add(a: Self::V, b: Self::V) -> Self::V;
    fn sub(a: Self::V, b: Self::V) -> Self::V;
    fn mul(a: Self::V, b: Self::V) -> Self::V;
    fn div(a: Self::V, b: Self::V) -> Self::V;
    fn sqrt(a: Self::V) -> Self::V;
    /// `a * b + c`, rounded once where the hardware can.
    fn mul_add(a: Self::V, b: Self::V, c: Self::V) -> Self::V;
    fn sum(a: Self::V) -> f32;
    /// `a` rounded to whole numbers.
    fn round(a: Self::V) -> Self::V;
    /// `a * 2^n` for whole `n` in -126..=127.
    fn scale(a: Self::V, n: Self::V) -> Self::V;

    /// `m / (sqrt(v) * scale + shift)` for `v >= 0` and a positive `shift`, within a few units of the last place.
    #[inline(always)]
    fn over_root(m: Self::V, v: Self::V, scale: Self::V, shift: Self::V) -> Self::V {
        Self::div(m, Self::mul_add(Self::sqrt(v), scale, shift))
    }

    /// `e^x` for `x` in about -80..=80, within 2 units of the last place: `x = n ln 2 + r`, a polynomial in `r`.
    #[inline(always)]
    fn exp(x: Self::V) -> Self::V {
        let n = Self::round(Self::mul(x, Self::splat(std::f32::consts::LOG2_E)));
        // ln 2 in two parts, the first short enough that n times it is exact.
        let r = Self::mul_add(n, Self::splat(-0.693_359_4), x);
        let r = Self::mul_add(n, Self::splat(2.121_944_4e-4), r);
        let mut p = Self::splat(1.987_569_1e-4);
        for c in [1.398_199_9e-3, 8.333_452e-3, 4.166_579_6e-2, 1.666_666_5e-1, 0.5] {
            p = Self::mul_add(p, r, Self::splat(c));
        }
        let p = Self::mul_add(p, Self::mul(r, r), Self::add(r, Self::splat(1.0)));
        Self::scale(p, n)
    }
}

/// Work that is compiled for each instruction set.
pub(crate) trait Kernel {
    type Output;
    /// Must be `#[inline(always)]`, as must be all it calls, so that it takes on the caller's instruction set.
    fn run<S: Simd>(self) -> Self::Output;
}

/// The instruction sets that `dispatch` chooses between.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Arrays of eight, whatever the compiler makes of them.
    Portable,
    /// 256-bit registers with fused multiply-add.
    Avx2,
    /// 512-bit registers.
    Avx512,
}

/// The widest level this processor has and `SEXTANT_SIMD` allows; decided once.
pub fn level() -> Level {
    static LEVEL: OnceLock<Level> = OnceLock::new();
    *LEVEL.get_or_init(|| {
        let allowed = match std::env::var("SEXTANT_SIMD").as_deref() {
            Ok("portable") => Level::Portable,
            Ok("avx2") => Level::Avx2,
            _ => Level::Avx512,
        };
        allowed.min(detected())
    })
}

#[cfg(target_arch = "x86_64")]
fn detected() -> Level {
    if is_x86_feature_detected!("avx512f") && is_x86_feature_detected!("fma") {
        Level::Avx512
    } else if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") {
        Level::Avx2
    } else {
        Level::Portable
    }
}

#[cfg(not(target_arch = "x86_64"))]
fn detected() -> Level {
    Level::Portable
}

/// Runs `kernel` on the widest instruction set.
#[inline]
pub(crate) fn dispatch<K: Kernel>(kernel: K) -> K::Output {
    dispatch_at(level(), kernel)
}

#[inline]
pub(crate) fn dispatch_at<K: Kernel>(level: Level, kernel: K) -> K::Output {
    match level {
        // SAFETY: `level` comes from run-time detection, so the processor has the instructions.
        #[cfg(target_arch = "x86_64")]
        Level::Avx512 => unsafe { x86::run_avx512(kernel) },
        // SAFETY: as above.
        #[cfg(target_arch = "x86_64")]
        Level::Avx2 => unsafe { x86::run_avx2(kernel) },
        _ => kernel.run::<Portable>(),
    }
}

/// Asks for the cache lines of `row` ahead of their use; nothing where the target has no such instruction.
#[inline(always)]
pub(crate) fn prefetch(row: &[f32]) {
    #[cfg(target_arch = "x86_64")]
    for line in row.chunks(16) {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        // SAFETY: SSE is part of x86_64, and a prefetch reads nothing that the program can see.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(line.as_ptr().cast()) }
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = row;
}

/// Eight numbers in an array.
#[derive(Clone, Copy)]
pub(crate) struct Portable;

#[inline(always)]
fn map2(a: [f32; 8], b: [f32; 8], f: impl Fn(f32, f32) -> f32) -> [f32; 8] {
    std::array::from_fn(|lane| f(a[lane], b[lane]))
}

impl Simd for Portable {
    type V = [f32; 8];
    const LANES: usize = 8;
    const COLUMNS: usize = 1;

    #[inline(always)]
    fn splat(x: f32) -> Self::V {
        [x; 8]
    }
    #[inline(always)]
    unsafe fn load(source: *const f32) -> Self::V {
        // SAFETY: the caller vouches for eight readable numbers.
        unsafe { source.cast::<[f32; 8]>().read_unaligned() }
    }
    #[inline(always)]
    unsafe fn store(target: *mut f32, x: Self::V) {
        // SAFETY: the caller vouches for eight writable numbers.
        unsafe { target.cast::<[f32; 8]>().write_unaligned(x) }
    }
    #[inline(always)]
    fn add(a: Self::V, b: Self::V) -> Self::V {
        map2(a, b, |a, b| a + b)
    }
    #[inline(always)]
    fn sub(a: Self::V, b: Self::V) -> Self::V {
        map2(a, b, |a, b| a - b)
    }
    #[inline(always)]
    fn mul(a: Self::V, b: Self::V) -> Self::V {
        map2(a, b, |a, b| a * b)
    }
    #[inline(always)]
    fn div(a: Self::V, b: Self::V) -> Self::V {
        map2(a, b, |a, b| a / b)
    }
    #[inline(always)]
    fn sqrt(a: Self::V) -> Self::V {
        a.map(f32::sqrt)
    }
    #[inline(always)]
    fn mul_add(a: Self::V, b: Self::V, c: Self::V) -> Self::V {
        // Not `f32::mul_add`, which is a library call where the target has no such instruction.
        std::array::from_fn(|lane| a[lane] * b[lane] + c[lane])
    }
    #[inline(always)]
    fn sum(a: Self::V) -> f32 {
        ((a[0] + a[4]) + (a[2] + a[6])) + ((a[1] + a[5]) + (a[3] + a[7]))
    }
    #[inline(always)]
    fn round(a: Self::V) -> Self::V {
        // Adding and taking away 1.5 * 2^23 leaves the whole part, for |a| < 2^22.
        a.map(|x| (x + 12_582_912.0) - 12_582_912.0)
    }
    #[inline(always)]
    fn scale(a: Self::V, n: Self::V) -> Self::V {
        map2(a, n, |a, n| a * f32::from_bits(((n as i32 + 127) as u32) << 23))
    }
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use std::arch::x86_64::*;

    use super::{Kernel, Simd};

    /// # Safety
    /// The processor must have AVX-512F and FMA.
    #[target_feature(enable = "avx512f,avx2,fma")]
    pub(super) unsafe fn run_avx512<K: Kernel>(kernel: K) -> K::Output {
        kernel.run::<Avx512>()
    }

    /// # Safety
    /// The processor must have AVX2 and FMA.
    #[target_feature(enable = "avx2,fma")]
    pub(super) unsafe fn run_avx2<K: Kernel>(kernel: K) -> K::Output {
        kernel.run::<Avx2>()
    }

    /// 512-bit registers. Only reached through [`super::dispatch_at`].
    #[derive(Clone, Copy)]
    pub(super) struct Avx512;

    /// 256-bit registers. Only reached through [`super::dispatch_at`].
    #[derive(Clone, Copy)]
    pub(super) struct Avx2;

    // In both implementations: SAFETY of the intrinsics: the types are private to this module and only named in
    // `run_avx512` and `run_avx2`, whose callers have checked the processor; pointers are the callers' promise.
    macro_rules! intrinsic {
        ($call:expr) => {{
            // SAFETY: see the note above.
            unsafe { $call }
        }};
    }

    impl Simd for Avx512 {
        type V = __m512;
        const LANES: usize = 16;
        const COLUMNS: usize = 4;

        #[inline(always)]
        fn splat(x: f32) -> __m512 {
            intrinsic!(_mm512_set1_ps(x))
        }
        #[inline(always)]
        unsafe fn load(source: *const f32) -> __m512 {
            intrinsic!(_mm512_loadu_ps(source))
        }
        #[inline(always)]
        unsafe fn store(target: *mut f32, x: __m512) {
            intrinsic!(_mm512_storeu_ps(target, x))
        }
        #[inline(always)]
        fn add(a: __m512, b: __m512) -> __m512 {
            intrinsic!(_mm512_add_ps(a, b))
        }
        #[inline(always)]
        fn sub(a: __m512, b: __m512) -> __m512 {
            intrinsic!(_mm512_sub_ps(a, b))
        }
        #[inline(always)]
        fn mul(a: __m512, b: __m512) -> __m512 {
            intrinsic!(_mm512_mul_ps(a, b))
        }
        #[inline(always)]
        fn div(a: __m512, b: __m512) -> __m512 {
            intrinsic!(_mm512_div_ps(a, b))
        }
        #[inline(always)]
        fn sqrt(a: __m512) -> __m512 {
            intrinsic!(_mm512_sqrt_ps(a))
        }
        #[inline(always)]
        fn mul_add(a: __m512, b: __m512, c: __m512) -> __m512 {
            intrinsic!(_mm512_fmadd_ps(a, b, c))
        }
        #[inline(always)]
        fn sum(a: __m512) -> f32 {
            intrinsic!(_mm512_reduce_add_ps(a))
        }
        #[inline(always)]
        fn round(a: __m512) -> __m512 {
            intrinsic!(_mm512_roundscale_ps::<{ _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC }>(a))
        }
        #[inline(always)]
        fn over_root(m: __m512, v: __m512, scale: __m512, shift: __m512) -> __m512 {
            // Estimates of 14 bits and one Newton step each: half the time of the square root and the division,
            // which do not pipeline.
            intrinsic!({
                let v = _mm512_max_ps(v, _mm512_set1_ps(1e-30));
                let y = _mm512_rsqrt14_ps(v);
                let half = _mm512_mul_ps(_mm512_mul_ps(v, _mm512_set1_ps(0.5)), y);
                let y = _mm512_mul_ps(y, _mm512_fnmadd_ps(half, y, _mm512_set1_ps(1.5)));
                let below = _mm512_fmadd_ps(_mm512_mul_ps(v, y), scale, shift);
                let q = _mm512_rcp14_ps(below);
                let q = _mm512_mul_ps(q, _mm512_fnmadd_ps(below, q, _mm512_set1_ps(2.0)));
                _mm512_mul_ps(m, q)
            })
        }
        #[inline(always)]
        fn scale(a: __m512, n: __m512) -> __m512 {
            intrinsic!(_mm512_scalef_ps(a, n))
        }
    }

    impl Simd for Avx2 {
        type V = __m256;
        const LANES: usize = 8;
        const COLUMNS: usize = 2;

        #[inline(always)]
        fn splat(x: f32) -> __m256 {
            intrinsic!(_mm256_set1_ps(x))
        }
        #[inline(always)]
        unsafe fn load(source: *const f32) -> __m256 {
            intrinsic!(_mm256_loadu_ps(source))
        }
        #[inline(always)]
        unsafe fn store(target: *mut f32, x: __m256) {
            intrinsic!(_mm256_storeu_ps(target, x))
        }
        #[inline(always)]
        fn add(a: __m256, b: __m256) -> __m256 {
            intrinsic!(_mm256_add_ps(a, b))
        }
        #[inline(always)]
        fn sub(a: __m256, b: __m256) -> __m256 {
            intrinsic!(_mm256_sub_ps(a, b))
        }
        #[inline(always)]
        fn mul(a: __m256, b: __m256) -> __m256 {
            intrinsic!(_mm256_mul_ps(a, b))
        }
        #[inline(always)]
        fn div(a: __m256, b: __m256) -> __m256 {
            intrinsic!(_mm256_div_ps(a, b))
        }
        #[inline(always)]
        fn sqrt(a: __m256) -> __m256 {
            intrinsic!(_mm256_sqrt_ps(a))
        }
        #[inline(always)]
        fn mul_add(a: __m256, b: __m256, c: __m256) -> __m256 {
            intrinsic!(_mm256_fmadd_ps(a, b, c))
        }
        #[inline(always)]
        fn sum(a: __m256) -> f32 {
            let mut lanes = [0.0; 8];
            intrinsic!(_mm256_storeu_ps(lanes.as_mut_ptr(), a));
            ((lanes[0] + lanes[4]) + (lanes[2] + lanes[6])) + ((lanes[1] + lanes[5]) + (lanes[3] + lanes[7]))
        }
        #[inline(always)]
        fn round(a: __m256) -> __m256 {
            intrinsic!(_mm256_round_ps::<{ _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC }>(a))
        }
        #[inline(always)]
        fn scale(a: __m256, n: __m256) -> __m256 {
            intrinsic!({
                let exponent = _mm256_add_epi32(_mm256_cvtps_epi32(n), _mm256_set1_epi32(127));
                _mm256_mul_ps(a, _mm256_castsi256_ps(_mm256_slli_epi32::<23>(exponent)))
            })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Exponentials<'a>(&'a [f32], &'a mut [f32]);

    impl Kernel for Exponentials<'_> {
        type Output = ();
        #[inline(always)]
        fn run<S: Simd>(self) {
            for (x, y) in self.0.chunks_exact(S::LANES).zip(self.1.chunks_exact_mut(S::LANES)) {
                // SAFETY: both chunks hold exactly LANES numbers.
                unsafe { S::store(y.as_mut_ptr(), S::exp(S::load(x.as_ptr()))) }
            }
        }
    }

    struct OverRoots<'a>(&'a [f32], &'a mut [f32]);

    impl Kernel for OverRoots<'_> {
        type Output = ();
        #[inline(always)]
        fn run<S: Simd>(self) {
            for (v, y) in self.0.chunks_exact(S::LANES).zip(self.1.chunks_exact_mut(S::LANES)) {
                // SAFETY: both chunks hold exactly LANES numbers.
                unsafe {
                    let v = S::load(v.as_ptr());
                    S::store(y.as_mut_ptr(), S::over_root(S::splat(3.0), v, S::splat(2.0), S::splat(1e-8)));
                }
            }
        }
    }

    #[test]
    fn division_by_a_root_is_exact_to_a_few_units_on_every_level() {
        let mut v: Vec<f32> = (0..16 * 64).map(|i| 10f32.powf(-37.0 + i as f32 * (60.0 / 1024.0))).collect();
        v[0] = 0.0;
        for level in [Level::Portable, Level::Avx2, Level::Avx512] {
            if level > detected() {
                continue;
            }
            let mut y = vec![0.0; v.len()];
            dispatch_at(level, OverRoots(&v, &mut y));
            for (v, y) in v.iter().zip(&y) {
                let exact = 3.0 / (f64::from(*v).sqrt() * 2.0 + f64::from(1e-8f32));
                assert!((f64::from(*y) / exact - 1.0).abs() < 5e-7, "{level:?}: {v} gives {y}, not {exact}");
            }
        }
    }

    #[test]
    fn exp_is_exact_to_a_few_units_on_every_level() {
        let x: Vec<f32> = (0..16 * 1024).map(|i| -60.0 + i as f32 * (120.0 / (16.0 * 1024.0))).collect();
        for level in [Level::Portable, Level::Avx2, Level::Avx512] {
            if level > detected() {
                continue;
            }
            let mut y = vec![0.0; x.len()];
            dispatch_at(level, Exponentials(&x, &mut y));
            for (x, y) in x.iter().zip(&y) {
                let exact = f64::from(*x).exp();
                assert!((f64::from(*y) / exact - 1.0).abs() < 3e-7, "{level:?}: exp({x}) = {y}, not {exact}");
            }
        }
    }
}
