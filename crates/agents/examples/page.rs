//! The page in the browser, with the rule-based engine: `cargo run -p agents --features web --example page -- [FOLDER] [PORT]`.
#![allow(clippy::print_stdout)]

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use agents::knowledge::Knowledge;
use agents::models::ModelsConfig;
use agents::policy::PolicyDecider;
use agents::protocol::{ProtocolConfig, prepare};
use agents::web::{Limits, Site, serve};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let folder = arguments.next().unwrap_or_else(|| "datasets/mt-mini".into());
    let port = arguments.next().map_or(Ok(8080), |port| port.parse())?;
    let prepared = prepare(rec_core::read::folder(folder)?, &ProtocolConfig::default())?;
    let knowledge = Arc::new(Knowledge::build(&prepared, &ModelsConfig::default())?);
    let decider = Arc::new(PolicyDecider::new(knowledge.calibration.clone()));
    let site =
        Site::new(knowledge, prepared.test, decider, "rules (no language model)", None, Limits::default());
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    println!("http://{address}/");
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?
        .block_on(serve(Arc::new(site), address))?;
    Ok(())
}
