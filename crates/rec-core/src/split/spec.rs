//! Splits as text.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::{Error, Result};

/// Shares of train, validation and test; they need not sum to one.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Shares {
    /// Of train; above zero.
    pub train: f64,
    /// Of validation; may be zero.
    pub valid: f64,
    /// Of test; above zero.
    pub test: f64,
}

/// In which order rows are dealt into parts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// Shuffled by the seed.
    Random,
    /// Oldest first.
    Time,
}

/// Which rows are dealt together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Group {
    /// Those of each user.
    User,
    /// All.
    Rows,
}

/// Which parts get a row of each user.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LeaveOneOut {
    /// The last row is test, the one before it validation.
    ValidAndTest,
    /// The last row is validation; the test part is empty.
    ValidOnly,
    /// The last row is test; the validation part is empty.
    TestOnly,
}

/// How to split. As text (`FromStr`, `Display`, serde):
///
/// | text | rule |
/// |---|---|
/// | `ratio:0.8,0.1,0.1` | each user's rows in random order, dealt by [`ratio_counts`](super::ratio_counts) |
/// | `ratio-by-time:0.8,0.1,0.1` | the same, oldest rows first |
/// | `ratio-rows:…`, `ratio-rows-by-time:…` | the same over all rows at once instead of user by user |
/// | `leave-one-out` | each user's last row is test, the one before validation; also `leave-one-out:valid-only` and `leave-one-out:test-only` |
/// | `temporal:0.8,0.9` | global cut-offs at these quantiles of the times: train < first ≤ validation < second ≤ test |
/// | `temporal-at:T1,T2` | global cut-offs at these times (`temporal:` takes times too, where they are 1 or more) |
/// | `temporal-by-user:0.8,0.1,0.1` | test = the youngest share of all rows; each user's other rows, oldest first, are train and validation |
/// | `user-holdout:0.8,0.1,0.1` | shares of users; of held-out users a random 80 % of the rows is known (`,fold-in=0.8`), the rest asked for |
/// | `k-fold:K,F` | each user's rows are dealt into K folds; fold F (from 0) is test, the next validation |
/// | `user-k-fold:K,F` | users are dealt into K folds, held out as in `user-holdout` (`,fold-in=0.8`) |
/// | `given:FOLDER` | the parts are files; see [`read::parts`](crate::read::parts) |
///
/// Two shares or one cut-off leave the validation part empty. A user with n rows gives at most n - 1 of them
/// away in `ratio` and `leave-one-out`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum SplitSpec {
    /// Parts by share.
    Ratio {
        /// The shares.
        shares: Shares,
        /// In which order rows are dealt.
        order: Order,
        /// Which rows are dealt together.
        group: Group,
    },
    /// The last rows of each user.
    LeaveOneOut(LeaveOneOut),
    /// Cut-offs at quantiles of the times, above 0 and below 1: the start of validation (if any) and of test.
    TemporalQuantiles(Option<f64>, f64),
    /// Cut-offs at times: the start of validation (if any) and of test.
    TemporalTimes(Option<f64>, f64),
    /// A global cut-off for test, shares within each user before it.
    TemporalByUser(Shares),
    /// Shares of users, and how much is known of the held-out ones.
    UserHoldout {
        /// The shares of users.
        shares: Shares,
        /// The share of a held-out user's rows that is known, above 0 and below 1.
        fold_in: f64,
    },
    /// Folds of each user's rows.
    KFold {
        /// How many folds, at least 3.
        folds: usize,
        /// Which of them is test, from 0.
        fold: usize,
    },
    /// Folds of users.
    UserKFold {
        /// How many folds, at least 3.
        folds: usize,
        /// Which of them is test, from 0.
        fold: usize,
        /// The share of a held-out user's rows that is known, above 0 and below 1.
        fold_in: f64,
    },
    /// The parts are files of this folder.
    Given(PathBuf),
}

