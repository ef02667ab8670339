//! The client against the server over real HTTP: replies, streams, keys, cassettes, the cache.

mod support;

use std::sync::Arc;

use chat_model::http::{Cassette, CassetteMode, EndpointConfig, OpenAiCompatible};
use chat_model::layer::{Budget, BudgetConfig, Cache, CacheConfig, FitContext, Mixed, Retry, RetryConfig};
use chat_model::server::{Faults, Server, ServerConfig};
use chat_model::{
    ChatModel, ChatRequest, Error, FinishReason, ResponseFormat, Sampling, SeenTools, Source, ToolChoice,
    Usage, gather, wire,
};
use rec_core::{Json, Message, Role, ToolSpec};
use support::{Parrot, ask, client, config, serve};

fn tool() -> ToolSpec {
    ToolSpec::new(
        "find",
        "finds",
        r#"{"type":"object","properties":{"q":{"type":"string"}}}"#.parse().unwrap(),
    )
}

#[tokio::test]
async fn a_reply_is_the_same_whole_and_in_pieces() {
    let server = serve(Faults::default()).await;
    let model = client(&server);
    let with_tools = ChatRequest {
        tools: vec![tool()].into(),
        tool_choice: ToolChoice::Required,
        ..ask("Heat \"1995\"\n")
    };
    let with_task = ChatRequest {
        agent: Some("analyst".into()),
        task: Some(r#"{"user":12345678901234567890123}"#.parse().unwrap()),
        logprobs: Some(2),
        ..ask("x")
    };
    for request in [ask("hello"), with_tools, with_task] {
        let whole = model.complete(&request).await.unwrap();
        let pieces = gather(model.stream(&request)).await.unwrap();
        assert_eq!(whole, pieces);
        assert_eq!(whole.model, "parrot");
        assert_eq!(whole.usage, Some(Usage { prompt_tokens: 10, completion_tokens: 5 }));
        assert_eq!(whole.message.role, Role::Assistant);
        match (request.tools.is_empty(), &request.task) {
            (false, _) => {
                assert_eq!(whole.finish, FinishReason::ToolCalls);
                assert_eq!(
                    whole.message.tool_calls[1].arguments.to_string(),
                    r#"{"q":"Heat \"1995\"\n","n":1}"#
                );
                assert_eq!(whole.message.content, "I look: é😀");
            }
            (_, Some(task)) => {
                assert_eq!(whole.message.content, format!("analyst: {task}"));
                assert_eq!(whole.logprobs[0].logprob, -0.25);
            }
            _ => assert_eq!(whole.message.content, "you said: hello"),
        }
    }
    assert_eq!(server.stats().answered, 6);
}

#[test]
fn a_request_reads_back_as_written() {
    let schema: Json = r#"{"type":"object","properties":{"z":{},"a":{}}}"#.parse().unwrap();
    let request = ChatRequest {
        messages: vec![Message::system("s"), Message::user("u")],
        tools: vec![tool()].into(),
        tool_choice: ToolChoice::Tool("find".into()),
        sampling: Sampling {
            temperature: Some(0.7),
            top_p: Some(0.9),
            max_tokens: Some(7),
            stop: vec!["a".into(), "b".into()],
            seed: Some(u64::MAX),
        },
        format: ResponseFormat::JsonSchema { name: "reply".into(), schema },
        logprobs: Some(3),
        agent: Some("manager".into()),
        task: Some("[1]".parse().unwrap()),
        sample: None,
        session: None,
    };
    for stream in [false, true] {
        let body = wire::write_request(&request, "m", stream, true);
        assert_eq!(Json::Object(wire::request_body(&request, "m", stream, true).unwrap()).to_string(), body);
        let (read, streams) = wire::read_request(&body, &SeenTools::default()).unwrap();
        assert_eq!((read, streams), (request.clone(), stream));
    }
    // Without leave the task stays here.
    let body = wire::write_request(&request, "m", false, false);
    assert!(!body.contains("manager"), "{body}");
    for (body, what) in [
        (r#"{"model":"m"}"#, "messages is missing"),
        (r#"{"messages":[{"role":"cat","content":""}]}"#, "messages: "),
        (r#"{"messages":[],"temperature":"hot"}"#, "temperature: "),
    ] {
        let message = wire::read_request(body, &SeenTools::default()).unwrap_err().to_string();
        assert!(message.contains(what), "{message}");
    }
}

#[tokio::test]
async fn keys_reach_nobody() {
    const KEY: &str = "sk-very-secret-0123456789";
    // SAFETY: no other test of this file reads or writes this variable.
    unsafe { std::env::set_var("CHAT_MODEL_TEST_KEY", KEY) };
    let folder = tempfile::tempdir().unwrap();
    let tape = folder.path().join("tape.jsonl");
    // The server repeats a token that it does not know.
    let strict = ServerConfig { token: Some("another".into()), ..ServerConfig::default() };
    let server = Server::start(Arc::new(Parrot), strict).await.unwrap();
    let config = EndpointConfig { key_variable: Some("CHAT_MODEL_TEST_KEY".into()), ..config(&server) };
    let cassette = Cassette::open(&tape, CassetteMode::Record).unwrap();
    let model = OpenAiCompatible::with_cassette(config.clone(), cassette).unwrap();
    let request = ask(&format!("my key is {KEY}"));
    let error = model.complete(&request).await.unwrap_err();
    assert!(matches!(&error, Error::Auth { what } if what.contains("[secret]")), "{error}");
    let streamed = gather(model.stream(&request)).await.unwrap_err();
    let recorded = std::fs::read_to_string(&tape).unwrap();
    assert_eq!(recorded.lines().count(), 2);
    let settings = serde_json::to_string(&config).unwrap();
    for text in
        [format!("{error} {error:?} {streamed:?}"), recorded, format!("{model:?} {config:?}"), settings]
    {
        assert!(!text.contains(KEY) && !text.contains("very-secret"), "{text}");
    }
    let missing = EndpointConfig { key_variable: Some("CHAT_MODEL_NO_SUCH_KEY".into()), ..config };
    let message = OpenAiCompatible::new(missing).unwrap_err().to_string();
    assert_eq!(message, "not authorised: the environment variable CHAT_MODEL_NO_SUCH_KEY is not set");
    // With the right token it goes through.
    let strict = ServerConfig { token: Some(KEY.into()), ..ServerConfig::default() };
    assert!(!format!("{strict:?}").contains(KEY));
    let server = Server::start(Arc::new(Parrot), strict).await.unwrap();
    let config =
        EndpointConfig { key_variable: Some("CHAT_MODEL_TEST_KEY".into()), ..support::config(&server) };
    let model = Arc::new(OpenAiCompatible::new(config).unwrap());
    assert!(model.complete(&ask("x")).await.is_ok());
    let kept = CacheConfig { folder: folder.path().join("kept"), epoch: String::new(), max_bytes: 1 << 20 };
    let text = format!("{server:?} {:?}", Cache::new(model, kept).unwrap());
    assert!(text.contains("parrot") && !text.contains("very-secret"), "{text}");
}

#[tokio::test]
async fn what_was_recorded_plays_without_an_endpoint() {
    let folder = tempfile::tempdir().unwrap();
    let tape = folder.path().join("tape.jsonl");
    let faults = Faults {
        script: vec![None, None, Some(chat_model::server::Fault::RateLimited { retry_after: None })],
        ..Faults::default()
    };
    let server = serve(faults).await;
    let config = config(&server);
    let open =
        |mode| OpenAiCompatible::with_cassette(config.clone(), Cassette::open(&tape, mode).unwrap()).unwrap();
    let recording = open(CassetteMode::Record);
    let whole = recording.complete(&ask("é😀")).await.unwrap();
    let pieces = gather(recording.stream(&ask("é😀"))).await.unwrap();
    assert!(matches!(recording.complete(&ask("b")).await, Err(Error::RateLimited { .. })));
    recording.complete(&ask("b")).await.unwrap();
    drop(server);

    let replaying = open(CassetteMode::Replay);
    let again = replaying.complete(&ask("é😀")).await.unwrap();
    assert_eq!(again.source, Source::Cassette);
    assert_eq!(again.message, whole.message);
    assert_eq!(gather(replaying.stream(&ask("é😀"))).await.unwrap().message, pieces.message);
    // The same request twice: first the refusal, then the reply, as they came.
    assert!(matches!(replaying.complete(&ask("b")).await, Err(Error::RateLimited { .. })));
    replaying.complete(&ask("b")).await.unwrap();
    let message = replaying.complete(&ask("b")).await.unwrap_err().to_string();
    assert!(message.contains("recorded 2 times, and is made once more"), "{message}");
    let message = replaying.complete(&ask("c")).await.unwrap_err().to_string();
    assert_eq!(
        message,
        "not on the cassette: the nearest recorded request differs at /messages/0/content (recorded \"é😀\", now \"c\")"
    );

    // What is not there is sent and joins the rest; a torn last line goes.
    let mut text = std::fs::read_to_string(&tape).unwrap();
    text.push_str("{\"key\":\"torn");
    std::fs::write(&tape, text).unwrap();
    let server = serve(Faults::default()).await;
    let config = support::config(&server);
    let open =
        |mode| OpenAiCompatible::with_cassette(config.clone(), Cassette::open(&tape, mode).unwrap()).unwrap();
    let both = open(CassetteMode::ReplayOrRecord);
    assert_eq!(both.complete(&ask("é😀")).await.unwrap().source, Source::Cassette);
    assert_eq!(both.complete(&ask("new")).await.unwrap().source, Source::Live);
    assert_eq!(server.stats().requests, 1);
    assert_eq!(open(CassetteMode::Replay).complete(&ask("new")).await.unwrap().source, Source::Cassette);
    assert_eq!(std::fs::read_to_string(&tape).unwrap().lines().count(), 5);
    std::fs::write(&tape, "no exchange\n").unwrap();
    let message = Cassette::open(&tape, CassetteMode::Replay).err().unwrap().to_string();
    assert!(message.contains("line 1"), "{message}");
}

#[tokio::test]
async fn the_cache_asks_once() {
    let folder = tempfile::tempdir().unwrap();
    let faults = Faults { latency: std::time::Duration::from_millis(20), ..Faults::default() };
    let server = serve(faults).await;
    let settings = |epoch: &str, max_bytes| CacheConfig {
        folder: folder.path().to_owned(),
        epoch: epoch.into(),
        max_bytes,
    };
    let cache = Cache::new(client(&server), settings("", 1 << 20)).unwrap();
    let request = ask("once");
    let replies = futures_util::future::join_all((0..20).map(|_| cache.complete(&request))).await;
    assert_eq!(server.stats().requests, 1);
    let live = replies.iter().filter(|reply| reply.as_ref().unwrap().source == Source::Live).count();
    assert_eq!(live, 1);
    assert!(replies.iter().all(|reply| reply.as_ref().unwrap().message.content == "you said: once"));
    // In pieces from the same entry; another process finds it too.
    let other = Cache::new(client(&server), settings("", 1 << 20)).unwrap();
    let streamed = gather(other.stream(&request)).await.unwrap();
    assert_eq!((streamed.source, streamed.usage.is_some()), (Source::Cache, true));
    // A stream that came to its end is kept.
    gather(other.stream(&ask("streamed"))).await.unwrap();
    assert_eq!(cache.complete(&ask("streamed")).await.unwrap().source, Source::Cache);
    assert_eq!(server.stats().requests, 2);
    // Votes must differ, other epochs forget.
    let vote = ChatRequest { sampling: Sampling::default(), ..ask("once") };
    assert_eq!(cache.complete(&vote).await.unwrap().source, Source::Live);
    let later = Cache::new(client(&server), settings("2", 1 << 20)).unwrap();
    assert_eq!(later.complete(&request).await.unwrap().source, Source::Live);
    // A torn file counts as not there.
    let entry = std::fs::read_dir(folder.path()).unwrap().flatten().find_map(|folder| {
        std::fs::read_dir(folder.path()).unwrap().flatten().next().map(|file| file.path())
    });
    let before = server.stats().requests;
    std::fs::write(entry.unwrap(), "{\"choi").unwrap();
    for text in ["once", "streamed"] {
        cache.complete(&ask(text)).await.unwrap();
    }
    later.complete(&request).await.unwrap();
    assert_eq!(server.stats().requests, before + 1);
    // No room: the oldest go.
    let small = Cache::new(client(&server), settings("3", 2000)).unwrap();
    for at in 0..20 {
        small.complete(&ask(&format!("{at}"))).await.unwrap();
    }
    let stats = small.stats();
    assert!(stats.bytes <= 2000 && stats.evicted > 10, "{stats:?}");
    let bytes: u64 = std::fs::read_dir(folder.path())
        .unwrap()
        .flatten()
        .flat_map(|folder| std::fs::read_dir(folder.path()).unwrap().flatten())
        .map(|file| file.metadata().unwrap().len())
        .sum();
    assert_eq!(bytes, stats.bytes);
}

#[tokio::test]
async fn endpoints_of_one_name_do_not_share_replies() {
    let folder = tempfile::tempdir().unwrap();
    let (one, two) = (serve(Faults::default()).await, serve(Faults::default()).await);
    let kept = CacheConfig { folder: folder.path().to_owned(), epoch: String::new(), max_bytes: 1 << 20 };
    let with = |server: &Server, effort: Option<&str>| -> Arc<OpenAiCompatible> {
        let mut config = config(server);
        config.extra_body.extend(effort.map(|effort| ("effort".to_owned(), effort.into())));
        Arc::new(OpenAiCompatible::new(config).unwrap())
    };
    let source = async |model: chat_model::SharedModel| {
        Cache::new(model, kept.clone()).unwrap().complete(&ask("x")).await.unwrap().source
    };
    assert_eq!(source(with(&one, None)).await, Source::Live);
    assert_eq!(source(with(&one, None)).await, Source::Cache);
    assert_eq!(source(with(&two, None)).await, Source::Live);
    assert_eq!(source(with(&one, Some("high"))).await, Source::Live);
    assert_eq!(source(with(&one, Some("low"))).await, Source::Live);
    assert_eq!(source(with(&one, Some("high"))).await, Source::Cache);
    // Layers hand on who is behind them.
    let layered = Retry::new(with(&two, None), RetryConfig::default());
    let layered = Budget::new(Arc::new(layered), BudgetConfig::default()).unwrap();
    assert_eq!(source(Arc::new(FitContext::new(Arc::new(layered)))).await, Source::Cache);
    let mixed = |analyst: &Server| -> chat_model::SharedModel {
        Arc::new(Mixed::new(with(&one, None)).route("analyst", with(analyst, None)))
    };
    assert_eq!(source(mixed(&one)).await, Source::Live);
    assert_eq!(source(mixed(&two)).await, Source::Live);
    assert_eq!(source(mixed(&one)).await, Source::Cache);
    assert_eq!(source(Arc::new(Mixed::new(with(&two, None)))).await, Source::Cache);
    // A model that says nothing of itself goes by its name alone.
    assert_eq!(source(Arc::new(Parrot)).await, Source::Live);
    assert_eq!(source(Arc::new(Parrot)).await, Source::Cache);
}

#[tokio::test]
async fn a_reply_that_cannot_be_kept_is_given_all_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path().join("replies");
    let server = serve(Faults::default()).await;
    let kept = CacheConfig { folder: place.clone(), epoch: String::new(), max_bytes: 1 << 20 };
    let cache = Cache::new(client(&server), kept).unwrap();
    std::fs::remove_dir(&place).unwrap();
    std::fs::write(&place, "no folder").unwrap();
    assert_eq!(cache.complete(&ask("x")).await.unwrap().message.content, "you said: x");
    assert_eq!(gather(cache.stream(&ask("y"))).await.unwrap().message.content, "you said: y");
    let stats = cache.stats();
    assert_eq!((stats.failed_writes, stats.misses, stats.hits), (2, 2, 0));
}

#[tokio::test]
async fn a_request_that_is_too_deep_for_its_text_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let server = serve(Faults::default()).await;
    let deep = |levels: usize| -> ChatRequest {
        let schema = format!("{}{{}}{}", "{\"not\":".repeat(levels), "}".repeat(levels));
        ChatRequest {
            tools: vec![ToolSpec::new("find", "finds", schema.parse().unwrap())].into(),
            ..ask("x")
        }
    };
    let kept = CacheConfig { folder: folder.path().to_owned(), epoch: String::new(), max_bytes: 1 << 20 };
    let cache: chat_model::SharedModel = Arc::new(Cache::new(client(&server), kept).unwrap());
    let mut config = config(&server);
    config.extra_body.insert("effort".to_owned(), "high".into());
    let extended: chat_model::SharedModel = Arc::new(OpenAiCompatible::new(config).unwrap());
    for model in [cache, extended] {
        assert!(model.complete(&deep(100)).await.is_ok());
        for levels in [124, 126] {
            let request = deep(levels);
            for error in [model.complete(&request).await, gather(model.stream(&request)).await] {
                let error = error.unwrap_err();
                assert!(
                    matches!(&error, Error::BadRequest { what } if what.contains("read back")),
                    "{error}"
                );
            }
        }
    }
}

#[tokio::test]
async fn a_failed_request_is_not_kept() {
    let folder = tempfile::tempdir().unwrap();
    let faults = Faults { script: vec![Some(chat_model::server::Fault::Status(500))], ..Faults::default() };
    let server = serve(faults).await;
    let config = CacheConfig { folder: folder.path().to_owned(), epoch: String::new(), max_bytes: 1 << 20 };
    let cache = Cache::new(client(&server), config).unwrap();
    let request = ask("x");
    let (first, second) =
        futures_util::future::join(cache.complete(&request), cache.complete(&request)).await;
    assert!(first.is_err() && second.is_ok());
}

#[tokio::test]
async fn agents_have_their_models() {
    let (a, b) = (serve(Faults::default()).await, serve(Faults::default()).await);
    let mixed = Mixed::new(client(&a)).route("analyst", client(&b));
    for agent in [Some("analyst"), Some("manager"), None] {
        mixed.complete(&ChatRequest { agent: agent.map(str::to_owned), ..ask("x") }).await.unwrap();
    }
    assert_eq!((a.stats().requests, b.stats().requests), (2, 1));
}

#[test]
fn bad_settings_name_the_key() {
    let with =
        |base_url: &str| OpenAiCompatible::new(EndpointConfig::new(base_url, "m")).unwrap_err().to_string();
    assert!(with("ftp://x/v1").starts_with("base_url: ftp"));
    assert!(with("http://user:word@x/v1").starts_with("base_url: an address must not hold"));
    let mut config = EndpointConfig::new("http://127.0.0.1:1/v1", "m");
    config.headers.insert("Authorization".into(), "Bearer x".into());
    assert!(
        OpenAiCompatible::new(config)
            .unwrap_err()
            .to_string()
            .starts_with("headers: authorization is a secret")
    );
    let mut config = EndpointConfig::new("http://127.0.0.1:1/v1", "m");
    config.timeouts.idle = 0.0;
    assert!(OpenAiCompatible::new(config).unwrap_err().to_string().starts_with("timeouts.idle: 0"));
    assert!(OpenAiCompatible::new(EndpointConfig::new("https://127.0.0.1:1/v1", "m")).is_ok());
}

#[tokio::test]
async fn an_open_server_needs_a_token() {
    let open = ServerConfig { address: ([0, 0, 0, 0], 0).into(), ..ServerConfig::default() };
    let message = Server::start(Arc::new(Parrot), open).await.err().unwrap().to_string();
    assert!(message.contains("needs a token"), "{message}");
}
