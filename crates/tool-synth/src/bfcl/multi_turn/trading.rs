//! `TradingBot`: stocks, orders and an account.

use std::sync::Arc;

use smallvec::smallvec;

use super::dates;
use super::error::Fallible;
use super::long_context::LongContext;
use super::object::{Dict, Object, dict};
use super::operators::{
    Order, abs, add, add_in_place, append, as_dict, contains, field, gt, item, iterate, join, lower, mul,
    order, set_item, sub_named, to_float, to_int, two_decimals,
};
use super::random::Random;
use super::signature::{Default::*, Method, m};
use super::text::str_of;
use super::{Attributes, Scenario, failure, or_default, seeded};

/// Its public methods.
pub(super) const METHODS: &[Method] = &[
    m!(get_current_time()),
    m!(get_symbol_by_name(name)),
    m!(get_stock_info(symbol)),
    m!(get_order_details(order_id)),
    m!(cancel_order(order_id)),
    m!(place_order(order_type, symbol, price, amount)),
    m!(withdraw_funds(amount)),
    m!(get_account_info()),
    m!(trading_login(username, password)),
    m!(trading_get_login_status()),
    m!(trading_logout()),
    m!(fund_account(amount)),
    m!(remove_stock_from_watchlist(symbol)),
    m!(get_watchlist()),
    m!(get_order_history()),
    m!(get_transaction_history(start_date = None, end_date = None)),
    m!(get_available_stocks(sector)),
    m!(filter_stocks_by_price(stocks, min_price, max_price)),
    m!(add_to_watchlist(stock)),
    m!(notify_price_change(stocks, threshold)),
];

/// The default market: price, percent change, volume, averages over 5 and 20 days.
const STOCKS: &[(&str, [f64; 5])] = &[
    ("AAPL", [227.16, 0.17, 2.552, 227.11, 227.09]),
    ("GOOG", [2840.34, 0.24, 1.123, 2835.67, 2842.15]),
    ("TSLA", [667.92, -0.12, 1.654, 671.15, 668.20]),
    ("MSFT", [310.23, 0.09, 3.234, 309.88, 310.11]),
    ("NVDA", [220.34, 0.34, 1.234, 220.45, 220.67]),
    ("ALPH", [1320.45, -0.08, 1.567, 1321.12, 1325.78]),
    ("OMEG", [457.23, 0.12, 2.345, 456.78, 458.12]),
    ("QUAS", [725.89, -0.03, 1.789, 726.45, 728.00]),
    ("NEPT", [88.34, 0.19, 0.654, 88.21, 88.67]),
    ("SYNX", [345.67, 0.11, 2.112, 345.34, 346.12]),
    ("ZETA", [22.09, -0.05, 0.789, 22.12, 22.34]),
];

const SYMBOLS: &[(&str, &str)] = &[
    ("Apple", "AAPL"),
    ("Google", "GOOG"),
    ("Tesla", "TSLA"),
    ("Microsoft", "MSFT"),
    ("Nvidia", "NVDA"),
    ("Zeta Corp", "ZETA"),
    ("Alpha Tech", "ALPH"),
    ("Omega Industries", "OMEG"),
    ("Quasar Ltd.", "QUAS"),
    ("Neptune Systems", "NEPT"),
    ("Synex Solutions", "SYNX"),
    ("Amazon", "AMZN"),
    ("Gorilla", "GORI"),
];

/// The simulated present is 2024-09-01 10:30:00 UTC; transactions fall within a day of it.
const NOW: i64 = 1_725_186_600;
const DAY: i64 = 86_400;

/// The state.
#[derive(Clone, Debug)]
pub struct Trading {
    orders: Object,
    account_info: Object,
    authenticated: Object,
    market_status: Object,
    order_counter: Object,
    stocks: Object,
    watch_list: Object,
    transaction_history: Object,
    random: Random,
    long: Option<Arc<LongContext>>,
}

fn default_stocks() -> Object {
    let stock = |v: &[f64; 5]| dict! {"price": v[0], "percent_change": v[1], "volume": v[2], "MA(5)": v[3], "MA(20)": v[4]};
    Dict(STOCKS.iter().map(|(symbol, v)| ((*symbol).into(), stock(v))).collect()).into()
}

