//! MovieLens' own tables beside its ratings: `movies.dat`, `users.dat` (1M, and MovieTweetings for movies), and
//! `u.item`, `u.user`, `u.genre` (100K). The ratings are plain
//! [delimited](super::delimited::Options::movielens) text.
//!
//! The oldest of these files are Latin-1, so a line that is not UTF-8 is read as Latin-1.

use std::io::BufRead;
use std::path::Path;

use super::features::Features;
use super::lines::{Encoding, Lines, parse_error, quoted};
use crate::Result;

/// Splits every filled line into `n` fields.
fn table(
    reader: impl BufRead,
    path: &Path,
    separator: &str,
    n: usize,
    row: &mut dyn FnMut(u64, &[&str]) -> Result<()>,
) -> Result<()> {
    let mut lines = Lines::with_encoding(reader, path, Encoding::Utf8OrLatin1);
    let mut any = false;
    while let Some((line, text)) = lines.next_filled(true)? {
        any = true;
        let fields: Vec<&str> = text.split(separator).collect();
        if fields.len() != n {
            let what = format!("{} fields, expected {n}", fields.len());
            return Err(parse_error(path, line, fields.len().min(n) + 1, what));
        }
        if fields[0].is_empty() {
            return Err(parse_error(path, line, 1, "the id is missing"));
        }
        row(line, &fields)?;
    }
    if any { Ok(()) } else { Err(parse_error(path, 0, 0, "the file is empty")) }
}

fn names<const N: usize>(names: [&str; N]) -> Vec<String> {
    names.map(str::to_owned).to_vec()
}

/// Splits `Toy Story (1995)` into the title and the year; the year is empty where there is none.
fn title_and_year(text: &str) -> (String, String) {
    let text = text.trim();
    let year = text.strip_suffix(')').and_then(|head| head.rsplit_once('('));
    match year {
        Some((title, year)) if year.len() == 4 && year.bytes().all(|byte| byte.is_ascii_digit()) => {
            (title.trim_end().to_owned(), year.to_owned())
        }
        _ => (text.to_owned(), String::new()),
    }
}

/// `movies.dat`: `id::title (year)::genre|genre`.
///
/// # Errors
/// [`Error::Parse`](crate::Error::Parse) with line and column, [`Error::Io`](crate::Error::Io).
pub fn movies(reader: impl BufRead, path: &Path) -> Result<Features> {
    let mut features = Features::new(names(["title", "release_year", "genres"]), "|");
    table(reader, path, "::", 3, &mut |line, fields| {
        let (title, year) = title_and_year(fields[1]);
        let genres = if fields[2] == "(no genres listed)" { "" } else { fields[2] };
        features.push(path, line, fields[0], vec![title, year, genres.to_owned()])
    })?;
    Ok(features)
}

/// `users.dat`: `id::gender::age::occupation::zip`, values as written.
///
/// # Errors
/// [`Error::Parse`](crate::Error::Parse) with line and column, [`Error::Io`](crate::Error::Io).
pub fn users(reader: impl BufRead, path: &Path) -> Result<Features> {
    let mut features = Features::new(names(["gender", "age", "occupation", "zip_code"]), " ");
    table(reader, path, "::", 5, &mut |line, fields| {
        features.push(path, line, fields[0], fields[1..].iter().map(|&text| text.to_owned()).collect())
    })?;
    Ok(features)
}

/// `u.genre`: `name|number`, the numbers counting from 0.
///
/// # Errors
/// [`Error::Parse`](crate::Error::Parse) with line and column, [`Error::Io`](crate::Error::Io).
pub fn genre_names(reader: impl BufRead, path: &Path) -> Result<Vec<String>> {
    let mut genres: Vec<String> = Vec::new();
    table(reader, path, "|", 2, &mut |line, fields| {
        if fields[1].trim() != genres.len().to_string() {
            let what = format!("{}, expected {}: genres in order", quoted(fields[1]), genres.len());
            return Err(parse_error(path, line, 2, what));
        }
        genres.push(fields[0].to_owned());
        Ok(())
    })?;
    Ok(genres)
}

