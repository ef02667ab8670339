//! The user's copy of the official package: questions, expected answers, documentation of functions, models.
//!
//! A copy is an installed folder `bfcl_eval`, a folder that holds it (such as `site-packages` or a virtual environment), or the
//! wheel as it is downloaded. Nothing of it is part of this crate.

use std::collections::HashMap;
use std::io::Read;
use std::path::{Path, PathBuf};

use flate2::read::DeflateDecoder;

use crate::error::{Error, Result};
use crate::pyexpr::{self, Constant, Expr};
use crate::value::{Dict, Value, json};

/// A copy of the package.
#[derive(Debug)]
pub struct Package {
    path: PathBuf,
    files: Files,
}

#[derive(Debug)]
enum Files {
    Folder,
    /// The packed files of a wheel, by name.
    Wheel(HashMap<String, Vec<u8>>),
}

impl Package {
    /// Finds the package in a folder, in a virtual environment, or in a wheel.
    ///
    /// # Errors
    /// If there is none.
    pub fn open(path: &Path) -> Result<Self> {
        if path.is_file() {
            let bytes = std::fs::read(path).map_err(|source| Error::io(path, source))?;
            let files = unzip(&bytes).ok_or_else(|| Error::format(path, None, "this is no wheel"))?;
            return Ok(Self { path: path.into(), files: Files::Wheel(files) });
        }
        let mut candidates = vec![path.to_path_buf(), path.join("bfcl_eval")];
        if let Ok(versions) = std::fs::read_dir(path.join("lib")) {
            let inside = |entry: std::fs::DirEntry| entry.path().join("site-packages").join("bfcl_eval");
            candidates.extend(versions.flatten().map(inside));
        }
        let found =
            candidates.into_iter().find(|folder| folder.join("data").join("possible_answer").is_dir());
        let wrong =
            || Error::format(path, None, "no folder `data/possible_answer`: this is no copy of bfcl_eval");
        Ok(Self { path: found.ok_or_else(wrong)?, files: Files::Folder })
    }

