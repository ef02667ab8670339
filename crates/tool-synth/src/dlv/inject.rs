//! Faults put into clean samples on purpose, to measure what the two layers find: at least one kind for each rule and expert.

use rand::RngExt;
use rec_core::json::Object;
use rec_core::random::Random;
use rec_core::{Json, Message, Role, ToolCall, Trajectory};

use super::Expert;
use crate::schema;

/// Who must find a fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Finder {
    /// A rule of the first layer.
    Rule(&'static str),
    /// An expert of the second.
    Expert(Expert),
}

/// A kind of fault.
pub struct Fault {
    /// What goes wrong.
    pub name: &'static str,
    /// Who must find it.
    pub finder: Finder,
    /// Puts it in. Tells whether the sample had a place for it.
    pub apply: fn(&mut Trajectory, &mut Random) -> bool,
}

/// All kinds.
pub const FAULTS: &[Fault] = {
    use Finder::{Expert as By, Rule};
    const fn fault(
        name: &'static str,
        finder: Finder,
        apply: fn(&mut Trajectory, &mut Random) -> bool,
    ) -> Fault {
        Fault { name, finder, apply }
    }
    &[
        fault("type that does not exist", Rule("R1"), |s, r| {
            property(s, r, |p| set(p, "type", Json::from("strnig")))
        }),
        fault("bounds the wrong way round", Rule("R1"), |s, r| {
            property(s, r, |p| {
                set(p, "minimum", Json::from(9_i64));
                set(p, "maximum", Json::from(3_i64))
            })
        }),
        fault("tool without a description", Rule("R2"), |s, r| {
            any(s.tools.len(), r).is_some_and(|at| {
                s.tools[at].description.clear();
                true
            })
        }),
        fault("unknown member beside properties", Rule("R2"), |s, r| {
            parameters(s, r, |p| set(p, "parmas", Json::from(1_i64)))
        }),
        fault("parameter without a description", Rule("R3"), |s, r| {
            property(s, r, |p| p.shift_remove("description").is_some())
        }),
        fault("parameter without a type", Rule("R3"), |s, r| {
            property(s, r, |p| p.shift_remove("type").is_some())
        }),
        fault("required parameter that is not there", Rule("R4"), |s, r| require(s, r, "no_such_parameter")),
        fault("parameter required twice", Rule("R4"), |s, r| {
            parameters(s, r, |p| {
                let Some(Json::Array(names)) = p.get_mut("required") else { return false };
                names.first().cloned().is_some_and(|first| {
                    names.push(first);
                    true
                })
            })
        }),
        fault("array without items", Rule("R5"), |s, r| {
            property(s, r, |p| p.shift_remove("items").is_some())
        }),
        fault("scalar with properties", Rule("R5"), |s, r| {
            property(s, r, |p| {
                p.get("type") == Some(&Json::from("string"))
                    && set(p, "properties", Json::Object(Object::new()))
            })
        }),
        fault("enumerated value of another type", Rule("R6"), |s, r| {
            property(s, r, |p| {
                let Some(Json::Array(values)) = p.get_mut("enum") else { return false };
                values.push(Json::from(7_i64));
                true
            })
        }),
        fault("default out of range", Rule("R6"), |s, r| {
            property(s, r, |p| p.contains_key("maximum") && set(p, "default", Json::from(1_000_000_i64)))
        }),
        fault("parameter name with a blank", Rule("R7"), |s, r| rename(s, r, |name| format!("{name} x"))),
        fault("keyword as a parameter name", Rule("R7"), |s, r| rename(s, r, |_| "class".to_owned())),
        fault("pattern that does not compile", Rule("R8"), |s, r| {
            property(s, r, |p| p.contains_key("pattern") && set(p, "pattern", Json::from("([A-Z")))
        }),
        fault("pattern without an example", Rule("R8"), |s, r| {
            property(s, r, |p| {
                p.contains_key("pattern")
                    && !p.contains_key("default")
                    && p.shift_remove("examples").is_some()
            })
        }),
        fault("call of a tool that is not there", Rule("R9"), |s, r| {
            call(s, r, |call| {
                call.name.push_str("_x");
                true
            })
        }),
        fault("required argument left out", Rule("R10"), |s, r| {
            with_tool(s, r, |call, parameters, _| {
                let names: Vec<String> = schema::required(parameters).map(str::to_owned).collect();
                let members = call.arguments.as_object_mut();
                members.is_some_and(|members| names.iter().any(|name| members.shift_remove(name).is_some()))
            })
        }),
        fault("unknown argument", Rule("R11"), |s, r| {
            call(s, r, |call| {
                call.arguments.as_object_mut().is_some_and(|members| {
                    members.insert("bogus".into(), Json::from("x"));
                    true
                })
            })
        }),
        fault("number as text", Rule("R12"), |s, r| {
            argument(s, r, |_, value| matches!(value, Json::Number(_)).then(|| Json::from(value.to_string())))
        }),
        fault("truth value for a number", Rule("R12"), |s, r| {
            argument(s, r, |_, value| matches!(value, Json::Number(_)).then(|| Json::from(true)))
        }),
        fault("text as a list", Rule("R12"), |s, r| {
            argument(s, r, |_, value| {
                matches!(value, Json::String(_)).then(|| Json::Array(vec![value.clone()]))
            })
        }),
        fault("value outside the enumeration", Rule("R13"), |s, r| {
            argument(s, r, |schema, _| schema.get("enum").map(|_| Json::from("something_else")))
        }),
        fault("number beyond its bounds", Rule("R13"), |s, r| {
            argument(s, r, |schema, value| {
                let high = schema.get("maximum")?.as_f64()?;
                Some(if value.as_i64().is_some() {
                    Json::from(high as i64 + 1_000)
                } else {
                    Json::from(high + 1_000.5)
                })
            })
        }),
        fault("date that is no day", Rule("R13"), |s, r| {
            argument(s, r, |schema, _| {
                (schema.get("format")?.as_str()? == "date").then(|| Json::from("2026-02-31"))
            })
        }),
        fault("identifier without its pattern", Rule("R13"), |s, r| {
            argument(s, r, |schema, value| {
                schema.get("pattern")?;
                Some(Json::from(format!("#{}", value.as_str()?)))
            })
        }),
        fault("wrong type inside of a list", Rule("R14"), |s, r| {
            argument(s, r, |_, value| {
                let mut items = value.as_array().filter(|items| !items.is_empty())?.to_vec();
                items[0] = Json::from(true);
                Some(Json::Array(items))
            })
        }),
        fault("member left out inside of a list", Rule("R14"), |s, r| {
            argument(s, r, |_, value| {
                let mut items = value.as_array()?.to_vec();
                let first = items.first_mut()?.as_object_mut()?;
                first.shift_remove_index(0)?;
                Some(Json::Array(items))
            })
        }),
        fault("argument name that cannot be read again", Rule("R15"), |s, r| {
            call(s, r, |call| {
                call.arguments.as_object_mut().is_some_and(|members| {
                    members.insert("a=b".into(), Json::from(1_i64));
                    true
                })
            })
        }),
        fault("empty message", Rule("R16"), |s, r| text(s, r, SPOKEN, |_| String::new())),
        fault("endless answer", Rule("R17"), |s, r| {
            text(s, r, &[Role::Assistant], |text| {
                let mut long = text.to_owned();
                for at in 0..400 {
                    long.push_str(&format!(" Point {at} follows."));
                }
                long
            })
        }),
        fault("control character", Rule("R18"), |s, r| {
            text(s, r, SPOKEN, |text| format!("{}\u{7}.", text.trim_end_matches('.')))
        }),
        fault("template token", Rule("R18"), |s, r| text(s, r, SPOKEN, |text| format!("<|im_start|>{text}"))),
        fault("open code fence", Rule("R18"), |s, r| text(s, r, SPOKEN, |text| format!("```\n{text}"))),
        fault("another script", Rule("R19"), |s, r| {
            text(s, r, SPOKEN, |text| format!("{text} Пожалуйста, подождите немного и попробуйте ещё раз."))
        }),
        fault("cut in the middle", Rule("R20"), |s, r| {
            text(s, r, SPOKEN, |text| {
                let words: Vec<&str> = text.split_whitespace().collect();
                let kept = words[..words.len().saturating_sub(1).max(1)].join(" ");
                let word = kept.trim_end_matches(|letter: char| !letter.is_alphanumeric());
                format!("{word} th")
            })
        }),
        fault("bracket left open", Rule("R20"), |s, r| text(s, r, SPOKEN, |text| format!("(as said {text}"))),
        fault("sentence over and over", Rule("R21"), |s, r| {
            text(s, r, &[Role::Assistant], |text| {
                format!("{text}{}", " I will look into it for you now.".repeat(5))
            })
        }),
        fault("result missing", Rule("R22"), |s, r| {
            let places = places(s, |message| message.role == Role::Tool);
            any(places.len(), r).is_some_and(|at| {
                s.messages.remove(places[at]);
                true
            })
        }),
        fault("result of another tool", Rule("R22"), |s, r| {
            let places = places(s, |message| message.role == Role::Tool);
            any(places.len(), r).is_some_and(|at| {
                s.messages[places[at]].name = Some("some_other_tool".into());
                true
            })
        }),
        fault("text beside calls", Rule("R23"), |s, r| {
            let places = places(s, |message| !message.tool_calls.is_empty());
            any(places.len(), r).is_some_and(|at| {
                s.messages[places[at]].content = "Let me look that up.".into();
                true
            })
        }),
        fault("calls written as text", Rule("R23"), |s, r| {
            let Some(at) = any(s.tools.len(), r) else { return false };
            let name = s.tools[at].name.clone();
            text(s, r, &[Role::Assistant], |_| format!("[{name}(x=1)]"))
        }),
        fault("user twice in a row", Rule("R24"), |s, _| {
            let Some(at) = s.messages.iter().position(|message| message.role == Role::User) else {
                return false;
            };
            s.messages.insert(at, Message::user("One moment, please."));
            true
        }),
        fault("no last word", Rule("R24"), |s, _| s.messages.pop().is_some()),
        fault("tool that was not called", Rule("R25"), |s, r| {
            let places =
                places(s, |message| message.role == Role::Assistant && message.tool_calls.is_empty());
            any(places.len(), r).is_some_and(|at| {
                s.messages.insert(places[at] + 1, Message::new(Role::Tool, "{\"ok\":true}"));
                true
            })
        }),
        fault("result with a member missing", Rule("R26"), |s, r| {
            result(s, r, |members| members.shift_remove_index(0).is_some())
        }),
        fault("result that is no JSON", Rule("R26"), |s, r| {
            let places = places(s, |message| message.role == Role::Tool);
            any(places.len(), r).is_some_and(|at| {
                s.messages[places[at]].content = "{'id': 3".into();
                true
            })
        }),
        fault("place that nobody named", By(Expert::Hallucination), |s, r| {
            argument(s, r, |schema, value| {
                (schema.get("format").is_none()
                    && schema.get("enum").is_none()
                    && schema.get("pattern").is_none()
                    && value.as_str().is_some())
                .then(|| Json::from("Ulan Bator"))
            })
        }),
        fault("number that nobody named", By(Expert::Hallucination), |s, r| {
            argument(s, r, |schema, value| {
                let number = value.as_i64()?;
                let bound = |name: &str| schema.get(name).and_then(Json::as_i64);
                let other = number + 1;
                (schema.get("default").is_none() && bound("maximum").is_none_or(|high| other <= high))
                    .then(|| Json::from(other))
            })
        }),
        fault("day that nobody named", By(Expert::Hallucination), |s, r| {
            argument(s, r, |schema, _| {
                (schema.get("format")?.as_str()? == "date").then(|| Json::from("2031-07-19"))
            })
        }),
        fault("call that nobody asked for", By(Expert::Consistency), |s, r| {
            call_list(s, r, |calls| {
                let mut other = calls.first().cloned()?;
                other.id = "call_900".into();
                calls.push(other.clone());
                Some(other)
            })
        }),
        fault("call left out", By(Expert::Consistency), |s, r| {
            let places = places(s, |message| message.tool_calls.len() > 1);
            any(places.len(), r).is_some_and(|at| {
                let at = places[at];
                let last = s.messages[at].tool_calls.pop();
                s.messages
                    .retain(|message| message.tool_call_id.as_ref() != last.as_ref().map(|call| &call.id));
                true
            })
        }),
        fault("answer beside the question", By(Expert::Consistency), |s, r| {
            if s.metadata.get("no_tool").and_then(Json::as_str) != Some("missing_parameter") {
                return false;
            }
            text(s, r, &[Role::Assistant], |_| "All right, this is taken care of.".to_owned())
        }),
        fault("answer without meaning", By(Expert::Consistency), |s, r| {
            text(s, r, &[Role::Assistant], |_| "well well well yes yes yes.".to_owned())
        }),
        fault("another identifier comes back", By(Expert::ToolResponse), |s, r| {
            let ids: Vec<(String, String)> = s
                .calls()
                .flat_map(|call| call.arguments.as_object().into_iter().flatten())
                .filter(|(name, _)| name.to_lowercase().ends_with("id"))
                .filter_map(|(name, value)| Some((name.clone(), value.as_str()?.to_owned())))
                .collect();
            result(s, r, |members| {
                members.iter_mut().any(|(name, value)| {
                    let echoed = ids.iter().any(|(known, id)| known == name && value.as_str() == Some(id));
                    if let (true, Some((prefix, number))) =
                        (echoed, value.as_str().and_then(|id| id.split_once('-')))
                    {
                        let number: u32 = number.parse().unwrap_or(10_000);
                        *value = Json::from(format!("{prefix}-{:05}", 10_000 + (number + 1) % 89_999));
                        return true;
                    }
                    false
                })
            })
        }),
        fault("result of the wrong shape", By(Expert::ToolResponse), |s, r| {
            result(s, r, |members| {
                members.insert("unexpected".into(), Json::Null);
                true
            })
        }),
    ]
};

