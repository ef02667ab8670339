//! The forms of an action agree: what is rendered is read back, whatever it holds, and nothing that comes in makes the parser
//! panic.

use agents::action::{
    Action, ActionSet, AgentRole, AnalystAction, InterpreterAction, ManagerAction, ReflectorAction,
    SearcherAction, Subject,
};
use agents::grammar;
use agents::parser::{Rung, parse};
use agents::request::Request;
use proptest::prelude::*;
use rec_core::{Json, ToolCall};

fn id() -> impl Strategy<Value = String> {
    "[A-Za-z0-9][A-Za-z0-9:.-]{0,8}".prop_filter("looks like a prefix", |id| {
        !id.to_lowercase().starts_with("user") && !id.to_lowercase().starts_with("item")
    })
}

fn request() -> impl Strategy<Value = Request> {
    (prop::collection::vec(id(), 0..3), prop::option::of(1900_u16..2030), any::<Option<u32>>())
        .prop_map(|(liked, from_year, count)| Request { liked, from_year, count, ..Request::default() })
}

fn delegated() -> impl Strategy<Value = ManagerAction> {
    prop_oneof![
        (any::<bool>(), id()).prop_map(|(user, id)| ManagerAction::Analyse {
            kind: if user { Subject::User } else { Subject::Item },
            id
        }),
        any::<String>().prop_map(|requirement| ManagerAction::Search { requirement }),
        any::<String>().prop_map(|content| ManagerAction::Interpret { content }),
    ]
}

fn action() -> impl Strategy<Value = Action> {
    let manager = prop_oneof![
        delegated(),
        prop::collection::vec(delegated(), 1..4).prop_map(|steps| ManagerAction::Plan { steps }),
    ];
    let count = 1_u32..1000;
    let analyst = prop_oneof![
        (id(), count.clone()).prop_map(|(user, k)| AnalystAction::UserHistory { user, k }),
        (id(), id()).prop_map(|(user, item)| AnalystAction::PredictRating { user, item }),
        (id(), any::<String>()).prop_map(|(user, set)| AnalystAction::RankCandidates { user, set }),
        (id(), id(), count.clone()).prop_map(|(user, item, k)| AnalystAction::SimilarUsers { user, item, k }),
        any::<String>().prop_map(|report| AnalystAction::Finish { report }),
    ];
    let searcher = prop_oneof![
        (any::<String>(), any::<String>()).prop_map(|(set, query)| SearcherAction::Search { set, query }),
        request().prop_map(|request| SearcherAction::Recommend { request }),
        (id(), request()).prop_map(|(item, request)| SearcherAction::Why { item, request }),
        (any::<String>(), request()).prop_map(|(set, request)| SearcherAction::Filter { set, request }),
    ];
    let interpreter = prop_oneof![
        Just(InterpreterAction::Understand {}),
        count.prop_map(|sentences| InterpreterAction::Summarize { sentences }),
        any::<String>().prop_map(|prompt| InterpreterAction::Finish { prompt }),
    ];
    prop_oneof![
        manager.prop_map(Action::Manager),
        analyst.prop_map(Action::Analyst),
        searcher.prop_map(Action::Searcher),
        interpreter.prop_map(Action::Interpreter),
        (any::<bool>(), any::<String>()).prop_map(|(correctness, reason)| Action::Reflector(
            ReflectorAction::Verdict { correctness, reason }
        )),
    ]
}

proptest! {
    #[test]
    fn every_form_gives_the_action_back(action in action()) {
        let role = action.role();
        prop_assert_eq!(Action::from_json(role, &action.to_json()), Ok(action.clone()));
        let text = action.to_text();
        prop_assert_eq!(Action::from_text(role, &text), Ok(action.clone()), "{}", text);
        prop_assert_eq!(parse(role, &action.to_json().to_string(), &[]), Ok((action.clone(), Rung::Json)));
        let through_serde: Action = serde_json::from_str(&serde_json::to_string(&action).unwrap()).unwrap();
        prop_assert_eq!(&through_serde, &action);
        let (index, values) = action.parts();
        let spec = &role.specs()[index];
        let arguments: Json = spec.arguments.iter().map(|argument| argument.name).zip(values).collect();
        prop_assert_eq!(parse(role, "", &[ToolCall::new("1", spec.name, arguments)]), Ok((action, Rung::Native)));
    }

    #[test]
    fn nothing_makes_the_parser_panic(text in any::<String>(), json in "[\\[\\]{}\",:a-zA-Z0-9 \\\\]{0,60}") {
        for role in AgentRole::ALL {
            let _ = parse(role, &text, &[]);
            let _ = parse(role, &json, &[]);
            let _ = parse(role, &format!("Finish[{json}"), &[]);
            let _ = parse(role, &format!("Plan[{json}]"), &[]);
            let _ = parse(role, "", &[ToolCall::new("", &text, Json::from(json.as_str()))]);
        }
    }
}

#[test]
fn everything_that_is_told_of_actions_names_all_of_them() {
    for role in AgentRole::ALL {
        let (list, table, rules) =
            (grammar::prompt_list(role.specs().iter()), grammar::markdown(role), grammar::gbnf(role));
        let tools = grammar::native_tools(role.specs().iter());
        let schema = grammar::schema(role.specs().iter());
        assert_eq!(
            schema.pointer("/anyOf").and_then(Json::as_array).map(<[Json]>::len),
            Some(role.specs().len())
        );
        for (spec, tool) in role.specs().iter().zip(&tools) {
            let usage = grammar::usage(spec);
            assert!(list.contains(&usage) && table.contains(&usage), "{usage}");
            assert!(rules.contains(&format!("\"{}[\"", spec.name)), "{rules}");
            assert_eq!(tool.name, spec.name);
            if let Some(name) = spec.tool {
                let known = agents::tool::Tool::named(name).unwrap_or_else(|| panic!("{name} is no tool"));
                assert!(known.roles.contains(&role), "{name} is not the {role}'s");
                let names = |arguments: &[agents::action::ArgumentSpec]| {
                    arguments.iter().map(|a| a.name).collect::<Vec<_>>()
                };
                assert_eq!(names(spec.arguments), names(known.arguments), "{name}");
            }
        }
    }
    assert_eq!(ManagerAction::SPECS.len(), 5);
}
