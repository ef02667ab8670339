//! `GorillaFileSystem`: a tree of directories and files, with the sharing that its copies and moves leave behind.

use std::sync::Arc;

use super::error::{Exception, Fallible, Kind};
use super::long_context::LongContext;
use super::object::{Dict, Object, dict};
use super::operators::{contains, gt, index, len, two_decimals};
use super::signature::{Default::*, Method, m};
use super::{Scenario, failure, member, members};
use crate::value::Value;

/// Its public methods.
pub(super) const METHODS: &[Method] = &[
    m!(pwd()),
    m!(ls(a = Bool(false))),
    m!(cd(folder)),
    m!(mkdir(dir_name)),
    m!(touch(file_name)),
    m!(echo(content, file_name = None)),
    m!(cat(file_name)),
    m!(find(path = Str("."), name = None)),
    m!(wc(file_name, mode = Str("l"))),
    m!(sort(file_name)),
    m!(grep(file_name, pattern)),
    m!(du(human_readable = Bool(false))),
    m!(tail(file_name, lines = Int(10))),
    m!(diff(file_name1, file_name2)),
    m!(mv(source, destination)),
    m!(rm(file_name)),
    m!(rmdir(dir_name)),
    m!(cp(source, destination)),
];

/// How deep directories may nest before Python would give up; only a directory copied into itself gets there.
const MAX_DEPTH: usize = 900;

/// A file or a directory, by its place in the arena.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Node {
    File(u32),
    Directory(u32),
}

#[derive(Clone, Debug)]
struct Directory {
    name: Object,
    parent: Option<u32>,
    /// Moving a directory makes a new one over the same table, so tables live apart.
    table: u32,
}

type Table = Vec<(Object, Node)>;

#[derive(Clone, Debug, Default)]
struct Tree {
    files: Vec<(Object, Object)>,
    directories: Vec<Directory>,
    tables: Vec<Arc<Table>>,
    /// Whether a directory was moved or copied.
    has_placed_directory: bool,
}

/// The state. The current directory is not part of what is compared.
#[derive(Clone, Debug)]
pub struct FileSystem {
    tree: Arc<Tree>,
    root: u32,
    current: u32,
}

impl Tree {
    fn table(&self, directory: u32) -> &Table {
        &self.tables[self.directories[directory as usize].table as usize]
    }

    fn table_mut(&mut self, directory: u32) -> &mut Table {
        Arc::make_mut(&mut self.tables[self.directories[directory as usize].table as usize])
    }

    fn get(&self, directory: u32, name: &Object) -> Option<Node> {
        self.table(directory).iter().find(|(n, _)| n == name).map(|(_, node)| *node)
    }

    /// As the original's lookup: "." is the directory itself.
    fn item(&self, directory: u32, name: &Object) -> Option<Node> {
        if name.as_str() == Some(".") { Some(Node::Directory(directory)) } else { self.get(directory, name) }
    }

    fn new_directory(&mut self, name: Object, parent: Option<u32>) -> u32 {
        self.tables.push(Arc::default());
        self.directories.push(Directory { name, parent, table: self.tables.len() as u32 - 1 });
        self.directories.len() as u32 - 1
    }

    fn add(&mut self, directory: u32, name: &Object, what: &str) -> Fallible<()> {
        if self.get(directory, name).is_some() {
            let place = &self.directories[directory as usize].name;
            return Err(Exception::value_error(format!(
                "{what} '{name}' already exists in directory '{place}'."
            )));
        }
        Ok(())
    }

    fn add_file(&mut self, directory: u32, name: &Object, content: Object) -> Fallible<()> {
        self.add(directory, name, "File")?;
        self.files.push((name.clone(), content));
        let node = Node::File(self.files.len() as u32 - 1);
        self.table_mut(directory).push((name.clone(), node));
        Ok(())
    }

    fn add_directory(&mut self, directory: u32, name: &Object) -> Fallible<u32> {
        self.add(directory, name, "Directory")?;
        let new = self.new_directory(name.clone(), Some(directory));
        self.table_mut(directory).push((name.clone(), Node::Directory(new)));
        Ok(new)
    }

    fn remove(&mut self, directory: u32, name: &Object) {
        self.table_mut(directory).retain(|(n, _)| n != name);
    }

