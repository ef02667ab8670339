//! What the official executor does to a call's text before it evaluates it.

use std::borrow::Cow;

use super::error::{Exception, Fallible};
use super::world::Class;
use crate::pyexpr::Expr;

/// Names that are refused, whatever they would do.
const REFUSED: [&str; 8] = ["kill", "exit", "quit", "remove", "unlink", "popen", "Popen", "run"];

fn is_word(c: char) -> bool {
    c == '_' || c.is_alphanumeric()
}

/// Every name before an opening bracket loses the blanks between, and a method's name gets its instance in front -
/// in strings too. A method that is called stays bare here, since its instance is found by its name.
///
/// # Errors
/// If the call's name is refused.
pub(super) fn prepare<'a>(
    call: &'a str,
    prefix: &str,
    class_of: impl Fn(&str) -> Option<Class>,
) -> Fallible<Cow<'a, str>> {
    let mut out: Option<String> = None;
    let mut copied = 0;
    let mut quote: Option<(char, bool)> = None;
    let mut skip = 0;
    let mut previous = None;
    for (i, c) in call.char_indices() {
        if i < skip {
            previous = Some(c);
            continue;
        }
        let starts_name = (c == '_' || c.is_ascii_alphabetic()) && !previous.is_some_and(is_word);
        if starts_name {
            // A letter after a backslash is part of the name in the text; the escape ends with it.
            if let Some((_, escaped)) = &mut quote {
                *escaped = false;
            }
            let end = i + call[i..].find(|c| !is_word(c)).unwrap_or(call.len() - i);
            let open =
                end + call[end..].find(|c| !crate::value::text::is_space(c)).unwrap_or(call.len() - end);
            if call[open..].starts_with('(') {
                let name = &call[i..end];
                let class = class_of(name);
                if open > end || (class.is_some() && quote.is_some()) {
                    let text = out.get_or_insert_with(String::new);
                    text.push_str(&call[copied..i]);
                    if let (Some(class), true) = (class, quote.is_some()) {
                        text.push_str(&instance(prefix, class));
                        text.push('.');
                    }
                    text.push_str(name);
                    copied = open;
                }
                skip = open;
                previous = Some(c);
                continue;
            }
            skip = end;
            previous = Some(c);
            continue;
        }
        match (quote, c) {
            (None, '\'' | '"') => quote = Some((c, false)),
            (Some((q, false)), '\\') => quote = Some((q, true)),
            (Some((q, true)), _) => quote = Some((q, false)),
            (Some((q, false)), c) if c == q => quote = None,
            _ => {}
        }
        previous = Some(c);
    }
    let text = match out {
        Some(mut text) => {
            text.push_str(&call[copied..]);
            Cow::Owned(text)
        }
        None => Cow::Borrowed(call),
    };
    // What is refused is the text before the bracket, and after a point in it.
    let head = text.split('(').next().unwrap_or("");
    let named = class_of(head).is_none();
    let head = head.split('.').nth(1).unwrap_or(head);
    if named && REFUSED.contains(&head) {
        return Err(Exception::other(format!("Function call {head} is not allowed.")));
    }
    Ok(text)
}

/// The name under which the official executor keeps an instance.
fn instance(prefix: &str, class: Class) -> String {
    format!("{prefix}_{}_instance", class.name()).replace(['-', '.', '/', ':'], "_")
}

/// Whether evaluating the text of a string changes it: it holds a name before a bracket.
pub(super) fn may_change(text: &str) -> bool {
    text.contains('(')
}

/// Whether a call somewhere has the same keyword twice, which Python refuses.
pub(super) fn repeats_a_keyword(expression: &Expr) -> bool {
    match expression {
        Expr::Call { keywords, arguments, .. } => {
            keywords
                .iter()
                .enumerate()
                .any(|(i, k)| k.name.is_some() && keywords[..i].iter().any(|q| q.name == k.name))
                || keywords.iter().any(|k| repeats_a_keyword(&k.value))
                || arguments.iter().any(repeats_a_keyword)
        }
        Expr::List(items) | Expr::Tuple(items) => items.iter().any(repeats_a_keyword),
        _ => false,
    }
}