const SPOKEN: &[Role] = &[Role::User, Role::Assistant];

fn any(count: usize, random: &mut Random) -> Option<usize> {
    (count > 0).then(|| random.random_range(0..count))
}

fn set(members: &mut Object, name: &str, value: Json) -> bool {
    members.insert(name.into(), value);
    true
}

fn places(sample: &Trajectory, fits: impl Fn(&Message) -> bool) -> Vec<usize> {
    (0..sample.messages.len()).filter(|at| fits(&sample.messages[*at])).collect()
}

fn text(
    sample: &mut Trajectory,
    random: &mut Random,
    roles: &[Role],
    change: impl Fn(&str) -> String,
) -> bool {
    let places = places(sample, |message| roles.contains(&message.role) && message.tool_calls.is_empty());
    any(places.len(), random).is_some_and(|at| {
        let message = &mut sample.messages[places[at]];
        message.content = change(&message.content);
        true
    })
}

fn parameters(sample: &mut Trajectory, random: &mut Random, change: impl Fn(&mut Object) -> bool) -> bool {
    any(sample.tools.len(), random)
        .is_some_and(|at| sample.tools[at].parameters.as_object_mut().is_some_and(change))
}

fn require(sample: &mut Trajectory, random: &mut Random, name: &str) -> bool {
    parameters(sample, random, |members| {
        let Some(Json::Array(names)) = members.get_mut("required") else { return false };
        names.push(Json::from(name));
        true
    })
}

