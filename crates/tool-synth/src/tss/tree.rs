//! Speciation: a tree of domains, objects and functionalities, from a grammar or from documents.
//!
//! A node is a possible functionality. Siblings with equal labels are merged, then those whose labels are nearly the same
//! ([`SIMILAR`]).
//!
//! [`Pool`](super::Pool) makes APIs of the leaves of a grammar's tree alone. Of an OpenAPI document or a list of tools a grammar is made
//! by [`Grammar::of_document`]. What is read here from prose, manual pages or an OpenAPI document has labels, but neither the slots nor the answers that
//! an API, its users and its simulated server need; such trees show what documents tell of, and which domains and functionalities a grammar
//! would have to be given to cover them:
//!
//! ```
//! use tool_synth::tss::{Grammar, Tree};
//!
//! let mut tree = Tree::of_grammar(Grammar::embedded());
//! let known = tree.nodes.len();
//! tree.add_markdown("# Ferry company\n## Tickets\n- Book a ticket for a crossing\n", "ferry.md");
//! let new: Vec<Vec<&str>> = (known..tree.nodes.len()).map(|node| tree.path(node)).collect();
//! assert_eq!(new.last().unwrap(), &["Ferry company", "Tickets", "book a ticket for a crossing"]);
//! // Nothing that a pool could make an API of.
//! assert!(tree.nodes[known..].iter().all(|node| node.functionality.is_none()));
//! ```

use rec_core::Json;
use serde::Serialize;

use super::grammar::Grammar;
use super::similarity::Grams;
use crate::error::Result;

/// Cosine of two sibling labels from which on they are one node.
pub const SIMILAR: f32 = 0.9;
/// The deepest a tree goes: domain, object, function, qualified function.
pub const MAX_DEPTH: usize = 4;
/// The most children of a node.
pub const MAX_FAN_OUT: usize = 24;

/// A node of the tree.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Node {
    /// Its place in [`Tree::nodes`].
    pub id: usize,
    /// What it is called.
    pub label: String,
    /// The node it belongs to; nothing for a domain.
    pub parent: Option<usize>,
    /// 1 for a domain.
    pub depth: usize,
    /// The documents it was found in.
    pub sources: Vec<String>,
    /// For a leaf of the grammar: object, function of the object, qualifier (0 for none).
    pub functionality: Option<(usize, usize, usize)>,
}

/// Possible functionalities.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Tree {
    /// All nodes; a parent comes before its children.
    pub nodes: Vec<Node>,
}

impl Tree {
    /// The tree of a grammar.
    pub fn of_grammar(grammar: &Grammar) -> Self {
        let mut tree = Self::default();
        let source = "grammar";
        let domains: Vec<usize> =
            grammar.domains.iter().map(|domain| tree.add(None, &domain.title, source)).collect();
        for (at, object) in grammar.objects.iter().enumerate() {
            let parent = tree.add(Some(domains[object.domain]), &object.plural, source);
            for (function, entry) in object.functions.iter().enumerate() {
                let verb = &grammar.verbs[entry.verb].name;
                let node = tree.add(Some(parent), &format!("{verb} {}", object.plural), source);
                let plain = std::iter::once("");
                let qualifiers = grammar.domains[object.domain].qualifiers.iter().map(String::as_str);
                for (qualifier, word) in plain.chain(qualifiers).enumerate() {
                    let label = if word.is_empty() {
                        format!("{verb} any {}", object.plural)
                    } else {
                        format!("{verb} {word} {}", object.plural)
                    };
                    let leaf = tree.push(Some(node), &label, source);
                    tree.nodes[leaf].functionality = Some((at, function, qualifier));
                }
            }
        }
        tree
    }

    /// Adds a child called `label`, or finds the sibling that it is merged with. Beyond [`MAX_DEPTH`] or [`MAX_FAN_OUT`] the
    /// parent stands for it.
    pub fn add(&mut self, parent: Option<usize>, label: &str, source: &str) -> usize {
        let normal = normalised(label);
        let siblings: Vec<usize> =
            self.nodes.iter().filter(|node| node.parent == parent).map(|node| node.id).collect();
        let grams = Grams::of(&normal);
        let same =
            siblings.iter().copied().find(|at| normalised(&self.nodes[*at].label) == normal).or_else(|| {
                siblings
                    .iter()
                    .copied()
                    .find(|at| Grams::of(&normalised(&self.nodes[*at].label)).cosine(&grams) >= SIMILAR)
            });
        if let Some(same) = same {
            if !self.nodes[same].sources.iter().any(|known| known == source) {
                self.nodes[same].sources.push(source.to_owned());
            }
            return same;
        }
        if let Some(parent) = parent
            && (self.nodes[parent].depth >= MAX_DEPTH || siblings.len() >= MAX_FAN_OUT)
        {
            return parent;
        }
        self.push(parent, label, source)
    }

