//! Input that nobody should send: every reader answers with an error that says where, and never panics or eats
//! the memory.

use std::fs::File;
use std::io::{BufReader, Read};
use std::path::Path;

use rec_core::read::{self, adjacency, atomic, delimited, dense, movielens, sequence};
use rec_core::run::{MetricLog, Record, read_metrics, remove_if_there};
use rec_core::split::SplitSpec;
use rec_core::{Dataset, Error, Place, Result, write};

type Parser = fn(&mut dyn Read) -> Result<()>;

/// Every parser that takes a byte stream.
const PARSERS: [(&str, Parser); 14] = [
    ("atomic", |input| {
        atomic::records(
            BufReader::new(input),
            Path::new("f"),
            &atomic::Options::default(),
            &mut |_, _| Ok(()),
        )
    }),
    ("features", |input| {
        let options = atomic::Options::default();
        atomic::features(BufReader::new(input), Path::new("f"), &options, "item_id").map(drop)
    }),
    ("sequence", |input| {
        let options = atomic::Options::default();
        let take = sequence::Take::All;
        sequence::records(BufReader::new(input), Path::new("f"), &options, take, &mut |_, _| Ok(()))
    }),
    ("delimited", |input| {
        let options = delimited::Options::movielens("\t");
        delimited::records(BufReader::new(input), Path::new("f"), &options, &mut |_, _| Ok(()))
    }),
    ("delimited ::", |input| {
        let options = delimited::Options::movielens("::");
        delimited::records(BufReader::new(input), Path::new("f"), &options, &mut |_, _| Ok(()))
    }),
    ("adjacency", |input| {
        adjacency::records(BufReader::new(input), Path::new("f"), adjacency::Style::Blank, &mut |_, _| Ok(()))
    }),
    ("adjacency :", |input| {
        adjacency::records(BufReader::new(input), Path::new("f"), adjacency::Style::Colon, &mut |_, _| Ok(()))
    }),
    ("dense", |input| dense::records(BufReader::new(input), Path::new("f"), &mut |_, _| Ok(())).map(drop)),
    ("matrix", |input| dense::matrix(BufReader::new(input), Path::new("f")).map(drop)),
    ("movies", |input| movielens::movies(BufReader::new(input), Path::new("f")).map(drop)),
    ("users", |input| movielens::users(BufReader::new(input), Path::new("f")).map(drop)),
    ("genres", |input| movielens::genre_names(BufReader::new(input), Path::new("f")).map(drop)),
    ("items", |input| {
        movielens::items_100k(BufReader::new(input), Path::new("f"), &["unknown".to_owned()]).map(drop)
    }),
    ("id list", id_list),
];

/// `org_id remap_id`, which is read from a file in the folder of a data set alone.
fn id_list(input: &mut dyn Read) -> Result<()> {
    let folder = folder(&[("train.txt", "1 2 3\n2 3\n")]);
    let path = folder.path().join("item_list.txt");
    // More than the longest line a reader takes; the rest of an endless input would fill the disk.
    let copied = File::create(&path).and_then(|mut file| std::io::copy(&mut input.take(17 << 20), &mut file));
    if let Err(source) = copied {
        // A file that opens and cannot be read.
        #[cfg(target_os = "linux")]
        std::fs::remove_file(&path)
            .and_then(|()| std::os::unix::fs::symlink("/proc/self/mem", &path))
            .map_err(|error| Error::io("link", error))?;
        #[cfg(not(target_os = "linux"))]
        return Err(Error::io("f", source));
        drop(source);
    }
    match read::folder(folder.path()) {
        Err(Error::Parse { place, what }) if place.path == path => {
            Err(Error::Parse { place: Place { path: "f".into(), ..place }, what })
        }
        other => other.map(drop),
    }
}

fn is_place(error: &Error) -> bool {
    matches!(error, Error::Parse { place, .. } if place.path == Path::new("f"))
}

#[test]
fn a_line_without_end_is_refused() {
    for (name, parse) in PARSERS {
        // A gigabyte without a line break, made as it is read.
        for byte in *b"1a \t" {
            let mut endless = std::io::repeat(byte).take(1 << 30);
            let error = parse(&mut endless).unwrap_err();
            assert!(error.to_string().contains("the line is longer than"), "{name}: {error}");
            assert!(endless.limit() > (1 << 30) - (20 << 20), "{name} read on");
        }
    }
}

