//! The command line as a user meets it: exit codes, JSON shapes, resuming after a kill, the report.

mod page;

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use page::page_is_sound;
use serde_json::Value;

fn xtask(arguments: &[&str], folder: &Path) -> Output {
    Command::new(env!("CARGO_BIN_EXE_xtask"))
        .args(arguments)
        .current_dir(folder)
        .env("SEXTANT_DATA", folder.join("cache"))
        .env("RAYON_NUM_THREADS", "2")
        .env("SEXTANT_CHECKPOINT_SECONDS", "0")
        .stdin(Stdio::null())
        .output()
        .expect("the program starts")
}

fn code(output: &Output) -> i32 {
    output.status.code().expect("it was not killed")
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn json(path: &Path) -> Value {
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

/// A small data set: 60 users, 40 items in two blocks that users of the same parity prefer.
fn data(folder: &Path) -> PathBuf {
    let mut text = String::from("user_id:token\titem_id:token\trating:float\ttimestamp:float\n");
    for user in 0..60_u32 {
        for step in 0..12_u32 {
            let item = (user % 2) * 20 + (user * 7 + step * 3 + step * step) % 20;
            writeln!(text, "u{user}\ti{item}\t{}\t{}", 1 + (user + step) % 5, 1000 + user * 20 + step)
                .unwrap();
        }
    }
    let path = folder.join("tiny");
    std::fs::create_dir_all(&path).unwrap();
    std::fs::write(path.join("tiny.inter"), text).unwrap();
    path
}

fn place() -> (tempfile::TempDir, String) {
    let folder = tempfile::tempdir().unwrap();
    let data = data(folder.path()).to_str().unwrap().to_owned();
    (folder, data)
}

#[test]
fn compare_writes_the_fixed_form() {
    let (folder, data) = place();
    let out = folder.path().join("out.json");
    let mut arguments = vec!["compare", "--data", &data, "--split", "ratio:0.8,0.1,0.1"];
    arguments.extend(["--models", "popularity,ease,random,bpr", "--seeds", "1,2", "--device", "flex"]);
    arguments.extend(["--set", "bpr.dim=8", "--set", "all.epochs=3", "--set", "ease.lambda=10"]);
    arguments.extend(["--json", out.to_str().unwrap(), "--report", "report.html"]);
    let output = xtask(&arguments, folder.path());
    assert_eq!(code(&output), 0, "{}", said(&output));
    let value = json(&out);
    assert_eq!(value["data"]["users"], 60);
    assert_eq!(value["split"]["seed"], 2020);
    let models = value["models"].as_array().unwrap();
    let names: Vec<&str> = models.iter().map(|model| model["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["popularity", "ease", "random", "bpr"]);
    for model in models {
        let deterministic = model["deterministic"].as_bool().unwrap();
        let runs = if deterministic { 1 } else { 2 };
        for metric in ["recall@10", "ndcg@20", "recall@20", "hit@50", "precision@10", "mrr@10", "map@50"] {
            let value = &model["metrics"][metric];
            assert_eq!(value["runs"].as_array().unwrap().len(), runs, "{metric}");
            let mean = value["mean"].as_f64().unwrap();
            assert!((0.0..=1.0).contains(&mean), "{metric} {mean}");
            if deterministic {
                assert_eq!(value["std"], 0.0);
            }
        }
        for metric in ["coverage@20", "gini@20", "novelty@20", "popularity@20"] {
            assert!(model["metrics"][metric]["mean"].is_f64(), "{metric}");
        }
        assert!(model["seconds"]["fit"].as_f64().unwrap() >= 0.0);
        assert!(model["seconds"]["evaluate"].as_f64().unwrap() > 0.0);
        assert_eq!(model["seconds"]["epoch_median"].is_f64(), model["name"] == "bpr");
        if Path::new("/proc/self/status").exists() {
            assert!(model["peak_rss_mib"].as_f64().unwrap() > 1.0);
        }
        assert!(model["config"].is_object());
    }
    assert_eq!(models[1]["config"]["lambda"], 10);
    assert_eq!(models[3]["config"]["training"]["dim"], 8);
    let random = models[2]["metrics"]["ndcg@20"]["runs"].as_array().unwrap();
    assert_ne!(random[0], random[1], "seeds give different runs");
    page_is_sound(&std::fs::read_to_string(folder.path().join("report.html")).unwrap());
}

#[test]
fn the_same_command_gives_the_same_numbers() {
    let (folder, data) = place();
    let run = |threads: &str, out: &str| {
        let output = Command::new(env!("CARGO_BIN_EXE_xtask"))
            .args(["compare", "--data", &data, "--models", "bpr,ials", "--seeds", "5", "--set", "all.dim=8"])
            .args(["--set", "bpr.epochs=4", "--json", out])
            .current_dir(folder.path())
            .env("RAYON_NUM_THREADS", threads)
            .output()
            .unwrap();
        assert_eq!(code(&output), 0, "{}", said(&output));
        let value = json(&folder.path().join(out));
        value["models"].as_array().unwrap().iter().map(|model| model["metrics"].clone()).collect::<Vec<_>>()
    };
    assert_eq!(run("1", "a.json"), run("2", "b.json"));
}

#[test]
fn exit_codes_tell_what_went_wrong() {
    let (folder, data) = place();
    let ends = |arguments: &[&str]| {
        let output = xtask(arguments, folder.path());
        (code(&output), said(&output))
    };
    assert_eq!(ends(&["--help"]).0, 0);
    assert_eq!(ends(&["compare", "--help"]).0, 0);
    assert_eq!(ends(&["nonsense"]).0, 2);
    assert_eq!(ends(&["compare", "--data", &data, "--models", "bprr"]).0, 2);
    assert_eq!(ends(&["compare", "--data", &data, "--models", "ease", "--split", "half"]).0, 2);
    let (number, text) = ends(&["compare", "--data", &data, "--models", "ease", "--set", "ease.gamma=1"]);
    assert_eq!(number, 2);
    assert!(text.contains("there are: lambda"), "{text}");
    let (number, text) = ends(&["compare", "--data", "no-such-data", "--models", "ease"]);
    assert_eq!(number, 3, "{text}");
    assert_eq!(ends(&["run", "no-such-experiment"]).0, 2);
    std::fs::write(folder.path().join("tiny/tiny.inter"), "user_id:token\titem_id:token\nu1\n").unwrap();
    let (number, text) = ends(&["data", "stats", &data]);
    assert_eq!(number, 3);
    assert!(text.contains("tiny.inter:2"), "{text}");
}

#[test]
fn a_failure_of_one_model_leaves_the_others() {
    let (folder, data) = place();
    let out = folder.path().join("out.json");
    // A catalogue that EASE refuses by its own memory bound.
    let mut arguments = vec!["compare", "--data", &data, "--models", "ease,popularity"];
    arguments.extend(["--set", "ease.memory_limit=1", "--json", out.to_str().unwrap()]);
    let output = xtask(&arguments, folder.path());
    assert_eq!(code(&output), 1, "{}", said(&output));
    let value = json(&out);
    assert!(value["models"][0]["failures"][0]["error"].as_str().unwrap().len() > 10);
    assert!(value["models"][0]["metrics"].as_object().unwrap().is_empty());
    assert!(value["models"][1]["metrics"]["ndcg@20"]["mean"].as_f64().unwrap() > 0.0);
}

const LONG: &str = r#"
about = "A run that is long enough to be killed."
data = "DATA"
models = ["popularity", "directau"]
seeds = [3]
[settings.directau]
dim = 16
epochs = 400
patience = 1000
batch_size = 64
"#;

#[test]
fn a_killed_run_goes_on_and_ends_in_the_same_result() {
    let (folder, data) = place();
    std::fs::write(folder.path().join("long.toml"), LONG.replace("DATA", &data)).unwrap();
    let output = xtask(&["run", "long.toml", "--out", "whole", "--json", "whole.json"], folder.path());
    assert_eq!(code(&output), 0, "{}", said(&output));

    let mut child = Command::new(env!("CARGO_BIN_EXE_xtask"))
        .args(["run", "long.toml", "--out", "cut"])
        .current_dir(folder.path())
        .env("SEXTANT_CHECKPOINT_SECONDS", "0")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let run = folder.path().join("cut/directau/3");
    let started = Instant::now();
    let epochs = || std::fs::read_to_string(run.join("metrics.jsonl")).map_or(0, |text| text.lines().count());
    while epochs() < 3 {
        assert!(started.elapsed() < Duration::from_secs(120), "no epoch came");
        std::thread::sleep(Duration::from_millis(5));
    }
    child.kill().unwrap(); // SIGKILL: nothing can be tidied up
    child.wait().unwrap();
    // The orphaned child notices at its next epoch that nobody listens.
    let started = Instant::now();
    let mut before = epochs();
    loop {
        std::thread::sleep(Duration::from_millis(300));
        let now = epochs();
        if now == before {
            break;
        }
        assert!(started.elapsed() < Duration::from_secs(60), "the child goes on without its parent");
        before = now;
    }
    assert!(!run.join("result.json").exists(), "the run was finished before it was killed");
    assert!(run.join("checkpoint.safetensors").exists());

    // Without --resume nothing is overwritten; with another setting nothing is mixed.
    let output = xtask(&["run", "long.toml", "--out", "cut"], folder.path());
    assert_eq!(code(&output), 4, "{}", said(&output));
    let changed = ["run", "long.toml", "--out", "cut", "--resume", "--set", "directau.gamma=0.3"];
    let output = xtask(&changed, folder.path());
    assert_eq!(code(&output), 4, "{}", said(&output));
    assert!(said(&output).contains("gamma"), "{}", said(&output));

    let output =
        xtask(&["run", "long.toml", "--out", "cut", "--resume", "--json", "cut.json"], folder.path());
    assert_eq!(code(&output), 0, "{}", said(&output));
    let metrics = |name: &str| {
        let value = json(&folder.path().join(name));
        (value["models"][1]["metrics"].clone(), value["models"][1]["best_epochs"].clone())
    };
    assert_eq!(metrics("cut.json"), metrics("whole.json"));

    // Finished runs are kept as they are.
    let result = run.join("result.json");
    let written = std::fs::metadata(&result).unwrap().modified().unwrap();
    let output = xtask(&["run", "long.toml", "--out", "cut", "--resume"], folder.path());
    assert_eq!(code(&output), 0, "{}", said(&output));
    assert_eq!(std::fs::metadata(&result).unwrap().modified().unwrap(), written);
    page_is_sound(&std::fs::read_to_string(folder.path().join("cut/report.html")).unwrap());
}

const KILLED: &str = r#"
about = "Every model that trains by epochs, validated now and then."
data = "DATA"
models = ["directau", "bpr", "lightgcn", "mawu", "graphau"]
seeds = [3]
[settings.all]
dim = 8
epochs = 600
patience = 1000
batch_size = 64
evaluate_every = 4
"#;

/// Runs of `killed.toml` that are killed and gone on with, under `out`.
#[cfg(unix)]
struct Killed<'a> {
    folder: &'a Path,
    out: &'a str,
}

#[cfg(unix)]
impl Killed<'_> {
    const MODELS: [&'static str; 5] = ["directau", "bpr", "lightgcn", "mawu", "graphau"];

    fn run(&self, model: &str) -> PathBuf {
        self.folder.join(self.out).join(model).join("3")
    }

    /// Starts or goes on, with so many seconds between checkpoints, until `enough`, and kills parent and child at once. Whether
    /// they were still at it.
    fn kill_when(&self, seconds: &str, enough: impl Fn() -> bool) -> bool {
        use std::os::unix::process::CommandExt;
        let mut parent = Command::new(env!("CARGO_BIN_EXE_xtask"))
            .args(["run", "killed.toml", "--out", self.out, "--resume"])
            .current_dir(self.folder)
            .env("RAYON_NUM_THREADS", "2")
            .env("SEXTANT_CHECKPOINT_SECONDS", seconds)
            .process_group(0)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let started = Instant::now();
        while !enough() && parent.try_wait().unwrap().is_none() {
            assert!(started.elapsed() < Duration::from_secs(120), "{}: nothing came of it", self.out);
            std::thread::sleep(Duration::from_micros(500));
        }
        if let Some(status) = parent.try_wait().unwrap() {
            assert!(status.success(), "{status}");
            return false;
        }
        let group = format!("-{}", parent.id());
        Command::new("kill").args(["-KILL", "--", &group]).stderr(Stdio::null()).status().unwrap();
        let status = parent.wait().unwrap();
        // Its child, which nobody waits for, is gone when the locks are free.
        for lock in Self::MODELS.map(|model| self.run(model).join(".lock")) {
            while lock.exists() && std::fs::File::open(&lock).unwrap().try_lock().is_err() {
                std::thread::sleep(Duration::from_millis(1));
            }
        }
        !status.success()
    }

    /// Goes on to the end, and tells what came of each model: all metrics, and all that was told of each epoch but times.
    fn finish(&self) -> Vec<(Value, Vec<Value>)> {
        let out = format!("{}.json", self.out);
        let arguments = ["run", "killed.toml", "--out", self.out, "--resume", "--json", &out];
        let output = xtask(&arguments, self.folder);
        assert_eq!(code(&output), 0, "{}", said(&output));
        let value = json(&self.folder.join(out));
        let told = |model: &Value| {
            let name = model["name"].as_str().unwrap();
            let text = std::fs::read_to_string(self.run(name).join("metrics.jsonl")).unwrap();
            let lines = text.lines().map(|line| {
                let mut line: Value = serde_json::from_str(line).unwrap();
                line.as_object_mut().unwrap().retain(|name, _| !name.starts_with("seconds"));
                line
            });
            (serde_json::json!([name, model["metrics"], model["best_epochs"]]), lines.collect())
        };
        value["models"].as_array().unwrap().iter().map(told).collect()
    }
}

/// Before there is a checkpoint, after one, between the last epoch and the result, and at moments that nobody chose: however
/// often a run is killed, it ends in the numbers of one that was left alone.
#[cfg(unix)]
#[test]
fn models_killed_at_any_moment_end_in_the_same_result() {
    let (folder, data) = place();
    let folder = folder.path();
    std::fs::write(folder.join("killed.toml"), KILLED.replace("DATA", &data)).unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_xtask"))
        .args(["run", "killed.toml", "--out", "whole"])
        .current_dir(folder)
        .env("RAYON_NUM_THREADS", "2")
        .stdin(Stdio::null())
        .output()
        .unwrap();
    assert_eq!(code(&output), 0, "{}", said(&output));
    let expected = Killed { folder, out: "whole" }.finish();
    assert_eq!(expected.len(), 5);
    for (model, epochs) in &expected {
        assert_eq!(epochs.len(), 600, "{model}");
        assert!(epochs[1].get("valid_ndcg@20").is_none() && epochs[3].get("valid_ndcg@20").is_some());
    }

    // At chosen moments, each model at three of them.
    let cut = Killed { folder, out: "cut" };
    let mut unfinished = [0; 3];
    for model in Killed::MODELS {
        let run = cut.run(model);
        let there = |name: &str| run.join(name).exists();
        let epochs =
            || std::fs::read(run.join("metrics.jsonl")).map_or(0, |text| text.split(|&b| b == b'\n').count());
        cut.kill_when("3600", || epochs() > 5);
        unfinished[0] += usize::from(epochs() > 5 && !there("checkpoint.safetensors"));
        cut.kill_when("0", || there("checkpoint.safetensors"));
        unfinished[1] += usize::from(there("checkpoint.safetensors") && !there("result.json"));
        cut.kill_when("0.05", || there("users.json"));
        unfinished[2] += usize::from(there("users.json") && !there("result.json"));
    }
    assert!(unfinished[0] > 0 && unfinished[1] > 0, "ended before they were killed: {unfinished:?}");
    assert_eq!(cut.finish(), expected, "{unfinished:?}");

    // While the result is written: that moment is too short to be hit for certain.
    for (place, model) in Killed::MODELS.into_iter().enumerate() {
        let run = cut.run(model);
        let result = std::fs::read(run.join("result.json")).unwrap();
        std::fs::remove_file(run.join("result.json")).unwrap();
        let half = &result[..result.len() / 2 * (place % 3)];
        std::fs::write(run.join(".result.json.partial"), half).unwrap();
        if place % 2 == 0 {
            std::fs::rename(run.join("users.json"), run.join(".users.json.partial")).unwrap();
        }
    }
    assert_eq!(cut.finish(), expected);

    // At moments of which each leaves a little more time than the one before.
    let often = Killed { folder, out: "often" };
    let (mut delay, mut kills) = (Duration::from_millis(5), 0);
    loop {
        let started = Instant::now();
        if !often.kill_when("0.01", || started.elapsed() > delay) {
            break;
        }
        kills += 1;
        delay += delay / 10 + Duration::from_millis(1);
    }
    assert!(kills > 5, "{kills}");
    assert_eq!(often.finish(), expected, "{kills} kills");
}

#[test]
fn data_is_described_converted_and_checked() {
    let (folder, data) = place();
    let output = xtask(&["data", "stats", &data, "--json"], folder.path());
    assert_eq!(code(&output), 0, "{}", said(&output));
    let value: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(value["statistics"]["users"], 60);
    let output = xtask(&["data", "convert", &data, "converted", "--to", "atomic"], folder.path());
    assert_eq!(code(&output), 0, "{}", said(&output));
    let output = xtask(&["data", "stats", "converted/tiny.inter", "--json"], folder.path());
    let again: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(again["statistics"], value["statistics"]);
    let output = xtask(&["data", "list", "--json"], folder.path());
    let list: Value = serde_json::from_slice(&output.stdout).unwrap();
    let state = |name: &str| {
        let entry = list.as_array().unwrap().iter().find(|entry| entry["name"] == name);
        entry.unwrap()["state"].as_str().unwrap().to_owned()
    };
    assert_eq!(state("mt-mini"), "in the repository");
    assert_eq!(state("ml-100k"), "to fetch");
    assert_eq!(code(&xtask(&["data", "check", "mt-mini"], folder.path())), 0);
    assert_eq!(code(&xtask(&["data", "check", "ml-100k"], folder.path())), 3);
}

#[test]
fn a_local_copy_is_imported_once_its_terms_are_accepted() {
    let (folder, data) = place();
    let fetch = |more: &[&str]| {
        let mut arguments = vec!["data", "fetch", "ml-100k", "--from", &data];
        arguments.extend(more);
        let output = xtask(&arguments, folder.path());
        (code(&output), said(&output))
    };
    let (number, text) = fetch(&[]);
    assert_eq!(number, 2, "{text}");
    assert!(text.contains("--accept-terms") && text.contains("research use"), "{text}");
    assert_eq!(fetch(&["--accept-terms"]).0, 0);
    assert_eq!(code(&xtask(&["data", "check", "ml-100k"], folder.path())), 0);
    assert_eq!(code(&xtask(&["data", "stats", "ml-100k"], folder.path())), 0);
    // Another file of the same name is not what was seen first.
    let path = folder.path().join("tiny/tiny.inter");
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, text + "u1\ti1\t1\t1\n").unwrap();
    assert_eq!(fetch(&["--accept-terms", "--fresh"]).0, 3);
    std::fs::write(folder.path().join("cache/ml-100k/tiny.inter"), "broken").unwrap();
    assert_eq!(code(&xtask(&["data", "check", "ml-100k"], folder.path())), 3);
}

/// Policies in the embedded world, so short that they learn nothing.
const POLICIES: &str = r#"
about = "Policies that are long enough to be killed."
policies = ["random", "a2c"]
seeds = [1, 2]
epochs = 12
[settings.user-model]
members = 1
epochs = 1
negatives = 1
batch_size = 8192
[settings.all]
envs = 10
episode_steps_per_epoch = 300
judge_episodes = 10
checkpoint_every = 2
"#;

#[test]
fn killed_policies_go_on_and_end_in_the_same_result() {
    let (folder, _) = place();
    std::fs::write(folder.path().join("short.toml"), POLICIES).unwrap();
    let whole = [
        "policies",
        "short.toml",
        "--out",
        "whole",
        "--curves",
        "--json",
        "whole.json",
        "--report",
        "whole.html",
    ];
    let output = xtask(&whole, folder.path());
    assert_eq!(code(&output), 0, "{}", said(&output));
    let value = json(&folder.path().join("whole.json"));
    let metrics = &value["policies"][1]["metrics"];
    assert_eq!(metrics["fb_cumulative_reward"]["runs"].as_array().unwrap().len(), 2);
    assert!(metrics["fb_length"]["mean"].as_f64().unwrap() >= 1.0);
    assert_eq!(metrics["nx_length"]["mean"], 10.0);
    assert_eq!(value["policies"][1]["runs"][0]["epochs"].as_array().unwrap().len(), 12);
    assert_eq!(value["world"]["quit_window"], 8);
    page_is_sound(&std::fs::read_to_string(folder.path().join("whole.html")).unwrap());

    let mut child = Command::new(env!("CARGO_BIN_EXE_xtask"))
        .args(["policies", "short.toml", "--out", "cut", "--jobs", "1"])
        .current_dir(folder.path())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let run = folder.path().join("cut/a2c/1");
    let started = Instant::now();
    let epochs = || std::fs::read_to_string(run.join("metrics.jsonl")).map_or(0, |text| text.lines().count());
    while epochs() < 3 {
        assert!(started.elapsed() < Duration::from_secs(120), "no epoch came");
        std::thread::sleep(Duration::from_millis(1));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    // The orphaned child notices at its next epoch that nobody listens.
    let mut before = epochs();
    loop {
        std::thread::sleep(Duration::from_millis(500));
        let now = epochs();
        if now == before {
            break;
        }
        before = now;
    }
    assert!(!run.join("result.json").exists(), "the run was finished before it was killed");
    let output = xtask(&["policies", "short.toml", "--out", "cut"], folder.path());
    assert_eq!(code(&output), 4, "{}", said(&output));
    let resume = ["policies", "short.toml", "--out", "cut", "--resume", "--curves", "--json", "cut.json"];
    let output = xtask(&resume, folder.path());
    assert_eq!(code(&output), 0, "{}", said(&output));
    let results = |name: &str| {
        let mut value = json(&folder.path().join(name));
        for policy in value["policies"].as_array_mut().unwrap() {
            for run in policy["runs"].as_array_mut().unwrap() {
                for epoch in run["epochs"].as_array_mut().unwrap() {
                    let values = epoch["values"].as_object_mut().unwrap();
                    values.retain(|name, _| !name.starts_with("seconds"));
                }
            }
        }
        value["policies"]
            .as_array()
            .unwrap()
            .iter()
            .map(|p| (p["metrics"].clone(), p["runs"].clone()))
            .collect::<Vec<_>>()
    };
    assert_eq!(results("cut.json"), results("whole.json"));
}

#[test]
fn a_team_consults_policies_and_recommenders_of_the_other_systems() {
    let (folder, data) = place();
    let out = folder.path().join("out.json");
    let run = |more: &[&str]| {
        let mut arguments = vec!["agents", "run", "--data", &data, "--task", "ranking"];
        arguments.extend(["--systems", "analyse", "--limit", "12", "--out", "teams", "--candidates", "5"]);
        arguments.extend(["--json", out.to_str().unwrap()]);
        arguments.extend(more);
        xtask(&arguments, folder.path())
    };
    let short = ["--set", "rl-a2c.epochs=1", "--set", "rl-a2c.episode_steps_per_epoch=600"];
    let output = run(&[&["--rankers", "rl-a2c,bpr", "--set", "bpr.epochs=2"][..], &short].concat());
    assert_eq!(code(&output), 0, "{}", said(&output));
    let value = json(&out);
    let rows = value["agents"]["systems"].as_array().unwrap();
    // Alone as baselines, and within the team.
    for name in ["rl-a2c", "bpr", "ease", "analyse"] {
        let row = rows.iter().find(|row| row["name"] == name);
        let hit = &row.unwrap_or_else(|| panic!("no {name}"))["reports"][0]["metrics"]["hr@3"]["value"];
        assert!((0.0..=1.0).contains(&hit.as_f64().unwrap()));
    }
    let traces =
        std::fs::read_to_string(folder.path().join("teams/ranking/2024/analyse/trace.jsonl")).unwrap();
    assert!(traces.contains("\"rl-a2c\"") && traces.contains("\"bpr\""));
    for (more, what) in [
        (&["--rankers", "nobody"][..], "nobody"),
        (&["--rankers", "bpr", "--set", "bpr.nothing=1"], "no such setting"),
        (&["--set", "bpr.epochs=1"], "no model of --rankers"),
        (&["--split", "sometimes"], "cold-start"),
        (&["--negatives", "soft"], "hard"),
        (&["--reviews", "none.jsonl"], "only explanations"),
        (&["--wikipedia", "gopher://wiki"], "not http"),
    ] {
        let output = run(more);
        assert!(code(&output) != 0 && said(&output).contains(what), "{more:?}: {}", said(&output));
    }
}

#[test]
fn explanations_are_held_against_reviews_and_people_are_talked_to() {
    let (folder, data) = place();
    let out = folder.path().join("out.json");
    let mut reviews = String::new();
    for user in 0..60 {
        for item in 0..40 {
            writeln!(reviews, r#"{{"user": "u{user}", "item": "i{item}", "text": "The user gave it a rating and liked it"}}"#)
                .unwrap();
        }
    }
    std::fs::write(folder.path().join("reviews.jsonl"), reviews).unwrap();
    let run = |system: &str, more: &[&str]| {
        let mut arguments = vec!["agents", "run", "--data", &data, "--systems", system, "--limit", "12"];
        arguments.extend(["--out", "teams", "--candidates", "5", "--json", out.to_str().unwrap()]);
        arguments.extend(more);
        xtask(&arguments, folder.path())
    };
    let output = run("analyse", &["--task", "explanation", "--reviews", "reviews.jsonl"]);
    assert_eq!(code(&output), 0, "{}", said(&output));
    let metrics = json(&out)["agents"]["systems"][0]["reports"][0]["metrics"].clone();
    for name in ["bleu-1", "bleu-4", "rouge-1", "rouge-2", "rouge-l", "distinct-1", "grounded", "words"] {
        assert!(metrics[name]["value"].as_f64().unwrap() >= 0.0, "{name}: {metrics}");
    }
    assert!(metrics["bleu-1"]["value"].as_f64().unwrap() > 0.0);
    std::fs::write(folder.path().join("reviews.jsonl"), "{\"user\": 1}\n").unwrap();
    let output = run("analyse", &["--task", "explanation", "--reviews", "reviews.jsonl"]);
    assert!(code(&output) != 0 && said(&output).contains("line 1"), "{}", said(&output));
    // This data set has no titles, by which people say what they liked.
    let output = run("chat", &["--task", "conversation"]);
    assert!(code(&output) != 0 && said(&output).contains("nobody"), "{}", said(&output));
}

#[test]
fn language_models_stand_in_comparisons() {
    let (folder, data) = place();
    let out = folder.path().join("out.json");
    let mut arguments = vec!["compare", "--data", &data, "--split", "leave-one-out"];
    arguments.extend(["--models", "random,item-lm,sprec", "--seeds", "1", "--json", out.to_str().unwrap()]);
    let output = xtask(&arguments, folder.path());
    assert_eq!(code(&output), 0, "{}", said(&output));
    let value = json(&out);
    let quality = |model: usize| value["models"][model]["metrics"]["ndcg@10"]["mean"].as_f64().unwrap();
    // What comes next follows from what came before: a model that reads histories finds it.
    assert!(quality(1) > 2.0 * quality(0), "{} {}", quality(1), quality(0));
    assert!(quality(2) > 0.0);
}

const ROUNDS: &str = r#"
about = "Rounds that are long enough to be killed."
data = "DATA"
arms = ["a", "c", "g"]
betas = [0.1]
seeds = [1]
rounds = 12
rows = 60
[windows]
least_rating = 1.0
[base]
sft_epochs = 1
[base.pretrain]
learning_rate = 0.001
epochs = 1
[base.model]
hidden_size = 16
intermediate_size = 16
num_hidden_layers = 1
num_attention_heads = 2
num_key_value_heads = 1
max_position_embeddings = 16
"#;

#[test]
fn rounds_of_preferences_that_were_killed_end_in_the_same_result() {
    let (folder, data) = place();
    let mut items = String::from("item_id:token\tmovie_title:token_seq\tclass:token_seq\n");
    for item in 0..40 {
        writeln!(items, "i{item}\tTitle {item}\tgenre{}", item % 3).unwrap();
    }
    std::fs::write(Path::new(&data).join("tiny.item"), items).unwrap();
    std::fs::write(folder.path().join("rounds.toml"), ROUNDS.replace("DATA", &data)).unwrap();
    let whole = ["preferences", "rounds.toml", "--out", "whole", "--curves", "--json", "whole.json"];
    let output = xtask(&[&whole[..], &["--report", "whole.html"]].concat(), folder.path());
    assert_eq!(code(&output), 0, "{}", said(&output));
    let value = json(&folder.path().join("whole.json"));
    assert_eq!(value["data"]["items"], 20);
    assert_eq!(value["arms"].as_array().unwrap().len(), 3);
    assert_eq!(value["arms"][2]["by_round"]["or-ratio@1"].as_array().unwrap().len(), 13);
    assert_eq!(value["inequalities"].as_array().unwrap().len(), 10);
    assert_eq!(value["arms"][1]["theory_points"].as_array().unwrap().len(), 10);
    page_is_sound(&std::fs::read_to_string(folder.path().join("whole.html")).unwrap());

    let mut child = Command::new(env!("CARGO_BIN_EXE_xtask"))
        .args(["preferences", "rounds.toml", "--out", "cut", "--jobs", "1"])
        .current_dir(folder.path())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let run = folder.path().join("cut/g-beta0.1/1");
    let started = Instant::now();
    while !run.join("round-2.json").exists() {
        assert!(started.elapsed() < Duration::from_secs(120), "no round came");
        std::thread::sleep(Duration::from_millis(1));
    }
    child.kill().unwrap(); // SIGKILL: nothing can be tidied up
    child.wait().unwrap();
    // The orphaned child notices after its next round that nobody listens.
    let rounds = || (1..=12).filter(|round| run.join(format!("round-{round}.json")).exists()).count();
    let mut before = rounds();
    loop {
        std::thread::sleep(Duration::from_millis(500));
        let now = rounds();
        if now == before {
            break;
        }
        before = now;
    }
    assert!(!run.join("result.json").exists(), "the run was finished before it was killed");
    let resume = ["preferences", "rounds.toml", "--out", "cut", "--resume", "--curves", "--json", "cut.json"];
    let output = xtask(&resume, folder.path());
    assert_eq!(code(&output), 0, "{}", said(&output));
    let results = |name: &str| {
        let mut value = json(&folder.path().join(name));
        for arm in value["arms"].as_array_mut().unwrap() {
            arm.as_object_mut().unwrap().remove("seconds");
            for run in arm["runs"].as_array_mut().unwrap() {
                run.as_object_mut().unwrap().retain(|name, _| name != "seconds" && name != "phases");
            }
        }
        value["arms"].clone()
    };
    assert_eq!(results("cut.json"), results("whole.json"));
}