    fn push(&mut self, parent: Option<usize>, label: &str, source: &str) -> usize {
        let id = self.nodes.len();
        let depth = parent.map_or(1, |parent| self.nodes[parent].depth + 1);
        self.nodes.push(Node {
            id,
            label: label.to_owned(),
            parent,
            depth,
            sources: vec![source.to_owned()],
            functionality: None,
        });
        id
    }

    /// Adds what a Markdown document tells of: its headings by level, and under them the list items that begin with a verb.
    /// The first heading is the domain. Returns how many nodes are new.
    pub fn add_markdown(&mut self, text: &str, source: &str) -> usize {
        let before = self.nodes.len();
        // The node of each level of headings that is open.
        let mut open: Vec<(usize, usize)> = Vec::new();
        let mut fenced = false;
        for line in text.lines() {
            let line = line.trim();
            if line.starts_with("```") {
                fenced = !fenced;
                continue;
            }
            if fenced {
                continue;
            }
            let level = line.bytes().take_while(|byte| *byte == b'#').count();
            if level > 0 {
                let label = plain(line.trim_start_matches('#'));
                if label.is_empty() {
                    continue;
                }
                open.retain(|(known, _)| *known < level);
                let parent = open.last().map(|(_, node)| *node);
                let node = self.add(parent, &label, source);
                open.push((level, node));
            } else if let Some(item) = line.strip_prefix("- ").or_else(|| line.strip_prefix("* "))
                && let Some((_, parent)) = open.last()
                && let Some(label) = verb_and_object(&plain(item))
            {
                self.add(Some(*parent), &label, source);
            }
        }
        self.nodes.len() - before
    }

    /// Adds what an OpenAPI 3 document offers: its title as the domain, operations by their first tag. Returns how many nodes
    /// are new.
    ///
    /// # Errors
    /// If the document is not OpenAPI.
    pub fn add_openapi(&mut self, document: &Json, source: &str) -> Result<usize> {
        let before = self.nodes.len();
        let tools = rec_core::tool::openapi::tools(document)?;
        let title = document.pointer("/info/title").and_then(Json::as_str).unwrap_or(source);
        let domain = self.add(None, title, source);
        for imported in tools {
            let first = imported.tool.description.split(['.', '\n']).next().unwrap_or_default().trim();
            let label = if first.is_empty() { &imported.tool.name } else { first };
            self.add(Some(domain), label, source);
        }
        Ok(self.nodes.len() - before)
    }

    /// Adds what a manual page tells of: its name as the domain, its options as functionalities. Returns how many nodes are
    /// new.
    pub fn add_manual(&mut self, text: &str, source: &str) -> usize {
        let before = self.nodes.len();
        let mut lines = text.lines().peekable();
        let mut domain = None;
        while let Some(line) = lines.next() {
            let trimmed = line.trim();
            if trimmed == "NAME"
                && let Some(name) = lines.peek()
            {
                let label = name.split(" - ").last().unwrap_or(name);
                domain = Some(self.add(None, &plain(label), source));
            }
            if trimmed.starts_with('-')
                && line.starts_with(' ')
                && let Some(domain) = domain
            {
                // The text of an option stands behind two blanks, or on the next line.
                let text = trimmed.split_once("  ").map(|(_, text)| text).or_else(|| lines.peek().copied());
                if let Some(label) = text.map(plain).and_then(|text| verb_and_object(&text)) {
                    self.add(Some(domain), &label, source);
                }
            }
        }
        self.nodes.len() - before
    }

    /// The nodes without children.
    pub fn leaves(&self) -> Vec<usize> {
        let mut inner = vec![false; self.nodes.len()];
        for node in &self.nodes {
            if let Some(parent) = node.parent {
                inner[parent] = true;
            }
        }
        (0..self.nodes.len()).filter(|at| !inner[*at]).collect()
    }

    /// The labels from the domain down to `node`.
    pub fn path(&self, node: usize) -> Vec<&str> {
        let mut path = Vec::new();
        let mut at = Some(node);
        while let Some(node) = at {
            path.push(self.nodes[node].label.as_str());
            at = self.nodes[node].parent;
        }
        path.reverse();
        path
    }
}

fn normalised(label: &str) -> String {
    label
        .to_lowercase()
        .split(|letter: char| !letter.is_alphanumeric())
        .filter(|word| !word.is_empty() && !matches!(*word, "the" | "a" | "an"))
        .collect::<Vec<_>>()
        .join(" ")
}