#[test]
fn an_empty_file_is_an_error() {
    for (name, parse) in PARSERS {
        let error = parse(&mut &b""[..]).unwrap_err();
        assert!(is_place(&error) && error.to_string().contains("is empty"), "{name}: {error}");
    }
}

#[test]
fn bytes_that_are_not_text_are_an_error() {
    for (name, parse) in PARSERS {
        for bytes in [&b"\xff\xfe\x00\x01\n\x80\n"[..], &[0u8; 64], b"\x00\n\x00\n", b"\xf0\x9f\n"] {
            assert!(parse(&mut &bytes[..]).is_err(), "{name} takes {bytes:?}");
        }
    }
}

#[test]
fn a_failing_disk_is_an_io_error() {
    struct Broken;
    impl Read for Broken {
        fn read(&mut self, _: &mut [u8]) -> std::io::Result<usize> {
            Err(std::io::Error::other("gone"))
        }
    }
    for (name, parse) in PARSERS {
        assert!(matches!(parse(&mut Broken), Err(Error::Io { .. })), "{name}");
    }
}

/// The place and message of the error of one parser for `text`.
fn error(name: &str, text: &str) -> String {
    let (_, parse) = PARSERS.iter().find(|(other, _)| *other == name).unwrap();
    match parse(&mut text.as_bytes()) {
        Ok(()) => panic!("{name} takes {text:?}"),
        Err(error) => error.to_string(),
    }
}

#[test]
fn every_mistake_has_a_place() {
    let head = "user_id:token\titem_id:token\trating:float\n";
    for (name, text, place) in [
        ("atomic", format!("{head}1\t2\t3\n1\t2\n"), "f:3:3: "),
        ("atomic", format!("{head}1\t2\t3\t4\n"), "f:2:4: "),
        ("atomic", format!("{head}1\t2\tNaN\n"), "f:2:3: "),
        ("atomic", format!("{head}1\t2\t-inf\n"), "f:2:3: "),
        ("atomic", format!("{head}1\t2\t3"), ""),
        ("atomic", "user_id:token\titem_id:char\n".into(), "f:1:2: "),
        ("atomic", "user_id:token\titem_id:float\n".into(), "f:1:2: "),
        ("atomic", "user_id:token\trating:float\n".into(), "f:1: "),
        ("features", "item_id:token\tx:float\na\tnan\n".into(), "f:2:2: "),
        ("features", "item_id:token\tx:token\na\tb\na\tc\n".into(), "f:3:1: "),
        ("sequence", "user_id:token\titem_id:token\n1\t2\n".into(), "f:1: "),
        ("delimited", "1\t2\t3\t4\n1\t2\t3\n".into(), "f:2:4: "),
        ("delimited", "-1\t2\t3\t4\n".into(), "f:1:1: "),
        ("delimited", "1\t99999999999999999999\t3\t4\n".into(), "f:1:2: "),
        ("delimited", "1\t2\tnan\t4\n".into(), "f:1:3: "),
        ("delimited ::", "1::2::3\n".into(), "f:1:4: "),
        ("adjacency", "1 2 3\n2 -3\n".into(), "f:2:2: "),
        ("adjacency", "1 2 4294967296\n".into(), "f:1:3: "),
        ("adjacency", "1 2 3\n2 NaN\n".into(), "f:2:2: "),
        ("adjacency :", "1:2\n2\n".into(), "f:2:1: "),
        ("dense", "1 2\n1\n".into(), "f:2:2: "),
        ("dense", "1 inf\n".into(), "f:1:2: "),
        ("dense", "1 1e300\n".into(), "f:1:2: "),
        ("movies", "1::Title\n".into(), "f:1:3: "),
        ("users", "1::F::1::10\n".into(), "f:1:5: "),
        ("genres", "Action|x\n".into(), "f:1:2: "),
        ("items", "1|a|b|c|d|2\n".into(), "f:1:6: "),
        ("id list", "org_id number\na 1\n".into(), "f:1: "),
        ("id list", "org_id remap_id\na 1\nb\n".into(), "f:3:2: "),
        ("id list", "org_id remap_id\na 1\n\nb 2 3\n".into(), "f:4:3: "),
        ("id list", "org_id remap_id\na 1\nb 1\n".into(), "f:3:1: "),
    ] {
        if place.is_empty() {
            // A last line without line break is whole.
            assert!(PARSERS[0].1(&mut text.as_bytes()).is_ok());
        } else {
            let found = error(name, &text);
            assert!(found.starts_with(place), "{name}: {found}, expected {place}");
        }
    }
}

