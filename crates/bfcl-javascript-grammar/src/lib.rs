//! The JavaScript grammar for tree-sitter, version 0.21.4: what the official BFCL checker parses JavaScript calls with.
//!
//! Another version of the grammar gives other trees, and with them other verdicts. The grammar's own crate cannot be used beside anything that
//! needs a newer `cc`, which it holds back; so its generated C sources are built here.
#![warn(missing_docs)]

use tree_sitter::Language;

unsafe extern "C" {
    fn tree_sitter_javascript() -> Language;
}

/// The grammar, for `tree_sitter::Parser::set_language`.
pub fn language() -> Language {
    // SAFETY: the function is the generated entry point of `grammar/parser.c`; it takes nothing and gives a static table.
    unsafe { tree_sitter_javascript() }
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_call_parses_without_error() {
        let mut parser = tree_sitter::Parser::new();
        parser.set_language(&super::language()).unwrap();
        let tree = parser.parse("find({title: 'Heat'}, year=1995)", None).unwrap();
        let call = "(call_expression function: (identifier)";
        assert!(!tree.root_node().has_error() && tree.root_node().to_sexp().contains(call));
    }
}

/// Compiles and runs the example of the README.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