const ACCEPTED: &str = "accepted are ratio:A,B,C, ratio-by-time:A,B,C, ratio-rows:A,B,C, \
     ratio-rows-by-time:A,B,C, leave-one-out[:valid-and-test|:valid-only|:test-only], temporal:Q1,Q2, \
     temporal-at:T1,T2, temporal-by-user:A,B,C, user-holdout:A,B,C[,fold-in=F], k-fold:K,F, \
     user-k-fold:K,F[,fold-in=F], given:FOLDER";

const DEFAULT_FOLD_IN: f64 = 0.8;

fn fail<T>(text: &str, what: impl fmt::Display) -> Result<T> {
    Err(Error::config("split", format!("{text:?}: {what}")))
}

fn number(text: &str, whole: &str) -> Result<f64> {
    match text.trim().parse::<f64>() {
        Ok(number) if number.is_finite() => Ok(number),
        _ => fail(whole, format_args!("{text:?} is not a number")),
    }
}

impl Shares {
    fn parse(arguments: &str, whole: &str) -> Result<Self> {
        let numbers = arguments.split(',').map(|text| number(text, whole)).collect::<Result<Vec<_>>>()?;
        let shares = match numbers[..] {
            [train, test] => Self { train, valid: 0.0, test },
            [train, valid, test] => Self { train, valid, test },
            _ => return fail(whole, "expected three shares (train,valid,test) or two (train,test)"),
        };
        shares.check().or_else(|what| fail(whole, what))?;
        Ok(shares)
    }

    fn check(&self) -> Result<(), &'static str> {
        let all = [self.train, self.valid, self.test];
        if all.iter().any(|share| !(0.0..=1e9).contains(share)) {
            return Err("shares are from 0 to 10^9");
        }
        if self.train <= 0.0 || self.test <= 0.0 {
            return Err("the shares of train and test are above zero");
        }
        Ok(())
    }
}

impl fmt::Display for Shares {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{},{},{}", self.train, self.valid, self.test)
    }
}

/// One or two cut-offs.
fn cuts(arguments: &str, whole: &str) -> Result<(Option<f64>, f64)> {
    let numbers = arguments.split(',').map(|text| number(text, whole)).collect::<Result<Vec<_>>>()?;
    match numbers[..] {
        [test] => Ok((None, test)),
        [valid, test] => Ok((Some(valid), test)),
        _ => fail(whole, "expected the starts of validation and test, or of test alone"),
    }
}

/// Splits off `,fold-in=F`.
fn fold_in<'a>(arguments: &'a str, whole: &str) -> Result<(&'a str, f64)> {
    match arguments.split_once(",fold-in=") {
        Some((rest, share)) => Ok((rest, number(share, whole)?)),
        None => Ok((arguments, DEFAULT_FOLD_IN)),
    }
}

fn folds(arguments: &str, whole: &str) -> Result<(usize, usize)> {
    let parsed = arguments
        .split_once(',')
        .and_then(|(folds, fold)| Some((folds.trim().parse().ok()?, fold.trim().parse().ok()?)));
    parsed.map_or_else(|| fail(whole, "expected the number of folds and the fold, K,F"), Ok)
}

impl SplitSpec {
    /// Checks the ranges that the variants document.
    ///
    /// # Errors
    /// [`Error::Config`] for `split`, saying what is accepted.
    pub fn validate(&self) -> Result<()> {
        let check = |holds: bool, what: &str| if holds { Ok(()) } else { fail(&self.to_string(), what) };
        let shares_of = |shares: &Shares| shares.check().or_else(|what| fail(&self.to_string(), what));
        let inner = |share: f64| share > 0.0 && share < 1.0;
        match self {
            Self::Ratio { shares, .. } | Self::TemporalByUser(shares) => shares_of(shares),
            Self::LeaveOneOut(_) => Ok(()),
            Self::TemporalQuantiles(valid, test) => {
                check(valid.is_none_or(inner) && inner(*test), "quantiles are above 0 and below 1")?;
                check(valid.is_none_or(|valid| valid <= *test), "validation starts before test")
            }
            Self::TemporalTimes(valid, test) => {
                check(valid.is_none_or(f64::is_finite) && test.is_finite(), "times are finite numbers")?;
                check(valid.is_none_or(|valid| valid <= *test), "validation starts before test")
            }
            Self::UserHoldout { shares, fold_in } => {
                shares_of(shares)?;
                check(inner(*fold_in), "fold-in is above 0 and below 1")
            }
            Self::KFold { folds, fold } => {
                check(*folds >= 3, "at least 3 folds (test, validation, train)")?;
                check(fold < folds, "the fold counts from 0")
            }
            Self::UserKFold { folds, fold, fold_in } => {
                check(*folds >= 3, "at least 3 folds (test, validation, train)")?;
                check(fold < folds, "the fold counts from 0")?;
                check(inner(*fold_in), "fold-in is above 0 and below 1")
            }
            Self::Given(folder) => check(!folder.as_os_str().is_empty(), "expected a folder after given:"),
        }
    }
}

