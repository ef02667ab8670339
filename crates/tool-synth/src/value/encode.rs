//! A lossless form of values in JSON, as the differential corpora carry them.
//!
//! `null`, Booleans, text and lists stand for themselves; everything else is an object with one member that names the
//! type: `{"i":"12"}`, `{"f":"1.5"}`, `{"c":["0.0","1.0"]}`, `{"b":"6162"}` (bytes, hexadecimal), `{"t":[…]}` (tuple),
//! `{"s":[…]}` (set, each member as JSON text, sorted) and `{"d":[[key, value], …]}` (dictionary).

use super::json;
use super::text::float_repr;
use super::{Dict, Value};

impl Value {
    /// The value as JSON that loses nothing.
    pub fn encode(&self) -> Value {
        let tagged =
            |tag: &str, content: Value| Value::Dict([(Value::from(tag), content)].into_iter().collect());
        let list = |items: &[Value]| Value::List(items.iter().map(Value::encode).collect());
        match self {
            Self::None | Self::Bool(_) | Self::Str(_) => self.clone(),
            Self::Int(value) => tagged("i", Value::from(value.to_string())),
            Self::Float(value) => tagged("f", Value::from(float_repr(*value))),
            Self::Complex(real, imaginary) => {
                tagged("c", Value::List([real, imaginary].map(|part| Value::from(float_repr(*part))).into()))
            }
            Self::Bytes(bytes) => {
                tagged("b", Value::from(bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>()))
            }
            Self::List(items) => list(items),
            Self::Tuple(items) => tagged("t", list(items)),
            Self::Set(items) => {
                let mut members: Vec<String> =
                    items.iter().map(|item| json::to_string(&item.encode())).collect();
                members.sort();
                tagged("s", Value::List(members.into_iter().map(Value::from).collect()))
            }
            Self::Dict(dict) => {
                let pair = |(key, value): (&Value, &Value)| Value::List(vec![key.encode(), value.encode()]);
                tagged("d", Value::List(dict.iter().map(pair).collect()))
            }
        }
    }

    /// The value that [`encode`](Self::encode) wrote; nothing if it is not of that form.
    pub fn decode(encoded: &Value) -> Option<Value> {
        match encoded {
            Self::None | Self::Bool(_) | Self::Str(_) => Some(encoded.clone()),
            Self::List(items) => Some(Self::List(items.iter().map(Self::decode).collect::<Option<_>>()?)),
            Self::Dict(dict) if dict.len() == 1 => {
                let (tag, content) = dict.iter().next()?;
                decode_tagged(tag.as_str()?, content)
            }
            _ => None,
        }
    }
}

fn decode_tagged(tag: &str, content: &Value) -> Option<Value> {
    Some(match tag {
        "i" => Value::Int(content.as_str()?.parse().ok()?),
        "f" => Value::Float(content.as_str()?.parse().ok()?),
        "c" => {
            let [real, imaginary] = content.as_list()? else { return None };
            Value::Complex(real.as_str()?.parse().ok()?, imaginary.as_str()?.parse().ok()?)
        }
        "b" => {
            let digits: Option<Vec<u32>> = content.as_str()?.chars().map(|c| c.to_digit(16)).collect();
            let digits = digits.filter(|digits| digits.len() % 2 == 0)?;
            Value::Bytes(digits.chunks(2).map(|pair| (pair[0] * 16 + pair[1]) as u8).collect())
        }
        "t" => Value::Tuple(content.as_list()?.iter().map(Value::decode).collect::<Option<_>>()?),
        "s" => {
            let member = |text: &Value| Value::decode(&json::parse(text.as_str()?).ok()?);
            Value::Set(content.as_list()?.iter().map(member).collect::<Option<_>>()?)
        }
        "d" => {
            let mut dict = Dict::new();
            for pair in content.as_list()? {
                let [key, value] = pair.as_list()? else { return None };
                dict.insert(Value::decode(key)?, Value::decode(value)?);
            }
            Value::Dict(dict)
        }
        _ => return None,
    })
}
