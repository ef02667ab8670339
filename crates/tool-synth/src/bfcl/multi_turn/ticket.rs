//! `TicketAPI`: a queue of support tickets.

use std::sync::Arc;

use smallvec::smallvec;

use super::error::{Exception, Fallible};
use super::object::{Object, dict};
use super::operators::{add_in_place, append, as_dict, field, gt, item, iterate, lower, lt, set_item};
use super::signature::{Default::*, Method, m};
use super::{Attributes, Scenario, failure, or_default};

/// Its public methods.
pub(super) const METHODS: &[Method] = &[
    m!(create_ticket(title, description = Str(""), priority = Int(1))),
    m!(get_ticket(ticket_id)),
    m!(close_ticket(ticket_id)),
    m!(resolve_ticket(ticket_id, resolution)),
    m!(edit_ticket(ticket_id, updates)),
    m!(ticket_login(username, password)),
    m!(ticket_get_login_status()),
    m!(logout()),
    m!(get_user_tickets(status = None)),
];

/// The state.
#[derive(Clone, Debug)]
pub struct Tickets {
    ticket_queue: Object,
    ticket_counter: Object,
    current_user: Object,
}

impl Tickets {
    pub(super) fn load(scenario: &Scenario) -> Self {
        Tickets {
            ticket_queue: or_default(scenario, "ticket_queue", || Vec::new().into()),
            ticket_counter: or_default(scenario, "ticket_counter", || 1.into()),
            current_user: or_default(scenario, "current_user", || Object::None),
        }
    }

    pub(super) fn attributes(&self) -> Attributes<'_> {
        smallvec![
            ("ticket_queue", &self.ticket_queue),
            ("ticket_counter", &self.ticket_counter),
            ("current_user", &self.current_user),
        ]
    }

    /// The place of the first ticket with this number. A ticket without fields counts as none.
    fn find(&self, id: &Object) -> Fallible<Option<(usize, Object)>> {
        for (i, ticket) in iterate(&self.ticket_queue)?.into_iter().enumerate() {
            if field(&ticket, "id")? == *id {
                return Ok(Some((i, ticket)));
            }
        }
        Ok(Option::None)
    }

    fn set(&mut self, at: usize, key: Object, value: Object) -> Fallible<()> {
        match &mut self.ticket_queue {
            Object::List(queue) => set_item(&mut Arc::make_mut(queue)[at], key, value),
            other => Err(Exception::unsupported(format!("a ticket queue of type {}", other.type_name()))),
        }
    }

    pub(super) fn call(&mut self, method: &str, a: &[Object]) -> Fallible<Object> {
        match method {
            "create_ticket" => {
                if !self.current_user.truthy() {
                    return Ok(failure("User not authenticated. Please log in to create a ticket."));
                }
                let priority = &a[2];
                if lt(priority, &Object::Int(1))? || gt(priority, &Object::Int(5))? {
                    return Ok(failure("Invalid priority. Priority must be between 1 and 5."));
                }
                let ticket = dict! {
                    "id": self.ticket_counter.clone(), "title": a[0].clone(), "description": a[1].clone(),
                    "status": "Open", "priority": priority.clone(), "created_by": self.current_user.clone(),
                };
                append(&mut self.ticket_queue, ticket.clone())?;
                self.ticket_counter = add_in_place(&self.ticket_counter, &Object::Int(1))?;
                Ok(ticket)
            }
            "get_ticket" => Ok(self.find(&a[0])?.map_or_else(|| not_found(&a[0]), |(_, ticket)| ticket)),
            "close_ticket" => {
                let Some((at, ticket)) = self.find(&a[0])? else { return Ok(not_found(&a[0])) };
                if field(&ticket, "status")? == "Closed".into() {
                    return Ok(failure(format!("Ticket with ID {} is already closed.", a[0])));
                }
                self.set(at, "status".into(), "Closed".into())?;
                Ok(dict! {"status": format!("Ticket {} has been closed successfully.", a[0])})
            }
            "resolve_ticket" => {
                let Some((at, ticket)) = self.find(&a[0])? else { return Ok(not_found(&a[0])) };
                if field(&ticket, "status")? == "Resolved".into() {
                    return Ok(failure(format!("Ticket with ID {} is already resolved.", a[0])));
                }
                self.set(at, "status".into(), "Resolved".into())?;
                self.set(at, "resolution".into(), a[1].clone())?;
                Ok(dict! {"status": format!("Ticket {} has been resolved successfully.", a[0])})
            }
            "edit_ticket" => {
                let Some((at, _)) = self.find(&a[0])? else { return Ok(not_found(&a[0])) };
                let updates = as_dict(&a[1], "keys")?;
                let invalid: Vec<Object> = updates
                    .iter()
                    .map(|(k, _)| k)
                    .filter(|k| !matches!(k.as_str(), Some("title" | "description" | "status" | "priority")))
                    .cloned()
                    .collect();
                if !invalid.is_empty() {
                    if invalid.len() > 1 {
                        return Err(Exception::unsupported(
                            "the order of a set of strings, which hangs on Python's hash seed",
                        ));
                    }
                    return Ok(failure(format!(
                        "Invalid fields for update: {}",
                        super::operators::join(", ", &invalid)?
                    )));
                }
                for (key, value) in updates.iter() {
                    if !matches!(value, Object::None) {
                        self.set(at, key.clone(), value.clone())?;
                    }
                }
                Ok(dict! {"status": format!("Ticket {} has been updated successfully.", a[0])})
            }
            "ticket_login" => {
                let success = a[0].truthy() && a[1].truthy();
                if success {
                    self.current_user = a[0].clone();
                }
                Ok(dict! {"success": success})
            }
            "ticket_get_login_status" => Ok(dict! {"login_status": self.current_user.truthy()}),
            "logout" => {
                let success = self.current_user.truthy();
                if success {
                    self.current_user = Object::None;
                }
                Ok(dict! {"success": success})
            }
            "get_user_tickets" => {
                if !self.current_user.truthy() {
                    return Ok(vec![failure("User not authenticated. Please log in to view tickets.")].into());
                }
                let mut tickets = Vec::new();
                for ticket in iterate(&self.ticket_queue)? {
                    if item(&ticket, &"created_by".into())? == self.current_user {
                        tickets.push(ticket);
                    }
                }
                if a[0].truthy() {
                    let mut kept = Vec::new();
                    for ticket in tickets {
                        if lower(&field(&ticket, "status")?)? == lower(&a[0])? {
                            kept.push(ticket);
                        }
                    }
                    tickets = kept;
                }
                Ok(tickets.into())
            }
            _ => unreachable!("a method of the table"),
        }
    }
}

fn not_found(id: &Object) -> Object {
    failure(format!("Ticket with ID {id} not found."))
}
