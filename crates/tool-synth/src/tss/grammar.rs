//! What exists in the worlds that tools serve, and how people speak of it: domains, objects, verbs, slots.
//!
//! A grammar is a text of one line an entry (the embedded one is `grammar.txt`). The generator makes tools, values and
//! sentences from it. Grammars come from documents, too (`Grammar::of_openapi`, `Grammar::of_tools`), and can be joined. The solver ([`crate::engine`]) never reads it: it sees a tool's schema and the messages, as a model does.

use std::collections::HashMap;
use std::sync::LazyLock;

use sha2::{Digest, Sha256};

use super::api::{Field, Said, Shape};
use super::kind::Kind;
use crate::error::{Error, Result};

/// The shape in which a verb's tools answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// A list of records with identifiers.
    List,
    /// One record.
    Record,
    /// A number and its unit.
    Number,
    /// A new or changed record's identifier and status.
    Receipt,
}

/// One kind of argument: its value, its description, and how people say it.
#[derive(Clone, Debug)]
pub struct Slot {
    /// The parameter's name in snake case.
    pub name: String,
    /// Its values.
    pub kind: Kind,
    /// Whether it takes a list of such values.
    pub many: bool,
    /// What a schema says about it.
    pub description: String,
    /// Phrases with `{v}` for the value. For a flag: said when it is true.
    pub phrases: Vec<String>,
    /// For a flag: said when it is false.
    pub denial: Option<String>,
}

/// What tools do.
#[derive(Clone, Debug)]
pub struct Verb {
    /// Its name in the grammar.
    pub name: String,
    /// Whether the object is named by its identifier.
    pub by_id: bool,
    /// The answer's shape.
    pub answer: Answer,
    /// What function names begin with.
    pub stems: Vec<String>,
    /// A description with `{object}`, `{objects}`, `{a_object}`.
    pub description: String,
    /// What people say, with the same marks and `{id}`.
    pub requests: Vec<String>,
}

/// What a verb does with an object: the slots that its tools take.
#[derive(Clone, Debug)]
pub struct Function {
    /// Index into [`Grammar::verbs`].
    pub verb: usize,
    /// Indices into [`Grammar::slots`], with whether each is required.
    pub slots: Vec<(usize, bool)>,
    /// The one tool that a document has for it. Its fields stand for the slots.
    pub documented: Option<Documented>,
}

/// A tool as a document has it.
#[derive(Clone, Debug)]
pub struct Documented {
    /// Its name.
    pub name: String,
    /// What it does.
    pub description: String,
    /// Its parameters.
    pub fields: Vec<Field>,
    /// The members of a result's records.
    pub returns: Vec<Field>,
}

/// A thing that tools are about.
#[derive(Clone, Debug)]
pub struct Object {
    /// Index into [`Grammar::domains`].
    pub domain: usize,
    /// One of it.
    pub singular: String,
    /// Many of it.
    pub plural: String,
    /// What its identifiers begin with.
    pub prefix: String,
    /// Another word for many of it.
    pub synonym: String,
    /// What a record tells: indices into [`Grammar::slots`].
    pub fields: Vec<usize>,
    /// What can be done with it.
    pub functions: Vec<Function>,
}

/// A field of life.
#[derive(Clone, Debug)]
pub struct Domain {
    /// Its name, one word.
    pub name: String,
    /// Its title.
    pub title: String,
    /// Adjectives that make a narrower tool of a tool.
    pub qualifiers: Vec<String>,
}

/// All entries of a grammar.
#[derive(Clone, Debug, Default)]
pub struct Grammar {
    /// Word lists by name.
    pub lists: HashMap<String, Vec<String>>,
    /// Kinds of arguments.
    pub slots: Vec<Slot>,
    /// What tools do.
    pub verbs: Vec<Verb>,
    /// Fields of life.
    pub domains: Vec<Domain>,
    /// What tools are about, by domain.
    pub objects: Vec<Object>,
    /// What documents have that the grammar has not, one operation or parameter a line.
    pub left_out: Vec<String>,
    /// SHA-256 of what it was made of.
    digest: String,
}

/// The text of the grammar that comes with the crate.
const TEXT: &str = include_str!("grammar.txt");

static EMBEDDED: LazyLock<Grammar> =
    LazyLock::new(|| Grammar::parse(TEXT).expect("the embedded grammar is well-formed: a test parses it"));