    /// Where a file of the package is, as it is named in errors.
    fn place(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// The text of a file, named from the folder `bfcl_eval` on.
    ///
    /// # Errors
    /// If it is not there or no text.
    pub fn text(&self, name: &str) -> Result<String> {
        match &self.files {
            Files::Folder => {
                let path = self.place(name);
                std::fs::read_to_string(&path).map_err(|source| Error::io(&path, source))
            }
            Files::Wheel(files) => {
                let missing = || Error::format(self.place(name), None, "the wheel has no such file");
                let bytes = files.get(&format!("bfcl_eval/{name}")).ok_or_else(missing)?;
                String::from_utf8(bytes.clone())
                    .map_err(|error| Error::format(self.place(name), None, error.to_string()))
            }
        }
    }

    /// The values of a file of JSON lines.
    ///
    /// # Errors
    /// As [`text`](Self::text), and if a line is no JSON.
    pub fn lines(&self, name: &str) -> Result<Vec<Value>> {
        let text = self.text(name)?;
        let lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
        let parse = |(at, line): (usize, &str)| {
            json::parse(line)
                .map_err(|error| Error::format(self.place(name), Some(at + 1), error.to_string()))
        };
        lines.map(parse).collect()
    }

    /// The entries of a category: questions with their functions.
    ///
    /// # Errors
    /// As [`lines`](Self::lines).
    pub fn questions(&self, category: &str) -> Result<Vec<Value>> {
        self.lines(&format!("data/BFCL_v4_{category}.json"))
    }

    /// The expected answers of a category, in the order of its questions.
    ///
    /// # Errors
    /// As [`lines`](Self::lines).
    pub fn answers(&self, category: &str) -> Result<Vec<Value>> {
        self.lines(&format!("data/possible_answer/BFCL_v4_{category}.json"))
    }

    /// The entries of a multi-turn category as a model gets them: the functions of the classes that are involved, and in
    /// `missed_function` the documentation of those that come later.
    ///
    /// # Errors
    /// As [`lines`](Self::lines), and if a class has no documentation.
    pub fn multi_turn_questions(&self, category: &str) -> Result<Vec<Value>> {
        let constants = self.assignments("constants/executable_backend_config.py")?;
        let files = match constants.get("MULTI_TURN_FUNC_DOC_FILE_MAPPING") {
            Some(Expr::Dict(members)) => members.as_slice(),
            _ => &[],
        };
        let text = |expression: &Expr| match expression {
            Expr::Constant(Constant::Str { value, .. }) => Some(value.to_string()),
            _ => None,
        };
        let mut documents: HashMap<String, Vec<Value>> = HashMap::new();
        for (class, file) in files {
            if let (Some(class), Some(file)) = (class.as_ref().and_then(text), text(file)) {
                // Of some classes the simulation needs a network; they do not occur here.
                if let Ok(lines) = self.lines(&format!("data/multi_turn_func_doc/{file}")) {
                    documents.insert(class, lines);
                }
            }
        }
        let mut questions = self.questions(category)?;
        for question in &mut questions {
            let Value::Dict(question) = question else { continue };
            let mut functions = Vec::new();
            for class in question.get_str("involved_classes").and_then(Value::as_list).unwrap_or_default() {
                let class = class.as_str().unwrap_or_default();
                let missing = || Error::invalid(format!("the package documents no functions of {class}"));
                functions.extend(documents.get(class).ok_or_else(missing)?.iter().cloned());
            }
            if let Some(Value::Dict(turns)) = question.get_mut(&Value::from("missed_function")) {
                for names in turns.values_mut() {
                    let mut missed = Vec::new();
                    for name in names.as_list().unwrap_or_default() {
                        if let Some(at) =
                            functions.iter().position(|function| function.get("name") == Some(name))
                        {
                            missed.push(functions.remove(at));
                        }
                    }
                    *names = Value::List(missed);
                }
            }
            question.insert(Value::from("function"), Value::List(functions));
        }
        Ok(questions)
    }

    /// What the package adds to the description of every function in Python.
    ///
    /// # Errors
    /// If its place in the package is not as it was.
    pub fn python_hint(&self) -> Result<String> {
        let text = self.text("utils.py")?;
        let hint = text.split_once("def _get_language_specific_hint").and_then(|(_, rest)| {
            let function = rest.split("\ndef ").next()?;
            let (_, last) = function.rsplit_once("return ")?;
            match pyexpr::parse(last.trim()).ok()? {
                Expr::Constant(Constant::Str { value, .. }) => Some(value.to_string()),
                _ => None,
            }
        });
        hint.ok_or_else(|| {
            Error::format(self.place("utils.py"), None, "no hint on the language of a function")
        })
    }

    /// The models that the package knows, by name.
    ///
    /// # Errors
    /// If their file is not there.
    pub fn models(&self) -> Result<HashMap<String, Model>> {
        let text = self.text("constants/model_config.py")?;
        let mut models = HashMap::new();
        for (name, value) in assignments(&text) {
            let Expr::Dict(members) = value else { continue };
            if !name.ends_with("_map") {
                continue;
            }
            for (key, value) in members {
                let (Some(Expr::Constant(Constant::Str { value: key, .. })), Expr::Call { keywords, .. }) =
                    (key, value)
                else {
                    continue;
                };
                let keywords = keywords
                    .iter()
                    .filter_map(|keyword| match (&keyword.name, &keyword.value) {
                        (Some(name), Expr::Constant(constant)) => {
                            Some((Value::Str(name.clone()), constant.value()?))
                        }
                        _ => None,
                    })
                    .collect();
                models.insert(key.to_string(), Model::read(&keywords));
            }
        }
        Ok(models)
    }

    /// What the names of a Python file stand for, as far as they are assigned an expression on the outermost level.
    ///
    /// # Errors
    /// If the file is not there.
    pub fn assignments(&self, name: &str) -> Result<HashMap<String, Expr>> {
        Ok(assignments(&self.text(name)?).into_iter().collect())
    }
}

/// Adds a hint to the description of every function.
pub(super) fn add_hint(question: &mut Value, hint: &str) {
    let Value::Dict(question) = question else { return };
    let Some(Value::List(functions)) = question.get_mut(&Value::from("function")) else { return };
    for function in functions {
        if let Value::Dict(function) = function
            && let Some(Value::Str(text)) = function.get_mut(&Value::from("description"))
        {
            text.push_str(hint);
        }
    }
}

/// A model as the package describes it.
#[derive(Clone, Debug, Default)]
#[allow(missing_docs)]
pub struct Model {
    pub display_name: String,
    pub url: String,
    pub organization: String,
    pub license: String,
    /// US dollars for a million tokens.
    pub input_price: Option<f64>,
    pub output_price: Option<f64>,
    /// Whether it calls natively.
    pub native: bool,
    /// Whether a dot in a function's name becomes an underscore.
    pub underscores: bool,
}

impl Model {
    fn read(keywords: &Dict) -> Self {
        let text = |name: &str| keywords.get_str(name).and_then(Value::as_str).unwrap_or_default().to_owned();
        let number = |name: &str| match keywords.get_str(name)? {
            Value::Int(int) => int.to_f64(),
            Value::Float(float) => Some(*float),
            _ => None,
        };
        let flag = |name: &str, default| keywords.get_str(name).map_or(default, Value::is_true);
        Self {
            display_name: text("display_name"),
            url: text("url"),
            organization: text("org"),
            license: text("license"),
            input_price: number("input_price"),
            output_price: number("output_price"),
            native: flag("is_fc_model", true),
            underscores: flag("underscore_to_dot", false),
        }
    }
}

/// The assignments of a Python file: a line that begins with a name and ` = `, up to the next line that begins at the margin and is no
/// closing bracket.
fn assignments(text: &str) -> Vec<(String, Expr)> {
    let is_name = |name: &str| {
        !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
    };
    let mut found = Vec::new();
    let mut rest = text;
    while let Some(end) = rest.find('\n') {
        let line = &rest[..end];
        if let Some((name, _)) = line.split_once(" = ").filter(|(name, _)| is_name(name)) {
            let source = &rest[name.len() + 3..];
            // The shortest beginning that is an expression.
            let ends = source.match_indices('\n').map(|(at, _)| at).chain([source.len()]);
            for end in ends {
                let next = source[end..].trim_start_matches('\n').chars().next();
                if matches!(next, Some(' ' | ')' | ']' | '}')) {
                    continue;
                }
                if let Ok(value) = pyexpr::parse(&source[..end]) {
                    found.push((name.to_owned(), value));
                    break;
                }
                // Text of several lines may go on at the margin, but not for ever.
                if end > 1 << 18 {
                    break;
                }
            }
        }
        rest = &rest[end + 1..];
    }
    found
}

/// The files of a zip archive whose sizes are in its directory, as wheels have them.
fn unzip(bytes: &[u8]) -> Option<HashMap<String, Vec<u8>>> {
    let short = |at: usize| Some(u16::from_le_bytes(bytes.get(at..at + 2)?.try_into().ok()?) as usize);
    let long = |at: usize| Some(u32::from_le_bytes(bytes.get(at..at + 4)?.try_into().ok()?) as usize);
    let end = bytes.windows(4).rposition(|window| window == b"PK\x05\x06")?;
    let (count, mut at) = (short(end + 10)?, long(end + 16)?);
    let mut files = HashMap::with_capacity(count);
    for _ in 0..count {
        if bytes.get(at..at + 4)? != b"PK\x01\x02" {
            return None;
        }
        let (method, packed, size) = (short(at + 10)?, long(at + 20)?, long(at + 24)?);
        let (name_length, extra, comment, header) =
            (short(at + 28)?, short(at + 30)?, short(at + 32)?, long(at + 42)?);
        let name = String::from_utf8(bytes.get(at + 46..at + 46 + name_length)?.to_vec()).ok()?;
        let start = header + 30 + short(header + 26)? + short(header + 28)?;
        let data = bytes.get(start..start.checked_add(packed)?)?;
        let content = match method {
            0 => data.to_vec(),
            8 => {
                let mut content = Vec::new();
                DeflateDecoder::new(data).take(size as u64 + 1).read_to_end(&mut content).ok()?;
                content
            }
            _ => return None,
        };
        if content.len() != size {
            return None;
        }
        files.insert(name, content);
        at += 46 + name_length + extra + comment;
    }
    Some(files)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn assignments_end_where_the_next_statement_begins() {
        let source = "import x\nA = 1\nB = {\n    'a': f(x=1),\n}\nC = (\n    \"b\"\n    \"c\"\n)\n\ndef f():\n    D = 2\nE = \"\"\"t\nu\"\"\"\n";
        let names: Vec<String> = assignments(source)
            .into_iter()
            .map(|(name, value)| format!("{name} {}", value.unparse().unwrap()))
            .collect();
        assert_eq!(names, ["A 1", "B {'a': f(x=1)}", "C 'bc'", "E 't\\nu'"]);
    }

    #[test]
    fn a_damaged_archive_is_no_wheel() {
        assert!(unzip(b"PK").is_none());
        assert!(unzip(&[b"PK\x05\x06".as_slice(), &[255; 18]].concat()).is_none());
    }
}
