//! Tools from an OpenAPI 3 document (JSON): one for every operation.
//!
//! Parameters of path, query, header and cookie and the members of a JSON body become one schema. References inside the
//! document are resolved; a schema that holds itself is cut where it comes back, by `{}`, which accepts everything.

use super::turns::{no_parameters, within};
use super::{Imported, ToolSpec, import};
use crate::error::{Error, Result};
use crate::json::{Json, Object};

/// The methods that are operations.
const METHODS: [&str; 8] = ["get", "put", "post", "delete", "options", "head", "patch", "trace"];

/// How many schema nodes a document may unfold to: references that fan out grow without bound.
const MOST_NODES: usize = 200_000;

/// How deep a schema may go, references included; a deeper one could not be read again from its text either.
const DEEPEST: usize = 128;

/// The operations of `document` as tools, in its order. `origin` is method and path. Names are the operations' ids made
/// valid, or method and path where there is no id.
///
/// # Errors
/// [`Error::Invalid`] with the JSON pointer of what is wrong: another version, a reference to nothing or to another
/// document, a parameter without a name, a schema of more than 128 levels, a document that unfolds to more than 200,000
/// nodes.
pub fn tools(document: &Json) -> Result<Vec<Imported>> {
    match document.get("openapi").and_then(Json::as_str) {
        Some(version) if version.starts_with("3.") => {}
        Some(version) => {
            return Err(Error::invalid(format!("/openapi: version {version}; only 3.x is read")));
        }
        None if document.get("swagger").is_some() => {
            return Err(Error::invalid("/swagger: version 2; convert the document to OpenAPI 3"));
        }
        None => return Err(Error::invalid("/openapi is missing")),
    }
    let paths = match document.get("paths") {
        Some(Json::Object(paths)) => paths,
        None => return Ok(Vec::new()),
        Some(_) => return Err(Error::invalid("/paths is no object")),
    };
    let mut reader = Reader { document, open: Vec::new(), n_nodes: 0, depth: 0 };
    let mut tools = Vec::new();
    for (path, item) in paths {
        let place = format!("/paths/{}", escape(path));
        let item = reader.follow(item, &place)?;
        for method in METHODS {
            let Some(operation) = item.get(method) else { continue };
            let place = format!("{place}/{method}");
            let tool = reader.operation(operation, item, &place, method, path)?;
            tools.push(Imported { tool, origin: format!("{} {path}", method.to_uppercase()) });
        }
    }
    import::make_names_unique(&mut tools);
    Ok(tools)
}

/// A member's name in a JSON pointer.
fn escape(name: &str) -> String {
    name.replace('~', "~0").replace('/', "~1")
}

struct Reader<'d> {
    document: &'d Json,
    /// The references that are being resolved, outermost first.
    open: Vec<&'d str>,
    n_nodes: usize,
    /// Of the schema that is being read.
    depth: usize,
}

