//! Adjacency lists: one line a user, `user item item …` (NGCF, LightGCN) or `user:item item …` (SELFRec).
//!
//! Ids are whole numbers from 0 to 2^32 - 1. A line may name a user without items: the user is kept. Users and
//! items get dense ids by first appearance; their tokens are the numbers of the file.

use std::io::BufRead;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::builder::{At, Record, Visit};
use super::lines::{Lines, dense_id, parse_error};
use crate::Result;

/// What stands between the user and the items.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Style {
    /// A blank: `user item item …`.
    #[default]
    Blank,
    /// A colon: `user:item item …`.
    Colon,
}

/// Calls `visit` for every pair, in file order, and for every user without items.
///
/// # Errors
/// [`Error::Parse`](crate::Error::Parse) with line and column (the number of the field in its line, the user
/// being the first), [`Error::Io`](crate::Error::Io), and whatever `visit` returns.
pub fn records(reader: impl BufRead, path: &Path, style: Style, visit: &mut Visit<'_>) -> Result<()> {
    let mut lines = Lines::new(reader, path);
    let mut any = false;
    while let Some((line, text)) = lines.next_filled(true)? {
        any = true;
        let (user, items) = match style {
            Style::Blank => {
                let text = text.trim_ascii();
                text.split_once(|c: char| c.is_ascii_whitespace()).unwrap_or((text, ""))
            }
            Style::Colon => match text.split_once(':') {
                Some((user, items)) => (user.trim_ascii(), items),
                None => return Err(parse_error(path, line, 1, "no colon after the user (user:item item …)")),
            },
        };
        let user = dense_id(path, line, 1, user)?.to_string();
        let mut alone = true;
        for (column, item) in (2..).zip(items.split_ascii_whitespace()) {
            alone = false;
            let item = dense_id(path, line, column, item)?.to_string();
            let at = At { line, user_column: 1, item_column: column };
            visit(at, Record::Interaction { user: &user, item: &item, rating: None, time: None })?;
        }
        if alone {
            visit(At { line, user_column: 1, item_column: 0 }, Record::User(&user))?;
        }
    }
    if !any {
        return Err(parse_error(path, 0, 0, "the file is empty"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::read::Builder;

    fn read(text: &str, style: Style) -> Result<crate::Dataset> {
        let mut builder = Builder::new("t");
        records(text.as_bytes(), Path::new("t.txt"), style, &mut |_, record| builder.push(record))?;
        Ok(builder.finish()?.0)
    }

    #[test]
    fn both_styles() {
        for (text, style) in [("0 5 6 \n3\n1 6\n\n", Style::Blank), ("0:5 6\n3:\n1: 6\n", Style::Colon)] {
            let data = read(text, style).unwrap();
            assert_eq!(data.users.tokens().collect::<Vec<_>>(), ["0", "3", "1"]);
            assert_eq!(data.items.tokens().collect::<Vec<_>>(), ["5", "6"]);
            let pairs: Vec<_> = data.interactions.pairs().map(|(u, i)| (u.0, i.0)).collect();
            assert_eq!(pairs, [(0, 0), (0, 1), (2, 1)]);
        }
    }

    #[test]
    fn errors_name_the_place() {
        let error = |text: &str, style| read(text, style).unwrap_err().to_string();
        assert_eq!(error("", Style::Blank), "t.txt: the file is empty");
        assert!(error("0 1\n1 2 -3\n", Style::Blank).starts_with("t.txt:2:3: \"-3\" is not an id"));
        assert!(error("0 1\nx 2\n", Style::Blank).starts_with("t.txt:2:1: "));
        assert!(error("0 99999999999\n", Style::Blank).starts_with("t.txt:1:2: "));
        assert!(error("0 1.5\n", Style::Blank).starts_with("t.txt:1:2: "));
        assert!(error("0:1\n1 2\n", Style::Colon).starts_with("t.txt:2:1: no colon"));
    }
}