impl Grammar {
    /// The grammar that comes with the crate.
    pub fn embedded() -> &'static Self {
        &EMBEDDED
    }

    /// Reads a grammar.
    ///
    /// # Errors
    /// [`Error::Grammar`] with the line that is not understood, or names something that is not defined above it.
    pub fn parse(text: &str) -> Result<Self> {
        let mut grammar = Self { digest: sha256(text), ..Self::default() };
        for (number, line) in text.lines().enumerate() {
            let trimmed = line.trim();
            if trimmed.is_empty() || trimmed.starts_with('#') {
                continue;
            }
            grammar.entry(line).map_err(|what| Error::Grammar { line: number + 1, what })?;
        }
        if grammar.objects.iter().all(|object| object.functions.is_empty()) {
            return Err(Error::Grammar { line: 0, what: "no object with a function".into() });
        }
        Ok(grammar)
    }

    fn entry(&mut self, line: &str) -> std::result::Result<(), String> {
        if line.starts_with(' ') {
            return self.property(line.trim());
        }
        let (keyword, rest) = line.split_once(' ').ok_or("an entry needs a keyword and a name")?;
        match keyword {
            "list" => {
                let (name, words) = rest.split_once(':').ok_or("a list needs a colon")?;
                self.lists.insert(name.trim().to_owned(), split(words, ','));
            }
            "slot" => self.slot(&split(rest, '|'))?,
            "verb" => self.verb(&split(rest, '|'))?,
            "domain" => {
                let [name, title, qualifiers] = &split(rest, '|')[..] else {
                    return Err("a domain is: name | title | qualifiers".into());
                };
                let qualifiers = split(qualifiers, ',');
                self.domains.push(Domain { name: name.clone(), title: title.clone(), qualifiers });
            }
            "object" => {
                let [singular, plural, prefix, synonym] = &split(rest, '/')[..] else {
                    return Err("an object is: singular / plural / prefix / synonym".into());
                };
                self.objects.push(Object {
                    domain: self.domains.len().checked_sub(1).ok_or("an object needs a domain above it")?,
                    singular: singular.clone(),
                    plural: plural.clone(),
                    prefix: prefix.clone(),
                    synonym: synonym.clone(),
                    fields: Vec::new(),
                    functions: Vec::new(),
                });
            }
            other => return Err(format!("unknown keyword {other}")),
        }
        Ok(())
    }

    fn slot(&mut self, parts: &[String]) -> std::result::Result<(), String> {
        let [name, kind, description, phrases] = parts else {
            return Err("a slot is: name | kind | description | phrases".into());
        };
        let (many, kind) = kind.strip_prefix("many:").map_or((false, kind.as_str()), |kind| (true, kind));
        let kind = Kind::parse(kind, &self.lists)?;
        let mut said = Vec::new();
        let mut denial = None;
        for phrase in split(phrases, '/') {
            match phrase.strip_suffix('!') {
                Some(no) => denial = Some(no.trim().to_owned()),
                None => said.push(phrase),
            }
        }
        if said.is_empty() {
            return Err(format!("the slot {name} has no phrase"));
        }
        if kind != Kind::Flag && said.iter().any(|phrase| !phrase.contains("{v}")) {
            return Err(format!("a phrase of the slot {name} lacks {{v}}"));
        }
        self.slots.push(Slot {
            name: name.clone(),
            kind,
            many,
            description: description.clone(),
            phrases: said,
            denial,
        });
        Ok(())
    }

    fn verb(&mut self, parts: &[String]) -> std::result::Result<(), String> {
        let [name, id, answer, stems, description, requests] = parts else {
            return Err("a verb is: name | id or no | answer | stems | description | requests".into());
        };
        let answer = match answer.as_str() {
            "list" => Answer::List,
            "record" => Answer::Record,
            "number" => Answer::Number,
            "receipt" => Answer::Receipt,
            other => return Err(format!("unknown answer {other}: list, record, number or receipt")),
        };
        self.verbs.push(Verb {
            name: name.clone(),
            by_id: id == "id",
            answer,
            stems: split(stems, ','),
            description: description.clone(),
            requests: split(requests, '/'),
        });
        Ok(())
    }

    fn property(&mut self, line: &str) -> std::result::Result<(), String> {
        let (name, slots) = line.split_once(':').ok_or("a property of an object needs a colon")?;
        let mut list = Vec::new();
        for word in slots.split_whitespace() {
            let (word, required) = word.strip_suffix('!').map_or((word, false), |word| (word, true));
            let at = self.slots.iter().position(|slot| slot.name == word);
            list.push((at.ok_or_else(|| format!("unknown slot {word}"))?, required));
        }
        let verb = self.verbs.iter().position(|verb| verb.name == name);
        let object = self.objects.last_mut().ok_or("a property needs an object above it")?;
        if name == "fields" {
            object.fields = list.into_iter().map(|(slot, _)| slot).collect();
        } else {
            let verb = verb.ok_or_else(|| format!("unknown verb {name}"))?;
            object.functions.push(Function { verb, slots: list, documented: None });
        }
        Ok(())
    }

    /// The slot called `name`.
    pub fn slot_named(&self, name: &str) -> Option<usize> {
        self.slots.iter().position(|slot| slot.name == name)
    }

    /// The slot called `name` whose values are described so; otherwise the first that is called so. Documents call many things `name`.
    pub fn slot_described(&self, name: &str, description: &str) -> Option<usize> {
        let same = |slot: &Slot| slot.name == name && slot.description == description;
        self.slots.iter().position(same).or_else(|| self.slot_named(name))
    }

    /// SHA-256 of what the grammar was made of, in hexadecimal digits: equal for grammars that make the same data.
    pub fn digest(&self) -> &str {
        &self.digest
    }

    /// Marks a grammar that was not made of a text, once it is whole.
    pub(super) fn sealed(mut self) -> Self {
        // Lists are left out: documents have none, and their order is not fixed.
        let parts = (&self.slots, &self.verbs, &self.domains, &self.objects);
        self.digest = sha256(&format!("{parts:?}"));
        self
    }

    /// Both grammars in one, this one's entries first. Prefixes of identifiers that both have are changed in `other`'s.
    #[must_use]
    pub fn joined(&self, other: &Self) -> Self {
        let mut all = self.clone();
        let mut other = other.clone();
        all.digest = sha256(&format!("{}+{}", self.digest, other.digest));
        all.left_out.append(&mut other.left_out);
        for (name, list) in other.lists.drain() {
            all.lists.entry(name).or_insert(list);
        }
        let mut taken: Vec<String> = self.objects.iter().map(|object| object.prefix.clone()).collect();
        let mut changed: Vec<(String, String)> = Vec::new();
        for object in &mut other.objects {
            if taken.contains(&object.prefix) {
                let numbered = (2..).map(|number| format!("{}{number}", object.prefix));
                let free = numbered.into_iter().find(|prefix| !taken.contains(prefix)).unwrap_or_default();
                changed.push((std::mem::replace(&mut object.prefix, free.clone()), free));
            }
            taken.push(object.prefix.clone());
        }
        let respell = |kind: &mut Kind| {
            if let Kind::Identifier(prefix) = kind
                && let Some((_, free)) = changed.iter().find(|(known, _)| known == prefix)
            {
                prefix.clone_from(free);
            }
        };
        let (slots, verbs, domains) = (all.slots.len(), all.verbs.len(), all.domains.len());
        for mut slot in other.slots {
            respell(&mut slot.kind);
            all.slots.push(slot);
        }
        all.verbs.append(&mut other.verbs);
        all.domains.append(&mut other.domains);
        for mut object in other.objects {
            object.domain += domains;
            object.fields.iter_mut().for_each(|slot| *slot += slots);
            for function in &mut object.functions {
                function.verb += verbs;
                function.slots.iter_mut().for_each(|(slot, _)| *slot += slots);
                if let Some(documented) = &mut function.documented {
                    move_fields(&mut documented.fields, slots, &respell);
                    move_fields(&mut documented.returns, slots, &respell);
                }
            }
            all.objects.push(object);
        }
        all
    }
}

