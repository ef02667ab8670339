//! What imports of tools share: names that every endpoint accepts.

use std::collections::HashSet;

use super::ToolSpec;

/// A tool from outside and how it is called there.
#[derive(Clone, Debug, PartialEq)]
pub struct Imported {
    /// The tool under a name that fits `^[A-Za-z0-9_-]{1,64}$`.
    pub tool: ToolSpec,
    /// Method and path of an operation (`GET /films/{id}`), or the name that an MCP server knows.
    pub origin: String,
}

/// How long a name may be.
const LONGEST: usize = 64;

/// The nearest name that chat endpoints accept: letters, digits, `_` and `-`, at most 64.
pub(super) fn valid_name(name: &str) -> String {
    let kept = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    let mut valid = String::new();
    for c in name.chars() {
        match kept(c) {
            true => valid.push(c),
            // One underscore for a run of others.
            false if !valid.ends_with('_') => valid.push('_'),
            false => {}
        }
    }
    let trimmed = valid.trim_matches('_');
    let valid = if trimmed.is_empty() { "tool" } else { trimmed };
    valid.chars().take(LONGEST).collect()
}

/// Numbers names that come twice: `get_film`, `get_film_2`.
pub(super) fn make_names_unique(tools: &mut [Imported]) {
    let mut taken: HashSet<String> = HashSet::new();
    for Imported { tool, .. } in tools {
        let base = tool.name.clone();
        let mut number = 1;
        while !taken.insert(tool.name.clone()) {
            number += 1;
            let suffix = format!("_{number}");
            tool.name = base.chars().take(LONGEST - suffix.len()).collect::<String>() + &suffix;
        }
    }
}
