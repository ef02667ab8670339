//! Trains DirectAU on a folder of interactions, saves and loads it, and recommends titles.
//!
//! `cargo run -p cf-align --example serve [FOLDER]`
#![allow(clippy::print_stdout)]

use std::path::PathBuf;

use cf_align::store::{self, Model};
use cf_align::{ModelConfig, Session, Training, fit};
use rec_core::read;
use rec_core::split::SplitSpec;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let default = concat!(env!("CARGO_MANIFEST_DIR"), "/../../datasets/mt-mini");
    let data =
        read::folder(std::env::args_os().nth(1).map_or_else(|| PathBuf::from(default), PathBuf::from))?;
    let split = "ratio:0.8,0.1,0.1".parse::<SplitSpec>()?.split(&data, 2020)?;

    let training = Training { epochs: 60, ..ModelConfig::directau().training };
    let config = ModelConfig { training, ..ModelConfig::directau() };
    let fitted = fit(&config, &split, data.n_users(), data.n_items(), Session::new(&mut ()))?;
    let model = Model::Embeddings(fitted.embeddings, Some(Box::new(config)));
    let folder = std::env::temp_dir().join("sextant-serve");
    store::save(&model, &data.users, &data.items, &folder)?;
    let saved = store::load(&folder)?;

    let (user, known) = (data.users.token(0), data.user_items());
    let seen: Vec<&str> =
        known.row(rec_core::UserId(0)).iter().map(|item| data.items.token(item.0)).collect();
    let title = |item| data.catalogue.title(item).unwrap_or("(no title)");
    println!("For user {user}:");
    for hit in saved.for_user(user, &seen, 5)? {
        println!("  {:.3}  {}", hit.score, title(hit.item));
    }
    println!("For somebody who only saw {}:", title(known.row(rec_core::UserId(0))[0]));
    for hit in saved.for_history(&seen[..1], 5)? {
        println!("  {:.3}  {}", hit.score, title(hit.item));
    }
    Ok(())
}
