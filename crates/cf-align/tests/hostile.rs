//! Files that nobody should send: a model or a checkpoint that was cut off, damaged or made to hurt gives a typed error or a
//! model that can be used, and never a panic or a large allocation.

use std::alloc::{GlobalAlloc, Layout, System};
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};

use cf_align::store::model_path;
use cf_align::{
    Ease, EaseConfig, Embeddings, Error, Fitted, Ials, IalsConfig, ItemKnn, ItemKnnConfig, Model,
    ModelConfig, Popularity, Result, Saved, Scoring, Session, fit, store,
};
use rec_core::run::remove_if_there;
use rec_core::{IdMap, Interactions, ItemId, Query, Recommender, Split, UserId, UserItems};
use serde_json::Value;

/// Remembers the greatest request.
struct Watching;

static GREATEST: AtomicUsize = AtomicUsize::new(0);

// SAFETY: every call is passed on to the system's allocator.
unsafe impl GlobalAlloc for Watching {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        GREATEST.fetch_max(layout.size(), Ordering::Relaxed);
        // SAFETY: the caller's promise is passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        GREATEST.fetch_max(layout.size(), Ordering::Relaxed);
        // SAFETY: the caller's promise is passed on.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the caller's promise is passed on.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Watching = Watching;

/// Nothing here needs as much at once: the longest file has 2 MiB.
#[track_caller]
fn no_large_allocation() {
    let greatest = GREATEST.load(Ordering::Relaxed);
    assert!(greatest < 16 << 20, "{greatest} bytes at once");
}

const N_USERS: usize = 4;
const N_ITEMS: usize = 5;

fn interactions() -> Interactions {
    let pairs = [(0, 0), (0, 1), (0, 3), (1, 1), (1, 2), (3, 0), (3, 3)];
    let (users, items) = pairs.iter().map(|&(user, item)| (UserId(user), ItemId(item))).unzip();
    Interactions::from_pairs(users, items)
}

fn models() -> Vec<Model> {
    let train = UserItems::new(&interactions(), N_USERS, N_ITEMS);
    let sparse = EaseConfig { top_k: Some(2), ..EaseConfig::default() };
    let table = |rows: usize| (0..rows * 3).map(|i| i as f32 - 4.5).collect::<Vec<f32>>();
    let embeddings = Embeddings::new(3, table(N_USERS), table(N_ITEMS), Scoring::Cosine);
    let ials = IalsConfig { dim: 3, alpha: 4.0, ..IalsConfig::default() };
    vec![
        Model::Embeddings(embeddings, Some(Box::new(ModelConfig::directau()))),
        Model::Ease(Ease::fit(&train, &EaseConfig::default()).unwrap()),
        Model::Ease(Ease::fit(&train, &sparse).unwrap()),
        Model::Ials(Ials::fit(&train, &ials).unwrap()),
        Model::ItemKnn(ItemKnn::fit(&train, &ItemKnnConfig::default()).unwrap()),
        Model::Popularity(Popularity::fit(&train)),
    ]
}

/// The bytes of every kind of saved model.
fn saved_models(folder: &Path) -> Vec<(&'static str, Vec<u8>)> {
    let (users, items) = (["ann", "bob", "zoë", "d\"d"].into_iter().collect(), IdMap::numbered(N_ITEMS));
    let bytes = |model: &Model| {
        store::save(model, &users, &items, folder).unwrap();
        std::fs::read(model_path(folder)).unwrap()
    };
    models().iter().map(|model| (model.kind(), bytes(model))).collect()
}

/// Some file systems wait for the disk where a file is written over.
fn write_anew(path: &Path, bytes: &[u8]) {
    remove_if_there(path).unwrap();
    std::fs::write(path, bytes).unwrap();
}

fn load(bytes: &[u8], folder: &Path) -> Result<Saved> {
    write_anew(&model_path(folder), bytes);
    store::load(folder)
}

/// What was loaded answers, for users that it knows and for others, if not always with a list.
fn ask(saved: &Saved) {
    let n_items = saved.model.n_items();
    assert_eq!(n_items, saved.items.len());
    let everything: Vec<ItemId> = (0..n_items.min(50)).map(ItemId::from_index).collect();
    for user in [None, Some(UserId(0)), Some(UserId(3)), Some(UserId(u32::MAX))] {
        for history in [&[][..], &everything] {
            let query = Query { user, history, ..Query::default() };
            if let Ok(rankings) = saved.model.recommend(&[query], 3) {
                assert!(rankings.row(0).iter().all(|hit| hit.item.index() < n_items && !hit.score.is_nan()));
            }
        }
    }
}

fn is_format(error: &Error) -> bool {
    matches!(error, Error::Format { .. })
}

#[test]
fn models_cut_off_anywhere_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    for (kind, bytes) in saved_models(folder.path()) {
        for length in 0..bytes.len() {
            let error = load(&bytes[..length], folder.path()).unwrap_err();
            assert!(is_format(&error), "{kind}, {length} bytes: {error}");
        }
        ask(&load(&bytes, folder.path()).unwrap());
        let longer = [&bytes[..], b"\0"].concat();
        assert!(is_format(&load(&longer, folder.path()).unwrap_err()), "{kind} with a byte behind it");
    }
    no_large_allocation();
}

