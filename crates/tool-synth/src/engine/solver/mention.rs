//! What a text mentions: dates, times, numbers, names, quotations, lists of pairs, rows of numbers.

use super::lexicon::{self, BOUNDARY, DAYS, MONTHS, NUMBERS, stem};

/// A word, number, quotation or mark.
#[derive(Clone, Debug, PartialEq)]
pub struct Token {
    /// As written; without its marks for a quotation.
    pub text: String,
    /// In lower case.
    pub lower: String,
    /// The stem of a word.
    pub stem: String,
    /// Whether it stood in quotation marks.
    pub quoted: bool,
}

/// The tokens of a text.
pub fn tokens(text: &str) -> Vec<Token> {
    let mut out = Vec::new();
    let mut rest = text;
    let push = |out: &mut Vec<Token>, text: &str, quoted: bool| {
        let lower = text.to_lowercase();
        out.push(Token { stem: stem(&lower), text: text.to_owned(), lower, quoted });
    };
    while let Some(first) = rest.chars().next() {
        if first.is_whitespace() {
            rest = &rest[first.len_utf8()..];
            continue;
        }
        if matches!(first, '"' | '“')
            && let Some(end) = rest[first.len_utf8()..].find(['"', '”'])
        {
            let inner = &rest[first.len_utf8()..first.len_utf8() + end];
            push(&mut out, inner, true);
            let after = first.len_utf8() + end;
            rest = &rest[after..];
            rest = &rest[rest.chars().next().map_or(0, char::len_utf8)..];
            continue;
        }
        let end = rest
            .char_indices()
            .find(|(at, letter)| {
                letter.is_whitespace()
                    || matches!(letter, ';' | '!' | '?' | '(' | ')' | '"' | '“' | '”')
                    // Marks inside a number, a time or an address belong to it.
                    || (*letter == ',' && *at > 0)
                    || (*at == 0 && matches!(letter, ',' | '.' | ':'))
            })
            .map_or(rest.len(), |(at, _)| at);
        if end == 0 {
            push(&mut out, &rest[..first.len_utf8()], false);
            rest = &rest[first.len_utf8()..];
            continue;
        }
        let word = rest[..end].trim_end_matches(['.', ':']);
        let end = if word.is_empty() { first.len_utf8() } else { word.len() };
        push(&mut out, &rest[..end], false);
        rest = &rest[end..];
    }
    out
}

/// A value that a text mentions.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// A quotation.
    Quoted(String),
    /// A calendar day, ISO.
    Date(String),
    /// A time of day, 24 hours.
    Time(String),
    /// An address, phone number or identifier: a token that is no word.
    Code(String),
    /// A number.
    Number(f64),
    /// Words between two boundaries.
    Text(String),
    /// Names with numbers.
    Pairs(Vec<(String, i64)>),
    /// Rows of numbers.
    Rows(Vec<Vec<f64>>),
    /// Days with opening and closing times.
    Week(Vec<(String, String, String)>),
}

/// A value and the tokens it spans.
#[derive(Clone, Debug, PartialEq)]
pub struct Mention {
    /// The first token.
    pub start: usize,
    /// One past the last.
    pub end: usize,
    /// What is mentioned.
    pub value: Value,
}

/// The mentions in order. After a word with one of the `listed` stems a number begins a list of things with quantities.
pub fn mentions(tokens: &[Token], listed: &[String]) -> Vec<Mention> {
    let mut out = Vec::new();
    let mut at = 0;
    while at < tokens.len() {
        let found = week(tokens, at)
            .or_else(|| rows(tokens, at))
            .or_else(|| people(tokens, at))
            .or_else(|| items(tokens, at, listed))
            .or_else(|| single(tokens, at));
        if let Some((value, end)) = found {
            out.push(Mention { start: at, end, value });
            at = end;
            continue;
        }
        if is_boundary(&tokens[at]) || is_mark(&tokens[at]) {
            at += 1;
            continue;
        }
        let start = at;
        while at < tokens.len()
            && !is_mark(&tokens[at])
            && (!is_boundary(&tokens[at]) || bridges(tokens, at))
            && (at == start || (single(tokens, at).is_none() && people(tokens, at).is_none()))
            && (at == start || (items(tokens, at, listed).is_none() && week(tokens, at).is_none()))
        {
            at += 1;
        }
        let words: Vec<&str> = tokens[start..at].iter().map(|token| token.text.as_str()).collect();
        out.push(Mention { start, end: at, value: Value::Text(words.join(" ")) });
    }
    out
}

/// Whether a preposition stands inside of a name: "Museum of Tides".
fn bridges(tokens: &[Token], at: usize) -> bool {
    matches!(tokens[at].lower.as_str(), "of")
        && at > 0
        && is_capitalised(&tokens[at - 1])
        && tokens.get(at + 1).is_some_and(is_capitalised)
}

/// Whether a word begins with a capital.
pub fn is_capitalised(token: &Token) -> bool {
    token.text.chars().next().is_some_and(char::is_uppercase)
}

/// Whether a value ends before this word.
pub fn is_boundary(token: &Token) -> bool {
    !token.quoted && (BOUNDARY.contains(&token.lower.as_str()) || token.lower == "and" || token.lower == "or")
}

