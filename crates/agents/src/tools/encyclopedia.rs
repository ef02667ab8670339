//! What the encyclopedia says, if one is connected. Its answers lie in the context when these tools are called.

use rec_core::Json;
use rec_core::json::Object;

use super::{integer, object, read};
use crate::action::Kind;
use crate::tool::{ToolContext, ToolError, ToolOutput};
use crate::untrusted::fence;

pub(super) fn search(context: &mut ToolContext<'_>, arguments: &Object) -> Result<ToolOutput, ToolError> {
    let _: String = read(arguments, "query", Kind::Text)?;
    let articles = context.library.latest().map_err(ToolError)?;
    let text = if articles.is_empty() {
        "No article was found.".to_owned()
    } else {
        let line = |article: &&crate::encyclopedia::Article| {
            format!("{}: {}", fence(&article.title), fence(&article.summary()))
        };
        articles.iter().map(line).collect::<Vec<_>>().join("; ")
    };
    let row = |article: &&crate::encyclopedia::Article| {
        object([("title", article.title.as_str().into()), ("summary", article.summary().into())])
    };
    Ok(ToolOutput { value: object([("articles", Json::Array(articles.iter().map(row).collect()))]), text })
}

pub(super) fn passage(context: &mut ToolContext<'_>, arguments: &Object) -> Result<ToolOutput, ToolError> {
    let title: String = read(arguments, "title", Kind::Text)?;
    let term: String = read(arguments, "term", Kind::Text)?;
    let found = context.library.passage(&title, &term).map_err(ToolError)?;
    let text = format!("Passage {} of {}: {}", found.number, found.of, fence(&found.text));
    let value = object([
        ("title", found.title.into()),
        ("passage", found.text.into()),
        ("number", integer(found.number)),
        ("of", integer(found.of)),
    ]);
    Ok(ToolOutput { value, text })
}