/// `u.item`: `id|title (year)|release|video release|address|` and one 0/1 flag for each genre.
///
/// # Errors
/// [`Error::Parse`](crate::Error::Parse) with line and column, [`Error::Io`](crate::Error::Io).
pub fn items_100k(reader: impl BufRead, path: &Path, genres: &[String]) -> Result<Features> {
    let mut features = Features::new(names(["title", "release_year", "release_date", "genres"]), "|");
    table(reader, path, "|", 5 + genres.len(), &mut |line, fields| {
        let (title, year) = title_and_year(fields[1]);
        let mut own: Vec<&str> = Vec::new();
        for (genre, (column, &flag)) in genres.iter().zip(fields.iter().enumerate().skip(5)) {
            match flag.trim() {
                "1" if genre != "unknown" => own.push(genre),
                "0" | "1" => {}
                _ => {
                    return Err(parse_error(path, line, column + 1, format!("{}, not 0 or 1", quoted(flag))));
                }
            }
        }
        features.push(path, line, fields[0], vec![title, year, fields[2].to_owned(), own.join("|")])
    })?;
    Ok(features)
}

/// `u.user`: `id|age|gender|occupation|zip`.
///
/// # Errors
/// [`Error::Parse`](crate::Error::Parse) with line and column, [`Error::Io`](crate::Error::Io).
pub fn users_100k(reader: impl BufRead, path: &Path) -> Result<Features> {
    let mut features = Features::new(names(["age", "gender", "occupation", "zip_code"]), " ");
    table(reader, path, "|", 5, &mut |line, fields| {
        features.push(path, line, fields[0], fields[1..].iter().map(|&text| text.to_owned()).collect())
    })?;
    Ok(features)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn movies_and_users() {
        let text = b"1::Toy Story (1995)::Animation|Comedy\r\n2::Caf\xe9 (x)::\n";
        let table = movies(&text[..], Path::new("movies.dat")).unwrap();
        let rows: Vec<_> = table.rows().collect();
        assert_eq!(rows[0], ("1", &names(["Toy Story", "1995", "Animation|Comedy"])[..]));
        assert_eq!(rows[1], ("2", &names(["Café (x)", "", ""])[..]));
        let table = users(&b"1::F::1::10::48067\n"[..], Path::new("users.dat")).unwrap();
        assert_eq!(table.rows().next().unwrap().1, names(["F", "1", "10", "48067"]));
        let error = movies(&b"1::a::b\n1::a::b\n"[..], Path::new("m")).unwrap_err().to_string();
        assert_eq!(error, "m:2:1: \"1\" has a row already");
        let error = movies(&b"1::a\n"[..], Path::new("m")).unwrap_err().to_string();
        assert_eq!(error, "m:1:3: 2 fields, expected 3");
    }

    #[test]
    fn the_100k_tables() {
        let genres = genre_names(&b"unknown|0\nAction|1\nDrama|2\n\n"[..], Path::new("u.genre")).unwrap();
        assert_eq!(genres, ["unknown", "Action", "Drama"]);
        let text = "1|GoldenEye (1995)|01-Jan-1995||http://x|0|1|1\n2|?||||1|0|0\n";
        let table = items_100k(text.as_bytes(), Path::new("u.item"), &genres).unwrap();
        let rows: Vec<_> = table.rows().collect();
        assert_eq!(rows[0].1, names(["GoldenEye", "1995", "01-Jan-1995", "Action|Drama"]));
        assert_eq!(rows[1].1, names(["?", "", "", ""]));
        let bad = text.replace("|1|1\n", "|1|7\n");
        let error = items_100k(bad.as_bytes(), Path::new("u.item"), &genres).unwrap_err().to_string();
        assert_eq!(error, "u.item:1:8: \"7\", not 0 or 1");
        assert!(genre_names(&b"Action|1\n"[..], Path::new("u.genre")).is_err());
        assert_eq!(users_100k(&b"1|24|M|technician|85711\n"[..], Path::new("u")).unwrap().len(), 1);
    }
}