/// Whether it is a mark.
pub fn is_mark(token: &Token) -> bool {
    !token.quoted
        && token.text.len() == 1
        && token.text.chars().all(|letter| !letter.is_alphanumeric() && letter != '&')
}

fn number(token: &Token) -> Option<f64> {
    if token.quoted {
        return None;
    }
    if let Some((_, value)) = NUMBERS.iter().find(|(word, _)| *word == token.lower) {
        return Some(*value as f64);
    }
    let first = token.text.bytes().find(|byte| *byte != b'-')?;
    first.is_ascii_digit().then(|| token.text.trim_end_matches('%').parse().ok()).flatten()
}

fn clock(tokens: &[Token], at: usize) -> Option<(String, usize)> {
    let (hour, minute) = tokens.get(at)?.text.split_once(':')?;
    let mut hour: u32 = hour.parse().ok()?;
    let minute: u32 = (minute.len() == 2).then(|| minute.parse().ok()).flatten()?;
    let mut end = at + 1;
    match tokens.get(end).map(|token| token.lower.as_str()) {
        Some("pm") => {
            hour = hour % 12 + 12;
            end += 1;
        }
        Some("am") => {
            hour %= 12;
            end += 1;
        }
        _ => {}
    }
    (hour < 24 && minute < 60).then(|| (format!("{hour:02}:{minute:02}"), end))
}

fn date(tokens: &[Token], at: usize) -> Option<(String, usize)> {
    let token = tokens.get(at)?;
    if crate::schema::has_format(&token.text, "date") {
        return Some((token.text.clone(), at + 1));
    }
    let month = |at: usize| {
        let lower = &tokens.get(at)?.lower;
        MONTHS.iter().position(|name| name == lower).map(|month| month + 1)
    };
    let whole = |at: usize, low: u32, high: u32| {
        let value: u32 = tokens.get(at)?.text.parse().ok()?;
        (low..=high).contains(&value).then_some(value)
    };
    if let (Some(day), Some(month), Some(year)) = (whole(at, 1, 31), month(at + 1), whole(at + 2, 1000, 9999))
    {
        return Some((format!("{year}-{month:02}-{day:02}"), at + 3));
    }
    if let (Some(month), Some(day)) = (month(at), whole(at + 1, 1, 31)) {
        let comma = usize::from(tokens.get(at + 2).is_some_and(|token| token.text == ","));
        let year = whole(at + 2 + comma, 1000, 9999)?;
        return Some((format!("{year}-{month:02}-{day:02}"), at + 3 + comma));
    }
    None
}

fn single(tokens: &[Token], at: usize) -> Option<(Value, usize)> {
    let token = &tokens[at];
    if token.quoted {
        return Some((Value::Quoted(token.text.clone()), at + 1));
    }
    if let Some((date, end)) = date(tokens, at) {
        return Some((Value::Date(date), end));
    }
    if let Some((time, end)) = clock(tokens, at) {
        return Some((Value::Time(time), end));
    }
    if let Some(value) = number(token) {
        return Some((Value::Number(value), at + 1));
    }
    let text = &token.text;
    let has_digit = text.bytes().any(|byte| byte.is_ascii_digit());
    let code = text.contains('@')
        || text.contains("://")
        || (text.starts_with('+') && has_digit)
        || (has_digit && text.contains('-') && text.starts_with(|letter: char| letter.is_ascii_uppercase()));
    code.then(|| (Value::Code(text.clone()), at + 1))
}

/// The next item of an enumeration begins where this returns.
fn after_comma(tokens: &[Token], at: usize) -> Option<usize> {
    let mut next = at;
    if tokens.get(next).is_some_and(|token| token.text == ",") {
        next += 1;
    }
    if tokens.get(next).is_some_and(|token| token.lower == "and") {
        next += 1;
    }
    (next > at).then_some(next)
}

/// Reads items from `at` on, separated by commas and "and".
fn enumeration<T>(
    tokens: &[Token],
    at: usize,
    item: impl Fn(&[Token], usize) -> Option<(T, usize)>,
) -> Option<(Vec<T>, usize)> {
    let (first, mut end) = item(tokens, at)?;
    let mut all = vec![first];
    while let Some((next, after)) = after_comma(tokens, end).and_then(|next| item(tokens, next)) {
        all.push(next);
        end = after;
    }
    Some((all, end))
}

fn week(tokens: &[Token], at: usize) -> Option<(Value, usize)> {
    let (days, end) = enumeration(tokens, at, |tokens, at| {
        let day = tokens.get(at).filter(|token| DAYS.contains(&token.lower.as_str()))?;
        let (open, next) = clock(tokens, at + 1)?;
        tokens.get(next).filter(|token| token.lower == "to")?;
        let (close, end) = clock(tokens, next + 1)?;
        Some(((day.lower.clone(), open, close), end))
    })?;
    Some((Value::Week(days), end))
}