impl<'d> Reader<'d> {
    /// What a reference refers to.
    fn target(&self, reference: &str, place: &str) -> Result<&'d Json> {
        let inner = reference
            .strip_prefix('#')
            .ok_or_else(|| Error::invalid(format!("{place}: {reference} refers to another document")))?;
        let pointer = percent_decode(inner);
        self.document
            .pointer(&pointer)
            .ok_or_else(|| Error::invalid(format!("{place}: {reference} refers to nothing")))
    }

    /// `value`, or what it refers to, for everything but schemas.
    fn follow(&self, value: &'d Json, place: &str) -> Result<&'d Json> {
        let mut value = value;
        for _ in 0..16 {
            let Some(reference) = value.get("$ref").and_then(Json::as_str) else { return Ok(value) };
            value = self.target(reference, place)?;
        }
        Err(Error::invalid(format!("{place}: references that refer to each other")))
    }

    fn operation(
        &mut self,
        operation: &'d Json,
        item: &'d Json,
        place: &str,
        method: &str,
        path: &str,
    ) -> Result<ToolSpec> {
        let mut properties = Object::new();
        let mut required: Vec<String> = Vec::new();
        let lists = [("parameters", operation, place), ("parameters of the path", item, place)];
        for (_, holder, place) in lists {
            for (at, parameter) in
                holder.get("parameters").and_then(Json::as_array).into_iter().flatten().enumerate()
            {
                let place = format!("{place}/parameters/{at}");
                let parameter = self.follow(parameter, &place)?;
                let name = parameter
                    .get("name")
                    .and_then(Json::as_str)
                    .ok_or_else(|| Error::invalid(format!("{place}: a parameter without a name")))?;
                // The operation's own parameters come first and win.
                if properties.contains_key(name) {
                    continue;
                }
                let in_path = parameter.get("in").and_then(Json::as_str) == Some("path");
                if in_path || parameter.get("required").and_then(Json::as_bool) == Some(true) {
                    required.push(name.to_owned());
                }
                properties.insert(name.to_owned(), self.parameter(parameter, &place)?);
            }
        }
        if let Some(body) = operation.get("requestBody") {
            let place = format!("{place}/requestBody");
            let body = self.follow(body, &place)?;
            self.body(body, &place, &mut properties, &mut required)?;
        }
        let mut schema = no_parameters();
        if let Some(members) = schema.as_object_mut() {
            members.insert("properties".to_owned(), properties.into());
            if !required.is_empty() {
                members.insert("required".to_owned(), required.into());
            }
        }
        let text = |key: &str| {
            operation.get(key).and_then(Json::as_str).map(str::trim).filter(|text| !text.is_empty())
        };
        let name = match text("operationId") {
            Some(id) => import::valid_name(id),
            None => import::valid_name(&format!("{method}_{}", path.trim_matches('/'))),
        };
        let description = match (text("summary"), text("description")) {
            (Some(summary), Some(description)) if !description.starts_with(summary) => {
                format!("{summary}\n{description}")
            }
            (summary, description) => description.or(summary).unwrap_or_default().to_owned(),
        };
        let returns = self.result(operation, place)?;
        Ok(ToolSpec { returns, ..ToolSpec::new(name, description, schema) })
    }

    fn parameter(&mut self, parameter: &'d Json, place: &str) -> Result<Json> {
        let schema = match parameter.get("schema") {
            Some(schema) => Some((schema, format!("{place}/schema"))),
            None => json_content(parameter).map(|schema| (schema, format!("{place}/content"))),
        };
        let mut schema = match schema {
            Some((schema, place)) => self.schema(schema, &place)?,
            None => [("type", "string")].into_iter().collect(),
        };
        if let (Some(members), Some(description)) = (schema.as_object_mut(), parameter.get("description")) {
            members.insert("description".to_owned(), description.clone());
        }
        Ok(schema)
    }

    /// The members of an object become arguments; anything else becomes the argument `body`.
    fn body(
        &mut self,
        body: &'d Json,
        place: &str,
        properties: &mut Object,
        required: &mut Vec<String>,
    ) -> Result<()> {
        let Some(schema) = json_content(body) else { return Ok(()) };
        let schema = self.schema(schema, &format!("{place}/content"))?;
        let must = body.get("required").and_then(Json::as_bool) == Some(true);
        let free_name = |name: &str, properties: &Object| {
            let taken = properties.contains_key(name);
            if taken { format!("body_{name}") } else { name.to_owned() }
        };
        match schema.get("properties") {
            Some(Json::Object(members)) if schema.get("allOf").is_none() => {
                let needed = schema.get("required").and_then(Json::as_array).unwrap_or_default();
                // Names taken by parameters only: members of one body differ.
                let parameters = properties.clone();
                for (name, member) in members {
                    let free = free_name(name, &parameters);
                    if must && needed.iter().any(|needed| needed.as_str() == Some(name)) {
                        required.push(free.clone());
                    }
                    properties.insert(free, member.clone());
                }
            }
            _ => {
                let free = free_name("body", properties);
                if must {
                    required.push(free.clone());
                }
                properties.insert(free, schema);
            }
        }
        Ok(())
    }

    /// The schema of the first success.
    fn result(&mut self, operation: &'d Json, place: &str) -> Result<Option<Json>> {
        let Some(Json::Object(responses)) = operation.get("responses") else { return Ok(None) };
        let Some((code, response)) = responses.iter().find(|(code, _)| code.starts_with('2')) else {
            return Ok(None);
        };
        let place = format!("{place}/responses/{code}");
        let response = self.follow(response, &place)?;
        let schema = json_content(response).map(|schema| self.schema(schema, &format!("{place}/content")));
        schema.transpose()
    }

    /// A schema without references.
    fn schema(&mut self, schema: &'d Json, place: &str) -> Result<Json> {
        if self.depth == DEEPEST {
            return Err(Error::invalid(format!("{place}: the schema is more than {DEEPEST} levels deep")));
        }
        self.depth += 1;
        let resolved = self.level(schema, place);
        self.depth -= 1;
        resolved
    }

    fn level(&mut self, schema: &'d Json, place: &str) -> Result<Json> {
        self.n_nodes += 1;
        if self.n_nodes > MOST_NODES {
            return Err(Error::invalid(format!(
                "{place}: the document unfolds to more than {MOST_NODES} nodes"
            )));
        }
        let members = match schema {
            Json::Array(items) => {
                let items = items.iter().enumerate();
                let items = items.map(|(at, item)| self.schema(item, &format!("{place}/{at}")));
                return Ok(Json::Array(items.collect::<Result<_>>()?));
            }
            Json::Object(members) => members,
            value => return Ok(value.clone()),
        };
        if let Some(reference) = members.get("$ref").and_then(Json::as_str) {
            if self.open.contains(&reference) {
                return Ok(Json::Object(Object::new()));
            }
            let target = self.target(reference, place)?;
            self.open.push(reference);
            let resolved = self.schema(target, place);
            self.open.pop();
            let mut resolved = resolved?;
            // What stands beside the reference (OpenAPI 3.1) says more than what it refers to.
            if let Some(inner) = resolved.as_object_mut() {
                let beside = members.iter().filter(|(key, _)| *key != "$ref");
                inner.extend(beside.map(|(key, value)| (key.clone(), value.clone())));
            }
            return Ok(resolved);
        }
        let mut resolved = Object::new();
        for (key, value) in members {
            let value = match key.as_str() {
                // Data, not schemas: a `$ref` in an example refers to nothing.
                "example" | "examples" | "enum" | "default" | "const" => value.clone(),
                _ => self.schema(value, &format!("{place}/{}", escape(key)))?,
            };
            resolved.insert(key.clone(), value);
        }
        // OpenAPI 3.0's way to say that null is allowed.
        if resolved.get("nullable").and_then(Json::as_bool) == Some(true)
            && let Some(Json::String(kind)) = resolved.get("type").cloned()
        {
            resolved.shift_remove("nullable");
            resolved.insert("type".to_owned(), vec![kind.as_str(), "null"].into());
        }
        Ok(resolved.into())
    }
}

/// The schema of a JSON content, or of the first content of any kind.
fn json_content(holder: &Json) -> Option<&Json> {
    let content = holder.get("content")?.as_object()?;
    let json = content.iter().find(|(kind, _)| kind.contains("json"));
    json.or_else(|| content.first())?.1.get("schema")
}

/// `%7B` in a reference's fragment is `{`.
fn percent_decode(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        let code = (first == b'%').then(|| after.get(..2)).flatten();
        let code = code.and_then(|code| u8::from_str_radix(std::str::from_utf8(code).ok()?, 16).ok());
        rest = if code.is_some() { &after[2..] } else { after };
        bytes.push(code.unwrap_or(first));
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Reads a document's text.
///
/// # Errors
/// As [`tools`], and [`Error::Json`] where the text is not JSON.
pub fn read(text: &str) -> Result<Vec<Imported>> {
    tools(&text.parse().map_err(|error| within("the document is not JSON", error))?)
}