/// Lets fields refer to slots that begin `by` further on.
fn move_fields(fields: &mut [Field], by: usize, respell: &impl Fn(&mut Kind)) {
    for field in fields {
        if let Said::Slot(slot) = &mut field.said {
            *slot += by;
        }
        match &mut field.shape {
            Shape::One(kind) | Shape::Many(kind) => respell(kind),
            Shape::Group(members) => move_fields(members, by, respell),
        }
    }
}

fn sha256(text: &str) -> String {
    rec_core::digest::hex(&Sha256::digest(text))
}

fn split(text: &str, by: char) -> Vec<String> {
    text.split(by).map(|part| part.trim().to_owned()).filter(|part| !part.is_empty()).collect()
}

/// `text` with its marks filled: `{object}`, `{objects}`, `{a_object}`.
pub fn fill(text: &str, singular: &str, plural: &str) -> String {
    let article = if singular.starts_with(['a', 'e', 'i', 'o', 'A', 'E', 'I', 'O'])
        || singular.starts_with("hour")
        || (singular.starts_with('u') && !singular.starts_with("uni") && !singular.starts_with("used"))
    {
        "an"
    } else {
        "a"
    };
    text.replace("{a_object}", &format!("{article} {singular}"))
        .replace("{objects}", plural)
        .replace("{object}", singular)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_embedded_grammar_has_enough_leaves() {
        let grammar = Grammar::parse(include_str!("grammar.txt")).unwrap();
        assert!(grammar.domains.len() >= 30);
        let leaves: usize = grammar
            .objects
            .iter()
            .map(|object| object.functions.len() * (grammar.domains[object.domain].qualifiers.len() + 1))
            .sum();
        assert!(leaves >= 3_500, "{leaves}");
        let mut prefixes: Vec<&str> = grammar.objects.iter().map(|object| object.prefix.as_str()).collect();
        prefixes.sort_unstable();
        let before = prefixes.len();
        prefixes.dedup();
        assert_eq!(before, prefixes.len(), "two objects with one prefix");
    }

    #[test]
    fn a_mistake_names_its_line() {
        let wrong =
            "verb get | id | record | get | d | r\ndomain d | D | q\nobject o / os / O / p\n get: nothing!";
        let error = Grammar::parse(wrong).unwrap_err().to_string();
        assert!(error.contains("line 4") && error.contains("nothing"), "{error}");
    }

    #[test]
    fn articles_follow_the_sound() {
        assert_eq!(fill("Book {a_object}.", "apartment", ""), "Book an apartment.");
        assert_eq!(fill("{a_object}", "unique plan", ""), "a unique plan");
    }
}