#[test]
fn models_with_a_damaged_byte_are_refused_or_answer() {
    let folder = tempfile::tempdir().unwrap();
    for (kind, bytes) in saved_models(folder.path()) {
        let (mut refused, mut accepted) = (0, 0);
        for place in 0..bytes.len() {
            for flip in [1, 0x10, 0x80, 0xff] {
                let mut bytes = bytes.clone();
                bytes[place] ^= flip;
                match load(&bytes, folder.path()) {
                    Ok(saved) => {
                        accepted += 1;
                        ask(&saved);
                    }
                    Err(error) => {
                        refused += 1;
                        assert!(is_format(&error), "{kind}, byte {place} ^ {flip}: {error}");
                    }
                }
            }
        }
        assert!(refused > 100 && accepted > 100, "{kind}: {refused} {accepted}");
    }
    no_large_allocation();
}

/// A safetensors file of this header and these bytes.
fn file(header: &str, data: &[u8]) -> Vec<u8> {
    [&(header.len() as u64).to_le_bytes()[..], header.as_bytes(), data].concat()
}

fn tensor(name: &str, dtype: &str, shape: &str, from: usize, to: usize) -> String {
    format!(r#""{name}":{{"dtype":"{dtype}","shape":{shape},"data_offsets":[{from},{to}]}}"#)
}

/// Files that no program of ours writes, whoever reads them.
fn headers_that_lie(metadata: &str) -> Vec<Vec<u8>> {
    let with = |tensors: &str| format!(r#"{{"__metadata__":{metadata},{tensors}}}"#);
    let mut files: Vec<Vec<u8>> =
        [0, 1, 8, 9, 100_000_000, 100_000_001, u64::MAX / 2, u64::MAX - 7, u64::MAX]
            .map(|length: u64| [&length.to_le_bytes()[..], b"{}"].concat())
            .to_vec();
    files.push(file(&"[".repeat(1 << 20), &[]));
    files.push(file(&format!(r#"{{"__metadata__":{}"#, "{\"a\":".repeat(1 << 18)), &[]));
    for name in ["users", "counts", "names.items", "weights", "train.lengths", "state.table", "best.items"] {
        for dtype in ["F32", "U32", "U8", "F64", "U64"] {
            for shape in [
                "[18446744073709551615]",
                "[4294967296,4294967296]",
                "[9223372036854775808,2]",
                "[0,4611686018427387904]",
                "[4611686018427387904,0]",
                "[18446744073709551616]",
                "[-1]",
                "[]",
                "[0]",
            ] {
                for (from, to) in [(0, 0), (0, 8), (8, 0), (0, usize::MAX), (usize::MAX, usize::MAX)] {
                    files.push(file(&with(&tensor(name, dtype, shape, from, to)), &[0; 8]));
                }
            }
        }
    }
    files
}

const METADATA: &str =
    r#"{"format":"sextant-cf-align","format_version":"1","config":"null","scoring":"dot","model":"KIND"}"#;
const KINDS: [&str; 5] = ["embeddings", "ease", "ials", "item_knn", "popularity"];

#[test]
fn models_whose_header_lies_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    for kind in KINDS {
        for bytes in headers_that_lie(&METADATA.replace("KIND", kind)) {
            let error = load(&bytes, folder.path()).unwrap_err();
            assert!(is_format(&error), "{kind}: {error}");
        }
    }
    no_large_allocation();
}

/// Sizes that agree with each other, for nothing is stored: a model of no items whose vectors are as long as memory.
#[test]
fn models_of_nothing_are_refused_or_answer() {
    let folder = tempfile::tempdir().unwrap();
    let names =
        [tensor("names.users", "U8", "[2]", 0, 2), tensor("names.items", "U8", "[2]", 2, 4)].join(",");
    let ials = serde_json::to_string(&IalsConfig::default()).unwrap();
    let ease = serde_json::to_string(&EaseConfig::default()).unwrap();
    let knn = serde_json::to_string(&ItemKnnConfig::default()).unwrap();
    for length in ["1", "64", "1099511627776", "1152921504606846976", "4611686018427387903"] {
        let tables =
            ["users", "items"].map(|name| tensor(name, "F32", &format!("[0,{length}]"), 4, 4)).join(",");
        let train = ["train.lengths", "train.items"].map(|name| tensor(name, "U32", "[0]", 4, 4)).join(",");
        let offsets = tensor("weights.offsets", "U64", "[1]", 4, 12);
        let sparse =
            [tensor("weights.targets", "U32", "[0]", 12, 12), tensor("weights.values", "F32", "[0]", 12, 12)];
        for (kind, config, tensors, data) in [
            ("embeddings", "null", tables.clone(), 0),
            ("ials", &ials, tables, 0),
            ("ease", &ease, format!("{train},{}", tensor("weights", "F32", "[0,0]", 4, 4)), 0),
            ("item_knn", &knn, format!("{train},{offsets},{}", sparse.join(",")), 8),
            ("popularity", "null", tensor("counts", "U32", "[0]", 4, 4), 0),
        ] {
            let metadata = METADATA.replace("KIND", kind);
            let config = serde_json::to_string(config).unwrap();
            let metadata = metadata.replace(r#""config":"null""#, &format!(r#""config":{config}"#));
            let header = format!(r#"{{"__metadata__":{metadata},{names},{tensors}}}"#);
            match load(&file(&header, &[&b"[][]"[..], &vec![0; data]].concat()), folder.path()) {
                Ok(saved) => ask(&saved),
                Err(error) => assert!(is_format(&error), "{kind}: {error}"),
            }
        }
    }
    no_large_allocation();
}

fn training() -> (ModelConfig, Split) {
    let mut config = ModelConfig::directau();
    config.training.dim = 4;
    config.training.epochs = 3;
    config.training.batch_size = 4;
    let train = interactions();
    let valid = Interactions::from_pairs(vec![UserId(0), UserId(1)], vec![ItemId(2), ItemId(0)]);
    (config, Split { train, valid, ..Split::default() })
}

/// Goes on from these bytes.
fn resume(bytes: &[u8], folder: &Path) -> Result<Fitted> {
    let path = folder.join("checkpoint.safetensors");
    write_anew(&path, bytes);
    let (config, split) = training();
    fit(&config, &split, N_USERS, N_ITEMS, Session { checkpoint: Some(&path), ..Session::new(&mut ()) })
}

/// A checkpoint of a finished training, and the same with two of its three epochs still to come: the header, and the bytes
/// after it.
fn checkpoints(folder: &Path) -> [(String, Vec<u8>); 2] {
    let path = folder.join("whole.safetensors");
    let (config, split) = training();
    fit(&config, &split, N_USERS, N_ITEMS, Session { checkpoint: Some(&path), ..Session::new(&mut ()) })
        .unwrap();
    let bytes = std::fs::read(path).unwrap();
    let length = u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
    let (header, data) = (std::str::from_utf8(&bytes[8..8 + length]).unwrap(), &bytes[8 + length..]);
    let mut going_on: Value = serde_json::from_str(header).unwrap();
    let told = &mut going_on["__metadata__"]["sextant.training"];
    let mut numbers: Value = serde_json::from_str(told.as_str().unwrap()).unwrap();
    assert_eq!(numbers["epoch"], 3);
    for (key, value) in [("epoch", 1), ("best_epoch", 1), ("stale", 0)] {
        numbers[key] = value.into();
    }
    numbers["step"] = (numbers["step"].as_u64().unwrap() / 3).into();
    numbers["finished"] = false.into();
    numbers["history"].as_array_mut().unwrap().truncate(1);
    *told = numbers.to_string().into();
    [(header.to_owned(), data.to_vec()), (going_on.to_string(), data.to_vec())]
}

/// What a checkpoint led to has the shape of the data.
#[track_caller]
fn fits(fitted: &Fitted) {
    assert_eq!((fitted.embeddings.n_users(), fitted.embeddings.n_items()), (N_USERS, N_ITEMS));
    assert_eq!(fitted.embeddings.dim(), 4);
}

/// Whether this is how a checkpoint is refused, or how training on what it holds fails.
fn is_typed(error: &Error) -> bool {
    matches!(
        error,
        Error::Format { .. } | Error::Diverged { .. } | Error::Core(rec_core::Error::Invalid { .. })
    )
}

#[test]
fn checkpoints_cut_off_anywhere_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    for (header, data) in checkpoints(folder.path()) {
        let bytes = file(&header, &data);
        for length in 0..bytes.len() {
            let error = resume(&bytes[..length], folder.path()).unwrap_err();
            assert!(is_format(&error), "{length} bytes: {error}");
        }
        fits(&resume(&bytes, folder.path()).unwrap());
    }
    no_large_allocation();
}

#[test]
fn checkpoints_with_a_damaged_byte_are_refused_or_gone_on_from() {
    let folder = tempfile::tempdir().unwrap();
    let [finished, going_on] = checkpoints(folder.path());
    // Going on costs two epochs and a checkpoint each time.
    for ((header, data), flips, sparse) in [(finished, &[1, 0x10, 0x80, 0xff][..], 1), (going_on, &[0x81], 5)]
    {
        let (mut refused, mut accepted) = (0, 0);
        let bytes = file(&header, &data);
        for place in (0..bytes.len()).filter(|place| *place < 8 + header.len() || place % sparse == 0) {
            for flip in flips {
                let mut bytes = bytes.clone();
                bytes[place] ^= flip;
                match resume(&bytes, folder.path()) {
                    Ok(fitted) => {
                        accepted += 1;
                        fits(&fitted);
                    }
                    Err(error) => {
                        refused += 1;
                        assert!(is_typed(&error), "byte {place} ^ {flip}: {error:?}");
                    }
                }
            }
        }
        assert!(refused > 100 && accepted > 100, "{refused} {accepted}");
    }
    no_large_allocation();
}

#[test]
fn checkpoints_whose_header_lies_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let (header, _) = &checkpoints(folder.path())[0];
    let whole: Value = serde_json::from_str(header).unwrap();
    for bytes in headers_that_lie(&whole["__metadata__"].to_string()) {
        let error = resume(&bytes, folder.path()).unwrap_err();
        assert!(is_typed(&error), "{error:?}");
    }
    no_large_allocation();
}

/// Numbers in the header that cannot be: refused, or gone on from.
#[test]
fn checkpoints_of_impossible_numbers_are_refused_or_gone_on_from() {
    let folder = tempfile::tempdir().unwrap();
    for (header, data) in checkpoints(folder.path()) {
        let whole: Value = serde_json::from_str(&header).unwrap();
        let text = whole["__metadata__"]["sextant.training"].as_str().unwrap();
        let known: Value = serde_json::from_str(text).unwrap();
        for key in ["epoch", "step", "best_epoch", "stale", "data", "best_value", "history"] {
            for number in
                ["0", "1", "-1", "1e400", "18446744073709551615", "18446744073709551616", "null", "[]"]
            {
                let mut fields: Vec<String> = Vec::new();
                for (name, value) in known.as_object().unwrap() {
                    let value = if name == key { number.to_owned() } else { value.to_string() };
                    fields.push(format!("\"{name}\":{value}"));
                }
                let mut changed = whole.clone();
                changed["__metadata__"]["sextant.training"] = format!("{{{}}}", fields.join(",")).into();
                match resume(&file(&changed.to_string(), &data), folder.path()) {
                    Ok(fitted) => fits(&fitted),
                    Err(error) => assert!(is_typed(&error), "{key} {number}: {error:?}"),
                }
            }
        }
    }
    no_large_allocation();
}

/// Tables of other sizes than the data's, and of vectors of no length.
#[test]
fn checkpoints_of_other_sizes_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    for (header, _) in checkpoints(folder.path()) {
        let whole: Value = serde_json::from_str(&header).unwrap();
        let metadata = &whole["__metadata__"];
        let no_length = metadata.to_string().replace(r#"\"dim\":4"#, r#"\"dim\":0"#);
        assert_ne!(no_length, metadata.to_string());
        let nodes = N_USERS + N_ITEMS;
        for (metadata, rows, best_users, best_items, dim) in [
            (metadata.to_string(), nodes, N_USERS - 1, N_ITEMS, 4),
            (metadata.to_string(), nodes, N_USERS, N_ITEMS + 1, 4),
            (metadata.to_string(), nodes, 0, 0, 4),
            (metadata.to_string(), nodes + 1, N_USERS, N_ITEMS, 4),
            (metadata.to_string(), nodes, N_USERS, N_ITEMS, 0),
            (metadata.to_string(), nodes, N_USERS, N_ITEMS, 5),
            (no_length, nodes, N_USERS, N_ITEMS, 0),
        ] {
            let (mut tensors, mut at) = (Vec::new(), 0);
            for (name, rows) in [
                ("best.users", best_users),
                ("best.items", best_items),
                ("state.table", rows),
                ("state.first_moment", rows),
                ("state.second_moment", rows),
            ] {
                let end = at + rows * dim * 4;
                tensors.push(tensor(name, "F32", &format!("[{rows},{dim}]"), at, end));
                at = end;
            }
            let header = format!(r#"{{"__metadata__":{metadata},{}}}"#, tensors.join(","));
            let what = format!("{rows} rows, {best_users} and {best_items} best ones of {dim}");
            match resume(&file(&header, &vec![0; at]), folder.path()) {
                Ok(_) => panic!("{what}: accepted"),
                Err(error) => assert!(is_format(&error) || is_typed(&error), "{what}: {error:?}"),
            }
        }
    }
    no_large_allocation();
}
