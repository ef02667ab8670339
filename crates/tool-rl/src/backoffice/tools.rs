//! The tools of the back office and what they do.

use std::sync::Arc;

use rec_core::json::Object;
use rec_core::{Json, ToolSpec};

use super::world::{
    CITIES, CURRENCIES, DEPOTS, EMPLOYEES, ITEMS, LABELS, NAMES, NUMBERS, Order, SCOPES, World,
};
use crate::Result;
use crate::env::failure::FailureConfig;
use crate::env::server::{Handler, Refusal, ServerTool, ToolServer};
use crate::env::{FINISH, Status, chance};

/// What a parameter takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Domain {
    Name,
    Label,
    Employee,
    Item,
    City,
    Depot,
    Currency,
    Order,
    Scope,
    Token,
    Number,
    Kind,
    Anything,
}

impl Domain {
    /// Of a parameter's name, which means the same in every tool.
    pub(super) fn of(parameter: &str) -> Self {
        match parameter {
            "name" => Self::Name,
            "label" => Self::Label,
            "emp" => Self::Employee,
            "item" => Self::Item,
            "city" => Self::City,
            "depot" => Self::Depot,
            "from" | "to" => Self::Currency,
            "order" => Self::Order,
            "scope" => Self::Scope,
            "token" => Self::Token,
            "amount" | "a" | "b" => Self::Number,
            "kind" => Self::Kind,
            _ => Self::Anything,
        }
    }

