//! A grammar from technical documents: an OpenAPI document, or a list of tools.
//!
//! Every operation is one functionality, and one API: with the document's own name, description and parameters, which are not evolved.
//! The object comes from the path (`/pets/{petId}`: a pet by its identifier) or from the tool's name, the verb from the name and
//! the method, the slots from the schemas. What a person could not say, or the crate has no kind for, is left out: an optional parameter
//! alone, a required one with its operation. [`Grammar::left_out`] tells of it.
//!
//! ```
//! use tool_synth::tss::Grammar;
//!
//! let document = r#"{"openapi": "3.0.3", "info": {"title": "Ferries", "version": "1"}, "paths": {"/crossings/{id}/cancel": {"post":
//!     {"operationId": "cancelCrossing", "summary": "Cancel a crossing", "responses": {}, "parameters":
//!     [{"name": "id", "in": "path", "required": true, "schema": {"type": "string"}}]}}}}"#;
//! let grammar = Grammar::of_openapi(&document.parse()?)?;
//! assert_eq!((grammar.objects[0].singular.as_str(), grammar.verbs[0].name.as_str()), ("crossing", "cancel"));
//! assert_eq!(grammar.verbs[0].requests[0], "cancel the {object} {id}");
//! # Ok::<(), tool_synth::Error>(())
//! ```

use std::collections::{BTreeMap, HashSet};

use rec_core::tool::{mcp, openapi};
use rec_core::{Json, ToolSpec};

use super::api::{Field, Said, Shape};
use super::grammar::{Answer, Documented, Domain, Function, Grammar, Object, Verb};
use super::parameter::{Reader, cleaned, is_id};
use super::phrasing::{Act, CONDITIONS, Noun, requests, verb_entry};
use crate::engine::solver::words_of;
use crate::error::{Error, Result};
use crate::schema;

/// What is known of an operation before its parameters are read.
struct Operation<'a> {
    tool: &'a ToolSpec,
    /// How errors and notes call it: method and path, or the tool's name.
    place: String,
    verb: String,
    act: Act,
    /// Whether it only reads.
    reads: bool,
    noun: Noun,
    /// The parameter that names the object.
    id: Option<String>,
    topic: String,
    /// Parameters that programs send, not people.
    unsaid: Vec<String>,
}

impl Grammar {
    /// The grammar of an OpenAPI 3 document.
    ///
    /// # Errors
    /// [`Error::Core`] with the JSON pointer of what is wrong in the document, [`Error::Invalid`] if no operation can be used.
    pub fn of_openapi(document: &Json) -> Result<Self> {
        let tools = openapi::tools(document)?;
        let title = document.pointer("/info/title").and_then(Json::as_str).unwrap_or_default();
        let mut operations = Vec::new();
        for imported in &tools {
            let (method, path) = imported.origin.split_once(' ').unwrap_or(("GET", &imported.origin));
            let pointer = format!("/paths/{}", path.replace('~', "~0").replace('/', "~1"));
            let item = document.pointer(&pointer);
            let raw = document.pointer(&format!("{pointer}/{}", method.to_lowercase()));
            let mut operation = of_path(&imported.tool, method, path, raw);
            operation.place.clone_from(&imported.origin);
            operation.unsaid =
                [raw, item].into_iter().flatten().flat_map(|holder| unsaid(holder, document)).collect();
            operations.push(operation);
        }
        // A tag that several objects share divides the document; one that repeats the object's name does not.
        let mut topics: BTreeMap<String, HashSet<String>> = BTreeMap::new();
        for operation in &operations {
            topics.entry(operation.topic.clone()).or_default().insert(operation.noun.singular.clone());
        }
        for operation in &mut operations {
            if operation.topic.is_empty() || topics[&operation.topic].len() < 2 {
                title.clone_into(&mut operation.topic);
            }
        }
        built(operations)
    }

    /// The grammar of a list of tools.
    ///
    /// # Errors
    /// [`Error::Invalid`] naming a tool whose parameters are no object, or if no tool can be used.
    pub fn of_tools(tools: &[ToolSpec]) -> Result<Self> {
        let mut operations = Vec::new();
        for tool in tools {
            if schema::type_of(&tool.parameters).is_some_and(|kind| kind != "object") {
                return Err(Error::invalid(format!("tool {}: its parameters are no object", tool.name)));
            }
            operations.push(of_name(tool));
        }
        built(operations)
    }

