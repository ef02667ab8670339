//! `--set model.key=value`: changing one leaf of a model's configuration by name.

use serde_json::Value;

use crate::error::{Error, Result};

/// One `--set`, taken apart.
#[derive(Clone, Debug, PartialEq)]
pub struct Setting {
    /// The model's name; `None` for every model that has the key.
    pub model: Option<String>,
    /// The leaf's name, or the end of its dotted path.
    pub key: String,
    /// The new value.
    pub value: Value,
}

impl Setting {
    /// Reads `model.key=value`; `all` or `*` for the model mean every model that has the key. The value is JSON
    /// where it is JSON, and text otherwise.
    ///
    /// # Errors
    /// [`Error::Usage`] if a part is missing.
    pub fn parse(text: &str) -> Result<Self> {
        let usage = || Error::Usage(format!("--set {text}: expected MODEL.KEY=VALUE"));
        let (path, value) = text.split_once('=').ok_or_else(usage)?;
        let (model, key) = path.trim().split_once('.').ok_or_else(usage)?;
        if model.is_empty() || key.is_empty() {
            return Err(usage());
        }
        let value = value.trim();
        let value = serde_json::from_str(value).unwrap_or_else(|_| Value::String(value.to_owned()));
        Ok(Self {
            model: (!matches!(model, "all" | "*")).then(|| model.to_owned()),
            key: key.to_owned(),
            value,
        })
    }
}

/// What [`set`] did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// One leaf has a new value.
    Changed,
    /// No leaf has this name.
    Unknown,
}

/// Sets the one leaf of `config` whose dotted path is `key` or ends in it. An inner node is set only if no leaf
/// has the name (`encoder` of a graph encoder is a table).
///
/// # Errors
/// [`Error::Usage`] if several places answer to the name.
pub fn set(config: &mut Value, key: &str, value: &Value) -> Result<Outcome> {
    let mut leaves = Vec::new();
    let mut nodes = Vec::new();
    paths(config, &mut Vec::new(), &mut leaves, &mut nodes);
    let wanted: Vec<&str> = key.split('.').collect();
    let matching = |all: &[Vec<String>]| -> Vec<Vec<String>> {
        let ends = |path: &&Vec<String>| path.len() >= wanted.len() && tail(path, wanted.len()) == wanted;
        // A complete path wins over longer ones that end alike.
        match all.iter().find(|path| path.len() == wanted.len() && ends(path)) {
            Some(exact) => vec![exact.clone()],
            None => all.iter().filter(ends).cloned().collect(),
        }
    };
    let mut found = matching(&leaves);
    if found.is_empty() {
        found = matching(&nodes);
    }
    match found.as_slice() {
        [] => Ok(Outcome::Unknown),
        [path] => {
            let mut place = config;
            for part in path {
                place = &mut place[part.as_str()];
            }
            *place = value.clone();
            Ok(Outcome::Changed)
        }
        several => Err(Error::Usage(format!(
            "{key} is ambiguous: it may be {}",
            several.iter().map(|path| path.join(".")).collect::<Vec<_>>().join(" or ")
        ))),
    }
}

fn tail(path: &[String], length: usize) -> Vec<&str> {
    path[path.len() - length..].iter().map(String::as_str).collect()
}

fn paths(value: &Value, path: &mut Vec<String>, leaves: &mut Vec<Vec<String>>, nodes: &mut Vec<Vec<String>>) {
    match value {
        Value::Object(map) => {
            if !path.is_empty() {
                nodes.push(path.clone());
            }
            for (key, inner) in map {
                path.push(key.clone());
                paths(inner, path, leaves, nodes);
                path.pop();
            }
        }
        _ => leaves.push(path.clone()),
    }
}

/// The dotted paths and values of all leaves, for messages and tables.
pub fn leaves(config: &Value) -> Vec<(String, Value)> {
    fn walk(value: &Value, path: &str, out: &mut Vec<(String, Value)>) {
        match value {
            Value::Object(map) => {
                for (key, inner) in map {
                    let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
                    walk(inner, &path, out);
                }
            }
            leaf if !path.is_empty() => out.push((path.to_owned(), leaf.clone())),
            _ => {}
        }
    }
    let mut out = Vec::new();
    walk(config, "", &mut out);
    out
}