/// Changes one property of a tool for which the change is possible.
fn property(sample: &mut Trajectory, random: &mut Random, change: impl Fn(&mut Object) -> bool) -> bool {
    let start = any(sample.tools.len(), random).unwrap_or(0);
    let count = sample.tools.len();
    (0..count).any(|offset| {
        let tool = &mut sample.tools[(start + offset) % count];
        let Some(Json::Object(properties)) =
            tool.parameters.as_object_mut().and_then(|all| all.get_mut("properties"))
        else {
            return false;
        };
        let first = any(properties.len(), random).unwrap_or(0);
        let length = properties.len();
        (0..length).any(|offset| {
            let at = (first + offset) % length;
            properties
                .get_index_mut(at)
                .and_then(|(_, property)| property.as_object_mut())
                .is_some_and(&change)
        })
    })
}

fn rename(sample: &mut Trajectory, random: &mut Random, name: impl Fn(&str) -> String) -> bool {
    parameters(sample, random, |members| {
        let Some(Json::Object(properties)) = members.get_mut("properties") else { return false };
        let Some((first, value)) = properties.shift_remove_index(0) else { return false };
        properties.insert(name(&first), value);
        true
    })
}

fn call(sample: &mut Trajectory, random: &mut Random, change: impl Fn(&mut ToolCall) -> bool) -> bool {
    let places = places(sample, |message| !message.tool_calls.is_empty());
    any(places.len(), random).is_some_and(|at| {
        let calls = &mut sample.messages[places[at]].tool_calls;
        let at = random.random_range(0..calls.len());
        change(&mut calls[at])
    })
}