    /// Puts a file or directory under a new name; a moved directory keeps its table, a copied one gets a copy of it.
    fn place(&mut self, node: Node, directory: u32, name: &Object, copy: bool) -> Fallible<()> {
        match node {
            Node::File(f) => {
                let content = self.files[f as usize].1.clone();
                self.add_file(directory, name, content)
            }
            Node::Directory(d) => {
                self.has_placed_directory = true;
                let new = self.add_directory(directory, name)?;
                let mut table = self.directories[d as usize].table;
                if copy {
                    let copied = self.tables[table as usize].clone();
                    self.tables.push(copied);
                    table = self.tables.len() as u32 - 1;
                }
                self.directories[new as usize].table = table;
                Ok(())
            }
        }
    }

    fn load(
        &mut self,
        contents: &Value,
        into: u32,
        long: Option<&LongContext>,
        depth: usize,
    ) -> Fallible<()> {
        if depth > MAX_DEPTH {
            return Err(too_deep());
        }
        let mut bottom = true;
        for (name, data) in members(contents, "items")?.iter() {
            let name = Object::from(name);
            let node = match member(data, "type")?.as_str() {
                Some("directory") => {
                    bottom = false;
                    let new = self.new_directory(name.clone(), Some(into));
                    self.load(member(data, "contents")?, new, long, depth + 1)?;
                    Node::Directory(new)
                }
                Some("file") => {
                    let mut content = Object::from(member(data, "content")?);
                    if let Some(long) = long.filter(|l| !l.files_tail_used.contains(&name)) {
                        content = super::operators::add_in_place(&content, &long.file_content)?;
                    }
                    self.files.push((name.clone(), content));
                    Node::File(self.files.len() as u32 - 1)
                }
                _ => continue,
            };
            // The names of a dictionary differ.
            self.table_mut(into).push((name, node));
        }
        if let Some(long) = long.filter(|_| bottom) {
            for name in &long.populate_files {
                self.add_file(into, name, "".into())?;
            }
        }
        Ok(())
    }

