//! Dialogues over documents: two OpenAPI documents and a list of tools, read, spoken about and verified.
#![cfg(feature = "synthesis")]

use std::collections::{BTreeMap, HashSet};
use std::path::{Path, PathBuf};

use rec_core::{Json, Trajectory};
use tool_synth::dlv;
use tool_synth::shard::{self, Shard};
use tool_synth::synthesis::Config;
use tool_synth::tss::{Answer, Documents, Grammar, Kind, Pool, PoolConfig, Shape};

fn path(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/documents").join(name)
}

fn documents(only: bool) -> Documents {
    Documents::read(&[path("clinic.json"), path("rental.json"), path("tools.json")], only).unwrap()
}

fn parsed(name: &str) -> Json {
    std::fs::read_to_string(path(name)).unwrap().parse().unwrap()
}

fn config(count: u64) -> Config {
    Config { count, prior: 48, documents: documents(true), ..Config::default() }
}

/// The tools of the three documents; the photo's takes a list of anything and is left out.
const TOOLS: [&str; 20] = [
    "addPet",
    "bookAppointment",
    "bookFlight",
    "cancelAppointment",
    "convert_amount",
    "createRental",
    "deletePet",
    "findAppointments",
    "getBike",
    "getPet",
    "get_weather",
    "listPets",
    "listRentals",
    "list_stations",
    "lockBike",
    "returnRental",
    "searchBikes",
    "send_email",
    "updatePet",
    "updateRental",
];

#[test]
fn operations_become_objects_verbs_and_slots() {
    let grammar = Grammar::of_openapi(&parsed("clinic.json")).unwrap();
    let found: Vec<(&str, &str, &str, bool, Answer)> = grammar
        .objects
        .iter()
        .flat_map(|object| object.functions.iter().map(move |function| (object, function)))
        .map(|(object, function)| {
            let verb = &grammar.verbs[function.verb];
            let name = function.documented.as_ref().unwrap().name.as_str();
            (name, object.plural.as_str(), verb.name.as_str(), verb.by_id, verb.answer)
        })
        .collect();
    assert_eq!(
        found,
        [
            ("listPets", "pets", "list", false, Answer::List),
            ("addPet", "pets", "add", false, Answer::Receipt),
            ("getPet", "pets", "get", true, Answer::Record),
            ("deletePet", "pets", "delete", true, Answer::Receipt),
            ("updatePet", "pets", "update", true, Answer::Receipt),
            ("findAppointments", "appointments", "find", false, Answer::List),
            ("bookAppointment", "appointments", "book", false, Answer::Receipt),
            ("cancelAppointment", "appointments", "cancel", true, Answer::Receipt),
        ]
    );
    // A tag that several objects share (a pet's photo is another), and the title for the rest.
    let domains: Vec<&str> = grammar.domains.iter().map(|domain| domain.title.as_str()).collect();
    assert_eq!(domains, ["pets", "Pet clinic"]);
    let kind = |tool: &str, name: &str| -> Shape {
        let functions = grammar.objects.iter().flat_map(|object| &object.functions);
        let documented = functions
            .filter_map(|function| function.documented.as_ref())
            .find(|one| one.name == tool)
            .unwrap();
        documented.fields.iter().find(|field| field.name == name).unwrap().shape.clone()
    };
    assert_eq!(kind("listPets", "maxWeight"), Shape::One(Kind::Number(1.0, 80.0)));
    assert_eq!(kind("addPet", "birthDate"), Shape::One(Kind::Date));
    assert_eq!(kind("getPet", "petId"), Shape::One(Kind::Integer(1, 99_999)));
    assert!(matches!(kind("cancelAppointment", "appointmentId"), Shape::One(Kind::Identifier(_))));
    assert!(matches!(kind("updatePet", "allergies"), Shape::Many(Kind::Title(_))));
    let Shape::Group(owner) = kind("bookAppointment", "owner") else { panic!("no group") };
    assert_eq!(
        owner.iter().map(|field| (field.name.as_str(), field.required)).collect::<Vec<_>>(),
        [("email", true), ("phone", false)]
    );
    let left_out = grammar.left_out.join("\n");
    for part in [
        "X-Request-Id",
        "POST /api/v1/appointments: parameter metadata",
        "PUT /api/v1/pets/{petId}/photo: left out",
    ] {
        assert!(left_out.contains(part), "{part}: {left_out}");
    }
    assert_eq!(grammar.left_out.len(), 3, "{left_out}");
}