    fn schema(self) -> String {
        let pattern = |prefix: &str| format!(r#"{{"type":"string","pattern":"^{prefix}[0-9]+$"}}"#);
        let one_of = |values: &[&str]| {
            let values: Json = Json::Array(values.iter().map(|&value| value.into()).collect());
            format!(r#"{{"type":"string","enum":{values}}}"#)
        };
        match self {
            Self::Name | Self::Label | Self::City => r#"{"type":"string","minLength":1}"#.to_owned(),
            Self::Employee => pattern("e"),
            Self::Item => pattern("i"),
            Self::Depot => pattern("d"),
            Self::Order => pattern("o"),
            Self::Token => pattern("k"),
            Self::Currency => one_of(&CURRENCIES),
            Self::Scope => one_of(&SCOPES),
            Self::Kind => one_of(&["value", "give_up"]),
            Self::Number => format!(r#"{{"type":"integer","minimum":0,"maximum":{}}}"#, NUMBERS - 1),
            Self::Anything => "{}".to_owned(),
        }
    }
}

/// A tool with its parameters; the last `optional` of them may be left out.
struct Row {
    name: &'static str,
    description: &'static str,
    parameters: &'static [&'static str],
    optional: usize,
}

const fn row(name: &'static str, description: &'static str, parameters: &'static [&'static str]) -> Row {
    Row { name, description, parameters, optional: 0 }
}

fn spec(row: &Row) -> ToolSpec {
    let properties: Vec<String> =
        row.parameters.iter().map(|name| format!(r#""{name}":{}"#, Domain::of(name).schema())).collect();
    let required = &row.parameters[..row.parameters.len() - row.optional];
    let required = Json::Array(required.iter().map(|&name| name.into()).collect());
    let schema = format!(
        r#"{{"type":"object","properties":{{{}}},"required":{required},"additionalProperties":false}}"#,
        properties.join(",")
    );
    let schema = schema.parse().expect("schemas are put together from the constants of this module");
    ToolSpec::new(row.name, row.description, schema)
}

/// Tools that do what they say.
pub(super) const USEFUL: [&str; 14] = [
    "find_employee",
    "get_employee",
    "find_item",
    "get_price",
    "nearest_depot",
    "get_stock",
    "quote_shipping",
    "convert",
    "add",
    "latest_order",
    "get_order",
    "request_token",
    "create_order",
    "refund_order",
];
/// Tools from old tables: the name in training, the name in the split `decoy`, the tool they resemble.
pub(super) const DECOYS: [(&str, &str, &str); 4] = [
    ("find_employee_old", "lookup_employee", "find_employee"),
    ("find_item_old", "lookup_item", "find_item"),
    ("get_price_cached", "price_quick", "get_price"),
    ("get_stock_cached", "stock_quick", "get_stock"),
];
/// Tools that never help.
pub(super) const USELESS: [&str; 2] = ["search_docs", "city_weather"];

/// `Finish(kind, value)`.
pub(super) fn finish() -> ToolSpec {
    spec(&Row {
        name: FINISH,
        description: "Ends the task with a value, or gives it up.",
        parameters: &["kind", "value"],
        optional: 1,
    })
}

/// The server with all tools, decoys under both names.
pub(super) fn server(failures: FailureConfig) -> Result<Arc<ToolServer<World>>> {
    let mut tools = Vec::new();
    let mut add = |row: Row, handler: Handler<World>, mutates: bool| {
        tools.push(ServerTool { spec: spec(&row), handler, mutates });
    };
    add(row("find_employee", "The id of an employee by name.", &["name"]), find_employee, false);
    add(row("get_employee", "City and currency of an employee.", &["emp"]), get_employee, false);
    add(row("find_item", "The id of an item by label.", &["label"]), find_item, false);
    add(row("get_price", "Price and currency of an item.", &["item"]), get_price, false);
    add(row("nearest_depot", "The depot nearest to a city.", &["city"]), nearest_depot, false);
    add(row("get_stock", "How many of an item are in a depot.", &["item", "depot"]), get_stock, false);
    add(
        row("quote_shipping", "The fee from a depot to a city, in the goods' currency.", &["depot", "city"]),
        quote_shipping,
        false,
    );
    add(row("convert", "An amount in another currency.", &["amount", "from", "to"]), convert, false);
    add(row("add", "The sum of two amounts.", &["a", "b"]), add_amounts, false);
    add(row("latest_order", "The last order of an employee.", &["emp"]), latest_order, false);
    add(row("get_order", "Item, depot and currency of an order.", &["order"]), get_order, false);
    add(row("request_token", "A token for a scope.", &["scope"]), request_token, true);
    add(
        row("create_order", "Orders an item from a depot.", &["token", "emp", "item", "depot"]),
        create_order,
        true,
    );
    add(row("refund_order", "Pays an order back.", &["token", "order", "amount"]), refund_order, true);
    for decoy in 0..2 {
        let name = |at: usize| if decoy == 0 { DECOYS[at].0 } else { DECOYS[at].1 };
        add(row(name(0), "Finds an employee quickly.", &["name"]), find_employee_old, false);
        add(row(name(1), "Finds an item quickly.", &["label"]), find_item_old, false);
        add(row(name(2), "The price of an item, quickly.", &["item"]), get_price_cached, false);
        add(row(name(3), "How many of an item there are, quickly.", &["item"]), get_stock_cached, false);
    }
    add(row("search_docs", "Searches the handbook.", &["query"]), search_docs, false);
    add(row("city_weather", "The weather in a city.", &["city"]), city_weather, false);
    ToolServer::new(tools, failures)
}

type Answer = Result<Json, Refusal>;

fn members<const N: usize>(members: [(&str, Json); N]) -> Answer {
    Ok(members.into_iter().collect())
}

fn text<'a>(arguments: &'a Object, key: &str) -> &'a str {
    arguments.get(key).and_then(Json::as_str).unwrap_or_default()
}

fn number(arguments: &Object, key: &str) -> i64 {
    arguments.get(key).and_then(Json::as_i64).unwrap_or_default()
}

/// The place in a list of words.
fn word(arguments: &Object, key: &str, words: &[&str]) -> Result<usize, Refusal> {
    let given = text(arguments, key);
    words.iter().position(|word| *word == given).ok_or_else(|| Refusal::bad_input(format!("unknown {key}")))
}

/// The number of an identifier such as `e7`.
fn id(arguments: &Object, key: &str, count: usize) -> Result<usize, Refusal> {
    let number = text(arguments, key).get(1..).and_then(|digits| digits.parse().ok());
    number.filter(|&number| number < count).ok_or_else(|| Refusal::bad_input(format!("unknown {key}")))
}

fn employee_place(world: &World, arguments: &Object) -> Result<usize, Refusal> {
    let name = word(arguments, "name", &NAMES)?;
    let place = world.register.employees.iter().position(|employee| employee.name == name);
    place.ok_or_else(|| Refusal::bad_input("unknown name"))
}

fn item_place(world: &World, arguments: &Object) -> Result<usize, Refusal> {
    let label = word(arguments, "label", &LABELS)?;
    let place = world.register.items.iter().position(|item| item.label == label);
    place.ok_or_else(|| Refusal::bad_input("unknown label"))
}

fn old() -> Refusal {
    Refusal { status: Status::NotWorking, what: "the old table has no such entry".to_owned() }
}

fn find_employee(world: &mut World, arguments: &Object) -> Answer {
    members([("emp", format!("e{}", employee_place(world, arguments)?).into())])
}

fn find_employee_old(world: &mut World, arguments: &Object) -> Answer {
    let place = employee_place(world, arguments)?;
    let told = world.stale("employees", place, EMPLOYEES).ok_or_else(old)?;
    members([("emp", format!("e{told}").into())])
}

fn get_employee(world: &mut World, arguments: &Object) -> Answer {
    let employee = &world.register.employees[id(arguments, "emp", EMPLOYEES)?];
    members([("city", CITIES[employee.city].into()), ("currency", CURRENCIES[employee.currency].into())])
}

fn find_item(world: &mut World, arguments: &Object) -> Answer {
    members([("item", format!("i{}", item_place(world, arguments)?).into())])
}

fn find_item_old(world: &mut World, arguments: &Object) -> Answer {
    let place = item_place(world, arguments)?;
    let told = world.stale("items", place, ITEMS).ok_or_else(old)?;
    members([("item", format!("i{told}").into())])
}

fn price_of(world: &World, place: usize) -> Answer {
    let item = &world.register.items[place];
    members([("price", item.price.into()), ("currency", CURRENCIES[item.currency].into())])
}

fn get_price(world: &mut World, arguments: &Object) -> Answer {
    price_of(world, id(arguments, "item", ITEMS)?)
}

fn get_price_cached(world: &mut World, arguments: &Object) -> Answer {
    let place = id(arguments, "item", ITEMS)?;
    price_of(world, world.stale("prices", place, ITEMS).ok_or_else(old)?)
}

fn nearest_depot(world: &mut World, arguments: &Object) -> Answer {
    let city = word(arguments, "city", &CITIES)?;
    members([("depot", format!("d{}", world.nearest_depot(city)).into())])
}

fn get_stock(world: &mut World, arguments: &Object) -> Answer {
    let (item, depot) = (id(arguments, "item", ITEMS)?, id(arguments, "depot", DEPOTS)?);
    members([("stock", world.stock[item][depot].into())])
}

fn get_stock_cached(world: &mut World, arguments: &Object) -> Answer {
    let item = id(arguments, "item", ITEMS)?;
    let depot = world.stale("stock", item, ITEMS).ok_or_else(old)? % DEPOTS;
    members([("stock", world.stock[item][depot].into())])
}

fn quote_shipping(world: &mut World, arguments: &Object) -> Answer {
    let (depot, city) = (id(arguments, "depot", DEPOTS)?, word(arguments, "city", &CITIES)?);
    members([("fee", world.register.fees[depot][city].into())])
}

fn convert(world: &mut World, arguments: &Object) -> Answer {
    let (from, to) = (word(arguments, "from", &CURRENCIES)?, word(arguments, "to", &CURRENCIES)?);
    let amount = world.convert(number(arguments, "amount"), from, to);
    if amount >= NUMBERS {
        Err(Refusal::bad_input("out of range"))
    } else {
        members([("amount", amount.into())])
    }
}

fn add_amounts(_: &mut World, arguments: &Object) -> Answer {
    let sum = number(arguments, "a") + number(arguments, "b");
    if sum >= NUMBERS { Err(Refusal::bad_input("out of range")) } else { members([("sum", sum.into())]) }
}

fn latest_order(world: &mut World, arguments: &Object) -> Answer {
    let employee = id(arguments, "emp", EMPLOYEES)?;
    let order = world.orders.iter().rposition(|order| order.employee == employee);
    let order = order.ok_or_else(|| Refusal::bad_input("no order"))?;
    members([("order", format!("o{order}").into())])
}

fn get_order(world: &mut World, arguments: &Object) -> Answer {
    let order = &world.orders[id(arguments, "order", world.orders.len())?];
    members([
        ("item", format!("i{}", order.item).into()),
        ("depot", format!("d{}", order.depot).into()),
        ("currency", CURRENCIES[order.currency].into()),
    ])
}

fn request_token(world: &mut World, arguments: &Object) -> Answer {
    let scope = word(arguments, "scope", &SCOPES)?;
    world.granted[scope] = true;
    members([("token", format!("k{}", world.register.tokens[scope]).into())])
}

fn permit(world: &World, arguments: &Object, scope: usize) -> Result<(), Refusal> {
    let expected = format!("k{}", world.register.tokens[scope]);
    if world.granted[scope] && text(arguments, "token") == expected {
        Ok(())
    } else {
        Err(Refusal::unauthorised("the token does not allow this"))
    }
}

fn create_order(world: &mut World, arguments: &Object) -> Answer {
    permit(world, arguments, 0)?;
    let employee = id(arguments, "emp", EMPLOYEES)?;
    let (item, depot) = (id(arguments, "item", ITEMS)?, id(arguments, "depot", DEPOTS)?);
    if world.stock[item][depot] == 0 {
        return Err(Refusal::bad_input("out of stock"));
    }
    world.stock[item][depot] -= 1;
    let currency = world.register.employees[employee].currency;
    world.orders.push(Order { employee, item, depot, currency, refunded: None });
    members([("order", format!("o{}", world.orders.len() - 1).into())])
}

fn refund_order(world: &mut World, arguments: &Object) -> Answer {
    permit(world, arguments, 1)?;
    let order = id(arguments, "order", world.orders.len())?;
    if world.orders[order].refunded.is_some() {
        return Err(Refusal::bad_input("refunded before"));
    }
    let amount = number(arguments, "amount");
    world.orders[order].refunded = Some(amount);
    members([("refunded", amount.into())])
}

fn search_docs(_: &mut World, _: &Object) -> Answer {
    members([("text", "none".into())])
}

fn city_weather(world: &mut World, arguments: &Object) -> Answer {
    let city = word(arguments, "city", &CITIES)?;
    let sunny = chance(world.register.seed, CITIES[city]) < 0.5;
    members([("weather", if sunny { "sun" } else { "rain" }.into())])
}