/// A line without Markdown's marks.
fn plain(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text.trim();
    while let Some(at) = rest.find(['`', '*', '[', ']', '(', '_']) {
        out.push_str(&rest[..at]);
        let mark = &rest[at..at + 1];
        rest = &rest[at + 1..];
        match mark {
            // The target of a link.
            "(" if out.is_empty() || !out.ends_with(' ') => {
                rest = rest.split_once(')').map_or("", |(_, rest)| rest)
            }
            "(" | "_" => out.push_str(mark),
            _ => {}
        }
    }
    out.push_str(rest);
    out.trim().to_owned()
}

/// The first verb with its object: up to six words of an imperative sentence.
fn verb_and_object(sentence: &str) -> Option<String> {
    const VERBS: &[&str] = &[
        "add",
        "book",
        "buy",
        "calculate",
        "cancel",
        "change",
        "check",
        "compare",
        "compute",
        "convert",
        "create",
        "delete",
        "display",
        "download",
        "edit",
        "enable",
        "estimate",
        "export",
        "fetch",
        "filter",
        "find",
        "generate",
        "get",
        "import",
        "list",
        "manage",
        "modify",
        "monitor",
        "open",
        "order",
        "pay",
        "plan",
        "print",
        "query",
        "read",
        "recommend",
        "register",
        "remove",
        "rename",
        "report",
        "request",
        "reserve",
        "retrieve",
        "return",
        "schedule",
        "search",
        "select",
        "send",
        "set",
        "share",
        "show",
        "sort",
        "subscribe",
        "suggest",
        "track",
        "translate",
        "update",
        "upload",
        "verify",
        "view",
        "write",
    ];
    let words: Vec<&str> = sentence.split(['.', ',', ';', ':']).next()?.split_whitespace().take(6).collect();
    let first = words.first()?.to_lowercase();
    let verb = VERBS.contains(&first.as_str())
        || VERBS.iter().any(|verb| first.strip_prefix(verb).is_some_and(|rest| matches!(rest, "s" | "es")));
    (verb && words.len() > 1).then(|| words.join(" ").to_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn documents_become_nodes() {
        let mut tree = Tree::default();
        let text = "# Ferry company\n\nIntro.\n## Tickets\n- Book a ticket for a crossing. Costs money.\n- book ticket for \
                    a crossing\n- A fact\n- Cancel a `ticket`\n```\n- Create nothing\n```\n## Ports\n* Lists all ports\n";
        assert_eq!(tree.add_markdown(text, "ferry.md"), 6);
        let leaves: Vec<Vec<&str>> = tree.leaves().into_iter().map(|leaf| tree.path(leaf)).collect();
        assert_eq!(leaves[0], ["Ferry company", "Tickets", "book a ticket for a crossing"]);
        assert_eq!(leaves[1][2], "cancel a ticket");
        assert_eq!(leaves[2], ["Ferry company", "Ports", "lists all ports"]);
        assert_eq!(tree.add_markdown(text, "copy.md"), 0);
        assert_eq!(tree.nodes[0].sources, ["ferry.md", "copy.md"]);
    }

    #[test]
    fn interfaces_and_manuals_become_nodes() {
        let mut tree = Tree::default();
        let document = r#"{"openapi":"3.0.0","info":{"title":"Parking","version":"1"},"paths":{"/p":{"get":
            {"operationId":"listPlaces","summary":"List free places","responses":{}}}}}"#;
        assert_eq!(tree.add_openapi(&document.parse().unwrap(), "parking.json").unwrap(), 2);
        assert_eq!(tree.path(1), ["Parking", "List free places"]);
        let manual = "NAME\n  trim - shorten files\nOPTIONS\n  -n, --number  print line numbers\n  -q\n     remove all blanks\n";
        assert_eq!(tree.add_manual(manual, "trim.1"), 3);
        assert_eq!(tree.nodes.last().unwrap().label, "remove all blanks");
    }

    #[test]
    fn depth_and_width_are_bounded() {
        let mut tree = Tree::default();
        let mut at = tree.add(None, "top", "s");
        for level in 0..10 {
            at = tree.add(Some(at), &format!("level {level}{level}{level}"), "s");
        }
        assert_eq!(tree.nodes.iter().map(|node| node.depth).max(), Some(MAX_DEPTH));
        for child in 0..60_u32 {
            tree.add(Some(0), &format!("{} {child}", child.wrapping_mul(2_654_435_761)), "s");
        }
        assert!(tree.nodes.iter().filter(|node| node.parent == Some(0)).count() <= MAX_FAN_OUT);
    }
}