    fn equal(&self, a: u32, other: &Tree, b: u32, depth: usize) -> Fallible<bool> {
        if depth > MAX_DEPTH {
            return Err(too_deep());
        }
        let (x, y) = (&self.directories[a as usize], &other.directories[b as usize]);
        if x.name != y.name {
            return Ok(false);
        }
        let (p, q) = (self.table(a), other.table(b));
        if p.len() != q.len() {
            return Ok(false);
        }
        for (i, (name, node)) in p.iter().enumerate() {
            let twin = if q[i].0 == *name {
                q[i].1
            } else {
                match other.get(b, name) {
                    Some(n) => n,
                    Option::None => return Ok(false),
                }
            };
            let same = match (*node, twin) {
                (Node::File(f), Node::File(g)) => {
                    let ((n, c), (m, d)) = (&self.files[f as usize], &other.files[g as usize]);
                    (c.is(d) || c == d) && n == m
                }
                (Node::Directory(d), Node::Directory(e)) => {
                    (std::ptr::eq(self, other) && d == e) || self.equal(d, other, e, depth + 1)?
                }
                _ => false,
            };
            if !same {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn to_object(&self, directory: u32, depth: usize) -> Object {
        let mut contents = Dict::default();
        for (name, node) in self.table(directory) {
            let value = match *node {
                Node::File(f) => self.files[f as usize].1.clone(),
                Node::Directory(_) if depth > MAX_DEPTH => Object::None,
                Node::Directory(d) => self.to_object(d, depth + 1),
            };
            contents.insert(name.clone(), value);
        }
        contents.into()
    }

    fn size(&self, directory: u32, depth: usize) -> Fallible<i64> {
        if depth > MAX_DEPTH {
            return Err(too_deep());
        }
        self.table(directory).iter().try_fold(0, |total, (_, node)| {
            Ok(total
                + match *node {
                    Node::File(f) => match &self.files[f as usize].1 {
                        Object::Str(s) => s.len() as i64,
                        other => return Err(Exception::attribute(other, "encode")),
                    },
                    Node::Directory(d) => self.size(d, depth + 1)?,
                })
        })
    }

    fn search(
        &self,
        directory: u32,
        base: &str,
        name: &Object,
        matches: &mut Vec<Object>,
        depth: usize,
    ) -> Fallible<()> {
        if depth > MAX_DEPTH {
            return Err(too_deep());
        }
        for (n, node) in self.table(directory) {
            let path = format!("{base}/{n}");
            if matches!(name, Object::None) || contains(n, name)? {
                matches.push(Object::str(&path));
            }
            if let Node::Directory(d) = *node {
                self.search(d, &path, name, matches, depth + 1)?;
            }
        }
        Ok(())
    }
}

fn too_deep() -> Exception {
    Exception::new(Kind::Recursion, "maximum recursion depth exceeded while calling a Python object")
}

/// `object.splitlines()` of a file's content.
fn lines(content: &Object) -> Fallible<Vec<&str>> {
    let Object::Str(text) = content else { return Err(Exception::attribute(content, "splitlines")) };
    let text: &str = text;
    let mut found = Vec::new();
    let mut from = 0;
    let mut chars = text.char_indices().peekable();
    while let Some((i, c)) = chars.next() {
        if !matches!(
            c,
            '\n' | '\r' | '\u{b}' | '\u{c}' | '\u{1c}'..='\u{1e}' | '\u{85}' | '\u{2028}' | '\u{2029}'
        ) {
            continue;
        }
        found.push(&text[from..i]);
        from = i + c.len_utf8();
        if c == '\r' && chars.peek().is_some_and(|(_, c)| *c == '\n') {
            chars.next();
            from += 1;
        }
    }
    if from < text.len() {
        found.push(&text[from..]);
    }
    Ok(found)
}

fn joined(lines: &[&str]) -> Object {
    Object::from(lines.join("\n"))
}

/// Whether a name holds none of the characters that names must not hold.
fn valid(name: &Object) -> Fallible<bool> {
    if let Object::Str(s) = name {
        return Ok(!s.contains(['|', '/', '\\', '?', '%', '*', ':', '"', '>', '<']));
    }
    for c in ["|", "/", "\\", "?", "%", "*", ":", "\"", ">", "<"] {
        if contains(name, &c.into())? {
            return Ok(false);
        }
    }
    Ok(true)
}

impl FileSystem {
    pub(super) fn load(scenario: &Scenario, long: Option<&LongContext>) -> Fallible<Self> {
        let mut tree = Tree::default();
        let root = match scenario.get_str("root") {
            Option::None => tree.new_directory("/".into(), Option::None),
            Some(given) => {
                let (name, data) = members(given, "keys")?
                    .iter()
                    .next()
                    .ok_or_else(|| Exception::other("list index out of range"))?;
                let root = tree.new_directory(name.into(), Option::None);
                tree.load(member(data, "contents")?, root, long, 0)?;
                root
            }
        };
        Ok(FileSystem { tree: Arc::new(tree), root, current: root })
    }

    /// The tree as nested dictionaries of contents.
    pub(super) fn to_object(&self) -> Object {
        Object::from(Dict(vec![(
            self.tree.directories[self.root as usize].name.clone(),
            self.tree.to_object(self.root, 0),
        )]))
    }

    pub(super) fn same_state(&self, other: &FileSystem) -> Fallible<bool> {
        if Arc::ptr_eq(&self.tree, &other.tree) && self.root == other.root {
            return Ok(true);
        }
        self.tree.equal(self.root, &other.tree, other.root, 0)
    }

    /// Whether a tree that came from the same start by the same calls compares as equal.
    pub(super) fn equals_its_twin(&self, start: &FileSystem) -> Fallible<bool> {
        let tree = &self.tree;
        // Only a directory that was put elsewhere may hold itself, and only so many may nest too deep.
        let may_not = tree.has_placed_directory
            || tree.directories.len() > MAX_DEPTH
            || tree.files.iter().any(|(_, content)| content.has_new_nan(Option::None));
        if Arc::ptr_eq(tree, &start.tree) || !may_not {
            return Ok(true);
        }
        tree.equal(self.root, &Tree::clone(tree), self.root, 0)
    }

    fn here(&self, name: &Object) -> Fallible<Option<Node>> {
        name.check_hashable()?;
        Ok(if self.tree.get(self.current, name).is_some() {
            self.tree.item(self.current, name)
        } else {
            Option::None
        })
    }

    /// The content of the file of this name in the current directory.
    fn content(&self, name: &Object) -> Fallible<Option<&Object>> {
        Ok(match self.here(name)? {
            Some(Node::File(f)) => Some(&self.tree.files[f as usize].1),
            _ => Option::None,
        })
    }

    fn edit(&mut self) -> &mut Tree {
        Arc::make_mut(&mut self.tree)
    }

    /// The directory under a path, or the error that is reported.
    fn navigate(&self, path: &Object) -> Fallible<Result<u32, String>> {
        let text = match path {
            Object::None => return Ok(Ok(self.current)),
            Object::Str(s) => &**s,
            Object::Bytes(_) => {
                return Err(Exception::type_error("a bytes-like object is required, not 'str'"));
            }
            other => return Err(Exception::attribute(other, "strip")),
        };
        match text {
            "." => return Ok(Ok(self.current)),
            "/" => return Ok(Ok(self.root)),
            _ => {}
        }
        let mut at = if text.starts_with('/') { self.root } else { self.current };
        for part in text.trim_matches('/').split('/') {
            match self.tree.item(at, &Object::str(part)) {
                Some(Node::Directory(d)) => at = d,
                _ => return Ok(Err(format!("cd: '{text}': No such file or directory"))),
            }
        }
        Ok(Ok(at))
    }

    pub(super) fn call(&mut self, method: &str, a: &[Object]) -> Fallible<Object> {
        match method {
            "pwd" => {
                let (mut path, mut at) = (Vec::new(), Some(self.current));
                while let Some(d) = at {
                    path.push(self.tree.directories[d as usize].name.clone());
                    at = self.tree.directories[d as usize].parent;
                }
                path.reverse();
                Ok(dict! {"current_working_directory": format!("/{}", super::operators::join("/", &path)?)})
            }
            "ls" => {
                let mut names = Vec::new();
                for (name, _) in self.tree.table(self.current) {
                    let hidden = !a[0].truthy()
                        && match name {
                            Object::Str(s) => s.starts_with('.'),
                            other => return Err(Exception::attribute(other, "startswith")),
                        };
                    if !hidden {
                        names.push(name.clone());
                    }
                }
                Ok(dict! {"current_directory_content": names})
            }
            "cd" => self.change_directory(&a[0]),
            "mkdir" | "touch" => self.make(method, &a[0]),
            "echo" => {
                let (content, name) = (&a[0], &a[1]);
                let shown = || Ok(dict! {"terminal_output": content.clone()});
                if matches!(name, Object::None) {
                    return shown();
                }
                if !valid(name)? {
                    return Ok(failure(format!("echo: cannot write to '{name}': Invalid character")));
                }
                if !name.truthy() {
                    return shown();
                }
                match self.here(name)? {
                    Option::None => {
                        return Ok(failure(format!("echo: cannot write to '{name}': No such file")));
                    }
                    Some(Node::Directory(_)) => {
                        return Err(Exception::other("'Directory' object has no attribute '_write'"));
                    }
                    Some(Node::File(f)) => self.edit().files[f as usize].1 = content.clone(),
                }
                Ok(Object::None)
            }
            "cat" => {
                let name = &a[0];
                if !valid(name)? {
                    return Ok(failure(format!("cat: '{name}': Invalid character")));
                }
                Ok(match self.here(name)? {
                    Some(Node::File(f)) => dict! {"file_content": self.tree.files[f as usize].1.clone()},
                    Some(Node::Directory(_)) => failure(format!("cat: '{name}': Is a directory")),
                    Option::None => failure(format!("cat: '{name}': No such file or directory")),
                })
            }
            "find" => {
                let target = match self.navigate(&a[0])? {
                    Ok(d) => d,
                    Err(error) => return Ok(failure(error.replacen("cd:", "find:", 1))),
                };
                let Object::Str(path) = &a[0] else { return Err(Exception::attribute(&a[0], "rstrip")) };
                let mut matches = Vec::new();
                self.tree.search(target, path.trim_end_matches('/'), &a[1], &mut matches, 0)?;
                Ok(dict! {"matches": matches})
            }
            "wc" => {
                let mode = match a[1].as_str() {
                    Some(mode @ ("l" | "w" | "c")) => mode,
                    _ => return Ok(failure(format!("wc: invalid mode '{}'", a[1]))),
                };
                let Some(content) = self.content(&a[0])? else { return Ok(missing("wc", &a[0])) };
                let (count, what) = match mode {
                    "l" => (lines(content)?.len(), "lines"),
                    "w" => match content {
                        Object::Str(s) => {
                            (s.split(crate::value::text::is_space).filter(|w| !w.is_empty()).count(), "words")
                        }
                        other => return Err(Exception::attribute(other, "split")),
                    },
                    _ => (len(content)?, "characters"),
                };
                Ok(dict! {"count": count as i64, "type": what})
            }
            "sort" => {
                let Some(content) = self.content(&a[0])? else { return Ok(missing("sort", &a[0])) };
                let mut sorted = lines(content)?;
                sorted.sort();
                Ok(dict! {"sorted_content": joined(&sorted)})
            }
            "grep" => {
                let Some(content) = self.content(&a[0])? else { return Ok(missing("grep", &a[0])) };
                let mut matching = Vec::new();
                for line in lines(content)? {
                    let line = Object::str(line);
                    if contains(&line, &a[1])? {
                        matching.push(line);
                    }
                }
                Ok(dict! {"matching_lines": matching})
            }
            "du" => self.disk_usage(&a[0]),
            "tail" => {
                let Some(content) = self.content(&a[0])? else { return Ok(missing("tail", &a[0])) };
                let all = lines(content)?;
                let count = all.len() as i64;
                let wanted = if gt(&a[1], &Object::Int(count))? {
                    num_bigint::BigInt::from(count)
                } else {
                    index(&a[1]).map_err(|_| slice_index())?
                };
                // A start of -0 is 0: all lines; a negative count drops lines at the start.
                let start = num_traits::ToPrimitive::to_i64(&-wanted).unwrap_or(i64::MAX);
                let start = if start < 0 { start + count } else { start }.clamp(0, count) as usize;
                Ok(dict! {"last_lines": joined(&all[start..])})
            }
            "diff" => {
                let no_file = failure(format!("diff: {} or {}: No such file or directory", a[0], a[1]));
                let Some(node) = self.here(&a[0])? else { return Ok(no_file) };
                let (Node::File(_), Some(two)) = (node, self.content(&a[1])?) else { return Ok(no_file) };
                let Some(one) = self.content(&a[0])? else { return Ok(no_file) };
                let (one, two) = (lines(one)?, lines(two)?);
                let differing: Vec<String> = one
                    .iter()
                    .zip(&two)
                    .filter(|(x, y)| x != y)
                    .map(|(x, y)| format!("- {x}\n+ {y}"))
                    .collect();
                Ok(dict! {"diff_lines": differing.join("\n")})
            }
            "mv" | "cp" => self.transfer(method, &a[0], &a[1]),
            "rm" => {
                let name = &a[0];
                if self.here(name)?.is_none() {
                    return Ok(failure(format!("rm: cannot remove '{name}': No such file or directory")));
                }
                let current = self.current;
                self.edit().remove(current, name);
                Ok(dict! {"result": format!("'{name}' removed")})
            }
            "rmdir" => {
                let name = &a[0];
                let refuse = |why: &str| Ok(failure(format!("rmdir: cannot remove '{name}': {why}")));
                match self.here(name)? {
                    Option::None => refuse("No such file or directory"),
                    Some(Node::File(_)) => refuse("Not a directory"),
                    Some(Node::Directory(d)) if !self.tree.table(d).is_empty() => {
                        refuse("Directory not empty")
                    }
                    Some(Node::Directory(_)) => {
                        let current = self.current;
                        self.edit().remove(current, name);
                        Ok(dict! {"result": format!("'{name}' removed")})
                    }
                }
            }
            _ => unreachable!("a method of the table"),
        }
    }

    fn change_directory(&mut self, folder: &Object) -> Fallible<Object> {
        let Object::Str(given) = folder else {
            return Err(match folder {
                Object::Bytes(_) => Exception::type_error("a bytes-like object is required, not 'str'"),
                _ => Exception::attribute(folder, "rstrip"),
            });
        };
        let folder = match given.trim_end_matches('/') {
            "" => "/",
            other => other,
        };
        if folder != "/" && folder.contains('/') {
            return Ok(failure(format!(
                "cd: {folder}: Unsupported path. Only one folder level at a time is supported."
            )));
        }
        if folder == ".." {
            if let Some(parent) = self.tree.directories[self.current as usize].parent {
                self.current = parent;
            } else if self.root == self.current || self.tree.equal(self.root, &self.tree, self.current, 0)? {
                return Ok(failure("Current directory is already the root. Cannot go back."));
            } else {
                return Ok(failure("cd: ..: No such directory"));
            }
            return Ok(Dict::default().into());
        }
        match self.navigate(&Object::str(folder))? {
            Err(error) => Ok(failure(error)),
            Ok(target) => {
                self.current = target;
                Ok(dict! {"current_working_directory": self.tree.directories[target as usize].name.clone()})
            }
        }
    }

    fn make(&mut self, method: &str, name: &Object) -> Fallible<Object> {
        let refused =
            if method == "mkdir" { "mkdir: cannot create directory" } else { "touch: cannot touch" };
        if !valid(name)? {
            return Ok(failure(format!("{refused} '{name}': Invalid character")));
        }
        name.check_hashable()?;
        let current = self.current;
        if self.tree.get(current, name).is_some() {
            return Ok(failure(format!("{refused} '{name}': File exists")));
        }
        if method == "mkdir" {
            self.edit().add_directory(current, name)?;
        } else {
            self.edit().add_file(current, name, "".into())?;
        }
        Ok(Object::None)
    }

    fn disk_usage(&self, human_readable: &Object) -> Fallible<Object> {
        let total = self.tree.size(self.current, 0)?;
        if !human_readable.truthy() {
            return Ok(dict! {"disk_usage": format!("{total} bytes")});
        }
        let mut size = total as f64;
        for unit in ["B", "KB", "MB", "GB", "TB"] {
            if size < 1024.0 {
                return Ok(dict! {"disk_usage": format!("{} {unit}", two_decimals(&Object::Float(size))?)});
            }
            size /= 1024.0;
        }
        Ok(dict! {"disk_usage": format!("{size:.2} PB")})
    }

    /// `mv` and `cp`, which differ in their words and in what becomes of the source.
    fn transfer(&mut self, method: &str, source: &Object, destination: &Object) -> Fallible<Object> {
        let (verb, done) =
            if method == "mv" { ("mv: cannot move", "moved") } else { ("cp: cannot copy", "copied") };
        let copy = method == "cp";
        let current = self.current;
        let Some(node) = self.here(source)? else {
            return Ok(failure(format!("{verb} '{source}': No such file or directory")));
        };
        if contains(destination, &"/".into())? {
            return Ok(failure(format!(
                "{method}: path not allowed in destination. Provide only a file or directory name."
            )));
        }
        let (into, name, shown) = match self.here(destination)? {
            Some(Node::File(_)) => {
                return Ok(failure(format!("{verb} '{source}' to '{destination}': Not a directory")));
            }
            Some(Node::Directory(d)) => {
                // The copy looks for a name that cannot be there, and then fails where it would overwrite.
                let taken = if copy {
                    Object::from(format!("{destination}/{source}"))
                } else {
                    Object::from(source.to_string())
                };
                if self.tree.get(d, &taken).is_some() {
                    return Ok(failure(format!(
                        "{verb} '{source}' to '{destination}/{source}': File exists"
                    )));
                }
                (d, source, format!("{destination}/{source}"))
            }
            Option::None => (current, destination, destination.to_string()),
        };
        let tree = self.edit();
        if !copy {
            tree.remove(current, source);
        }
        tree.place(node, into, name, copy)?;
        Ok(dict! {"result": format!("'{source}' {done} to '{shown}'")})
    }
}

fn missing(command: &str, name: &Object) -> Object {
    failure(format!("{command}: {name}: No such file or directory"))
}

fn slice_index() -> Exception {
    Exception::type_error("slice indices must be integers or None or have an __index__ method")
}
