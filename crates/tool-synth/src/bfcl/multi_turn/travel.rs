//! `TravelAPI`: flights, bookings, credit cards and exchange rates.

use std::sync::{Arc, LazyLock};

use super::arithmetic::{divide, round};
use super::dates;
use super::error::{Exception, Fallible, Kind};
use super::long_context::LongContext;
use super::object::{Dict, Object, dict};
use super::operators::{
    add_in_place, as_dict, contains, field, item, iterate, lt, mul, set_item, sub_named, to_float,
};
use super::random::Random;
use super::signature::{Default::*, Method, m};
use super::{Attributes, Scenario, failure, or_default, seeded};

/// Its public methods.
pub(super) const METHODS: &[Method] = &[
    m!(authenticate_travel(
        client_id,
        client_secret,
        refresh_token,
        grant_type,
        user_first_name,
        user_last_name
    )),
    m!(travel_get_login_status()),
    m!(get_budget_fiscal_year(lastModifiedAfter = None, includeRemoved = None)),
    m!(register_credit_card(
        access_token,
        card_number,
        expiration_date,
        cardholder_name,
        card_verification_number
    )),
    m!(get_flight_cost(travel_from, travel_to, travel_date, travel_class)),
    m!(get_credit_card_balance(access_token, card_id)),
    m!(book_flight(access_token, card_id, travel_date, travel_from, travel_to, travel_class)),
    m!(retrieve_invoice(access_token, booking_id = None, insurance_id = None)),
    m!(get_booking_history(access_token)),
    m!(list_all_airports()),
    m!(cancel_booking(access_token, booking_id)),
    m!(compute_exchange_rate(base_currency, target_currency, value)),
    m!(verify_traveler_information(first_name, last_name, date_of_birth, passport_number)),
    m!(set_budget_limit(access_token, budget_limit)),
    m!(get_nearest_airport_by_city(location)),
    m!(purchase_insurance(access_token, insurance_type, booking_id, insurance_cost, card_id)),
    m!(contact_customer_support(booking_id, message)),
    m!(get_all_credit_cards()),
];

/// Base prices in dollars: an airport of departure, then airports of arrival with the price from there.
const ROUTES: &[(&str, &str)] = &[
    (
        "SFO",
        "LAX=200 JFK=500 ORD=400 BOS=450 RMS=300 SBK=350 MPC=370 SVP=320 SHD=330 SSV=340 OKD=360 WLB=310 CRH=380 ATV=390 PHV=420 GFD=430 CIA=700",
    ),
    (
        "LAX",
        "SFO=100 JFK=600 ORD=500 BOS=550 RMS=310 SBK=320 MPC=330 SVP=340 SHD=350 SSV=360 OKD=370 WLB=380 CRH=390 ATV=400 PHV=410 GFD=420 HND=430",
    ),
    (
        "JFK",
        "ORD=300 BOS=250 RMS=450 SBK=460 MPC=470 SVP=480 SHD=490 SSV=500 OKD=510 WLB=520 CRH=530 ATV=540 PHV=550 GFD=560 LAX=570 HND=800 PVG=950 PEK=1000",
    ),
    (
        "ORD",
        "LAX=180 BOS=200 RMS=350 SBK=360 MPC=370 SVP=380 SHD=390 SSV=400 OKD=410 WLB=420 CRH=430 ATV=440 PHV=450 GFD=460",
    ),
    (
        "BOS",
        "RMS=400 SBK=410 MPC=420 SVP=430 SHD=440 SSV=450 OKD=460 WLB=470 CRH=480 ATV=490 PHV=500 GFD=510",
    ),
    (
        "RMS",
        "BOS=200 JFK=210 SBK=220 MPC=230 SVP=240 SHD=250 SSV=260 OKD=270 WLB=280 CRH=290 ATV=300 PHV=310 GFD=320 LAX=330",
    ),
    ("SBK", "MPC=200 SVP=210 SHD=220 SSV=230 OKD=240 WLB=250 CRH=260 ATV=270 PHV=280 GFD=290"),
    ("MPC", "SVP=210 SHD=220 SSV=230 OKD=240 WLB=250 CRH=260 ATV=270 PHV=280 GFD=290"),
    ("SVP", "SHD=230 SSV=240 OKD=250 WLB=260 CRH=270 ATV=280 PHV=290 GFD=300"),
    ("SHD", "SSV=220 OKD=230 WLB=240 CRH=250 ATV=260 PHV=270 GFD=280"),
    ("SSV", "OKD=240 WLB=250 CRH=260 ATV=270 PHV=280 GFD=290"),
    ("OKD", "WLB=230 CRH=240 ATV=250 PHV=260 GFD=270"),
    ("WLB", "CRH=250 ATV=260 PHV=270 GFD=280"),
    ("CRH", "ATV=240 PHV=250 GFD=260 SFO=270 RMS=280 HKG=290 JFK=300"),
    ("ATV", "PHV=230 GFD=240"),
    ("PHV", "GFD=220"),
    ("LHR", "CDG=100"),
    ("OKD", "LAX=220"),
];