fn with_tool(
    sample: &mut Trajectory,
    random: &mut Random,
    change: impl Fn(&mut ToolCall, &Json, &mut Random) -> bool,
) -> bool {
    let tools = sample.tools.clone();
    let places = places(sample, |message| !message.tool_calls.is_empty());
    let Some(start) = any(places.len(), random) else { return false };
    (0..places.len()).any(|offset| {
        let calls = &mut sample.messages[places[(start + offset) % places.len()]].tool_calls;
        calls.iter_mut().any(|call| {
            let tool = tools.iter().find(|tool| tool.name == call.name);
            tool.is_some_and(|tool| change(call, &tool.parameters, random))
        })
    })
}

/// Changes one top-level argument for which `change` has another value.
fn argument(
    sample: &mut Trajectory,
    random: &mut Random,
    change: impl Fn(&Json, &Json) -> Option<Json>,
) -> bool {
    with_tool(sample, random, |call, parameters, random| {
        let Some(members) = call.arguments.as_object_mut() else { return false };
        let Some(start) = any(members.len(), random) else { return false };
        let length = members.len();
        (0..length).any(|offset| {
            let Some((name, value)) = members.get_index_mut((start + offset) % length) else { return false };
            let schema = parameters.get("properties").and_then(|known| known.get(name));
            match schema.and_then(|schema| change(schema, value)) {
                Some(other) => {
                    *value = other;
                    true
                }
                None => false,
            }
        })
    })
}