fn default_orders() -> Object {
    let order = |id: i64,
                 kind: &'static str,
                 symbol: &'static str,
                 price: f64,
                 amount: i64,
                 status: &'static str| {
        (
            id.into(),
            dict! {"id": id, "order_type": kind, "symbol": symbol, "price": price, "amount": amount, "status": status},
        )
    };
    Dict(vec![
        order(12_345, "Buy", "AAPL", 210.65, 10, "Completed"),
        order(12_446, "Sell", "GOOG", 2840.56, 5, "Pending"),
    ])
    .into()
}

impl Trading {
    pub(super) fn load(scenario: &Scenario, long: Option<&Arc<LongContext>>) -> Fallible<Self> {
        let mut orders = Dict::default();
        for (key, order) in as_dict(&or_default(scenario, "orders", default_orders), "items")?.iter() {
            let digits = key.as_str().is_some_and(|k| !k.is_empty() && k.bytes().all(|b| b.is_ascii_digit()));
            orders.insert(if digits { to_int(key)? } else { key.clone() }, order.clone());
        }
        Ok(Trading {
            orders: orders.into(),
            account_info: or_default(
                scenario,
                "account_info",
                || dict! {"account_id": 12_345, "balance": 10_000.0, "binding_card": 1_974_202_140_965_533},
            ),
            authenticated: or_default(scenario, "authenticated", || false.into()),
            market_status: or_default(scenario, "market_status", || "Closed".into()),
            order_counter: or_default(scenario, "order_counter", || 12_446.into()),
            stocks: or_default(scenario, "stocks", default_stocks),
            watch_list: or_default(scenario, "watch_list", || vec!["NVDA".into()].into()),
            transaction_history: or_default(scenario, "transaction_history", || Vec::new().into()),
            random: seeded(scenario, 1_053_520)?,
            long: long.cloned(),
        })
    }

