//! Endpoints that refuse, break off, dawdle and talk nonsense; and the layers that live with them. Long waits pass on a
//! fast clock.

mod support;

use std::sync::Arc;
use std::time::Duration;

use chat_model::http::{EndpointConfig, OpenAiCompatible, Timeouts};
use chat_model::layer::{
    Budget, BudgetConfig, Caps, FitContext, Price, RateConfig, RateLimit, Retry, RetryConfig,
};
use chat_model::server::{Fault, Faults, Server};
use chat_model::{Capabilities, ChatEvent, ChatModel, ChatRequest, Error, Phase, SharedModel, gather};
use futures_util::StreamExt;
use futures_util::future::join_all;
use rec_core::Message;
use support::{ask, client, config, fast_clock, serve};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::Instant;

fn script(faults: impl IntoIterator<Item = Fault>) -> Faults {
    Faults { script: faults.into_iter().map(Some).collect(), ..Faults::default() }
}

fn limited(seconds: Option<u64>) -> Fault {
    Fault::RateLimited { retry_after: seconds.map(Duration::from_secs) }
}

fn retry(server: &Server, config: RetryConfig) -> Retry {
    Retry::new(client(server), config)
}

/// A client of [`serve_raw`].
async fn raw(answer: &'static [u8]) -> OpenAiCompatible {
    OpenAiCompatible::new(EndpointConfig::new(serve_raw(answer).await, "m")).unwrap()
}

/// The address of a server that sends these bytes whatever it is asked, and closes.
async fn serve_raw(answer: &'static [u8]) -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut socket, _)) = listener.accept().await {
            let mut seen = Vec::new();
            let mut buffer = [0; 4096];
            // The request ends with the body's last brace; requests here are small.
            while !seen.ends_with(b"}") {
                match socket.read(&mut buffer).await {
                    Ok(n) if n > 0 => seen.extend_from_slice(&buffer[..n]),
                    _ => break,
                }
            }
            let _ = socket.write_all(answer).await;
            let _ = socket.shutdown().await;
        }
    });
    format!("http://{address}")
}