#[test]
fn truncation_never_panics() {
    let atomic = b"user_id:token\titem_id:token\trating:float\ttimestamp:float\n1\t2\t3.5\t881250949\n\xc3\xa9\t2\t1\t2\n";
    let id_list = b"org_id remap_id\nB000\xc3\xa9 1\n  B001\t2\r\n\nB002 3";
    for whole in [&atomic[..], id_list] {
        for length in 0..whole.len() {
            for (_, parse) in PARSERS {
                let _ = parse(&mut &whole[..length]);
            }
        }
    }
}

/// Metrics that are read, and a log that is opened on them.
struct Metrics {
    read: Result<Vec<Record>>,
    opened: Result<Option<usize>>,
    /// What opening the log left of the file.
    left: Vec<u8>,
}

impl Metrics {
    fn of(text: &[u8], path: &Path) -> Self {
        // Some file systems wait for the disk where a file is written over.
        remove_if_there(path).unwrap();
        std::fs::write(path, text).unwrap();
        let read = read_metrics(path);
        let opened = MetricLog::open(path).map(|log| log.last_epoch());
        Self { read, opened, left: std::fs::read(path).unwrap() }
    }
}

const METRICS: &[u8] =
    b"{\"epoch\":1,\"loss\":0.25,\"n\":3}\n{\"epoch\":2}\n{\"epoch\":10,\"h\xc3\xb6\":null,\"loss\":-1.5e-300}\n";

#[test]
fn metrics_cut_off_anywhere_keep_their_whole_lines() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("metrics.jsonl");
    for length in 0..=METRICS.len() {
        let text = &METRICS[..length];
        let whole = text.iter().rposition(|&byte| byte == b'\n').map_or(0, |end| end + 1);
        let metrics = Metrics::of(text, &path);
        let epochs: Vec<usize> = metrics.read.unwrap().iter().map(|record| record.epoch).collect();
        assert_eq!(epochs, [1, 2, 10][..text.iter().filter(|&&byte| byte == b'\n').count()], "{length}");
        assert_eq!(metrics.opened.unwrap(), epochs.last().copied(), "{length}");
        assert_eq!(metrics.left, text[..whole], "{length}");
    }
}

/// Whatever a bit makes of the metrics, they are read, or refused with the line; and a log that is refused leaves the file
/// as it is.
#[test]
fn metrics_with_a_flipped_bit_are_read_or_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("metrics.jsonl");
    let (mut refused, mut accepted) = (0, 0);
    for place in 0..METRICS.len() {
        for bit in 0..8 {
            let mut text = METRICS.to_vec();
            text[place] ^= 1 << bit;
            let lines = text.iter().filter(|&&byte| byte == b'\n').count();
            let metrics = Metrics::of(&text, &path);
            match (metrics.read, metrics.opened) {
                (Ok(records), Ok(last)) => {
                    accepted += 1;
                    assert_eq!(records.len(), lines);
                    assert_eq!(records.last().map(|record| record.epoch), last);
                }
                (Err(Error::Parse { place, .. }), Err(Error::Parse { place: other, .. })) => {
                    refused += 1;
                    assert!((1..=lines as u64).contains(&place.line), "{place}");
                    assert_eq!(place, other);
                    assert_eq!(metrics.left, text);
                }
                (read, opened) => panic!("byte {place}, bit {bit}: {read:?}, but {opened:?}"),
            }
        }
    }
    assert!(refused > 100 && accepted > 100, "{refused} {accepted}");
}