/// Adds a call, with its result after those of the others.
fn call_list(
    sample: &mut Trajectory,
    random: &mut Random,
    change: impl Fn(&mut Vec<ToolCall>) -> Option<ToolCall>,
) -> bool {
    let places = places(sample, |message| !message.tool_calls.is_empty());
    let Some(at) = any(places.len(), random) else { return false };
    let at = places[at];
    let count = sample.messages[at].tool_calls.len();
    let Some(added) = change(&mut sample.messages[at].tool_calls) else { return false };
    let Some(answer) = sample.messages.get(at + 1).cloned() else { return false };
    sample.messages.insert(at + 1 + count, Message { tool_call_id: Some(added.id), ..answer });
    true
}

fn result(sample: &mut Trajectory, random: &mut Random, change: impl FnMut(&mut Object) -> bool) -> bool {
    let mut change = change;
    let places = places(sample, |message| message.role == Role::Tool);
    let Some(start) = any(places.len(), random) else { return false };
    (0..places.len()).any(|offset| {
        let message = &mut sample.messages[places[(start + offset) % places.len()]];
        let Ok(mut value) = message.content.parse::<Json>() else { return false };
        if !value.as_object_mut().is_some_and(&mut change) {
            return false;
        }
        message.content = value.to_string();
        true
    })
}
