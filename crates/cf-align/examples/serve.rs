//! Fits a model on a folder of interactions, saves and loads it, and recommends titles.
//!
//! `cargo run --release -p cf-align --example serve [FOLDER]`
#![allow(clippy::print_stdout)]

use std::path::PathBuf;

use cf_align::store::{self, Model};
use cf_align::{Ials, IalsConfig};
use rec_core::{UserId, read};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let default = concat!(env!("CARGO_MANIFEST_DIR"), "/../../datasets/mt-mini");
    let data =
        read::folder(std::env::args_os().nth(1).map_or_else(|| PathBuf::from(default), PathBuf::from))?;
    let train = data.user_items();

    let model = Model::Ials(Ials::fit(&train, &IalsConfig::default())?);
    let folder = std::env::temp_dir().join("sextant-serve");
    store::save(&model, &data.users, &data.items, &folder)?;
    let saved = store::load(&folder)?;

    let user = data.users.token(0);
    let seen: Vec<&str> = train.row(UserId(0)).iter().map(|item| data.items.token(item.0)).collect();
    let title = |item| data.catalogue.title(item).unwrap_or("(no title)");
    println!("For user {user}:");
    for hit in saved.for_user(user, &seen, 5)? {
        println!("  {:.3}  {}", hit.score, title(hit.item));
    }
    println!("For somebody who only saw {}:", data.items.token(train.row(UserId(0))[0].0));
    for hit in saved.for_history(&seen[..1], 5)? {
        println!("  {:.3}  {}", hit.score, title(hit.item));
    }
    Ok(())
}