impl FromStr for SplitSpec {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let text = text.trim();
        let (name, arguments) = match text.split_once(':') {
            Some((name, arguments)) => (name, Some(arguments)),
            None => (text, None),
        };
        let needed = || arguments.map_or_else(|| fail(text, format_args!("needs arguments; {ACCEPTED}")), Ok);
        let ratio = |order, group| {
            Ok::<_, Error>(Self::Ratio { shares: Shares::parse(needed()?, text)?, order, group })
        };
        let spec = match name {
            "ratio" => ratio(Order::Random, Group::User)?,
            "ratio-by-time" => ratio(Order::Time, Group::User)?,
            "ratio-rows" => ratio(Order::Random, Group::Rows)?,
            "ratio-rows-by-time" => ratio(Order::Time, Group::Rows)?,
            "leave-one-out" => Self::LeaveOneOut(match arguments {
                None | Some("valid-and-test") => LeaveOneOut::ValidAndTest,
                Some("valid-only") => LeaveOneOut::ValidOnly,
                Some("test-only") => LeaveOneOut::TestOnly,
                Some(_) => return fail(text, "accepted are valid-and-test, valid-only and test-only"),
            }),
            "temporal" => {
                let (valid, test) = cuts(needed()?, text)?;
                let quantile = |cut: f64| cut > 0.0 && cut < 1.0;
                match (
                    valid.is_none_or(quantile) && quantile(test),
                    valid.is_some_and(quantile) || quantile(test),
                ) {
                    (true, _) => Self::TemporalQuantiles(valid, test),
                    (_, false) => Self::TemporalTimes(valid, test),
                    _ => return fail(text, "one cut-off is a quantile (above 0, below 1) and one a time"),
                }
            }
            "temporal-at" => {
                let (valid, test) = cuts(needed()?, text)?;
                Self::TemporalTimes(valid, test)
            }
            "temporal-by-user" => Self::TemporalByUser(Shares::parse(needed()?, text)?),
            "user-holdout" => {
                let (shares, fold_in) = fold_in(needed()?, text)?;
                Self::UserHoldout { shares: Shares::parse(shares, text)?, fold_in }
            }
            "k-fold" => {
                let (folds, fold) = folds(needed()?, text)?;
                Self::KFold { folds, fold }
            }
            "user-k-fold" => {
                let (rest, fold_in) = fold_in(needed()?, text)?;
                let (folds, fold) = folds(rest, text)?;
                Self::UserKFold { folds, fold, fold_in }
            }
            "given" => Self::Given(needed()?.into()),
            _ => return fail(text, format_args!("unknown split; {ACCEPTED}")),
        };
        spec.validate()?;
        Ok(spec)
    }
}

