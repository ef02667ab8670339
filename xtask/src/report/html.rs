//! The page: one self-contained HTML file made of sections, tables and figures.

use std::fmt::Write;

use super::svg::escape;

/// A part of the page with a heading of its own.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Section {
    /// The anchor, unique in the page.
    pub id: String,
    /// The heading.
    pub title: String,
    /// The content, as HTML.
    pub body: String,
}

/// Builds the page. `lead` is the finding in a sentence or two and `facts` the line under it, both as plain text.
pub fn page(title: &str, lead: &str, facts: &str, sections: &[Section], footer: &str) -> String {
    let mut out = String::new();
    let mut put =
        |text: std::fmt::Arguments<'_>| out.write_fmt(text).expect("writing to a string cannot fail");
    put(format_args!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n<meta name=\"viewport\" \
         content=\"width=device-width, initial-scale=1\">\n<meta name=\"color-scheme\" content=\"light \
         dark\">\n<title>{}</title>\n<style>\n{}</style>\n</head>\n<body>\n",
        escape(title),
        include_str!("page.css")
    ));
    put(format_args!(
        "<header>\n<h1>{}</h1>\n<p class=\"lead\">{}</p>\n<p class=\"facts\">{}</p>\n<nav \
         aria-label=\"Sections\"><ul>",
        escape(title),
        escape(lead),
        escape(facts)
    ));
    for section in sections {
        put(format_args!("<li><a href=\"#{}\">{}</a></li>", escape(&section.id), escape(&section.title)));
    }
    put(format_args!("</ul></nav>\n</header>\n<main>\n"));
    for section in sections {
        put(format_args!(
            "<section aria-labelledby=\"{id}\">\n<h2 id=\"{id}\">{}</h2>\n{}\n</section>\n",
            escape(&section.title),
            section.body,
            id = escape(&section.id)
        ));
    }
    put(format_args!("</main>\n<footer>{}</footer>\n</body>\n</html>\n", escape(footer)));
    out
}

/// How a cell stands out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mark {
    /// Not at all.
    #[default]
    None,
    /// The best of its column.
    Best,
    /// Not significantly worse than the best.
    Close,
}

/// A cell: a value, a smaller deviation beside it, and how it stands out.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Cell {
    /// The value.
    pub text: String,
    /// The deviation, if there is one.
    pub deviation: Option<String>,
    /// Whether it is the best.
    pub mark: Mark,
}

impl Cell {
    /// A plain value.
    pub fn plain(text: impl Into<String>) -> Self {
        Self { text: text.into(), ..Self::default() }
    }
}

/// A wide table that scrolls in its own box. The first cell of a row is its heading.
pub fn table(caption: &str, head: &[String], rows: &[(String, Vec<Cell>)]) -> String {
    let mut out = format!(
        "<div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"{caption}\"><table><caption><span>{caption}\
         </span></caption><thead><tr>",
        caption = escape(caption)
    );
    for name in head {
        out.push_str(&format!("<th scope=\"col\">{}</th>", escape(name)));
    }
    out.push_str("</tr></thead><tbody>");
    for (name, cells) in rows {
        out.push_str(&format!("<tr><th scope=\"row\">{}</th>", escape(name)));
        for cell in cells {
            let class = match cell.mark {
                Mark::None => "",
                Mark::Best => " class=\"best\"",
                Mark::Close => " class=\"close\"",
            };
            out.push_str(&format!("<td{class}>{}", escape(&cell.text)));
            if let Some(deviation) = &cell.deviation {
                out.push_str(&format!(" <span class=\"sd\">± {}</span>", escape(deviation)));
            }
            out.push_str(if cell.mark == Mark::Close { " ≈</td>" } else { "</td>" });
        }
        out.push_str("</tr>");
    }
    out.push_str("</tbody></table></div>");
    out
}

/// A table of names and values.
pub fn facts(caption: &str, rows: &[(String, String)]) -> String {
    let mut out = format!(
        "<div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"{caption}\"><table \
         class=\"facts-table\"><caption><span>{caption}</span></caption><tbody>",
        caption = escape(caption)
    );
    for (name, value) in rows {
        out.push_str(&format!("<tr><th scope=\"row\">{}</th><td>{}</td></tr>", escape(name), escape(value)));
    }
    out.push_str("</tbody></table></div>");
    out
}

/// A picture with its caption (plain text).
pub fn figure(picture: &str, caption: &str) -> String {
    format!("<figure>{picture}<figcaption>{}</figcaption></figure>", escape(caption))
}

/// A paragraph of plain text.
pub fn paragraph(text: &str) -> String {
    format!("<p>{}</p>", escape(text))
}

/// Something that must not be overlooked.
pub fn alert(text: &str) -> String {
    format!("<p class=\"alert\" role=\"note\">{}</p>", escape(text))
}

/// Preformatted text behind a heading that opens it.
pub fn details(summary: &str, text: &str) -> String {
    format!("<details><summary>{}</summary><pre>{}</pre></details>", escape(summary), escape(text))
}
