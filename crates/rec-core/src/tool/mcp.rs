//! Tools from the answer of a Model Context Protocol server to `tools/list`.

use super::turns::{no_parameters, text, within};
use super::{Imported, ToolSpec, import};
use crate::error::{Error, Result};
use crate::json::Json;

/// The tools of an answer: the whole JSON-RPC message, its `result`, or the list alone. `origin` is the name that the server
/// knows; the tool's own name is the same wherever chat endpoints accept it.
///
/// # Errors
/// [`Error::Invalid`] naming the tool and what it lacks, or the server's error.
pub fn tools(answer: &Json) -> Result<Vec<Imported>> {
    if let Some(error) = answer.get("error") {
        return Err(Error::invalid(format!("the server answered with an error: {error}")));
    }
    let result = answer.get("result").unwrap_or(answer);
    let list = result
        .as_array()
        .or_else(|| result.get("tools")?.as_array())
        .ok_or_else(|| Error::invalid("no list of tools"))?;
    let mut tools = Vec::new();
    for (at, tool) in list.iter().enumerate() {
        tools.push(read(tool).map_err(|error| within(format_args!("tools/{at}"), error))?);
    }
    import::make_names_unique(&mut tools);
    Ok(tools)
}

fn read(tool: &Json) -> Result<Imported> {
    let name = text(tool, "name")?;
    let title = tool.get("title").and_then(Json::as_str);
    let description = tool.get("description").and_then(Json::as_str).or(title).unwrap_or_default();
    let schema = match tool.get("inputSchema") {
        Some(schema @ Json::Object(_)) => schema.clone(),
        None => no_parameters(),
        Some(other) => {
            return Err(Error::invalid(format!("inputSchema is of type {}, not object", other.kind())));
        }
    };
    let returns = tool.get("outputSchema").cloned();
    let spec = ToolSpec { returns, ..ToolSpec::new(import::valid_name(name), description, schema) };
    Ok(Imported { tool: spec, origin: name.to_owned() })
}