#[test]
fn tools_are_read_from_names_in_both_forms() {
    let grammar = Grammar::of_document(&parsed("tools.json")).unwrap();
    let objects: Vec<&str> = grammar.objects.iter().map(|object| object.singular.as_str()).collect();
    assert_eq!(objects, ["weather", "flight", "email", "amount"]);
    let answer = r#"{"tools": [{"name": "renewLoan", "inputSchema": {"type": "object", "properties": {"loanId": {"type": "string"}},
        "required": ["loanId"]}}]}"#;
    let grammar = Grammar::of_document(&answer.parse().unwrap()).unwrap();
    assert_eq!(grammar.verbs[0].requests, ["renew the {object} {id}"]);
}

#[test]
fn mistakes_name_their_place() {
    let message = |text: &str| Grammar::of_document(&text.parse().unwrap()).unwrap_err().to_string();
    assert!(message(r#"{"swagger": "2.0"}"#).contains("/swagger"));
    assert!(message(r#"{"a": 1}"#).contains("neither"));
    assert!(message(r#"[{"name": "a", "parameters": {"type": "string"}}]"#).contains("tool a"));
    let required = r#"[{"name": "run_job", "parameters": {"type": "object", "properties": {"spec": {"type": "object"}}, "required": ["spec"]}}]"#;
    assert!(message(required).contains("tool run_job: left out: parameter spec"), "{}", message(required));
    let few = Grammar::of_document(&parsed("tools.json")).unwrap();
    let pool = |config: PoolConfig| Pool::synthesise(&few, &config, 1);
    assert_eq!(pool(PoolConfig::default()).unwrap().apis.len(), 4);
    let one = Grammar::of_document(&r#"[{"name": "get_weather"}]"#.parse().unwrap()).unwrap();
    let error = Pool::synthesise(&one, &PoolConfig::default(), 1).unwrap_err().to_string();
    assert!(error.contains("1 operations about 1 objects"), "{error}");
}

#[test]
fn dialogues_over_documents_alone_are_verified_and_the_same_in_shards() {
    let config = config(260);
    let folder = tempfile::tempdir().unwrap();
    let whole = folder.path().join("whole");
    shard::run_offline(&config, &whole, Shard::WHOLE, &mut ()).unwrap();
    let (samples, tally, read) = shard::merge(&whole).unwrap();
    assert_eq!(read, config);
    assert_eq!(samples.len(), 260, "{tally:?}");
    // Of the plans, most are spoken as their goal asks by a solver that knows neither documents nor goals.
    assert!(tally.experts * 100 >= tally.attempts * 60, "{tally:?}");
    let mut called: BTreeMap<&str, usize> = BTreeMap::new();
    for sample in &samples {
        assert_eq!(dlv::check(sample), []);
        for tool in &sample.tools {
            assert!(TOOLS.contains(&tool.name.as_str()), "{}", tool.name);
        }
        for call in sample.calls() {
            *called.entry(sample.tool(&call.name).unwrap().name.as_str()).or_default() += 1;
        }
    }
    assert_eq!(called.keys().copied().collect::<Vec<_>>(), TOOLS, "{called:?}");
    let types: HashSet<&str> =
        samples.iter().filter_map(|sample| sample.metadata.get("type")?.as_str()).collect();
    assert_eq!(types.len(), 4);
    // Identifiers of results are used by calls that follow, texts and numbers.
    assert!(picks(&samples, "bike_id") > 0 && picks(&samples, "petId") > 0);

    let text = |out: &Path| std::fs::read_to_string(out.join("samples.jsonl")).unwrap();
    let shards = folder.path().join("shards");
    for index in [1, 0] {
        shard::run_offline(&config, &shards, Shard { index, of: 2 }, &mut ()).unwrap();
    }
    shard::merge(&shards).unwrap();
    assert!(text(&whole) == text(&shards));
    // A block that is lost is made again.
    std::fs::remove_file(shards.join("blocks/000000.json")).unwrap();
    shard::run_offline(&config, &shards, Shard::WHOLE, &mut ()).unwrap();
    shard::merge(&shards).unwrap();
    assert!(text(&whole) == text(&shards));
    assert_eq!(shard::finish(&shards).unwrap().apis, TOOLS.len());

    // Blocks of other documents do not merge, even where the configuration is the other's.
    let mut other = config.clone();
    other.documents.files.pop();
    let error = shard::run_offline(&other, &shards, Shard::WHOLE, &mut ()).unwrap_err().to_string();
    assert!(error.contains("other settings"), "{error}");
    let mixed = folder.path().join("mixed");
    shard::open(&mixed, &other).unwrap();
    for entry in std::fs::read_dir(shards.join("blocks")).unwrap().flatten() {
        std::fs::copy(entry.path(), mixed.join("blocks").join(entry.file_name())).unwrap();
    }
    let error = shard::merge(&mixed).unwrap_err().to_string();
    assert!(error.contains("grammar"), "{error}");
}

/// Calls whose `name` the user never said.
fn picks(samples: &[Trajectory], name: &str) -> usize {
    let unsaid = |sample: &&Trajectory| {
        let said: String = sample
            .messages
            .iter()
            .filter(|message| message.role == rec_core::Role::User)
            .map(|message| format!("{} ", message.content))
            .collect();
        sample.calls().any(|call| {
            call.arguments.get(name).is_some_and(|value| {
                let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
                !said.contains(&text)
            })
        })
    };
    samples.iter().filter(unsaid).count()
}

#[test]
fn documents_stand_beside_the_embedded_grammar() {
    let both = documents(false).grammar().unwrap();
    assert!(both.domains.len() > Grammar::embedded().domains.len());
    assert_ne!(both.digest(), Grammar::embedded().digest());
    let mut prefixes: Vec<&str> = both.objects.iter().map(|object| object.prefix.as_str()).collect();
    prefixes.sort_unstable();
    let before = prefixes.len();
    prefixes.dedup();
    assert_eq!(before, prefixes.len());
    let pool = Pool::synthesise(&both, &PoolConfig { apis: 100, ..PoolConfig::default() }, 1).unwrap();
    let names: HashSet<&str> = pool.apis.iter().map(|api| api.spec.name.as_str()).collect();
    assert!(TOOLS.iter().all(|name| names.contains(name)));
    assert_eq!((pool.apis.len(), names.len()), (100, 100));
    assert!(pool.apis[..TOOLS.len()].iter().all(|api| api.lineage.operators.is_empty()));
}

#[test]
fn without_documents_the_data_are_what_they_were() {
    use sha2::{Digest, Sha256};
    let config =
        Config { count: 24, pool: PoolConfig { apis: 200, ..PoolConfig::default() }, ..Config::default() };
    let folder = tempfile::tempdir().unwrap();
    shard::run_offline(&config, folder.path(), Shard::WHOLE, &mut ()).unwrap();
    shard::merge(folder.path()).unwrap();
    let bytes = std::fs::read(folder.path().join("samples.jsonl")).unwrap();
    let digest: String = Sha256::digest(&bytes).iter().map(|byte| format!("{byte:02x}")).collect();
    // Of version 0.1.0 before grammars came from documents.
    assert_eq!(digest, "da91c904a023e53a42c77158d862335bfc9f20d16435378b26fa750e09cfe484");
    let text = std::fs::read_to_string(folder.path().join("config.json")).unwrap();
    assert!(!text.contains("documents"));
}