    /// The grammar of a document of either form: OpenAPI 3, or tools as OpenAI's endpoints take them or MCP's `tools/list` answers.
    ///
    /// # Errors
    /// As [`Self::of_openapi`] and [`Self::of_tools`]; [`Error::Invalid`] for anything else.
    pub fn of_document(document: &Json) -> Result<Self> {
        if document.get("openapi").is_some() || document.get("swagger").is_some() {
            return Self::of_openapi(document);
        }
        let result = document.get("result").unwrap_or(document);
        let list = result.as_array().or_else(|| result.get("tools")?.as_array());
        let list = list.ok_or_else(|| Error::invalid("neither an OpenAPI document nor a list of tools"))?;
        if list.iter().any(|tool| tool.get("inputSchema").is_some()) {
            let tools: Vec<ToolSpec> =
                mcp::tools(document)?.into_iter().map(|imported| imported.tool).collect();
            return Self::of_tools(&tools);
        }
        let read = |(at, tool): (usize, &Json)| -> Result<ToolSpec> {
            let spec: ToolSpec = serde_json::from_str(&tool.to_string())
                .map_err(|error| Error::invalid(format!("tools/{at}: {error}")))?;
            if spec.name.is_empty() {
                return Err(Error::invalid(format!("tools/{at}: a tool without a name")));
            }
            Ok(spec)
        };
        let tools: Vec<ToolSpec> = list.iter().enumerate().map(read).collect::<Result<_>>()?;
        Self::of_tools(&tools)
    }
}

/// Names of header and cookie parameters.
fn unsaid(holder: &Json, document: &Json) -> Vec<String> {
    let resolved = |parameter: &Json| -> Option<String> {
        let reference = parameter.get("$ref").and_then(Json::as_str).and_then(|text| text.strip_prefix('#'));
        let parameter = reference.map_or(Some(parameter), |pointer| document.pointer(pointer))?;
        let place = parameter.get("in")?.as_str()?;
        matches!(place, "header" | "cookie").then(|| parameter.get("name")?.as_str().map(str::to_owned))?
    };
    holder
        .get("parameters")
        .and_then(Json::as_array)
        .unwrap_or_default()
        .iter()
        .filter_map(resolved)
        .collect()
}

/// Object and verb of an operation, from its path, method and id.
fn of_path<'a>(tool: &'a ToolSpec, method: &str, path: &str, raw: Option<&Json>) -> Operation<'a> {
    let segments: Vec<&str> = path.split('/').filter(|segment| !segment.is_empty()).collect();
    let parameter =
        |segment: &str| segment.strip_prefix('{').and_then(|rest| rest.strip_suffix('}')).map(str::to_owned);
    let version = |segment: &str| {
        segment.eq_ignore_ascii_case("api")
            || (segment.starts_with('v')
                && segment.len() > 1
                && segment[1..].bytes().all(|byte| byte.is_ascii_digit()))
    };
    let statics: Vec<usize> = (0..segments.len())
        .filter(|at| parameter(segments[*at]).is_none() && !version(segments[*at]))
        .collect();
    let told =
        raw.and_then(|raw| raw.get("operationId")).and_then(Json::as_str).map(words_of).unwrap_or_default();
    // The first word of the id that is a verb: `listPets`, `pets_list`.
    let named = told.iter().find(|word| verb_entry(word).is_some()).cloned();
    let words = |at: usize| words_of(segments[at]);
    let mut noun_at = statics.last().copied();
    let mut id = segments.last().and_then(|segment| parameter(segment));
    let mut verb = named.clone();
    if let (None, [.., before, last]) = (&id, &statics[..]) {
        let first = words(*last).first().cloned().unwrap_or_default();
        let of_one = *last > 0 && parameter(segments[last - 1]).is_some();
        let single = !Noun::of(&words(*last)).many;
        // `/rentals/{id}/cancel`, `/pets/findByStatus`.
        let acts = verb_entry(&first).is_some()
            || (of_one && single && method != "GET" && (named.is_none() || named.as_deref() == Some(&first)));
        if acts {
            noun_at = Some(*before);
            let all = words(*last);
            let particle = all.len() == 2 && matches!(all[1].as_str(), "in" | "out" | "on" | "off" | "up");
            verb = Some(if verb_entry(&first).is_some() && !particle { first } else { all.join(" ") });
            if of_one {
                id = parameter(segments[last - 1]);
            }
        }
    }
    let noun = match noun_at {
        Some(at) => Noun::of(&words(at)),
        None => Noun::of(told.get(1..).unwrap_or_default()),
    };
    let reads = matches!(method, "GET" | "HEAD");
    let collection = id.is_none() && noun.many;
    let verb = verb.unwrap_or_else(|| {
        let usual = match method {
            "GET" | "HEAD" if collection => "list",
            "GET" | "HEAD" => "get",
            "POST" => "create",
            "DELETE" => "delete",
            _ => "update",
        };
        usual.to_owned()
    });
    let act = verb_entry(&verb).map_or(Act::Other, |(_, act)| act);
    let topic = raw.and_then(|raw| raw.pointer("/tags/0")).and_then(Json::as_str).unwrap_or_default();
    Operation {
        tool,
        place: String::new(),
        verb,
        act,
        reads,
        noun,
        id,
        topic: topic.to_owned(),
        unsaid: Vec::new(),
    }
}