    pub(super) fn attributes(&self) -> Attributes<'_> {
        smallvec![
            ("orders", &self.orders),
            ("account_info", &self.account_info),
            ("authenticated", &self.authenticated),
            ("market_status", &self.market_status),
            ("order_counter", &self.order_counter),
            ("stocks", &self.stocks),
            ("watch_list", &self.watch_list),
            ("transaction_history", &self.transaction_history),
        ]
    }

    fn timestamp(&mut self) -> Object {
        let seconds = self.random.integer(NOW, NOW + DAY);
        let (day, rest) = (1 + seconds / DAY - NOW / DAY, seconds % DAY);
        format!("2024-09-{day:02} {:02}:{:02}:{:02}", rest / 3600, rest / 60 % 60, rest % 60).into()
    }

    /// Changes the balance by `amount` and writes it down.
    fn transact(&mut self, kind: &'static str, amount: &Object) -> Fallible<Object> {
        let balance = field(&self.account_info, "balance")?;
        let new = if kind == "deposit" {
            add_in_place(&balance, amount)?
        } else {
            sub_named("-=", &balance, amount)?
        };
        set_item(&mut self.account_info, "balance".into(), new.clone())?;
        let timestamp = self.timestamp();
        append(
            &mut self.transaction_history,
            dict! {"type": kind, "amount": amount.clone(), "timestamp": timestamp},
        )?;
        Ok(new)
    }

    pub(super) fn call(&mut self, method: &str, a: &[Object]) -> Fallible<Object> {
        let purpose = match method {
            "place_order" => "place an order",
            "withdraw_funds" => "make a transaction",
            "get_account_info" => "view account information",
            "fund_account" => "fund the account",
            "remove_stock_from_watchlist" => "modify the watchlist",
            "get_watchlist" => "view the watchlist",
            "get_order_history" => "view order history",
            "get_transaction_history" => "view transaction history",
            _ => "",
        };
        if !purpose.is_empty() && !self.authenticated.truthy() {
            let text = format!("User not authenticated. Please log in to {purpose}.");
            return Ok(match method {
                "get_watchlist" => vec![Object::from(format!("Error: {text}"))].into(),
                "get_order_history" | "get_transaction_history" => vec![failure(text)].into(),
                _ => failure(text),
            });
        }
        match method {
            "get_current_time" => Ok(dict! {"current_time": "10:30 AM"}),
            "get_symbol_by_name" => {
                a[0].check_hashable()?;
                let symbol = SYMBOLS
                    .iter()
                    .find(|(name, _)| a[0].as_str() == Some(name))
                    .map_or("Stock not found", |(_, symbol)| symbol);
                Ok(dict! {"symbol": symbol})
            }
            "get_stock_info" => {
                if !contains(&self.stocks, &a[0])? {
                    return Ok(failure(format!("Stock with symbol '{}' not found.", a[0])));
                }
                let mut stock = item(&self.stocks, &a[0])?;
                if let Some(long) = &self.long {
                    set_item(&mut stock, "MA(5)".into(), long.ma_5.clone())?;
                    set_item(&mut stock, "MA(20)".into(), long.ma_20.clone())?;
                }
                Ok(stock)
            }
            "get_order_details" => self.order_details(&a[0]),
            "cancel_order" => {
                if !contains(&self.orders, &a[0])? {
                    return Ok(failure(format!("Order with ID {} not found.", a[0])));
                }
                let mut order = item(&self.orders, &a[0])?;
                if field(&order, "status")?.as_str() == Some("Completed") {
                    return Ok(failure(format!("Can't cancel order {}. Order is already completed.", a[0])));
                }
                set_item(&mut order, "status".into(), "Cancelled".into())?;
                set_item(&mut self.orders, a[0].clone(), order)?;
                Ok(dict! {"order_id": a[0].clone(), "status": "Cancelled"})
            }
            "place_order" => self.place_order(&a[0], &a[1], &a[2], &a[3]),
            "withdraw_funds" => {
                if self.market_status.as_str() != Some("Open") {
                    return Ok(failure("Market is closed. Transactions are not allowed."));
                }
                if order(&a[0], &Object::Int(0), Order::Le)? {
                    return Ok(failure("Transaction amount must be positive."));
                }
                if gt(&a[0], &field(&self.account_info, "balance")?)? {
                    return Ok(failure("Insufficient funds for withdrawal."));
                }
                let balance = self.transact("withdrawal", &a[0])?;
                Ok(dict! {"status": "Withdrawal successful", "new_balance": balance})
            }
            "get_account_info" => Ok(self.account_info.clone()),
            "trading_login" => {
                if self.authenticated.truthy() {
                    return Ok(dict! {"status": "Already logged in"});
                }
                self.authenticated = true.into();
                Ok(dict! {"status": "Logged in successfully"})
            }
            "trading_get_login_status" => Ok(dict! {"status": self.authenticated.truthy()}),
            "trading_logout" => {
                if !self.authenticated.truthy() {
                    return Ok(dict! {"status": "No user is currently logged in"});
                }
                self.authenticated = false.into();
                Ok(dict! {"status": "Logged out successfully"})
            }
            "fund_account" => {
                if order(&a[0], &Object::Int(0), Order::Le)? {
                    return Ok(failure("Funding amount must be positive."));
                }
                let balance = self.transact("deposit", &a[0])?;
                Ok(dict! {"status": "Account funded successfully", "new_balance": balance})
            }
            "remove_stock_from_watchlist" => {
                if !contains(&self.watch_list, &a[0])? {
                    return Ok(failure(format!("Stock {} not found in watchlist.", a[0])));
                }
                super::remove(&mut self.watch_list, &a[0])?;
                Ok(dict! {"status": format!("Stock {} removed from watchlist successfully.", a[0])})
            }
            "get_watchlist" => match &self.long {
                Some(long) => add(&self.watch_list, &long.watch_list),
                Option::None => Ok(dict! {"watchlist": self.watch_list.clone()}),
            },
            "get_order_history" => Ok(dict! {"history": iterate(&self.orders)?}),
            "get_transaction_history" => self.transactions(&a[0], &a[1]),
            "get_available_stocks" => {
                a[0].check_hashable()?;
                let long = self.long.as_deref();
                let (own, more): (&[&'static str], _) = match a[0].as_str() {
                    Some("Technology") => (&["AAPL", "GOOG", "MSFT", "NVDA"], long.map(|l| &l.technology)),
                    Some("Automobile") => (&["TSLA", "F", "GM"], long.map(|l| &l.automobile)),
                    _ => (&[], Option::None),
                };
                let mut list: Vec<Object> = own.iter().map(|s| Object::from(*s)).collect();
                if let Some(more) = more {
                    list.extend(iterate(more)?);
                }
                Ok(dict! {"stock_list": list})
            }
            "filter_stocks_by_price" => {
                let mut kept = Vec::new();
                for symbol in iterate(&a[0])? {
                    symbol.check_hashable()?;
                    let stock = as_dict(&self.stocks, "get")?.get(&symbol);
                    let price = match stock {
                        Some(stock) => {
                            as_dict(stock, "get")?.get_str("price").cloned().unwrap_or(Object::Int(0))
                        }
                        Option::None => Object::Int(0),
                    };
                    if order(&price, &a[1], Order::Ge)? && order(&price, &a[2], Order::Le)? {
                        kept.push(symbol);
                    }
                }
                Ok(dict! {"filtered_stocks": kept})
            }
            "add_to_watchlist" => {
                if !contains(&self.watch_list, &a[0])? && contains(&self.stocks, &a[0])? {
                    append(&mut self.watch_list, a[0].clone())?;
                }
                Ok(dict! {"watchlist": self.watch_list.clone()})
            }
            "notify_price_change" => {
                let mut changed = Vec::new();
                for symbol in iterate(&a[0])? {
                    if contains(&self.stocks, &symbol)? {
                        let change = abs(&field(&item(&self.stocks, &symbol)?, "percent_change")?)?;
                        if order(&change, &a[1], Order::Ge)? {
                            changed.push(symbol);
                        }
                    }
                }
                if changed.is_empty() {
                    return Ok(
                        dict! {"notification": "No significant price changes in the selected stocks."},
                    );
                }
                Ok(
                    dict! {"notification": format!("Stocks {} have significant price changes.", join(", ", &changed)?)},
                )
            }
            _ => unreachable!("a method of the table"),
        }
    }

    fn order_details(&self, id: &Object) -> Fallible<Object> {
        if !contains(&self.orders, id)? {
            let known = Object::from(iterate(&self.orders)?);
            return Ok(failure(format!(
                "Order with ID {id} not found.Here is the list of orders_id: {known}"
            )));
        }
        let mut order = item(&self.orders, id)?;
        if let Some(long) = &self.long {
            let symbol = str_of(&field(&order, "symbol")?);
            let metadata = as_dict(&long.order_details, "items")?
                .iter()
                .map(|(k, v)| (k.clone(), Object::from(str_of(v).replace("{symbol}", &symbol))))
                .collect();
            set_item(&mut order, "metadata".into(), Dict(metadata).into())?;
        }
        Ok(order)
    }

    fn place_order(
        &mut self,
        kind: &Object,
        symbol: &Object,
        price: &Object,
        amount: &Object,
    ) -> Fallible<Object> {
        if !contains(&self.stocks, symbol)? {
            return Ok(failure(format!("Invalid stock symbol: {symbol}")));
        }
        let zero = Object::Int(0);
        if order(price, &zero, Order::Le)? || order(amount, &zero, Order::Le)? {
            return Ok(failure("Price and amount must be positive values."));
        }
        if lower(kind)?.as_str() == Some("buy") {
            let cost = mul(&Object::Float(to_float(price)?), &to_int(amount)?)?;
            let balance = as_dict(&self.account_info, "get")?.get_str("balance").cloned().unwrap_or(zero);
            if gt(&cost, &balance)? {
                return Ok(failure(format!(
                    "Insufficient funds: required ${} but only ${} available.",
                    two_decimals(&cost)?,
                    two_decimals(&balance)?
                )));
            }
        }
        let price = to_float(price)?;
        let id = self.order_counter.clone();
        let order = dict! {
            "id": id.clone(), "order_type": kind.clone(), "symbol": symbol.clone(), "price": price, "amount": amount.clone(), "status": "Open",
        };
        set_item(&mut self.orders, id.clone(), order)?;
        self.order_counter = add_in_place(&id, &Object::Int(1))?;
        Ok(
            dict! {"order_id": id, "order_type": kind.clone(), "status": "Pending", "price": price, "amount": amount.clone()},
        )
    }

    fn transactions(&self, start: &Object, end: &Object) -> Fallible<Object> {
        let bound = |date: &Object, open: dates::Moment| {
            if date.truthy() { dates::parse(date, "%Y-%m-%d") } else { Ok(open) }
        };
        let start = bound(start, [1, 1, 1, 0, 0, 0])?;
        let end = bound(end, [9999, 12, 31, 23, 59, 60])?;
        let mut kept = Vec::new();
        for transaction in iterate(&self.transaction_history)? {
            let time = dates::parse(&field(&transaction, "timestamp")?, "%Y-%m-%d %H:%M:%S")?;
            if start <= time && time <= end {
                kept.push(transaction);
            }
        }
        if let Some(long) = &self.long {
            kept.extend(iterate(&long.transaction_history)?);
        }
        Ok(dict! {"transaction_history": kept})
    }
}
