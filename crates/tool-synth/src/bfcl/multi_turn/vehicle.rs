//! `VehicleControlAPI`: a car's engine, doors, climate, brakes and tyres.

use std::sync::Arc;

use super::arithmetic::divide;
use super::error::Fallible;
use super::long_context::LongContext;
use super::object::{Dict, Object, dict};
use super::operators::{
    Order, add, add_in_place, as_dict, gt, item, iterate, join, lt, mul, order, set_item, sub, to_float,
};
use super::random::Random;
use super::signature::{Default::*, Method, m};
use super::{Attributes, Scenario, failure, or_default, seeded};

/// Its public methods.
pub(super) const METHODS: &[Method] = &[
    m!(startEngine(ignitionMode)),
    m!(fillFuelTank(fuelAmount)),
    m!(lockDoors(unlock, door)),
    m!(adjustClimateControl(temperature, unit = Str("celsius"), fanSpeed = Int(50), mode = Str("auto"))),
    m!(get_outside_temperature_from_google()),
    m!(get_outside_temperature_from_weather_com()),
    m!(setHeadlights(mode)),
    m!(displayCarStatus(option)),
    m!(activateParkingBrake(mode)),
    m!(pressBrakePedal(pedalPosition)),
    m!(releaseBrakePedal()),
    m!(setCruiseControl(speed, activate, distanceToNextVehicle)),
    m!(get_current_speed()),
    m!(display_log(messages)),
    m!(estimate_drive_feasibility_by_mileage(distance)),
    m!(liter_to_gallon(liter)),
    m!(gallon_to_liter(gallon)),
    m!(estimate_distance(cityA, cityB)),
    m!(get_zipcode_based_on_city(city)),
    m!(set_navigation(destination)),
    m!(check_tire_pressure()),
    m!(find_nearest_tire_shop()),
];

/// Distances in kilometres between post codes, either way round.
const DISTANCES: &[(&str, &str, f64)] = &[
    ("83214", "74532", 750.0),
    ("56108", "62947", 320.0),
    ("71354", "83462", 450.0),
    ("47329", "52013", 290.0),
    ("69238", "51479", 630.0),
    ("94016", "83214", 980.0),
    ("94016", "94704", 600.0),
    ("94704", "08540", 2550.0),
    ("94016", "08540", 1950.0),
    ("62947", "47329", 1053.0),
    ("94016", "62947", 780.0),
    ("74532", "94016", 880.0),
];

const POST_CODES: &[(&str, &str)] = &[
    ("Rivermist", "83214"),
    ("Stonebrook", "74532"),
    ("Maplecrest", "56108"),
    ("Silverpine", "62947"),
    ("Shadowridge", "71354"),
    ("Sunset Valley", "83462"),
    ("Oakendale", "47329"),
    ("Willowbend", "52013"),
    ("Crescent Hollow", "69238"),
    ("Autumnville", "51479"),
    ("San Francisco", "94016"),
];

const PUBLIC: usize = 20;
/// The compared attributes, each with its key in a scenario.
const NAMES: [(&str, &str); PUBLIC] = [
    ("fuelLevel", "fuelLevel"),
    ("batteryVoltage", "batteryVoltage"),
    ("engine_state", "engineState"),
    ("remainingUnlockedDoors", ""),
    ("doorStatus", "doorStatus"),
    ("acTemperature", "acTemperature"),
    ("fanSpeed", "fanSpeed"),
    ("acMode", "acMode"),
    ("humidityLevel", "humidityLevel"),
    ("headLightStatus", "headLightStatus"),
    ("parkingBrakeStatus", "parkingBrakeStatus"),
    ("brakePedalStatus", "brakePedalStatus"),
    ("distanceToNextVehicle", "distanceToNextVehicle"),
    ("cruiseStatus", "cruiseStatus"),
    ("destination", "destination"),
    ("frontLeftTirePressure", "frontLeftTirePressure"),
    ("frontRightTirePressure", "frontRightTirePressure"),
    ("rearLeftTirePressure", "rearLeftTirePressure"),
    ("rearRightTirePressure", "rearRightTirePressure"),
    ("long_context", ""),
];
const FUEL: usize = 0;
const BATTERY: usize = 1;
const ENGINE: usize = 2;
const UNLOCKED: usize = 3;
const DOORS: usize = 4;
const TEMPERATURE: usize = 5;
const FAN: usize = 6;
const AC_MODE: usize = 7;
const HUMIDITY: usize = 8;
const HEADLIGHTS: usize = 9;
const PARKING: usize = 10;
const PEDAL: usize = 11;
const DISTANCE: usize = 12;
const CRUISE: usize = 13;
const DESTINATION: usize = 14;
const TIRES: [usize; 4] = [15, 16, 17, 18];

