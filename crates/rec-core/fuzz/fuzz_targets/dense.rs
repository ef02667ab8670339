//! Matrices as text, as ratings and as features.
#![no_main]

use std::path::Path;

use libfuzzer_sys::fuzz_target;
use rec_core::read::dense;

fuzz_target!(|bytes: &[u8]| {
    let path = Path::new("fuzz.ascii");
    if let Ok(matrix) = dense::matrix(bytes, path) {
        assert_eq!(matrix.values.len(), matrix.n_rows * matrix.n_columns);
        assert!(matrix.values.iter().all(|value| value.is_finite()));
    }
    let _ = dense::records(bytes, path, &mut |_, _| Ok(()));
    let half = bytes.len() / 2;
    let _ = dense::features(&bytes[half..], path, &bytes[..half], path);
});
