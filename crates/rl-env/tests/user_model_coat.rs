//! User models on real data: Coat. Skipped where the data set is missing.
#![cfg(feature = "flex")]
#![allow(clippy::print_stderr)]

use std::path::PathBuf;
use std::time::Instant;

use burn::tensor::Device;
use rl_env::user_model::{Ensemble, UserModelConfig, UserModelData};
use rl_env::{Compat, Reward, Source};

fn coat() -> Option<Source> {
    let data = std::env::var_os("SEXTANT_DATA").map_or_else(
        || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data"),
        PathBuf::from,
    );
    let folder = data.join("coat");
    if !folder.is_dir() {
        eprintln!("skipped: {} is missing", folder.display());
        return None;
    }
    Some(rl_env::datasets::coat::load(folder).unwrap())
}

#[test]
fn an_ensemble_on_coat_errs_and_predicts_as_the_reference_does() {
    let Some(source) = coat() else { return };
    let data = UserModelData {
        log: source.log.columns(),
        users: &source.users,
        items: &source.items,
        exposure: None,
    };
    let start = Instant::now();
    let model =
        Ensemble::fit(&data, &UserModelConfig::default(), &Compat::default(), 2023, &Device::flex()).unwrap();
    eprintln!("fit: {:?}", start.elapsed());
    eprintln!("{:?}", model.losses());
    let test = source.held_out.as_ref().unwrap().columns();
    for member in 0..5 {
        let errors = model.errors(test, Some(member)).unwrap();
        eprintln!("{errors:?}");
    }
    let start = Instant::now();
    let predicted = model.predict_all(&source.truth_users, &source.truth_items).unwrap();
    eprintln!("predict: {:?}", start.elapsed());
    eprintln!("{:?} {:?}", predicted.mean.range(), predicted.variance.as_ref().unwrap().range());
    let mut sums = [0.0_f64; 5];
    for user in 0..290 {
        for item in 0..300 {
            let (x, y) = (f64::from(predicted.mean.get(user, item)), f64::from(source.truth.get(user, item)));
            for (sum, term) in sums.iter_mut().zip([x, y, x * x, y * y, x * y]) {
                *sum += term / 87_000.0;
            }
        }
    }
    let [x, y, xx, yy, xy] = sums;
    let pearson = (xy - x * y) / ((xx - x * x) * (yy - y * y)).sqrt();
    eprintln!("mean {x} pearson {pearson}");
}