impl fmt::Display for SplitSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let cuts = |f: &mut fmt::Formatter<'_>, name: &str, valid: &Option<f64>, test: &f64| match valid {
            Some(valid) => write!(f, "{name}:{valid},{test}"),
            None => write!(f, "{name}:{test}"),
        };
        match self {
            Self::Ratio { shares, order, group } => {
                let name = match (group, order) {
                    (Group::User, Order::Random) => "ratio",
                    (Group::User, Order::Time) => "ratio-by-time",
                    (Group::Rows, Order::Random) => "ratio-rows",
                    (Group::Rows, Order::Time) => "ratio-rows-by-time",
                };
                write!(f, "{name}:{shares}")
            }
            Self::LeaveOneOut(LeaveOneOut::ValidAndTest) => f.write_str("leave-one-out"),
            Self::LeaveOneOut(LeaveOneOut::ValidOnly) => f.write_str("leave-one-out:valid-only"),
            Self::LeaveOneOut(LeaveOneOut::TestOnly) => f.write_str("leave-one-out:test-only"),
            Self::TemporalQuantiles(valid, test) => cuts(f, "temporal", valid, test),
            Self::TemporalTimes(valid, test) => cuts(f, "temporal-at", valid, test),
            Self::TemporalByUser(shares) => write!(f, "temporal-by-user:{shares}"),
            Self::UserHoldout { shares, fold_in } => write!(f, "user-holdout:{shares},fold-in={fold_in}"),
            Self::KFold { folds, fold } => write!(f, "k-fold:{folds},{fold}"),
            Self::UserKFold { folds, fold, fold_in } => {
                write!(f, "user-k-fold:{folds},{fold},fold-in={fold_in}")
            }
            Self::Given(folder) => write!(f, "given:{}", folder.display()),
        }
    }
}

impl TryFrom<String> for SplitSpec {
    type Error = Error;

    fn try_from(text: String) -> Result<Self> {
        text.parse()
    }
}

impl From<SplitSpec> for String {
    fn from(spec: SplitSpec) -> Self {
        spec.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_round_trips() {
        for text in [
            "ratio:0.8,0.1,0.1",
            "ratio-by-time:8,1,1",
            "ratio-rows:0.6,0.2,0.2",
            "ratio-rows-by-time:0.6,0.2,0.2",
            "leave-one-out",
            "leave-one-out:valid-only",
            "leave-one-out:test-only",
            "temporal:0.8,0.9",
            "temporal:0.9",
            "temporal-at:875000000,880000000.5",
            "temporal-by-user:0.8,0.1,0.1",
            "user-holdout:0.8,0.1,0.1,fold-in=0.5",
            "k-fold:5,0",
            "user-k-fold:5,4,fold-in=0.8",
            "given:some/folder:with,signs",
        ] {
            let spec: SplitSpec = text.parse().unwrap();
            assert_eq!(spec.to_string(), text);
            let json = serde_json::to_string(&spec).unwrap();
            assert_eq!(serde_json::from_str::<SplitSpec>(&json).unwrap(), spec);
        }
        let parse = |text: &str| text.parse::<SplitSpec>().unwrap();
        assert_eq!(parse("ratio:0.8,0.2"), parse("ratio:0.8,0,0.2"));
        assert_eq!(parse("leave-one-out:valid-and-test"), parse("leave-one-out"));
        assert_eq!(parse("temporal:100,200"), parse("temporal-at:100,200"));
        assert_eq!(parse("user-k-fold:5,4"), parse("user-k-fold:5,4,fold-in=0.8"));
    }

    #[test]
    fn errors_name_the_key_and_what_is_accepted() {
        for text in [
            "",
            "ratio",
            "ratio:",
            "ratio:1",
            "ratio:1,2,3,4",
            "ratio:0.8,0.1,x",
            "ratio:0.8,0.1,nan",
            "ratio:-1,1,1",
            "ratio:0,0.5,0.5",
            "ratio:0.8,0.2,0",
            "leave-one-out:both",
            "temporal",
            "temporal:0.9,0.8",
            "temporal:0.5,100",
            "temporal:0,0.5",
            "temporal-at:2,1",
            "user-holdout:0.8,0.1,0.1,fold-in=1",
            "k-fold:2,0",
            "k-fold:5,5",
            "k-fold:5",
            "given:",
            "random:0.8",
        ] {
            let error = text.parse::<SplitSpec>().unwrap_err();
            assert!(matches!(&error, Error::Config { key, .. } if key == "split"), "{text}: {error}");
        }
        assert!("random".parse::<SplitSpec>().unwrap_err().to_string().contains("accepted are ratio:A,B,C"));
    }
}
