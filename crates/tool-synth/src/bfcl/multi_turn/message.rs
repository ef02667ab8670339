//! `MessageAPI`: users of a workspace and the messages they send.

use std::sync::Arc;

use smallvec::smallvec;

use super::error::{Exception, Fallible};
use super::object::{Dict, Object, dict};
use super::operators::{add_in_place, append, as_dict, contains, iterate, lower, set_item};
use super::random::Random;
use super::signature::{Method, m};
use super::{Attributes, Scenario, failure, or_default, seeded};

/// Its public methods.
pub(super) const METHODS: &[Method] = &[
    m!(list_users()),
    m!(get_user_id(user)),
    m!(message_login(user_id)),
    m!(message_get_login_status()),
    m!(send_message(receiver_id, message)),
    m!(delete_message(receiver_id)),
    m!(view_messages_sent()),
    m!(add_contact(user_name)),
    m!(search_messages(keyword)),
    m!(get_message_stats()),
];

/// The state.
#[derive(Clone, Debug)]
pub struct Messages {
    random: Random,
    generated_ids: Object,
    user_count: Object,
    user_map: Object,
    inbox: Object,
    message_count: Object,
    current_user: Object,
}

impl Messages {
    pub(super) fn load(scenario: &Scenario) -> Fallible<Self> {
        let user = |n: &'static str, id: &'static str| (n.into(), id.into());
        Ok(Messages {
            random: seeded(scenario, 200_191)?,
            generated_ids: or_default(scenario, "generated_ids", || Object::Set(Arc::default())),
            user_count: or_default(scenario, "user_count", || 4.into()),
            user_map: or_default(scenario, "user_map", || {
                Dict(vec![
                    user("Alice", "USR001"),
                    user("Bob", "USR002"),
                    user("Catherine", "USR003"),
                    user("Daniel", "USR004"),
                ])
                .into()
            }),
            inbox: or_default(scenario, "inbox", || {
                vec![
                    dict! {"USR002": "My name is Alice. I want to connect."},
                    dict! {"USR003": "Could you upload the file?"},
                    dict! {"USR004": "Could you upload the file?"},
                ]
                .into()
            }),
            message_count: or_default(scenario, "message_count", || 3.into()),
            current_user: or_default(scenario, "current_user", || Object::None),
        })
    }

