//! What happens before a gateway serves.

use std::fs;

use aibridge_tests::Provider;
use tokio::net::TcpListener;

use crate::home::Home;

#[tokio::test]
async fn a_refused_configuration_names_all_its_errors() {
    let home = Home::new();
    let wrong = |command: &str| {
        home.program(command)
            .env("CODER_AIBRIDGE_RETENTION", "soon")
            .env("CODER_AIBRIDGE_PROVIDER_1_TYPE", "openai")
            .env("CODER_AIBRIDGE_ENABLED", "maybe")
            .env("CODER_PG_CONNECTION_URL", "postgres://localhost/aibridge")
            .arg("--aibridge-max-concurency=3")
    };
    for command in ["server", "check", "demo"] {
        let said = wrong(command).fail().await;
        for option in [
            "CODER_AIBRIDGE_RETENTION",
            "CODER_AIBRIDGE_PROVIDER_1",
            "CODER_AIBRIDGE_ENABLED",
            "CODER_PG_CONNECTION_URL",
            "--aibridge-max-concurrency",
        ] {
            assert!(said.contains(option), "{command}: {option} is missing in {said}");
        }
        assert!(said.ends_with("The configuration is refused.\n"), "{said}");
    }
    assert!(!home.data().exists(), "nothing is made");
    let said = home.program("sever").fail().await;
    assert!(said.contains("did you mean server?"), "{said}");
}

#[tokio::test]
async fn a_second_gateway_on_the_same_data_is_refused() {
    let home = Home::new();
    let provider = Provider::start().await.unwrap();
    let first = home.server().provider(&provider).start().await;
    let said = home.server().fail().await;
    let database = home.data().join("aibridge.sqlite").display().to_string();
    assert!(said.contains("another gateway has") && said.contains(&database), "{said}");
    // The first one is none the worse for it, and lets go when it ends.
    assert_eq!(first.get("/readyz").await.0.status(), 200);
    first.kill().await;
    home.server().start().await.stop().await;
}

#[tokio::test]
async fn an_address_in_use_is_named_with_its_option() {
    let home = Home::new();
    let taken = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let said = home.program("server").env("CODER_HTTP_ADDRESS", &address).fail().await;
    assert!(said.contains(&address) && said.contains("CODER_HTTP_ADDRESS"), "{said}");
    // Neither does it hold on to the data.
    home.server().start().await.stop().await;
}

#[tokio::test]
async fn places_that_cannot_be_written_are_named_with_their_options() {
    let home = Home::new();
    fs::write(home.path("file"), "").unwrap();
    let said = home.server().env("CODER_LOGGING_JSON", home.path("file/log")).fail().await;
    assert!(said.contains("CODER_LOGGING_JSON") && said.contains("file/log"), "{said}");
    fs::write(home.data(), "not a directory").unwrap();
    for command in ["server --http-address 127.0.0.1:0", "tokens list"] {
        let said = home.program(command).fail().await;
        assert!(said.contains("CODER_DATA_DIR") && said.contains("data"), "{command}: {said}");
    }
}

#[tokio::test]
async fn a_file_that_is_no_database_is_left_alone() {
    let home = Home::new();
    fs::create_dir(home.data()).unwrap();
    let (path, content) = (home.data().join("aibridge.sqlite"), "something else entirely".repeat(100));
    fs::write(&path, &content).unwrap();
    let said = home.server().fail().await;
    assert!(said.contains("cannot be opened") && said.contains("aibridge.sqlite"), "{said}");
    assert_eq!(fs::read_to_string(&path).unwrap(), content);
}

#[tokio::test]
async fn commands_that_only_look_succeed_and_make_nothing() {
    let home = Home::new();
    let checked = home.run("check --aibridge-openai-key sk-0123456789-0123456789").await;
    assert!(checked.contains("openai (openai) at https://api.openai.com/v1/, 1 key"), "{checked}");
    assert!(checked.ends_with("The configuration is valid.\n") && !checked.contains("0123456789"), "{checked}");
    for command in ["version", "--version", "-V"] {
        assert!(home.run(command).await.contains(env!("CARGO_PKG_VERSION")), "{command}");
    }
    for command in ["help", "--help", "server --help"] {
        let help = home.run(command).await;
        for word in ["Usage: aibridge-gateway", "demo", "--shutdown-grace", "CODER_AIBRIDGE_RETENTION"] {
            assert!(help.contains(word), "{command}: {word}");
        }
    }
    // Help is to be had even beside a configuration that is refused.
    assert!(home.program("help").env("CODER_AIBRIDGE_ENABLED", "maybe").succeed().await.contains("Usage"));
    assert!(!home.data().exists());
}

#[tokio::test]
async fn warnings_do_not_keep_a_gateway_from_serving() {
    let home = Home::new();
    let gateway = home.server().env("CODER_TRACE_ENABLE", "true").env("CODER_LOG_FILTER", ".*").start().await;
    assert_eq!(gateway.get("/healthz").await.0.status(), 200);
    let ended = gateway.stop().await;
    assert!(ended.stderr.contains("WARN") && ended.stderr.contains("CODER_TRACE_ENABLE"), "{}", ended.stderr);
}

#[tokio::test]
async fn flags_win_over_the_environment_and_it_over_the_file() {
    let home = Home::new();
    fs::write(
        home.path("config.yaml"),
        "http_address: 127.0.0.1:1\naibridge:\n  enabled: false\n  providers:\n    - type: openai\n      name: main\n",
    )
    .unwrap();
    let gateway = home
        .server()
        .env("CODER_CONFIG_PATH", home.path("config.yaml"))
        .env("CODER_HTTP_ADDRESS", "127.0.0.1:2")
        .env("CODER_AI_GATEWAY_ENABLED", "true")
        .start()
        .await;
    assert!(gateway.address.port() > 2, "the flag's");
    assert_eq!(gateway.request("HEAD", "/api/v2/aibridge/main", None, "").await.0.status(), 200, "the file's");
    let ended = gateway.stop().await;
    assert!(!ended.stderr.contains("switched off"), "the environment's: {}", ended.stderr);
}