/// Applies every setting that names `model` or all models to its configuration, in order. Returns how often each
/// setting changed something, so that the caller can refuse those that no model has.
///
/// # Errors
/// [`Error::Usage`] for an ambiguous key, and for an unknown key of a setting that names this model; the message
/// lists what exists.
pub fn apply(model: &str, config: &mut Value, settings: &[Setting], used: &mut [bool]) -> Result<()> {
    for (setting, used) in settings.iter().zip(used) {
        if setting.model.as_deref().is_some_and(|name| name != model) {
            continue;
        }
        let outcome = set(config, &setting.key, &setting.value)
            .map_err(|error| Error::Usage(format!("--set {model}.{}: {error}", setting.key)))?;
        match outcome {
            Outcome::Changed => *used = true,
            Outcome::Unknown if setting.model.is_some() => {
                let known = leaves(config).into_iter().map(|(path, _)| path).collect::<Vec<_>>();
                let known = if known.is_empty() { "it has no settings".into() } else { known.join(", ") };
                return Err(Error::Usage(format!(
                    "--set {model}.{}: {model} has no such setting; there are: {known}",
                    setting.key
                )));
            }
            Outcome::Unknown => {}
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn config() -> Value {
        json!({
            "loss": {"directau": {"gamma": 1.0, "dedup": false}},
            "encoder": {"lightgcn": {"layers": 2}},
            "training": {"dim": 64, "gamma": 3.0, "engine": "fused"},
        })
    }

    #[test]
    fn a_setting_is_taken_apart() {
        let setting = Setting::parse("directau.training.dim=32").unwrap();
        assert_eq!(setting.model.as_deref(), Some("directau"));
        assert_eq!((setting.key.as_str(), &setting.value), ("training.dim", &json!(32)));
        assert_eq!(Setting::parse("all.engine=burn").unwrap().value, json!("burn"));
        assert_eq!(Setting::parse("*.dim=8").unwrap().model, None);
        for bad in ["directau", "directau=1", "directau.dim", ".dim=1", "x.=1"] {
            assert_eq!(Setting::parse(bad).unwrap_err().exit_code(), 2, "{bad}");
        }
    }

    #[test]
    fn a_leaf_is_found_by_its_name_or_the_end_of_its_path() {
        let mut changed = config();
        assert_eq!(set(&mut changed, "layers", &json!(3)).unwrap(), Outcome::Changed);
        assert_eq!(set(&mut changed, "directau.gamma", &json!(0.5)).unwrap(), Outcome::Changed);
        assert_eq!(set(&mut changed, "training.dim", &json!(8)).unwrap(), Outcome::Changed);
        assert_eq!(changed["encoder"]["lightgcn"]["layers"], json!(3));
        assert_eq!(changed["loss"]["directau"]["gamma"], json!(0.5));
        assert_eq!(changed["training"], json!({"dim": 8, "gamma": 3.0, "engine": "fused"}));
    }

    #[test]
    fn ambiguous_and_unknown_keys_change_nothing() {
        let mut same = config();
        let message = set(&mut same, "gamma", &json!(0)).unwrap_err().to_string();
        assert!(message.contains("loss.directau.gamma") && message.contains("training.gamma"), "{message}");
        assert_eq!(set(&mut same, "gama", &json!(0)).unwrap(), Outcome::Unknown);
        assert_eq!(same, config());
    }

    #[test]
    fn a_table_is_set_only_where_no_leaf_has_the_name() {
        let mut changed = config();
        set(&mut changed, "encoder", &json!("mf")).unwrap();
        assert_eq!(changed["encoder"], json!("mf"));
        set(&mut changed, "encoder", &json!({"lightgcn": {"layers": 1}})).unwrap();
        assert_eq!(changed["encoder"]["lightgcn"]["layers"], json!(1));
    }

    #[test]
    fn unknown_keys_of_a_named_model_list_what_exists() {
        let settings = [Setting::parse("m.gama=1").unwrap()];
        let message = apply("m", &mut config(), &settings, &mut [false]).unwrap_err().to_string();
        assert!(message.contains("no such setting") && message.contains("training.dim"), "{message}");
        // For all models it is enough that one has it; the caller looks at `used`.
        let settings = [Setting::parse("all.lambda=1").unwrap(), Setting::parse("other.dim=2").unwrap()];
        let mut used = [false, false];
        apply("m", &mut config(), &settings, &mut used).unwrap();
        assert_eq!(used, [false, false]);
    }
}