    pub(super) fn attributes(&self) -> Attributes<'_> {
        smallvec![
            ("generated_ids", &self.generated_ids),
            ("user_count", &self.user_count),
            ("user_map", &self.user_map),
            ("inbox", &self.inbox),
            ("message_count", &self.message_count),
            ("current_user", &self.current_user),
        ]
    }

    fn user_ids(&self) -> Fallible<Vec<Object>> {
        Ok(as_dict(&self.user_map, "values")?.iter().map(|(_, id)| id.clone()).collect())
    }

    /// A number not given before.
    fn number(&mut self) -> Fallible<i64> {
        let Object::Set(given) = &mut self.generated_ids else {
            return Err(Exception::unsupported("generated_ids that is no set"));
        };
        loop {
            let id = self.random.integer(10_000, 99_999);
            if !given.contains(&Object::Int(id)) {
                Arc::make_mut(given).push(Object::Int(id));
                return Ok(id);
            }
        }
    }

    pub(super) fn call(&mut self, method: &str, a: &[Object]) -> Fallible<Object> {
        let needs_login = matches!(
            method,
            "send_message"
                | "delete_message"
                | "view_messages_sent"
                | "search_messages"
                | "get_message_stats"
        );
        if needs_login && !self.current_user.truthy() {
            return Ok(failure("No user is currently logged in."));
        }
        match method {
            "list_users" => Ok(dict! {"user_list": iterate(&self.user_map)?}),
            "get_user_id" => {
                if !contains(&self.user_map, &a[0])? {
                    return Ok(failure(format!("User '{}' not found in the workspace.", a[0])));
                }
                Ok(
                    dict! {"user_id": as_dict(&self.user_map, "get")?.get(&a[0]).cloned().unwrap_or(Object::None)},
                )
            }
            "message_login" => {
                if !self.user_ids()?.contains(&a[0]) {
                    return Ok(
                        dict! {"login_status": false, "message": format!("User ID '{}' not found.", a[0])},
                    );
                }
                self.current_user = a[0].clone();
                Ok(
                    dict! {"login_status": true, "message": format!("User '{}' logged in successfully.", a[0])},
                )
            }
            "message_get_login_status" => Ok(dict! {"login_status": self.current_user.truthy()}),
            "send_message" => {
                if !self.user_ids()?.contains(&a[0]) {
                    return Ok(failure(format!("Receiver ID '{}' not found.", a[0])));
                }
                let id = self.number()?;
                a[0].check_hashable()?;
                append(&mut self.inbox, Dict(vec![(a[0].clone(), a[1].clone())]).into())?;
                self.message_count = add_in_place(&self.message_count, &Object::Int(1))?;
                Ok(
                    dict! {"sent_status": true, "message_id": dict! {"new_id": id}, "message": format!("Message sent to '{}' successfully.", a[0])},
                )
            }
            "delete_message" => {
                let messages = iterate(&self.inbox)?;
                for message in messages.iter().rev() {
                    let (receiver, _) = first_entry(message)?;
                    if receiver == a[0] {
                        // The first equal message goes, which need not be the one found.
                        if let Object::List(inbox) = &mut self.inbox {
                            let at = inbox.iter().position(|m| m == message).expect("it was found there");
                            Arc::make_mut(inbox).remove(at);
                        }
                        return Ok(dict! {
                            "deleted_status": true, "receiver_id": receiver,
                            "message": format!("Receiver {}'s latest message deleted successfully.", a[0]),
                        });
                    }
                }
                Ok(failure(format!("Receiver ID {} not found.", a[0])))
            }
            "view_messages_sent" => {
                let mut sent = Dict::default();
                for message in iterate(&self.inbox)? {
                    let (receiver, content) = first_entry(&message)?;
                    match sent.get_mut(&receiver) {
                        Some(list) => append(list, content)?,
                        Option::None => sent.insert(receiver, vec![content].into()),
                    }
                }
                Ok(dict! {"messages": sent})
            }
            "add_contact" => {
                if contains(&self.user_map, &a[0])? {
                    return Ok(failure(format!("User name '{}' already exists.", a[0])));
                }
                self.user_count = add_in_place(&self.user_count, &Object::Int(1))?;
                let id = Object::from(format!("USR{}", zero_filled(&self.user_count.to_string())));
                if self.user_ids()?.contains(&id) {
                    return Ok(failure(format!("User ID '{id}' already exists.")));
                }
                set_item(&mut self.user_map, a[0].clone(), id.clone())?;
                Ok(
                    dict! {"added_status": true, "user_id": id, "message": format!("Contact '{}' added successfully.", a[0])},
                )
            }
            "search_messages" => {
                let keyword = lower(&a[0])?;
                let mut results = Vec::new();
                for message in iterate(&self.inbox)? {
                    let (receiver, content) = first_entry(&message)?;
                    if contains(&lower(&content)?, &keyword)? {
                        results.push(dict! {"receiver_id": receiver, "message": content});
                    }
                }
                Ok(dict! {"results": results})
            }
            "get_message_stats" => {
                let (mut received, mut contacts) = (0, Vec::new());
                for message in iterate(&self.inbox)? {
                    let (receiver, _) = first_entry(&message)?;
                    received += 1;
                    if !contacts.contains(&receiver) {
                        contacts.push(receiver);
                    }
                }
                Ok(
                    dict! {"stats": dict! {"received_count": received, "total_contacts": contacts.len() as i64}},
                )
            }
            _ => unreachable!("a method of the table"),
        }
    }
}

fn first_entry(message: &Object) -> Fallible<(Object, Object)> {
    as_dict(message, "items")?
        .iter()
        .next()
        .cloned()
        .ok_or_else(|| Exception::other("list index out of range"))
}

/// `text.zfill(3)`.
fn zero_filled(text: &str) -> String {
    match text.strip_prefix('-') {
        Some(digits) => format!("-{digits:0>2}"),
        Option::None => format!("{text:0>3}"),
    }
}