fn rows(tokens: &[Token], at: usize) -> Option<(Value, usize)> {
    let (rows, end) = enumeration(tokens, at, |tokens, at| {
        tokens.get(at).filter(|token| token.text == "(")?;
        let mut row = vec![number(tokens.get(at + 1)?)?];
        let mut next = at + 2;
        while tokens.get(next).is_some_and(|token| token.text == ",") {
            row.push(number(tokens.get(next + 1)?)?);
            next += 2;
        }
        tokens.get(next).filter(|token| token.text == ")" && row.len() > 1)?;
        Some((row, next + 1))
    })?;
    Some((Value::Rows(rows), end))
}

fn people(tokens: &[Token], at: usize) -> Option<(Value, usize)> {
    let (pairs, end) = enumeration(tokens, at, |tokens, at| {
        let mut next = at;
        while tokens.get(next).is_some_and(|token| is_capitalised(token) && !is_mark(token)) {
            next += 1;
        }
        if next == at || tokens.get(next).is_none_or(|token| token.text != "(") {
            return None;
        }
        let age = number(tokens.get(next + 1)?)?;
        tokens.get(next + 2).filter(|token| token.text == ")")?;
        let name: Vec<&str> = tokens[at..next].iter().map(|token| token.text.as_str()).collect();
        Some(((name.join(" "), age as i64), next + 3))
    })?;
    Some((Value::Pairs(pairs), end))
}

fn items(tokens: &[Token], at: usize, listed: &[String]) -> Option<(Value, usize)> {
    if at == 0 || !listed.contains(&tokens[at - 1].stem) {
        return None;
    }
    let (pairs, end) = enumeration(tokens, at, |tokens, at| {
        let count = number(tokens.get(at)?).filter(|count| *count == count.trunc())?;
        let mut next = at + 1;
        while tokens.get(next).is_some_and(|token| {
            !is_mark(token) && !is_boundary(token) && number(token).is_none() && !token.quoted
        }) {
            next += 1;
        }
        if next == at + 1 {
            return None;
        }
        let name: Vec<&str> = tokens[at + 1..next].iter().map(|token| token.text.as_str()).collect();
        Some(((name.join(" "), count as i64), next))
    })?;
    Some((Value::Pairs(pairs), end))
}

/// The code of a currency that is named or coded, and how many tokens that takes.
pub fn currency(tokens: &[Token], at: usize) -> Option<(String, usize)> {
    let token = tokens.get(at).filter(|token| !token.quoted)?;
    if let Some(next) = tokens.get(at + 1) {
        let two = format!("{} {}", token.lower, next.lower);
        if let Some((_, code)) = lexicon::CURRENCIES.iter().find(|(name, _)| *name == two) {
            return Some(((*code).to_owned(), 2));
        }
    }
    if let Some((_, code)) = lexicon::CURRENCIES.iter().find(|(name, _)| *name == token.lower) {
        return Some(((*code).to_owned(), 1));
    }
    (token.text.len() == 3 && token.text.bytes().all(|byte| byte.is_ascii_uppercase()))
        .then(|| (token.text.clone(), 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(text: &str, listed: &[&str]) -> Vec<Value> {
        let listed: Vec<String> = listed.iter().map(|word| stem(word)).collect();
        mentions(&tokens(text), &listed).into_iter().map(|mention| mention.value).collect()
    }

    #[test]
    fn typed_values() {
        let text = |text: &str| Value::Text(text.into());
        assert_eq!(
            values("find flights from New York to Oslo on March 4, 2026 at 2:30 pm for two passengers.", &[]),
            [
                text("find flights"),
                text("New York"),
                text("Oslo"),
                Value::Date("2026-03-04".into()),
                Value::Time("14:30".into()),
                Value::Number(2.0),
                text("passengers"),
            ]
        );
        assert_eq!(
            values(
                "write to ana.silva@mail.example about FL-10482, +4915223344556 or https://a.example.",
                &[]
            )[1..],
            [
                Value::Code("ana.silva@mail.example".into()),
                Value::Code("FL-10482".into()),
                Value::Code("+4915223344556".into()),
                Value::Code("https://a.example".into()),
            ]
        );
    }

    #[test]
    fn nested_values() {
        assert_eq!(
            values("along the waypoints (52.1, 4.3), (51.9, -4.5) and (1, 2)", &[])[1],
            Value::Rows(vec![vec![52.1, 4.3], vec![51.9, -4.5], vec![1.0, 2.0]])
        );
        assert_eq!(
            values("for the travellers Ana Silva (34) and Ben Holm (5)", &[])[1],
            Value::Pairs(vec![("Ana Silva".into(), 34), ("Ben Holm".into(), 5)])
        );
        assert_eq!(
            values("with the items 2 desk lamps, 3 mugs and 4 pens for delivery", &["items"])[1],
            Value::Pairs(vec![("desk lamps".into(), 2), ("mugs".into(), 3), ("pens".into(), 4)])
        );
        assert_eq!(
            values("hours monday 09:00 to 17:00 and tuesday 10:00 to 16:00.", &[])[1],
            Value::Week(vec![
                ("monday".into(), "09:00".into(), "17:00".into()),
                ("tuesday".into(), "10:00".into(), "16:00".into())
            ])
        );
    }
}