/// Object and verb of a tool, from its name.
fn of_name(tool: &ToolSpec) -> Operation<'_> {
    let (module, own) = tool.name.rsplit_once('.').unwrap_or(("", &tool.name));
    let words = words_of(own);
    let entry = words.first().and_then(|word| verb_entry(word));
    let (verb, rest) = match entry {
        Some(_) if words.len() > 1 => (words[0].clone(), &words[1..]),
        Some(_) => ("run".to_owned(), &words[..]),
        None => ("get".to_owned(), &words[..]),
    };
    let end = rest
        .iter()
        .skip(1)
        .position(|word| CONDITIONS.contains(&word.as_str()))
        .map_or(rest.len(), |at| at + 1);
    let noun = Noun::of(&rest[..end]);
    let act = verb_entry(&verb).map_or(Act::Other, |(_, act)| act);
    let own_id: Vec<String> = words_of(&noun.singular).into_iter().chain(["id".to_owned()]).collect();
    let id = schema::required(&tool.parameters).find(|name| {
        let words = words_of(name);
        words == own_id || words == ["id"]
    });
    let topic = if module.is_empty() { String::new() } else { words_of(module).join(" ") };
    Operation {
        tool,
        place: format!("tool {}", tool.name),
        verb,
        act,
        reads: matches!(act, Act::List | Act::Get | Act::Number),
        id: id.map(str::to_owned),
        noun,
        topic,
        unsaid: Vec::new(),
    }
}

/// The records of a response and the shape they come in.
fn records(response: Option<&Json>) -> Option<(Answer, Option<Json>)> {
    let response = super::parameter::plain(response?);
    match schema::type_of(&response) {
        Some("array") => Some((Answer::List, response.get("items").map(super::parameter::plain))),
        Some("integer" | "number") => Some((Answer::Number, None)),
        Some("object") | None if response.get("properties").is_some() => {
            let list = schema::properties(&response).find_map(|(_, member)| {
                let member = super::parameter::plain(member);
                let item = member.get("items").map(super::parameter::plain)?;
                item.get("properties").is_some().then_some(item)
            });
            // A record may hold a list of others, an envelope holds little else.
            let members = schema::properties(&response).count();
            match list {
                Some(item) if members <= 4 => Some((Answer::List, Some(item))),
                _ => Some((Answer::Record, Some(response))),
            }
        }
        _ => None,
    }
}

/// The grammar of the operations; what has no kind is left out.
fn built(operations: Vec<Operation<'_>>) -> Result<Grammar> {
    let mut grammar = Grammar::default();
    let mut reader = Reader::default();
    // Prefixes and identifiers first: parameters of other operations refer to them.
    for operation in &operations {
        let schema =
            operation.id.as_ref().and_then(|id| operation.tool.parameters.get("properties")?.get(id));
        reader.object(&operation.noun.singular, operation.id.as_deref(), schema);
    }
    for operation in &operations {
        match function(operation, &mut grammar, &mut reader) {
            Ok(()) => {}
            Err(why) => grammar.left_out.push(format!("{}: left out: {why}", operation.place)),
        }
    }
    grammar.objects.retain(|object| !object.functions.is_empty());
    if grammar.objects.is_empty() {
        let why = grammar.left_out.first().map_or("it has none", String::as_str);
        return Err(Error::invalid(format!("no operation that dialogues could be about: {why}")));
    }
    Ok(grammar.sealed())
}

