//! The evaluation of a call's text: literals, operators on them, and calls of the simulated methods. Nothing else is run.

use std::sync::Arc;

use super::arithmetic::{divide, power};
use super::error::{Exception, Fallible};
use super::object::{Dict, Object};
use super::operators::{add, item, mul, sub};
use super::world::World;
use crate::pyexpr::{Binary, Constant, Expr, Unary};

/// Builtin functions, and names of the official module and of the function in it that evaluates calls: calling them is real Python, which
/// is not run here.
const BEYOND: &[&str] = &[
    "abs",
    "aiter",
    "all",
    "anext",
    "any",
    "ascii",
    "bin",
    "bool",
    "breakpoint",
    "bytearray",
    "bytes",
    "callable",
    "chr",
    "classmethod",
    "compile",
    "complex",
    "copyright",
    "credits",
    "delattr",
    "dict",
    "dir",
    "divmod",
    "enumerate",
    "eval",
    "exec",
    "exit",
    "filter",
    "float",
    "format",
    "frozenset",
    "getattr",
    "globals",
    "hasattr",
    "hash",
    "help",
    "hex",
    "id",
    "input",
    "int",
    "isinstance",
    "issubclass",
    "iter",
    "len",
    "license",
    "list",
    "locals",
    "map",
    "max",
    "memoryview",
    "min",
    "next",
    "object",
    "oct",
    "open",
    "ord",
    "pow",
    "print",
    "property",
    "quit",
    "range",
    "repr",
    "reversed",
    "round",
    "set",
    "setattr",
    "slice",
    "sorted",
    "staticmethod",
    "str",
    "sum",
    "super",
    "tuple",
    "type",
    "vars",
    "zip",
    "copy",
    "importlib",
    "inspect",
    "json",
    "re",
    "CLASS_FILE_PATH_MAPPING",
    "STATELESS_CLASSES",
    "execute_multi_turn_func_call",
    "is_empty_execute_response",
    "_process_method_calls",
    "__import__",
    "__name__",
    "__doc__",
    "__file__",
    "__loader__",
    "__spec__",
    "__package__",
    "__builtins__",
    "__cached__",
    "__build_class__",
    "__debug__",
    "NotImplemented",
    "Ellipsis",
    "func_call_list",
    "initial_config",
    "involved_classes",
    "model_name",
    "test_entry_id",
    "long_context",
    "is_evaL_run",
    "class_method_name_mapping",
    "involved_instances",
    "class_name",
    "module_name",
    "instance_name",
    "module",
    "class_",
    "class_instance",
    "class_initial_config",
    "method_name",
    "method",
    "execution_results",
    "func_call",
    "func_call_copy",
    "func_call_result",
];

/// The name before the points of an attribute.
fn first_name(expression: &Expr) -> Option<&str> {
    match expression {
        Expr::Name(name) => Some(&**name),
        Expr::Attribute { value, .. } => first_name(value),
        _ => None,
    }
}

fn name_error(name: &str) -> Exception {
    let class = name.ends_with("Error")
        || name.ends_with("Exception")
        || name.ends_with("Warning")
        || name.ends_with("_instance");
    if class
        || BEYOND.contains(&name)
        || matches!(
            name,
            "KeyboardInterrupt"
                | "StopIteration"
                | "StopAsyncIteration"
                | "SystemExit"
                | "GeneratorExit"
                | "ExceptionGroup"
                | "BaseExceptionGroup"
        )
    {
        return Exception::unsupported(format!("the name {name} of Python"));
    }
    Exception::other(format!("name '{name}' is not defined"))
}

fn constant(c: &Constant) -> Fallible<Object> {
    Ok(c.value().map_or_else(|| Object::Printed("Ellipsis".into()), |v| Object::from(&v)))
}

/// The value of an expression without names and calls.
pub(super) fn literal(expression: &Expr) -> Fallible<Object> {
    evaluate(expression, None)
}