/// The state: the compared attributes in the order of [`NAMES`], and those that are not compared.
#[derive(Clone, Debug)]
pub struct Vehicle {
    random: Random,
    public: Arc<[Object; PUBLIC]>,
    parking_force: Object,
    slope: Object,
    pedal_force: Object,
    long: Option<Arc<LongContext>>,
}

fn default_of(i: usize) -> Object {
    match i {
        FUEL => 0.0.into(),
        BATTERY => 12.6.into(),
        ENGINE => "stopped".into(),
        DOORS => {
            dict! {"driver": "unlocked", "passenger": "unlocked", "rear_left": "unlocked", "rear_right": "unlocked"}
        }
        TEMPERATURE => 25.0.into(),
        FAN => 50.into(),
        AC_MODE => "auto".into(),
        HUMIDITY | DISTANCE => 50.0.into(),
        HEADLIGHTS => "off".into(),
        PARKING | PEDAL => "released".into(),
        CRUISE => "inactive".into(),
        DESTINATION => "None".into(),
        15 | 16 => 32.0.into(),
        17 | 18 => 30.0.into(),
        _ => Object::None,
    }
}

impl Vehicle {
    pub(super) fn load(scenario: &Scenario, long: Option<&Arc<LongContext>>) -> Fallible<Self> {
        let mut public: [Object; PUBLIC] =
            std::array::from_fn(|i| or_default(scenario, NAMES[i].1, || default_of(i)));
        let locked =
            as_dict(&public[DOORS], "keys")?.iter().filter(|(_, s)| s.as_str() == Some("locked")).count();
        public[UNLOCKED] = (4 - locked as i64).into();
        public[PUBLIC - 1] = long.is_some().into();
        Ok(Vehicle {
            random: seeded(scenario, 141_053)?,
            public: Arc::new(public),
            parking_force: or_default(scenario, "parkingBrakeForce", || 0.0.into()),
            slope: or_default(scenario, "slopeAngle", || 0.0.into()),
            pedal_force: or_default(scenario, "brakePedalForce", || 0.0.into()),
            long: long.cloned(),
        })
    }

