//! Sequence files: atomic files with one row a user, a history and the item that comes next
//! (`user_id:token item_id_list:token_seq item_id:token`), as LLMRank and RecBole's sequential benchmarks use.

use std::io::BufRead;
use std::path::Path;

use super::atomic::{Kind, Options, Rows};
use super::builder::{At, Record, Visit};
use crate::Result;

/// Which part of each row to take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Take {
    /// The history and then the next item.
    All,
    /// The history alone.
    History,
    /// The next item alone.
    Next,
}

/// Calls `visit` for every item that `take` asks for, oldest first.
///
/// # Errors
/// [`Error::Parse`](crate::Error::Parse) with line and column, [`Error::Io`](crate::Error::Io), and whatever
/// `visit` returns.
pub fn records(
    reader: impl BufRead,
    path: &Path,
    options: &Options,
    take: Take,
    visit: &mut Visit<'_>,
) -> Result<()> {
    let mut rows = Rows::open(reader, path, options)?;
    let user_column = rows.header.require(&options.user_field, Kind::Token, path)?;
    let history = rows.header.require(&options.history_field, Kind::TokenSeq, path)?;
    let next = rows.header.require(&options.item_field, Kind::Token, path)?;
    loop {
        let mut fields = Vec::new();
        let Some(line) = rows.next(&mut fields)? else { return Ok(()) };
        let user = fields[user_column];
        let at = |item_column: usize| At { line, user_column: user_column + 1, item_column: item_column + 1 };
        if user.is_empty() {
            visit(at(next), Record::Nameless)?;
            continue;
        }
        let interaction = |item| Record::Interaction { user, item, rating: None, time: None };
        if take != Take::Next {
            let items = fields[history].split(options.sequence_separator.as_str());
            for item in items.filter(|item| !item.is_empty()) {
                visit(at(history), interaction(item))?;
            }
        }
        if take != Take::History {
            match fields[next] {
                "" => visit(at(next), Record::Nameless)?,
                item => visit(at(next), interaction(item))?,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn items(take: Take, text: &str) -> Result<Vec<(String, String)>> {
        let mut out = Vec::new();
        records(text.as_bytes(), Path::new("t.inter"), &Options::default(), take, &mut |_, record| {
            if let Record::Interaction { user, item, .. } = record {
                out.push((user.to_owned(), item.to_owned()));
            }
            Ok(())
        })?;
        Ok(out)
    }

    #[test]
    fn histories_and_targets() {
        let text = "user_id:token\titem_id_list:token_seq\titem_id:token\nu\ta b\tc\nv\t\td\n\te\tf\n";
        let pair = |user: &str, item: &str| (user.to_owned(), item.to_owned());
        let history = [pair("u", "a"), pair("u", "b")];
        assert_eq!(items(Take::History, text).unwrap(), history);
        assert_eq!(items(Take::Next, text).unwrap(), [pair("u", "c"), pair("v", "d")]);
        assert_eq!(
            items(Take::All, text).unwrap(),
            [pair("u", "a"), pair("u", "b"), pair("u", "c"), pair("v", "d")]
        );
        let wrong = items(Take::All, "user_id:token\titem_id_list:token\titem_id:token\n").unwrap_err();
        assert!(wrong.to_string().starts_with("t.inter:1:2: the field item_id_list has type Token"));
    }
}
