//! Clients of crates.io: `driver <client> <url>` follows the URL and writes one JSON object a line.
use futures_util::StreamExt;
use reqwest::header::HeaderValue;
use reqwest::Client;
use reqwest_eventsource::{retry::ExponentialBackoff, Error, Event, RequestBuilderExt};
use serde_json::json;
use std::time::Duration;

fn tell(event: &str, id: &str, data: &str) {
    println!("{}", json!({ "event": event, "id": id, "data": data }));
}

fn failed(error: &Error) {
    println!("{}", json!({ "state": "error", "detail": error.to_string() }));
}

async fn follow(url: &str) {
    // sample reqwest-eventsource
    let client = Client::new();
    let mut last_id = String::new();
    loop {
        let mut request = client.get(url);
        if let Ok(id) = HeaderValue::from_str(&last_id) {
            if !last_id.is_empty() {
                request = request.header("Last-Event-ID", id);
            }
        }
        let mut source = request.eventsource().expect("a request without a body");
        // It doubles its wait without a bound unless told.
        source.set_retry_policy(Box::new(ExponentialBackoff::new(
            Duration::from_secs(1),
            2.0,
            Some(Duration::from_secs(30)),
            None,
        )));
        while let Some(item) = source.next().await {
            match item {
                Ok(Event::Open) => {}
                Ok(Event::Message(message)) => {
                    last_id = message.id;
                    if !message.event.starts_with("tidegate.") {
                        tell(&message.event, &last_id, &message.data);
                    }
                }
                Err(error) => failed(&error), // it tries again, except after a refusal
            }
        }
        tokio::time::sleep(Duration::from_secs(2)).await;
    }
    // end
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let args: Vec<String> = std::env::args().collect();
    assert_eq!(args[1], "reqwest-eventsource");
    follow(&args[2]).await;
}