pub(super) fn evaluate(expression: &Expr, mut world: Option<&mut World>) -> Fallible<Object> {
    let mut all = |items: &[Expr]| -> Fallible<Vec<Object>> {
        items
            .iter()
            .map(|e| {
                if matches!(e, Expr::Starred(_)) {
                    Err(Exception::unsupported("unpacking"))
                } else {
                    evaluate(e, world.as_deref_mut())
                }
            })
            .collect()
    };
    match expression {
        Expr::Constant(c) => constant(c),
        Expr::List(items) => Ok(all(items)?.into()),
        Expr::Tuple(items) => Ok(Object::Tuple(Arc::new(all(items)?))),
        Expr::Set(items) => {
            let mut set: Vec<Object> = Vec::new();
            for x in all(items)? {
                x.check_hashable()?;
                if !set.contains(&x) {
                    set.push(x);
                }
            }
            Ok(Object::Set(Arc::new(set)))
        }
        Expr::Dict(items) => {
            let mut dict = Dict::default();
            for (key, value) in items {
                let Some(key) = key else { return Err(Exception::unsupported("unpacking")) };
                let key = evaluate(key, world.as_deref_mut())?;
                let value = evaluate(value, world.as_deref_mut())?;
                key.check_hashable()?;
                dict.insert(key, value);
            }
            Ok(dict.into())
        }
        Expr::Name(name) => Err(name_error(name)),
        Expr::Unary { operator, operand } => {
            let x = evaluate(operand, world)?;
            match operator {
                Unary::Not => Ok(Object::Bool(!x.truthy())),
                Unary::Minus | Unary::Plus => match &x {
                    Object::Float(f) => Ok(Object::Float(if *operator == Unary::Minus { -f } else { *f })),
                    Object::Complex(a, b) => {
                        Ok(if *operator == Unary::Minus { Object::Complex(-a, -b) } else { x })
                    }
                    _ => match x.integer() {
                        Some(i) => Ok(Object::from(if *operator == Unary::Minus { -i } else { i })),
                        None => {
                            let sign = if *operator == Unary::Minus { "-" } else { "+" };
                            Err(Exception::type_error(format!(
                                "bad operand type for unary {sign}: '{}'",
                                x.type_name()
                            )))
                        }
                    },
                },
                Unary::Invert => Err(Exception::unsupported("the operator ~")),
            }
        }
        Expr::Binary { operator, left, right } => {
            let x = evaluate(left, world.as_deref_mut())?;
            let y = evaluate(right, world)?;
            match operator {
                Binary::Add => add(&x, &y),
                Binary::Subtract => sub(&x, &y),
                Binary::Multiply => mul(&x, &y),
                Binary::Divide => divide(&x, &y),
                Binary::Power => power(&x, &y),
                _ => Err(Exception::unsupported("this operator")),
            }
        }
        Expr::Subscript { value, index } if !matches!(**index, Expr::Slice { .. }) => {
            let x = evaluate(value, world.as_deref_mut())?;
            let i = evaluate(index, world)?;
            item(&x, &i)
        }
        Expr::Call { function, arguments, keywords } => {
            let Expr::Name(name) = &**function else {
                // Of `a.b(c=1)` the first name is looked up before anything else, and there is none.
                return Err(match first_name(function) {
                    Some(name) => name_error(name),
                    None => Exception::unsupported("a call of something that is no name"),
                });
            };
            let Some(world) = world else { return Err(Exception::unsupported("a call")) };
            let known = super::world::find_method(name).filter(|m| world.has(m.class));
            if known.is_none() {
                // The name is looked up before the arguments are evaluated.
                return Err(name_error(name));
            }
            let mut positional = Vec::with_capacity(arguments.len());
            for e in arguments {
                if matches!(e, Expr::Starred(_)) {
                    return Err(Exception::unsupported("unpacking"));
                }
                positional.push(evaluate(e, Some(&mut *world))?);
            }
            let mut named = Vec::with_capacity(keywords.len());
            for k in keywords {
                let Some(key) = &k.name else { return Err(Exception::unsupported("unpacking")) };
                named.push((key.as_str(), evaluate(&k.value, Some(&mut *world))?));
            }
            world.call(name, positional, named)
        }
        _ => Err(Exception::unsupported("an expression beyond literals, operators and calls of methods")),
    }
}
