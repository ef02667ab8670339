//! The page in a headless Chromium, used as a person would use it; see `browser/drive.mjs`. Skipped, and it says so, where Node.js,
//! Chromium (`SEXTANT_CHROMIUM` names another than `/usr/bin/chromium`) or the packages of `browser/package.json` are missing
//! (`npm install --prefix crates/agents/tests/browser`). Screenshots go to `SEXTANT_SCREENSHOTS`, if that is set.
#![cfg(feature = "web")]
#![allow(clippy::print_stderr)]

use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use agents::knowledge::Knowledge;
use agents::models::ModelsConfig;
use agents::policy::PolicyDecider;
use agents::protocol::{ProtocolConfig, prepare};
use agents::web::{Limits, Site, router};

#[test]
fn a_person_at_the_page() {
    let scripts = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/browser"));
    let chromium = std::env::var("SEXTANT_CHROMIUM").unwrap_or_else(|_| "/usr/bin/chromium".into());
    let node = Command::new("node").arg("--version").output().is_ok_and(|output| output.status.success());
    for (what, there) in [
        ("Node.js", node),
        (chromium.as_str(), Path::new(&chromium).exists()),
        ("puppeteer-core", scripts.join("node_modules/puppeteer-core").exists()),
        ("axe-core", scripts.join("node_modules/axe-core").exists()),
    ] {
        if !there {
            eprintln!("skipped: the page was not driven, there is no {what}");
            return;
        }
    }
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../datasets/mt-mini");
    let data = rec_core::read::folder(folder).unwrap();
    let prepared = prepare(data, &ProtocolConfig::default()).unwrap();
    let knowledge = Arc::new(Knowledge::build(&prepared, &ModelsConfig::default()).unwrap());
    let decider = Arc::new(PolicyDecider::new(knowledge.calibration.clone()));
    let site =
        Site::new(knowledge, prepared.test, decider, "rules (no language model)", None, Limits::default());
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let listener = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0")).unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    let app = router(Arc::new(site));
    runtime.spawn(async move { axum::serve(listener, app).await });
    let temporary = tempfile::tempdir().unwrap();
    let pictures =
        std::env::var("SEXTANT_SCREENSHOTS").map_or_else(|_| temporary.path().to_owned(), Into::into);
    std::fs::create_dir_all(&pictures).unwrap();
    let output = Command::new("node")
        .arg(scripts.join("drive.mjs"))
        .args([&url, pictures.to_str().unwrap(), &chromium])
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}\n{}", String::from_utf8_lossy(&output.stderr));
    eprintln!("{said}");
}