#[test]
fn metrics_of_others_are_refused_with_the_line() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("metrics.jsonl");
    let deep = [&b"{\"epoch\":"[..], &b"[".repeat(200_000)[..], b"\n"].concat();
    let long_number = [&b"{\"epoch\":1"[..], &b"0".repeat(1 << 20)[..], b"}\n"].concat();
    for line in [
        &b"\n"[..],
        b"{}\n",
        b"null\n",
        b"[1]\n",
        b"epoch,loss\n",
        b"{\"epoch\":-1}\n",
        b"{\"epoch\":1.5}\n",
        b"{\"epoch\":1e3}\n",
        b"{\"epoch\":null}\n",
        b"{\"epoch\":\"1\"}\n",
        b"{\"epoch\":18446744073709551616}\n",
        b"{\"epoch\":1,\"loss\":\"0.1\"}\n",
        b"{\"epoch\":1,\"loss\":[0.1]}\n",
        b"{\"epoch\":1,\"loss\":1e999}\n",
        b"{\"epoch\":1,\"loss\":NaN}\n",
        b"{\"epoch\":1} {\"epoch\":2}\n",
        b"{\"epoch\":1}\0\n",
        b"\xff\xfe\n",
        &[0; 64],
        &deep,
        &long_number,
    ] {
        let text = [b"{\"epoch\":1}\n", line, b"\n"].concat();
        let metrics = Metrics::of(&text, &path);
        for error in [metrics.read.unwrap_err(), metrics.opened.unwrap_err()] {
            assert!(
                matches!(&error, Error::Parse { place, .. } if place.line == 2),
                "{:?}: {error}",
                String::from_utf8_lossy(&line[..line.len().min(80)])
            );
        }
        assert_eq!(metrics.left, text);
    }
    // The last of two values of a name counts, and the greatest epoch is an epoch.
    let twice = b"{\"epoch\":1,\"x\":1,\"x\":2,\"epoch\":18446744073709551615}\n";
    let record = Metrics::of(twice, &path).read.unwrap().remove(0);
    assert_eq!((record.epoch as u64, record.get("x")), (u64::MAX, Some(2.0)));
    assert!(matches!(read_metrics(Path::new("/no/such/file")), Err(Error::Io { .. })));
}

fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in files {
        std::fs::write(folder.path().join(name), text).unwrap();
    }
    folder
}

fn read(files: &[(&str, &str)]) -> Result<Dataset> {
    read::folder(folder(files).path())
}

#[test]
fn folders_that_say_nothing_or_too_much() {
    let inter = "user_id:token\titem_id:token\n1\t2\n";
    for (files, expected) in [
        (&[][..], "no interactions found; looked for NAME.inter"),
        (&[("README.md", "x")], "no interactions found"),
        (&[("a.inter", inter), ("b.inter", inter)], "several atomic data sets (a, b)"),
        (&[("a.inter", inter), ("train.txt", "1 2\n1 3\n")], "several kinds of interactions"),
        (&[("train.txt", "1 2\n1 3\n"), ("train.tsv", "1\t2\n")], "are the same part of a split"),
        (&[("train.txt", "1 2\n1 3\n"), ("val.txt", "1 2\n"), ("valid.txt", "1 2\n")], "the same part"),
        (&[("train.txt", "1 2 3\n2 3 4\n")], "cannot tell `user item item …`"),
        (&[("train.txt", "")], "the file is empty"),
        (&[("train.csv", "\"a, b\",c\n")], "quoted text"),
        (&[("train.txt", "word\n")], "no separator found"),
        (&[("a.inter", "")], "the file is empty"),
        (&[("a.inter", "user_id:token\titem_id:token\n")], "there is no interaction"),
        (&[("a.inter", inter), ("a.item", "item_id:token\n2\n2\n")], "has a row already"),
        (&[("u.data", "1\t2\t3\n")], "3 fields, expected 4"),
        (&[("a.x.ratings.dat", ""), ("b.ratings.dat", "")], "several NAME.ratings.dat"),
    ] {
        let error = read(files).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    }
    assert!(matches!(read::folder("/no/such/folder"), Err(Error::Io { .. })));
}