    pub(super) fn attributes(&self) -> Attributes<'_> {
        NAMES.iter().zip(self.public.iter()).map(|((name, _), value)| (*name, value)).collect()
    }

    pub(super) fn same_state(&self, other: &Vehicle) -> bool {
        Arc::ptr_eq(&self.public, &other.public) || self.public == other.public
    }

    fn get(&self, i: usize) -> &Object {
        &self.public[i]
    }

    fn set(&mut self, i: usize, value: Object) {
        Arc::make_mut(&mut self.public)[i] = value;
    }

    pub(super) fn call(&mut self, method: &str, a: &[Object]) -> Fallible<Object> {
        match method {
            "startEngine" => self.start_engine(&a[0]),
            "fillFuelTank" => {
                let amount = &a[0];
                if lt(amount, &Object::Int(0))? {
                    return Ok(failure("Fuel amount cannot be negative."));
                }
                let level = add(self.get(FUEL), amount)?;
                if gt(&level, &Object::Int(50))? {
                    return Ok(failure("Cannot fill gas above the tank capacity."));
                }
                if lt(&level, &Object::Float(0.0))? {
                    return Ok(failure("Fuel tank is empty. Min fuel level is 0 gallons."));
                }
                self.set(FUEL, level.clone());
                Ok(dict! {"fuelLevel": level})
            }
            "lockDoors" => {
                let (status, step) = if a[0].truthy() { ("unlocked", 1) } else { ("locked", -1) };
                for door in iterate(&a[1])? {
                    if item(self.get(DOORS), &door)?.as_str() == Some(status) {
                        continue;
                    }
                    let mut doors = self.get(DOORS).clone();
                    set_item(&mut doors, door, status.into())?;
                    self.set(DOORS, doors);
                    self.set(UNLOCKED, add_in_place(self.get(UNLOCKED), &Object::Int(step))?);
                }
                Ok(dict! {"lockStatus": status, "remainingUnlockedDoors": self.get(UNLOCKED).clone()})
            }
            "adjustClimateControl" => {
                let (temperature, unit, fan, mode) = (&a[0], &a[1], &a[2], &a[3]);
                if !(order(&Object::Int(0), fan, Order::Le)? && order(fan, &Object::Int(100), Order::Le)?) {
                    return Ok(failure("Fan speed must be between 0 and 100."));
                }
                self.set(TEMPERATURE, temperature.clone());
                if unit.as_str() == Some("fahrenheit") {
                    let celsius = divide(
                        &mul(&sub(temperature, &Object::Int(32))?, &Object::Int(5))?,
                        &Object::Int(9),
                    )?;
                    self.set(TEMPERATURE, celsius);
                }
                self.set(FAN, fan.clone());
                self.set(AC_MODE, mode.clone());
                Ok(
                    dict! {"currentACTemperature": temperature.clone(), "climateMode": mode.clone(), "humidityLevel": self.get(HUMIDITY).clone()},
                )
            }
            "get_outside_temperature_from_google" => {
                let temperature = Object::Float(self.random.uniform(-10.0, 40.0));
                let mut report =
                    self.long.as_ref().map_or_else(|| Dict::default().into(), |long| long.weather.clone());
                set_item(&mut report, "outsideTemperature".into(), temperature)?;
                Ok(report)
            }
            "get_outside_temperature_from_weather_com" => Ok(dict! {"error": 404}),
            "setHeadlights" => match a[0].as_str() {
                Some(mode @ ("on" | "off" | "auto")) => {
                    let status = if mode == "on" { "on" } else { "off" };
                    self.set(HEADLIGHTS, status.into());
                    Ok(dict! {"headlightStatus": status})
                }
                _ => Ok(failure("Invalid headlight mode.")),
            },
            "displayCarStatus" => Ok(self.status(&a[0])),
            "activateParkingBrake" => {
                let (status, force) = match a[0].as_str() {
                    Some("engage") => ("engaged", 500.0),
                    Some("release") => ("released", 0.0),
                    _ => return Ok(failure("Invalid mode")),
                };
                self.set(PARKING, status.into());
                self.parking_force = force.into();
                self.slope = 10.0.into();
                let mut answer = match &self.long {
                    Some(long) => vec![("parkingBrakeInstruction".into(), long.parking_brake.clone())],
                    Option::None => Vec::new(),
                };
                answer.extend([
                    ("parkingBrakeStatus".into(), status.into()),
                    ("_parkingBrakeForce".into(), force.into()),
                    ("_slopeAngle".into(), 10.0.into()),
                ]);
                Ok(Dict(answer).into())
            }
            "pressBrakePedal" => {
                let position = &a[0];
                if !(order(&Object::Int(0), position, Order::Le)?
                    && order(position, &Object::Int(1), Order::Le)?)
                {
                    return Ok(failure("Pedal position must be between 0 and 1."));
                }
                if *position == Object::Int(0) {
                    return Ok(self.release_pedal());
                }
                self.pedal_force = mul(position, &Object::Int(1000))?;
                self.set(PEDAL, "pressed".into());
                Ok(dict! {"brakePedalStatus": "pressed", "brakePedalForce": to_float(&self.pedal_force)?})
            }
            "releaseBrakePedal" => Ok(self.release_pedal()),
            "setCruiseControl" => {
                let distance = to_float(&a[2])?;
                let speed = to_float(&a[0])?;
                if self.get(ENGINE).as_str() == Some("stopped") {
                    return Ok(failure("Start the engine before activating the cruise control."));
                }
                self.set(DISTANCE, distance.into());
                let status = if a[1].truthy() { "active" } else { "inactive" };
                if a[1].truthy() && (!(0.0..=120.0).contains(&speed) || speed % 5.0 != 0.0) {
                    return Ok(failure("Invalid speed"));
                }
                self.set(CRUISE, status.into());
                Ok(dict! {"cruiseStatus": status, "currentSpeed": speed, "distanceToNextVehicle": distance})
            }
            "get_current_speed" => Ok(dict! {"currentSpeed": self.random.uniform(0.0, 120.0)}),
            "display_log" => Ok(dict! {"log": a[0].clone()}),
            "estimate_drive_feasibility_by_mileage" => {
                let far = lt(&mul(self.get(FUEL), &Object::Float(20.0))?, &a[0])?;
                Ok(dict! {"canDrive": !far})
            }
            "liter_to_gallon" => Ok(dict! {"gallon": mul(&a[0], &Object::Float(0.264172))?}),
            "gallon_to_liter" => Ok(dict! {"liter": mul(&a[0], &Object::Float(3.78541))?}),
            "estimate_distance" => {
                let (x, y) = (a[0].as_str(), a[1].as_str());
                let known = DISTANCES
                    .iter()
                    .find(|(p, q, _)| (x == Some(p) && y == Some(q)) || (x == Some(q) && y == Some(p)));
                let mut answer = match known {
                    Some((_, _, distance)) => dict! {"distance": *distance},
                    Option::None => failure("distance not found in database."),
                };
                if let Some(long) = &self.long {
                    set_item(&mut answer, "intermediaryCities".into(), long.intermediary_cities.clone())?;
                }
                Ok(answer)
            }
            "get_zipcode_based_on_city" => {
                let code = POST_CODES
                    .iter()
                    .find(|(city, _)| a[0].as_str() == Some(city))
                    .map_or("00000", |(_, code)| code);
                Ok(dict! {"zipcode": code})
            }
            "set_navigation" => {
                self.set(DESTINATION, a[0].clone());
                Ok(dict! {"status": add(&"Navigating to ".into(), &a[0])?})
            }
            "check_tire_pressure" => {
                let [fl, fr, rl, rr] = TIRES.map(|i| self.get(i).clone());
                let mean = divide(&add(&add(&add(&fl, &fr)?, &rl)?, &rr)?, &Object::Int(4))?;
                let healthy =
                    order(&Object::Int(30), &mean, Order::Le)? && order(&mean, &Object::Int(35), Order::Le)?;
                Ok(dict! {
                    "frontLeftTirePressure": fl, "frontRightTirePressure": fr, "rearLeftTirePressure": rl, "rearRightTirePressure": rr,
                    "healthy_tire_pressure": healthy,
                    "car_info": self.long.as_ref().map_or_else(|| Dict::default().into(), |long| long.car_status.clone()),
                })
            }
            "find_nearest_tire_shop" => Ok(dict! {"shopLocation": "456 Oakwood Avenue, Rivermist, 83214"}),
            _ => unreachable!("a method of the table"),
        }
    }

    fn start_engine(&mut self, mode: &Object) -> Fallible<Object> {
        if mode.as_str() == Some("STOP") {
            self.set(ENGINE, "stopped".into());
        }
        if gt(self.get(UNLOCKED), &Object::Int(0))? {
            let open: Vec<Object> = as_dict(self.get(DOORS), "items")?
                .iter()
                .filter(|(_, s)| s.as_str() == Some("unlocked"))
                .map(|(d, _)| d.clone())
                .collect();
            return Ok(failure(format!(
                "All doors must be locked before starting the engine. Here are the unlocked doors: {}",
                join(", ", &open)?
            )));
        }
        if self.get(PEDAL).as_str() != Some("pressed") {
            return Ok(failure("Brake pedal needs to be pressed when starting the engine."));
        }
        if self.pedal_force != Object::Float(1000.0) {
            return Ok(failure("Must press the brake fully before starting the engine."));
        }
        if lt(self.get(FUEL), &Object::Float(0.0))? {
            return Ok(failure("Fuel tank is empty."));
        }
        if mode.as_str() != Some("START") {
            return Ok(failure("Invalid ignition mode."));
        }
        self.set(ENGINE, "running".into());
        Ok(
            dict! {"engineState": "running", "fuelLevel": self.get(FUEL).clone(), "batteryVoltage": self.get(BATTERY).clone()},
        )
    }

    fn release_pedal(&mut self) -> Object {
        self.set(PEDAL, "released".into());
        self.pedal_force = 0.0.into();
        dict! {"brakePedalStatus": "released", "brakePedalForce": 0.0}
    }

    fn status(&self, option: &Object) -> Object {
        let mut status = match &self.long {
            Some(long) => vec![("metadata".into(), long.car_status.clone())],
            Option::None => Vec::new(),
        };
        let shown: &[(&'static str, &Object)] = match option.as_str() {
            Some("fuel") => &[("fuelLevel", self.get(FUEL))],
            Some("battery") => &[("batteryVoltage", self.get(BATTERY))],
            Some("doors") => &[("doorStatus", self.get(DOORS))],
            Some("climate") => &[
                ("currentACTemperature", self.get(TEMPERATURE)),
                ("fanSpeed", self.get(FAN)),
                ("climateMode", self.get(AC_MODE)),
                ("humidityLevel", self.get(HUMIDITY)),
            ],
            Some("headlights") => &[("headlightStatus", self.get(HEADLIGHTS))],
            Some("parkingBrake") => &[
                ("parkingBrakeStatus", self.get(PARKING)),
                ("parkingBrakeForce", &self.parking_force),
                ("slopeAngle", &self.slope),
            ],
            Some("brakePedal") => {
                &[("brakePedalStatus", self.get(PEDAL)), ("brakePedalForce", &self.pedal_force)]
            }
            Some("engine") => &[("engineState", self.get(ENGINE))],
            _ => &[("error", &INVALID)],
        };
        status.extend(shown.iter().map(|(k, v)| (Object::from(*k), (*v).clone())));
        Dict(status).into()
    }
}

static INVALID: Object = Object::Str(super::object::Text::Static("Invalid option"));