static PRICES: LazyLock<Vec<(&'static str, &'static str, i64)>> = LazyLock::new(|| {
    let arrivals = |(from, list): &(&'static str, &'static str)| {
        let from = *from;
        list.split(' ')
            .map(move |route| (from, &route[..3], route[4..].parse().expect("a number")))
            .collect::<Vec<_>>()
    };
    ROUTES.iter().flat_map(arrivals).collect()
});

const AIRPORTS: [&str; 23] = [
    "RMS", "SBK", "MPC", "SVP", "SHD", "CDG", "LHR", "SSV", "OKD", "WLB", "PEK", "HND", "HKG", "CIA", "CRH",
    "ATV", "PHV", "GFD", "SFO", "LAX", "JFK", "ORD", "BOS",
];

const CITIES: &[(&str, &str)] = &[
    ("Rivermist", "RMS"),
    ("Stonebrook", "SBK"),
    ("Maplecrest", "MPC"),
    ("Silverpine", "SVP"),
    ("Shadowridge", "SHD"),
    ("London", "LHR"),
    ("Paris", "CDG"),
    ("Sunset Valley", "SSV"),
    ("Oakendale", "OKD"),
    ("Willowbend", "WLB"),
    ("Crescent Hollow", "CRH"),
    ("Autumnville", "ATV"),
    ("Pinehaven", "PHV"),
    ("Greenfield", "GFD"),
    ("San Francisco", "SFO"),
    ("Los Angeles", "LAX"),
    ("New York", "JFK"),
    ("Chicago", "ORD"),
    ("Boston", "BOS"),
    ("Beijing", "PEK"),
    ("Hong Kong", "HKG"),
    ("Rome", "CIA"),
    ("Tokyo", "HND"),
];

/// What one US dollar is in each currency; the whole numbers are integers in the arithmetic.
const RATES: [(&str, f64); 10] = [
    ("RMB", 7.0),
    ("EUR", 0.8),
    ("JPY", 110.0),
    ("GBP", 0.7),
    ("CAD", 1.3),
    ("AUD", 1.4),
    ("INR", 70.0),
    ("RUB", 60.0),
    ("BRL", 3.8),
    ("MXN", 20.0),
];

const CARDS: usize = 0;
const BOOKINGS: usize = 1;
const TOKEN: usize = 2;
const TOKEN_TYPE: usize = 3;
const EXPIRES: usize = 4;
const SCOPE: usize = 5;
const FIRST_NAME: usize = 6;
const LAST_NAME: usize = 7;
const BUDGET: usize = 8;
const NAMES: [&str; 9] = [
    "credit_card_list",
    "booking_record",
    "access_token",
    "token_type",
    "token_expires_in",
    "token_scope",
    "user_first_name",
    "user_last_name",
    "budget_limit",
];

/// The state: the compared attributes in the order of their names.
#[derive(Clone, Debug)]
pub struct Travel {
    random: Random,
    public: [Object; 9],
    long: Option<Arc<LongContext>>,
    today: [i64; 3],
}

impl Travel {
    /// `today`: year, month and day, from which a traveller's age is counted.
    pub(super) fn load(
        scenario: &Scenario,
        long: Option<&Arc<LongContext>>,
        today: [i64; 3],
    ) -> Fallible<Self> {
        let mut public: [Object; 9] =
            std::array::from_fn(|i| {
                or_default(scenario, NAMES[i], || {
                    if i <= BOOKINGS { Dict::default().into() } else { Object::None }
                })
            });
        if let Some(long) = long {
            for (slot, more) in [(CARDS, &long.credit_cards), (BOOKINGS, &long.bookings)] {
                for (id, record) in as_dict(more, "items")?.iter() {
                    if !contains(&public[slot], id)? {
                        set_item(&mut public[slot], id.clone(), record.clone())?;
                    }
                }
            }
        }
        Ok(Travel { random: seeded(scenario, 141_053)?, public, long: long.cloned(), today })
    }