#[test]
fn given_splits_that_do_not_fit() {
    let data = read(&[("a.inter", "user_id:token\titem_id:token\n1\tx\n1\ty\n2\tx\n")]).unwrap();
    let header = "user_id\titem_id\n";
    for (train, test, expected) in [
        ("1\tx\n", "3\tx\n", "test.tsv:2:1: the user \"3\" is not in the data set"),
        ("1\tx\n", "2\tz\n", "test.tsv:2:2: the item \"z\" is not in the data set"),
        ("1\tx\n2\ty\n", "1\ty\n", "train.tsv:3:2: user \"2\" with item \"y\" is not a row of the data set"),
        ("1\tx\n", "", "the test part of the 3 rows"),
        ("", "1\tx\n", "the train part of the 3 rows"),
        ("1\tx\n", "2\t\n", "the user or the item is missing"),
        ("1\tx\n", "2\n", "1 fields, expected 2"),
        ("1\tx\n2\tx\n", "1\ty\n2\tx\n", "test.tsv:3:2: user \"2\" with item \"x\" is in train already"),
    ] {
        let (train, test) = (format!("{header}{train}"), format!("{header}{test}"));
        let folder = folder(&[("train.tsv", &train), ("test.tsv", &test)]);
        let spec = SplitSpec::Given(folder.path().to_owned());
        let error = spec.split(&data, 1).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    }
    let only_train = folder(&[("train.tsv", "user_id\titem_id\n1\tx\n")]);
    let error = read::parts(only_train.path(), &data).unwrap_err().to_string();
    assert!(error.contains("no test file"), "{error}");
    // Two rows of a pair are one for each part; the same part may name its row again.
    let double = read(&[("a.inter", "user_id:token\titem_id:token\n1\tx\n1\ty\n1\tx\n")]).unwrap();
    let rows = |text: &str| format!("{header}{text}");
    let folder = folder(&[("train.tsv", &rows("1\tx\n1\ty\n1\ty\n")), ("test.tsv", &rows("1\tx\n"))]);
    let split = read::parts(folder.path(), &double).unwrap();
    assert_eq!((split.train.len(), split.test.len()), (3, 1));
}

#[test]
fn a_split_written_over_another_leaves_none_of_it() {
    let data = read(&[(
        "a.inter",
        "user_id:token\titem_id:token\n1\tx\n1\ty\n1\tz\n2\tx\n2\ty\n2\tz\n3\tx\n3\ty\n3\tz\n",
    )])
    .unwrap();
    let folder = tempfile::tempdir().unwrap();
    for text in ["user-holdout:0.4,0.3,0.3", "leave-one-out", "leave-one-out:test-only"] {
        let split = text.parse::<SplitSpec>().unwrap().split(&data, 1).unwrap();
        write::split(&split, &data, folder.path()).unwrap();
        let given = read::parts(folder.path(), &data).unwrap();
        assert_eq!(given.manifest.split_sha256, split.manifest.split_sha256, "{text}");
        let files = 3 + usize::from(!split.valid.is_empty()) + usize::from(!split.fold_in.is_empty());
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), files, "{text}");
    }
    // Ids that the format cannot hold are found half-way: no test file, no split.
    let odd = read(&[("a.inter", "user_id:token\titem_id:token\n1\tx\n1\ty\n1\tz\n")]).unwrap();
    let odd_split = "leave-one-out:test-only".parse::<SplitSpec>().unwrap().split(&odd, 1).unwrap();
    let odd = Dataset { items: ["a\tb", "y", "z"].into_iter().collect(), ..odd };
    assert!(write::split(&odd_split, &odd, folder.path()).is_err());
    let error = read::parts(folder.path(), &data).unwrap_err().to_string();
    assert!(error.contains("no test file"), "{error}");
}

#[test]
fn sets_too_small_to_split() {
    let one_each = read(&[("a.inter", "user_id:token\titem_id:token\n1\tx\n2\ty\n")]).unwrap();
    for text in [
        "ratio:0.8,0.1,0.1",
        "ratio-by-time:0.8,0.1,0.1",
        "leave-one-out",
        "k-fold:5,4",
        "user-holdout:1,1,1",
    ] {
        let error = text.parse::<SplitSpec>().unwrap().split(&one_each, 1).unwrap_err();
        assert!(matches!(error, Error::Invalid { .. }), "{text}: {error}");
    }
    let empty = Dataset::default();
    for text in ["ratio:0.8,0.1,0.1", "leave-one-out", "temporal:0.8,0.9", "k-fold:3,0", "user-k-fold:3,0"] {
        assert!(text.parse::<SplitSpec>().unwrap().split(&empty, 1).is_err(), "{text}");
    }
    let mut broken = one_each;
    broken.interactions.timestamps = Some(vec![f64::NAN, 1.0]);
    let error = "temporal:0.5".parse::<SplitSpec>().unwrap().split(&broken, 1).unwrap_err();
    assert_eq!(error.to_string(), "row 0: the timestamp is NaN");
}