/// Adds an operation, or tells why it cannot be had.
fn function(operation: &Operation<'_>, grammar: &mut Grammar, reader: &mut Reader) -> Result<(), String> {
    let tool = operation.tool;
    let noun = &operation.noun;
    reader.open(&operation.place, &noun.singular);
    let mut fields = reader.fields(&tool.parameters, &operation.unsaid, grammar)?;
    let at =
        operation.id.as_ref().and_then(|name| fields.iter().position(|field| field.name == cleaned(name)));
    let id = at.map(|at| {
        let shape = Shape::One(reader.identifier(&noun.singular));
        Field { said: Said::Id, required: true, shape, default: None, pattern: None, ..fields.remove(at) }
    });
    let (by_id, response) = (id.is_some(), records(tool.returns.as_ref()));
    let asks = operation.reads || matches!(operation.act, Act::List | Act::Get | Act::Number);
    let answer = match (&response, operation.act) {
        (Some((shape, _)), _) if asks => *shape,
        (_, Act::List) => Answer::List,
        (_, Act::Number) => Answer::Number,
        _ if asks && noun.many && !by_id => Answer::List,
        _ if asks => Answer::Record,
        _ => Answer::Receipt,
    };
    let mut returns: Vec<Field> = Vec::new();
    if let Some(name) = reader.id_name(&noun.singular).filter(|_| answer != Answer::Number) {
        let description = format!("Identifier of the {}", noun.singular);
        let shape = Shape::One(reader.identifier(&noun.singular));
        returns.push(Field {
            name,
            description,
            shape,
            required: true,
            default: None,
            pattern: None,
            said: Said::Id,
        });
    }
    let record = response.and_then(|(_, record)| record);
    let members = match &record {
        Some(record) => reader.members(record, grammar),
        None => fields.iter().filter(|field| !matches!(field.shape, Shape::Group(_))).cloned().collect(),
    };
    for mut member in members.into_iter().take(6) {
        let taken = returns.iter().any(|known| known.name == member.name);
        if taken || is_id(&member.name, &noun.singular) || matches!(member.name.as_str(), "state" | "value") {
            continue;
        }
        (member.required, member.default) = (true, None);
        returns.push(member);
    }
    // The object before all else, as in people's requests.
    fields.splice(0..0, id);
    let name = if looks_made(tool, operation) {
        let noun = if answer == Answer::List { &noun.plural } else { &noun.singular };
        format!("{} {noun}", operation.verb).replace(' ', "_")
    } else {
        tool.name.clone()
    };
    let first = tool.description.lines().next().unwrap_or_default().trim();
    let description = match first {
        "" => format!("{} {{a_object}}.", super::api::capitalised(&operation.verb)),
        text => text.replace(['{', '}'], ""),
    };
    let description = super::grammar::fill(&description, &noun.singular, &noun.plural);
    let requests = requests(&operation.verb, noun, answer, by_id);
    grammar.verbs.push(Verb {
        name: operation.verb.clone(),
        by_id,
        answer,
        stems: vec![operation.verb.clone()],
        description: description.clone(),
        requests,
    });
    let object = match grammar.objects.iter().position(|object| object.singular == noun.singular) {
        Some(known) => known,
        None => {
            let domain = domain(grammar, &operation.topic);
            grammar.objects.push(Object {
                domain,
                singular: noun.singular.clone(),
                plural: noun.plural.clone(),
                prefix: reader.prefix(&noun.singular),
                synonym: noun.plural.clone(),
                fields: Vec::new(),
                functions: Vec::new(),
            });
            grammar.objects.len() - 1
        }
    };
    grammar.objects[object].functions.push(Function {
        verb: grammar.verbs.len() - 1,
        slots: Vec::new(),
        documented: Some(Documented { name, description, fields, returns }),
    });
    grammar.left_out.append(&mut reader.notes);
    Ok(())
}

/// Whether an operation's name was made of method and path, for want of an id.
fn looks_made(tool: &ToolSpec, operation: &Operation<'_>) -> bool {
    let Some((method, path)) = operation.place.split_once(' ') else { return false };
    words_of(&tool.name) == words_of(&format!("{} {}", method.to_lowercase(), path))
}

fn domain(grammar: &mut Grammar, title: &str) -> usize {
    let title = if title.trim().is_empty() { "Tools" } else { title.trim() };
    if let Some(known) = grammar.domains.iter().position(|domain| domain.title == title) {
        return known;
    }
    let name = words_of(title).join("_");
    grammar.domains.push(Domain { name, title: title.to_owned(), qualifiers: Vec::new() });
    grammar.domains.len() - 1
}