#[tokio::test(start_paused = true)]
async fn what_passes_is_repeated_and_what_does_not_is_not() {
    fast_clock();
    let faults = [limited(None), Fault::Status(500), Fault::Status(503), Fault::Cut { after: 10 }];
    let server = serve(script(faults)).await;
    let reply = retry(&server, RetryConfig::default()).complete(&ask("x")).await.unwrap();
    assert_eq!(reply.message.content, "you said: x");
    assert_eq!(server.stats().requests, 5);

    // One more than there are attempts.
    let server = serve(script(std::iter::repeat_n(Fault::Status(500), 9))).await;
    let error = retry(&server, RetryConfig::default()).complete(&ask("x")).await.unwrap_err();
    assert!(matches!(error, Error::Overloaded { status: 500, .. }));
    assert_eq!(server.stats().requests, 5);

    // A status that stays what it is.
    let server = serve(script([Fault::Status(404)])).await;
    assert!(matches!(
        retry(&server, RetryConfig::default()).complete(&ask("x")).await,
        Err(Error::BadRequest { .. })
    ));
    assert_eq!(server.stats().requests, 1);

    // Nonsense only if asked to.
    let server = serve(script([Fault::Garbage, Fault::Garbage])).await;
    assert!(matches!(
        retry(&server, RetryConfig::default()).complete(&ask("x")).await,
        Err(Error::Decode { .. })
    ));
    let patient = RetryConfig { unreadable: true, ..RetryConfig::default() };
    assert!(retry(&server, patient).complete(&ask("x")).await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn the_endpoint_says_when_to_come_back() {
    fast_clock();
    let server = serve(script([limited(Some(7)), limited(Some(20))])).await;
    let start = Instant::now();
    retry(&server, RetryConfig::default()).complete(&ask("x")).await.unwrap();
    let waited = start.elapsed().as_secs_f64();
    assert!((27.0..60.0).contains(&waited), "{waited}");
    // Later than the total time allows: the refusal comes at once.
    let server = serve(script([limited(Some(3600))])).await;
    let start = Instant::now();
    let error = retry(&server, RetryConfig::default()).complete(&ask("x")).await.unwrap_err();
    assert_eq!(error.retry_after(), Some(Duration::from_secs(3600)));
    assert!(start.elapsed() < Duration::from_secs(5));
    // Later than the clock goes.
    for header in ["10000000000000000000", "1e19", "1.8e19"] {
        let answer = format!("HTTP/1.1 429 No\r\nconnection: close\r\nretry-after: {header}\r\n\r\nbusy");
        let model = Retry::new(Arc::new(raw(answer.into_bytes().leak()).await), RetryConfig::default());
        assert!(matches!(model.complete(&ask("x")).await, Err(Error::RateLimited { .. })));
        assert!(matches!(gather(model.stream(&ask("x"))).await, Err(Error::RateLimited { .. })));
    }
    let server = serve(Faults::default()).await;
    let forever = RetryConfig { total_seconds: 1e19, ..RetryConfig::default() };
    assert!(retry(&server, forever).complete(&ask("x")).await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_stream_is_repeated_only_before_it_begins() {
    fast_clock();
    // Cut before the text, then in the middle of it.
    let server = serve(script([Fault::Cut { after: 60 }, Fault::Cut { after: 420 }])).await;
    let model = retry(&server, RetryConfig::default());
    let request = ask("a long enough text");
    let events: Vec<_> = model.stream(&request).collect().await;
    assert_eq!(server.stats().requests, 2);
    assert!(matches!(events.last(), Some(Err(Error::Transport { .. }))), "{events:?}");
    let texts = events.iter().filter(|event| matches!(event, Ok(ChatEvent::Text(_)))).count();
    assert_eq!(texts, 1);
    // Nonsense in place of events.
    let server = serve(script([Fault::Garbage])).await;
    assert!(matches!(gather(client(&server).stream(&request)).await, Err(Error::Decode { .. })));
}

#[tokio::test]
async fn streams_of_other_servers() {
    let head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n";
    let answer = |body: &str| -> &'static [u8] { format!("{head}{body}").into_bytes().leak() };
    // Pieces of two calls in turns, ids once, usage last, no role, no [DONE].
    let model = raw(answer(
        ": ping\r\n\r\ndata: {\"choices\":[{\"delta\":{\"tool_calls\":[{\"index\":1,\"function\":{\"name\":\"g\",\"arguments\":\"\"}},{\"index\":0,\"id\":\"a\",\"function\":{\"name\":\"f\",\"arguments\":\"{\\\"x\\\"\"}}]}}]}\r\n\r\n\
         data: {\"choices\":[{\"delta\":{\"tool_calls\":[{\"index\":0,\"function\":{\"arguments\":\":1}\"}}]}}]}\r\n\r\n\
         data: {\"choices\":[{\"delta\":{},\"finish_reason\":\"tool_calls\"}]}\r\n\r\n\
         data: {\"choices\":[],\"usage\":{\"prompt_tokens\":3,\"completion_tokens\":4}}",
    ))
    .await;
    let reply = gather(model.stream(&ask("x"))).await.unwrap();
    let calls: Vec<String> =
        reply.message.tool_calls.iter().map(|call| format!("{} {}", call.id, call.canonical())).collect();
    assert_eq!(calls, ["a f({\"x\":1})", "call_1_1 g({})"]);
    assert_eq!(reply.usage.unwrap().total(), 7);
    // An error in the middle, and an end that is none.
    let begun = "data: {\"choices\":[{\"delta\":{\"content\":\"a\"}}]}\n\n";
    let error = "data: {\"error\":{\"message\":\"too busy\",\"code\":429}}\n\n";
    let model = raw(answer(&format!("{begun}{error}"))).await;
    assert!(matches!(gather(model.stream(&ask("x"))).await, Err(Error::RateLimited { .. })));
    let model = raw(answer(begun)).await;
    let message = gather(model.stream(&ask("x"))).await.unwrap_err().to_string();
    assert_eq!(message, "transport: the stream ended before the reply did");
    // The whole reply where a stream was asked for, with the error form of another server, and a page of HTML.
    let whole = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nconnection: close\r\n\r\n\
                 {\"choices\":[{\"message\":{\"role\":\"assistant\",\"content\":\"hi\"},\"finish_reason\":\"length\"}]}";
    let reply = gather(raw(whole.as_bytes()).await.stream(&ask("x"))).await.unwrap();
    assert_eq!((reply.message.content.as_str(), reply.finish.name()), ("hi", "length"));
    let model =
        raw(b"HTTP/1.1 400 Bad\r\nconnection: close\r\n\r\n{\"error\":\"maximum context length is 10\"}")
            .await;
    assert!(matches!(model.complete(&ask("x")).await, Err(Error::ContextTooLong { .. })));
    let model = raw(b"HTTP/1.1 502 Bad\r\nconnection: close\r\nretry-after: 3\r\n\r\n<html>").await;
    let error = model.complete(&ask("x")).await.unwrap_err();
    assert_eq!(error.retry_after(), Some(Duration::from_secs(3)));
    // Where nobody listens, and where the key would follow a redirect.
    let nobody = OpenAiCompatible::new(EndpointConfig::new("http://127.0.0.1:1", "m")).unwrap();
    assert!(matches!(nobody.complete(&ask("x")).await, Err(Error::Transport { .. })));
    let model = raw(b"HTTP/1.1 307 Go\r\nlocation: http://127.0.0.1:1/\r\nconnection: close\r\n\r\n").await;
    assert!(matches!(model.complete(&ask("x")).await, Err(Error::BadRequest { .. })));
}

#[tokio::test]
async fn no_error_repeats_a_key() {
    const KEY: &str = "sk-echoed-9876543210";
    // SAFETY: no other test of this file reads or writes this variable.
    unsafe { std::env::set_var("CHAT_MODEL_ECHO_KEY", KEY) };
    let head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n";
    type Kind = fn(&Error) -> bool;
    let kinds: [(&str, u16, Kind); 7] = [
        ("slow down", 429, |error| matches!(error, Error::RateLimited { .. })),
        ("maximum context length is 10", 400, |error| matches!(error, Error::ContextTooLong { .. })),
        ("content_filter", 400, |error| matches!(error, Error::ContentFilter { .. })),
        ("what?", 400, |error| matches!(error, Error::BadRequest { .. })),
        ("who?", 401, |error| matches!(error, Error::Auth { .. })),
        ("busy", 503, |error| matches!(error, Error::Overloaded { .. })),
        ("nonsense", 0, |error| matches!(error, Error::Decode { .. })),
    ];
    for (words, code, is) in kinds {
        let event = match code {
            0 => format!("data: {words} {KEY}\n\n"),
            code => format!("data: {{\"error\":{{\"message\":\"{words} {KEY}\",\"code\":{code}}}}}\n\n"),
        };
        let address = serve_raw(format!("{head}{event}").into_bytes().leak()).await;
        let key_variable = Some("CHAT_MODEL_ECHO_KEY".to_owned());
        let model =
            OpenAiCompatible::new(EndpointConfig { key_variable, ..EndpointConfig::new(address, "m") });
        let error = gather(model.unwrap().stream(&ask("x"))).await.unwrap_err();
        assert!(is(&error), "{error:?}");
        let text = format!("{error} {error:?}");
        assert!(text.contains("[secret]") && !text.contains(KEY), "{text}");
    }
}

#[tokio::test(start_paused = true)]
async fn each_wait_has_its_end() {
    fast_clock();
    let timeouts = Timeouts { connect: 5.0, first_byte: 30.0, idle: 10.0, total: 100.0 };
    let model =
        |server: &Server| OpenAiCompatible::new(EndpointConfig { timeouts, ..config(server) }).unwrap();
    let server = serve(Faults { latency: Duration::from_secs(60), ..Faults::default() }).await;
    assert_eq!(model(&server).complete(&ask("x")).await, Err(Error::Timeout(Phase::FirstByte)));
    let slow = |bytes, seconds| Fault::Slow { bytes, pause: Duration::from_secs(seconds) };
    let server = serve(script([slow(1, 12)])).await;
    assert_eq!(model(&server).complete(&ask("x")).await, Err(Error::Timeout(Phase::Idle)));
    let server = serve(script([slow(1, 8)])).await;
    assert_eq!(model(&server).complete(&ask("x")).await, Err(Error::Timeout(Phase::Total)));
    // Slow, but in time; three bytes cut every character of more.
    let server = serve(script([slow(3, 0)])).await;
    assert_eq!(
        gather(model(&server).stream(&ask("é😀é😀"))).await.unwrap().message.content,
        "you said: é😀é😀"
    );
    // All attempts together.
    let server = serve(Faults { latency: Duration::from_secs(60), ..Faults::default() }).await;
    let hurried = RetryConfig { total_seconds: 50.0, ..RetryConfig::default() };
    let start = Instant::now();
    let error = Retry::new(Arc::new(model(&server)), hurried).complete(&ask("x")).await.unwrap_err();
    assert_eq!(error, Error::Timeout(Phase::Total));
    assert!(start.elapsed() < Duration::from_secs(51));
}

#[tokio::test(start_paused = true)]
async fn requests_keep_to_the_rates() {
    fast_clock();
    let server = serve(Faults::default()).await;
    let limits = RateConfig { requests_per_minute: Some(60.0), concurrency: 100, ..RateConfig::default() };
    let model = RateLimit::new(client(&server), limits).unwrap();
    let start = Instant::now();
    let request = ask("x");
    join_all((0..90).map(|_| model.complete(&request))).await;
    // A minute's worth at once, thirty more at one a second.
    let took = start.elapsed().as_secs_f64();
    assert!((29.0..45.0).contains(&took), "{took}");

    // 105 tokens are reckoned with and 15 are used: what comes back lets more through than the estimate would.
    let limits = RateConfig { tokens_per_minute: Some(600.0), concurrency: 1, ..RateConfig::default() };
    let model = RateLimit::new(client(&server), limits).unwrap();
    let start = Instant::now();
    for _ in 0..34 {
        model.complete(&request).await.unwrap();
    }
    let took = start.elapsed().as_secs_f64();
    assert!(took < 60.0, "{took}");
    gather(model.stream(&request)).await.unwrap();
    // Without settling it would take (35 * 105 - 600) / 10 seconds.
    assert!(start.elapsed().as_secs_f64() < 100.0);
    let wrong = RateConfig { requests_per_minute: Some(0.0), ..RateConfig::default() };
    assert!(RateLimit::new(client(&server), wrong).is_err());
}

#[tokio::test]
async fn refusals_halve_the_concurrency_and_successes_raise_it() {
    let faults = Faults { latency: Duration::from_millis(20), ..script([limited(None), limited(None)]) };
    let server = serve(faults).await;
    let limits = RateConfig { concurrency: 16, ..RateConfig::default() };
    let model = RateLimit::new(client(&server), limits).unwrap();
    let request = ask("x");
    let (first, second) =
        futures_util::future::join(model.complete(&request), model.complete(&request)).await;
    assert!(first.is_err() && second.is_err());
    // Two refusals of one crowd halve once.
    assert_eq!(model.concurrency(), 8);
    join_all((0..8).map(|_| model.complete(&request))).await;
    assert_eq!(model.concurrency(), 9);
    join_all((0..200).map(|_| model.complete(&request))).await;
    assert_eq!(model.concurrency(), 16);
    assert!(server.stats().most_at_once <= 16);
}

#[tokio::test]
async fn a_budget_is_not_passed_by_many_at_once() {
    let server = serve(Faults { latency: Duration::from_millis(10), ..Faults::default() }).await;
    let price = Price { prompt_per_1k: 1.0, completion_per_1k: 10.0 };
    // A reply costs 15 tokens and 0.06; at worst 105 tokens.
    let run = Caps { tokens: Some(300), ..Caps::default() };
    let budget =
        Budget::new(client(&server), BudgetConfig { run, price, ..BudgetConfig::default() }).unwrap();
    let request = ask("x");
    let replies = join_all((0..40).map(|_| budget.complete(&request))).await;
    let answered = replies.iter().filter(|reply| reply.is_ok()).count();
    assert!(replies.iter().all(|reply| matches!(reply, Ok(_) | Err(Error::BudgetExhausted { .. }))));
    let spent = budget.spent();
    assert_eq!((spent.calls, spent.tokens), (answered as u64, 15 * answered as u64));
    assert!((spent.money - 0.06 * answered as f64).abs() < 1e-9);
    // Requests that fit once others are settled wait for them: 300 - 105 leaves room for 14.
    assert_eq!(answered, 14);

    let caps = BudgetConfig {
        sample: Caps { calls: Some(2), ..Caps::default() },
        session: Caps { money: Some(1.13), ..Caps::default() },
        price,
        ..BudgetConfig::default()
    };
    let budget = Budget::new(client(&server), caps).unwrap();
    let of = |sample: &str, session: &str| ChatRequest {
        sample: Some(sample.into()),
        session: Some(session.into()),
        ..ask("x")
    };
    for sample in ["a", "a", "b"] {
        gather(budget.stream(&of(sample, "s"))).await.unwrap();
    }
    let message = budget.complete(&of("a", "s")).await.unwrap_err().to_string();
    assert_eq!(message, "the budget is exhausted: sample a would come to 3 of 2 calls");
    let message = budget.complete(&of("c", "s")).await.unwrap_err().to_string();
    assert!(message.contains("session s would come to") && message.contains("in money"), "{message}");
    assert!(budget.complete(&of("c", "t")).await.is_ok());
    assert_eq!((budget.spent_on_sample("a").calls, budget.spent_in_session("s").calls), (2, 3));

    // What compares to nothing would cap nothing.
    let money = |money: f64| Caps { money: Some(money), ..Caps::default() };
    for (config, key) in [
        (BudgetConfig { run: money(f64::NAN), ..BudgetConfig::default() }, "run.money: NaN is no amount"),
        (BudgetConfig { session: money(-1.0), ..BudgetConfig::default() }, "session.money: -1"),
        (
            BudgetConfig {
                price: Price { prompt_per_1k: f64::NAN, ..price },
                run: money(1.0),
                ..BudgetConfig::default()
            },
            "price.prompt_per_1k: NaN",
        ),
    ] {
        let message = Budget::new(client(&server), config).unwrap_err().to_string();
        assert!(message.starts_with(key), "{message}");
    }
}

#[tokio::test]
async fn failures_and_streams_given_up_are_paid() {
    let server = serve(script([Fault::Status(500)])).await;
    let budget = Budget::new(client(&server), BudgetConfig::default()).unwrap();
    let request = ask("x");
    assert!(budget.complete(&request).await.is_err());
    // The prompt: one for the letter, four for the frame.
    assert_eq!((budget.spent().calls, budget.spent().tokens), (1, 5));
    let mut stream = budget.stream(&request);
    stream.next().await.unwrap().unwrap();
    drop(stream);
    assert_eq!((budget.spent().calls, budget.spent().tokens), (2, 5 + 105));
}

#[tokio::test]
async fn long_conversations_are_fitted_before_they_are_sent() {
    let server = serve(Faults::default()).await;
    let capabilities = Capabilities { context_length: Some(1200), ..Capabilities::default() };
    let endpoint = OpenAiCompatible::new(EndpointConfig { capabilities, ..config(&server) }).unwrap();
    let model = FitContext::new(Arc::new(endpoint));
    let request = ChatRequest::new(vec![Message::user("q"), Message::tool("", "z".repeat(9000))]);
    let whole = model.complete(&request).await.unwrap();
    assert!(whole.message.content.contains("characters left out"));
    assert_eq!(gather(model.stream(&request)).await.unwrap(), whole);
    let request = ask(&"y".repeat(9000));
    assert!(matches!(model.complete(&request).await, Err(Error::ContextTooLong { .. })));
    assert!(matches!(gather(model.stream(&request)).await, Err(Error::ContextTooLong { .. })));
}

#[tokio::test]
async fn in_a_storm_nothing_is_lost_and_nothing_doubled() {
    let shares = vec![
        (Fault::RateLimited { retry_after: Some(Duration::from_millis(5)) }, 0.15),
        (Fault::Status(503), 0.1),
        (Fault::Cut { after: 40 }, 0.1),
        (Fault::Garbage, 0.1),
        (Fault::Slow { bytes: 50, pause: Duration::from_millis(1) }, 0.1),
    ];
    let server = serve(Faults { shares, seed: 7, ..Faults::default() }).await;
    let patient = RetryConfig {
        attempts: 30,
        base_seconds: 0.002,
        cap_seconds: 0.02,
        unreadable: true,
        ..RetryConfig::default()
    };
    let limit =
        RateLimit::new(client(&server), RateConfig { concurrency: 32, ..RateConfig::default() }).unwrap();
    let model: SharedModel = Arc::new(Retry::new(Arc::new(limit), patient));
    let one = |at: usize| {
        let model = model.clone();
        async move {
            let request = ask(&format!("question {at}"));
            let reply = if at.is_multiple_of(2) {
                model.complete(&request).await
            } else {
                gather(model.stream(&request)).await
            };
            match reply {
                Ok(reply) => {
                    assert_eq!(reply.message.content, format!("you said: question {at}"));
                    true
                }
                // A stream that had begun when it broke is the caller's to repeat.
                Err(Error::Transport { .. }) if !at.is_multiple_of(2) => false,
                Err(error) => panic!("{error}"),
            }
        }
    };
    let whole = join_all((0..300).map(one)).await.into_iter().filter(|whole| *whole).count();
    // Forty bytes hold no text: a cut stream has not begun.
    assert_eq!(whole, 300);
    assert!(server.stats().requests > 400);
}