    pub(super) fn attributes(&self) -> Attributes<'_> {
        NAMES.iter().copied().zip(&self.public).collect()
    }

    fn digits(&mut self, low: i64, high: i64) -> Object {
        Object::from(self.random.integer(low, high).to_string())
    }

    /// Why the token does not open anything.
    fn refusal(&self, token: &Object) -> Option<&'static str> {
        if self.public[EXPIRES] == Object::Int(0) {
            Some("Token expired")
        } else if *token != self.public[TOKEN] {
            Some("Invalid access token")
        } else {
            Option::None
        }
    }

    /// Adds to or takes from a card's balance.
    fn charge(&mut self, card: &Object, amount: &Object, back: bool) -> Fallible<()> {
        let mut record = item(&self.public[CARDS], card)?;
        let balance = field(&record, "balance")?;
        let balance = if back { add_in_place(&balance, amount)? } else { sub_named("-=", &balance, amount)? };
        set_item(&mut record, "balance".into(), balance)?;
        set_item(&mut self.public[CARDS], card.clone(), record)
    }

    fn has_booking(&self, id: &Object) -> Fallible<bool> {
        contains(&self.public[BOOKINGS], id)
    }

    pub(super) fn call(&mut self, method: &str, a: &[Object]) -> Fallible<Object> {
        let status = match method {
            "get_credit_card_balance" | "retrieve_invoice" | "get_booking_history" | "set_budget_limit" => {
                Some("")
            }
            "book_flight" => Some("booking_status"),
            "cancel_booking" => Some("cancel_status"),
            "purchase_insurance" => Some("insurance_status"),
            _ => Option::None,
        };
        let refuse = |text: &str| match status {
            Some(status @ ("booking_status" | "cancel_status" | "insurance_status")) => {
                Object::from(Dict(vec![(status.into(), false.into()), ("error".into(), Object::str(text))]))
            }
            _ => failure(text),
        };
        if status.is_some()
            && let Some(why) = self.refusal(&a[0])
        {
            return Ok(refuse(why));
        }
        match method {
            "authenticate_travel" => {
                let token = self.digits(100_000, 999_999);
                self.public[EXPIRES] = 2.into();
                self.public[TOKEN] = token.clone();
                self.public[TOKEN_TYPE] = "Bearer".into();
                self.public[SCOPE] = a[3].clone();
                self.public[FIRST_NAME] = a[4].clone();
                self.public[LAST_NAME] = a[5].clone();
                Ok(
                    dict! {"expires_in": 2, "access_token": token, "token_type": "Bearer", "scope": a[3].clone()},
                )
            }
            "travel_get_login_status" => {
                let expires = &self.public[EXPIRES];
                Ok(dict! {"status": !(matches!(expires, Object::None) || *expires == Object::Int(0))})
            }
            "get_budget_fiscal_year" => Ok(dict! {"budget_fiscal_year": "2018"}),
            "register_credit_card" => {
                if matches!(self.public[EXPIRES], Object::None) {
                    return Ok(failure("Token not initialized"));
                }
                if let Some(why) = self.refusal(&a[0]) {
                    return Ok(failure(why));
                }
                if contains(&self.public[CARDS], &a[1])? {
                    return Ok(failure("Card already registered"));
                }
                let id = self.digits(100_000_000_000, 999_999_999_999);
                let balance = self.random.integer(10_000, 99_999);
                let card = dict! {
                    "card_number": a[1].clone(), "expiration_date": a[2].clone(), "cardholder_name": a[3].clone(),
                    "card_verification_number": a[4].clone(), "balance": balance,
                };
                set_item(&mut self.public[CARDS], id.clone(), card)?;
                Ok(dict! {"card_id": id})
            }
            "get_flight_cost" => {
                let (cost, factor) = flight_cost(&a[0], &a[1], &a[2], &a[3])?;
                let list = if self.long.is_some() {
                    PRICES.iter().map(|(_, _, base)| ((base * factor) as f64).into()).collect()
                } else {
                    vec![cost.into()]
                };
                Ok(dict! {"travel_cost_list": list})
            }
            "get_credit_card_balance" => {
                if !contains(&self.public[CARDS], &a[1])? {
                    let known = Object::from(iterate(&self.public[CARDS])?);
                    return Ok(failure(format!(
                        "Card not registered. Here are a list of card_id's: {known}"
                    )));
                }
                Ok(dict! {"card_balance": field(&item(&self.public[CARDS], &a[1])?, "balance")?})
            }
            "book_flight" => self.book(&a[1], &a[2], &a[3], &a[4], &a[5], &refuse),
            "retrieve_invoice" => {
                if !self.has_booking(&a[1])? {
                    return Ok(failure("Booking not found"));
                }
                let booking = item(&self.public[BOOKINGS], &a[1])?;
                let mut invoice = vec![("booking_id".into(), a[1].clone())];
                for key in [
                    "travel_date",
                    "travel_from",
                    "travel_to",
                    "travel_class",
                    "travel_cost",
                    "transaction_id",
                ] {
                    invoice.push((key.into(), field(&booking, key)?));
                }
                Ok(dict! {"invoice": Dict(invoice)})
            }
            "get_booking_history" => Ok(dict! {"booking_history": self.public[BOOKINGS].clone()}),
            "list_all_airports" => {
                Ok(AIRPORTS.iter().map(|code| Object::from(*code)).collect::<Vec<_>>().into())
            }
            "cancel_booking" => {
                if !self.has_booking(&a[1])? {
                    return Ok(refuse("Booking not found"));
                }
                let booking = item(&self.public[BOOKINGS], &a[1])?;
                let card = field(&booking, "card_id")?;
                self.charge(&card, &field(&booking, "travel_cost")?, true)?;
                if let Object::Dict(bookings) = &mut self.public[BOOKINGS] {
                    Arc::make_mut(bookings).remove(&a[1]);
                }
                Ok(dict! {"cancel_status": true})
            }
            "compute_exchange_rate" => exchange(&a[0], &a[1], &a[2]),
            "verify_traveler_information" => self.verify(a),
            "set_budget_limit" => {
                let limit = to_float(&a[1])?;
                self.public[BUDGET] = limit.into();
                Ok(dict! {"budget_limit": limit})
            }
            "get_nearest_airport_by_city" => {
                a[0].check_hashable()?;
                let code = CITIES
                    .iter()
                    .find(|(city, _)| a[0].as_str() == Some(city))
                    .map_or("Unknown", |(_, code)| code);
                Ok(dict! {"nearest_airport": code})
            }
            "purchase_insurance" => {
                let (booking, cost, card) = (&a[2], &a[3], &a[4]);
                if !matches!(self.public[BUDGET], Object::None) && lt(&self.public[BUDGET], cost)? {
                    return Ok(refuse("Exceeded budget limit"));
                }
                if !self.has_booking(booking)? {
                    return Ok(refuse("Booking not found"));
                }
                if !contains(&self.public[CARDS], card)? {
                    return Ok(refuse("Credit card not registered"));
                }
                self.charge(card, cost, false)?;
                Ok(dict! {"insurance_id": self.digits(100_000_000, 999_999_999), "insurance_status": true})
            }
            "contact_customer_support" => {
                if !self.has_booking(&a[0])? {
                    return Ok(failure("Booking not found"));
                }
                Ok(
                    dict! {"customer_support_message": "Thank you for contacting customer support. Your message has been received and we will get back to you shortly."},
                )
            }
            "get_all_credit_cards" => Ok(dict! {"credit_card_list": self.public[CARDS].clone()}),
            _ => unreachable!("a method of the table"),
        }
    }

    fn book(
        &mut self,
        card: &Object,
        date: &Object,
        from: &Object,
        to: &Object,
        class: &Object,
        refuse: &dyn Fn(&str) -> Object,
    ) -> Fallible<Object> {
        if !contains(&self.public[CARDS], card)? {
            return Ok(refuse("Card not registered"));
        }
        if !contains(&item(&self.public[CARDS], card)?, &"balance".into())? {
            return Ok(refuse("Balance not found"));
        }
        for (airport, which) in [(from, "departure"), (to, "destination")] {
            if !airport.as_str().is_some_and(|code| AIRPORTS.contains(&code)) {
                return Ok(refuse(&format!("Invalid {which} airport code: {airport}")));
            }
        }
        match dates::parse(date, "%Y-%m-%d") {
            Err(e) if e.kind == Kind::Value => return Ok(refuse("Invalid date format. Use YYYY-MM-DD.")),
            other => other?,
        };
        class.check_hashable()?;
        if !matches!(class.as_str(), Some("economy" | "business" | "first")) {
            return Ok(refuse(&format!("Invalid travel class. Must be one of {}", super::CLASS_SETS[0])));
        }
        let cost = match flight_cost(from, to, date, class) {
            Err(e) if e.kind == Kind::Value => return Ok(refuse(&e.text)),
            other => Object::Float(other?.0),
        };
        let balance = field(&item(&self.public[CARDS], card)?, "balance")?;
        if lt(&balance, &cost)? {
            return Ok(refuse("Insufficient funds"));
        }
        if !matches!(self.public[BUDGET], Object::None) && lt(&balance, &self.public[BUDGET])? {
            return Ok(refuse("Balance is less than budget limit"));
        }
        self.charge(card, &cost, false)?;
        let booking = self.digits(1_000_000, 9_999_999);
        let transaction = self.digits(10_000_000, 99_999_999);
        let record = dict! {
            "card_id": card.clone(), "travel_date": date.clone(), "travel_from": from.clone(), "travel_to": to.clone(),
            "travel_class": class.clone(), "travel_cost": cost, "transaction_id": transaction.clone(),
        };
        set_item(&mut self.public[BOOKINGS], booking.clone(), record)?;
        let history =
            if self.long.is_some() { self.public[BOOKINGS].clone() } else { Dict::default().into() };
        Ok(
            dict! {"booking_id": booking, "transaction_id": transaction, "booking_status": true, "booking_history": history},
        )
    }

    fn verify(&self, a: &[Object]) -> Fallible<Object> {
        let fail = |why: String| Ok(dict! {"verification_status": false, "verification_failure": why});
        let (first, last) = (&self.public[FIRST_NAME], &self.public[LAST_NAME]);
        if *first != a[0] || *last != a[1] {
            return fail(format!(
                "Cannot book flight information for another user.Expected {first} {last}, got {} {}",
                a[0], a[1]
            ));
        }
        let birth = match dates::parse(&a[2], "%Y-%m-%d") {
            Err(e) if e.kind == Kind::Value => {
                return fail("Invalid date of birth format. Please use YYYY-MM-DD.".into());
            }
            other => other?,
        };
        let early = self.today[1..] < birth[1..3];
        if self.today[0] - birth[0] - (early as i64) < 18 {
            return fail("Traveler must be at least 18 years old.".into());
        }
        match &a[3] {
            Object::Str(s) if s.starts_with("US") => Ok(dict! {"verification_status": true}),
            Object::Str(_) => fail("Passport must be issued by the United States.".into()),
            Object::Bytes(_) => {
                Err(Exception::type_error("startswith first arg must be bytes or a tuple of bytes, not str"))
            }
            other => Err(Exception::attribute(other, "startswith")),
        }
    }
}

