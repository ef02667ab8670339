//! Trains DirectAU on a folder of interactions, saves it, loads it again, and recommends titles.
//!
//! `cargo run -p cf-align --example serve [FOLDER]`
#![allow(clippy::print_stdout)]

use cf_align::{ModelConfig, Session, fit, store};
use rec_core::{read, split::SplitSpec};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mini = concat!(env!("CARGO_MANIFEST_DIR"), "/../../datasets/mt-mini");
    let data = read::folder(std::env::args_os().nth(1).unwrap_or(mini.into()))?;
    let split = "ratio:0.8,0.1,0.1".parse::<SplitSpec>()?.split(&data, 2020)?;

    let mut config = ModelConfig::directau();
    config.training.epochs = 60;
    let fitted = fit(&config, &split, data.n_users(), data.n_items(), Session::new(&mut ()))?;
    let folder = std::env::temp_dir().join("sextant-serve");
    store::save(&fitted.into_model(config), &data.users, &data.items, &folder)?;

    let saved = store::load(&folder)?;
    let user = data.users.token(0);
    for hit in saved.for_user(user, &data.items_of(user), 5)? {
        println!("{:.3}  {}", hit.score, data.catalogue.title(hit.item).unwrap_or(hit.name));
    }
    Ok(())
}