/// The price of a flight, and the factor on base prices that class and date make.
fn flight_cost(from: &Object, to: &Object, date: &Object, class: &Object) -> Fallible<(f64, i64)> {
    from.check_hashable()?;
    to.check_hashable()?;
    let base = PRICES
        .iter()
        .find(|(f, t, _)| from.as_str() == Some(f) && to.as_str() == Some(t))
        .ok_or_else(|| Exception::value_error("No available route for the given airports."))?
        .2;
    let factor = match class.as_str() {
        Some("economy") => 1,
        Some("business") => 2,
        Some("first") => 5,
        _ => {
            return Err(Exception::value_error(
                "Invalid travel class. Options are: economy, business, first.",
            ));
        }
    };
    let mut sum = 0;
    for c in iterate(date)? {
        let Object::Str(c) = &c else { return Err(Exception::attribute(&c, "isdigit")) };
        if c.chars().all(|c| crate::value::text::digit_value(c).is_some()) && !c.is_empty() {
            sum += c.chars().filter_map(crate::value::text::digit_value).sum::<u32>();
        } else if c.chars().any(|c| !c.is_ascii() && c.is_numeric()) {
            return Err(Exception::unsupported("digits that are no decimals"));
        }
    }
    let factor = factor * if sum % 2 == 0 { 2 } else { 1 };
    Ok(((base * factor) as f64, factor))
}

fn exchange(base: &Object, target: &Object, value: &Object) -> Fallible<Object> {
    for (currency, rate) in RATES {
        let rate = if rate.fract() == 0.0 { Object::Int(rate as i64) } else { Object::Float(rate) };
        if base.as_str() == Some("USD") && target.as_str() == Some(currency) {
            return Ok(dict! {"exchanged_value": to_float(&mul(value, &rate)?)?});
        }
        if base.as_str() == Some(currency) && target.as_str() == Some("USD") {
            return Ok(dict! {"exchanged_value": round(&divide(value, &rate)?, &Object::Int(2))?});
        }
    }
    Err(Exception::value_error("No available exchange rate for the given currencies."))
}
