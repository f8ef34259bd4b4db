use super::*;

fn load(text: &str, variables: &[(&str, &str)]) -> Result<Config, ConfigError> {
    let file = FileText { name: "pricecast.toml", text };
    let variables = variables.iter().map(|&(k, v)| (k.to_owned(), v.to_owned()));
    Config::load(Some(file), variables)
}

fn default() -> Config {
    Config::load(None, []).unwrap()
}

/// The one complaint about a file or a variable.
fn complaint(text: &str, variables: &[(&str, &str)]) -> String {
    let error = load(text, variables).unwrap_err();
    assert_eq!(error.problems.len(), 1, "{error}");
    error.to_string().split_once("\n  ").unwrap().1.to_owned()
}

#[test]
fn without_file_and_variables_everything_has_a_default() {
    let config = default();
    assert_eq!(config.http.listen.to_string(), "127.0.0.1:8080");
    assert_eq!(config.coinbase.interval, Duration::from_secs(1));
    assert!(config.is_real_market());
}

#[test]
fn the_environment_wins_over_the_file_and_foreign_variables_are_left_alone() {
    let config = load(
        "symbols = [\"XBT\", \"xdg\"]\n[http]\nlisten = \"127.0.0.1:1\"\n",
        &[
            ("PRICECAST_HTTP__LISTEN", "127.0.0.1:2"),
            ("PRICECAST_ACCESS__SECRETS", "secret-of-yesterday,secret-of-tomorrow"),
            ("PRICECAST_STATE_DIR", "/var/lib/pricecast"),
            ("HOME", "/root"),
        ],
    )
    .unwrap();
    assert_eq!(config.http.listen.port(), 2);
    assert_eq!(config.access.secrets.len(), 2);
    assert_eq!(config.state_dir, PathBuf::from("/var/lib/pricecast"));
    assert_eq!(config.symbols.iter().map(Symbol::as_str).collect::<Vec<_>>(), ["BTC", "DOGE"]);
}

#[test]
fn every_mistake_is_told_at_once_with_key_value_place_and_example() {
    let error = load(
        "symbols = []\n\n[http]\nlisten = \"localhost\"\n",
        &[("PRICECAST_COINBASE__INTERVAL", "5"), ("PRICECAST_HTTP__LISTNE", "x")],
    )
    .unwrap_err();
    assert_eq!(
        error.to_string(),
        "config: 4 problems\n  \
         symbols = [] (pricecast.toml:1): needs at least one symbol, e.g. [\"BTC\", \"ETH\"]\n  \
         http.listen = \"localhost\" (pricecast.toml:4): is not ip:port, e.g. \"127.0.0.1:8080\"\n  \
         coinbase.interval = \"5\" (PRICECAST_COINBASE__INTERVAL): needs a unit, e.g. \"1s\"\n  \
         http.listne (PRICECAST_HTTP__LISTNE): is no key; did you mean http.listen?"
    );
}

#[test]
fn every_mistake_within_a_list_is_told_at_once() {
    let error = load(
        "symbols = [\"BTC/USD\", \"ETH\", \"\", \"ETH\", \"XBT\", \"BTC\", \"ETH\"]\n\
         access.secrets = [\"***\", \"canary\", \"canary in sixteen\"]\n\
         http.trusted_proxies = [\"10.0.0.0/33\", \"10.1.2.3\", \"proxy.example\"]\n",
        &[],
    )
    .unwrap_err();
    let told = error.to_string();
    for (place, says) in [
        ("symbols", "\"BTC/USD\" "),
        ("symbols", "\"\" "),
        ("symbols", "ETH is listed more than once"),
        ("symbols", "BTC is listed more than once"),
        ("http.trusted_proxies", "\"10.0.0.0/33\" is no address"),
        ("http.trusted_proxies", "\"proxy.example\" is no address"),
        ("access.secrets", "holds 3 secrets"),
        ("access.secrets", "write the secret itself"),
        ("access.secrets", "shorter than 16"),
        ("access.secrets", "visible ASCII"),
    ] {
        let is_told = |line: &str| line.trim_start().starts_with(place) && line.contains(says);
        assert_eq!(told.lines().filter(|line| is_told(line)).count(), 1, "{says} in {told}");
    }
    assert_eq!(error.problems.len(), 10, "{told}");
    assert!(!told.contains("canary"), "{told}");
}

#[test]
fn a_body_is_rendered_for_the_end_of_what_all_caches_may_hold_it() {
    for (text, hold_ms) in [
        ("", 1_000),
        ("http.client_max_age_s = 0", 0),
        ("http.delivery = \"cdn\"", 3_000),
        ("http.delivery = \"cdn\"\nhttp.client_max_age_s = 2", 4_000),
    ] {
        assert_eq!(load(text, &[]).unwrap().http.hold_ms(), hold_ms, "{text}");
    }
}

#[test]
fn each_kind_of_mistake_has_its_advice() {
    for (text, says) in [
        ("symbols = [\"BTC/USD\"]", "no pair such as BTC/USD"),
        ("symbols = [\"BTC\", \"XBT\"]", "BTC is listed more than once"),
        ("symbols = 7", "must be a list"),
        ("symbols = [7]", "must be a list"),
        ("store = \"disk\"", "must be \"memory\" or \"redis\""),
        ("store = \"redis\"", "needs the address of a Redis in redis.url"),
        ("redis.url = \"redis://127.0.0.1\"", "is not used while store is \"memory\""),
        ("redis.url = \"127.0.0.1:6379\"", "is no redis://, rediss:// or redis+unix:/// URL"),
        ("redis.url = \"rediss://a/#insecure\"", "is no redis://, rediss:// or redis+unix:/// URL"),
        ("redis.url = \"redis://a/db\"", "is no redis://, rediss:// or redis+unix:/// URL"),
        ("redis.url = \"redis://u:***@a\"", "write the password itself"),
        ("redis.prefix = \"pricecast:\"", "a hash tag in braces"),
        ("redis.prefix = \"{}:\"", "a hash tag in braces"),
        ("poll_after = 2500", "needs a unit and quotes, e.g. \"2500ms\""),
        ("poll_after = \"1h\"", "must lie between 500ms and 1m"),
        ("log.format = \"xml\"", "must be \"text\" or \"json\""),
        ("log.level = \"a=b=c\"", "is no log level"),
        ("http.public = \"yes\"", "must be true or false"),
        ("http.delivery = \"tunnel\"", "must be \"worker\" or \"cdn\" or \"tiered-cdn\""),
        (
            "http = { delivery = \"cdn\", cors_origins = [\"https://app.example\"] }",
            "must be [\"*\"] unless http.delivery is \"worker\"",
        ),
        ("http.client_max_age_s = 3", "from 0 to 2"),
        ("http.cors_origins = [\"example.com\"]", "is no origin"),
        ("http.connections_max = 0", "from 1 to 65536"),
        ("http.connections_per_address_max = 65537", "from 0 to 65536"),
        ("http.requests_max = 0", "from 1 to 65536"),
        ("http.requests_per_address_per_s = 10001", "from 0 to 10000"),
        ("http.trusted_proxies = [\"10.0.0.0/33\"]", "\"10.0.0.0/33\" is no address"),
        ("http.trusted_proxies = \"proxy.example\"", "is no address and no block"),
        (
            "access.secrets = [\"abcdefghijklmnop\", \"bcdefghijklmnopq\", \"cdefghijklmnopqr\"]",
            "two are enough",
        ),
        ("access.secrets = [\"sixteen and a space\"]", "visible ASCII"),
        ("access.secrets = [\"abcdefghijklmno\"]", "shorter than 16 characters"),
        ("kraken.url = \"https://ws.kraken.com/v2\"", "is no wss:// or ws:// URL"),
        ("kraken.url = \"wss://user:pw@ws.kraken.com/v2\"", "is no wss:// or ws:// URL"),
        ("coinbase.url = \"https://api.coinbase.com/api\"", "must have no path"),
        ("coinbase.interval = \"4s\"", "must lie between 1s and 3s"),
        ("coinbase.interval = \"999ms\"", "must lie between 1s and 3s"),
        ("metrics.listen = \"127.0.0.1:8080\"", "give it its own port"),
        ("unknown = 1", "is no key; there are symbols, state_dir"),
        ("http = 1", "is no key"),
        ("a = [", "is no valid TOML"),
    ] {
        let told = complaint(text, &[]);
        assert!(told.contains(says), "{text} -> {told}");
        assert!(told.contains("(pricecast.toml:1)"), "{told}");
    }
}

#[test]
fn trusted_proxies_are_addresses_or_blocks() {
    let list = "[\"10.1.2.3\", \"10.9.9.9/8\", \"2001:db8::1\"]";
    let config = load(&format!("http.trusted_proxies = {list}"), &[]).unwrap();
    let blocks: Vec<_> = config.http.trusted_proxies.iter().map(ToString::to_string).collect();
    assert_eq!(blocks, ["10.1.2.3/32", "10.0.0.0/8", "2001:db8::1/128"]);
    let none = load("", &[("PRICECAST_HTTP__TRUSTED_PROXIES", "")]).unwrap();
    assert!(none.http.trusted_proxies.is_empty(), "nobody is trusted when the list says so");
}

#[test]
fn an_open_door_must_be_wanted() {
    for (text, is_fine) in [
        ("http.listen = \"0.0.0.0:80\"", false),
        ("http.listen = \"[::1]:80\"", true),
        ("http.listen = \"0.0.0.0:80\"\nhttp.public = true", true),
        ("http.listen = \"0.0.0.0:80\"\naccess.secrets = [\"abcdefghijklmnop\"]", true),
    ] {
        assert_eq!(load(text, &[]).is_ok(), is_fine, "{text}");
    }
}

#[test]
fn secrets_are_never_shown() {
    let config = load("access.secrets = [\"canary-of-the-secret\"]", &[]).unwrap();
    assert!(!config.to_toml().contains("canary"));
    assert!(!format!("{config:?}").contains("canary"));
    let error = load("access.secrets = [\"canary one\"]", &[]).unwrap_err();
    assert!(!error.to_string().contains("canary"));
}

#[test]
fn the_address_of_a_redis_is_shown_without_its_password() {
    for (url, shown, place) in [
        ("redis://127.0.0.1:6379/2", "redis://127.0.0.1:6379/2", "127.0.0.1:6379"),
        (
            "rediss://app:canary@redis.example",
            "rediss://app:***@redis.example",
            "redis.example:6379",
        ),
        ("redis://:canary@[::1]:7000", "redis://:***@[::1]:7000", "[::1]:7000"),
        (
            "redis+unix:///run/redis.sock?db=1&pass=canary",
            "redis+unix:///run/redis.sock?db=1&pass=***",
            "/run/redis.sock",
        ),
    ] {
        let config = load(&format!("store = \"redis\"\nredis.url = \"{url}\""), &[]).unwrap();
        assert_eq!(config.redis.url.as_ref().unwrap().to_string(), shown);
        assert_eq!(config.redis.url.as_ref().unwrap().place(), place);
        assert!(config.to_toml().contains(&format!("url = \"{shown}\"")), "{}", config.to_toml());
        assert!(!format!("{config:?}").contains("canary"));
    }
    for url in ["http://app:canary@redis.example", "redis://:c@na/canary@redis.example"] {
        let error = load(&format!("redis.url = \"{url}\""), &[]).unwrap_err().to_string();
        assert!(!error.contains("na/") && !error.contains("canary"), "{error}");
        assert!(error.contains("***@redis.example"), "{error}");
        assert_eq!(error.contains("write @ as %40"), url.starts_with("redis"), "{error}");
    }
}

#[test]
fn another_exchange_address_makes_it_a_custom_market() {
    assert!(load("coinbase.url = \"https://api.coinbase.com\"", &[]).unwrap().is_real_market());
    for text in
        ["kraken.url = \"ws://127.0.0.1:9900/v2\"", "coinbase.url = \"http://api.coinbase.com\""]
    {
        assert!(!load(text, &[]).unwrap().is_real_market(), "{text}");
    }
}

#[test]
fn what_is_printed_gives_the_same_configuration() {
    let config = load(
        "symbols = [\"SOL\"]\nhttp.drain = \"1500ms\"\nlog.format = \"json\"\nstore = \"redis\"\n\
         redis.url = \"redis://127.0.0.1:1\"",
        &[],
    );
    let config = config.unwrap();
    assert_eq!(load(&config.to_toml(), &[]).unwrap(), config);
}

#[test]
fn the_example_file_shows_every_key_with_its_default() {
    let example = include_str!("../../config.example.toml");
    let settings: Vec<_> =
        example.lines().filter(|line| !line.starts_with('#') && !line.is_empty()).collect();
    let printed = default().to_toml();
    let defaults: Vec<_> = printed.lines().filter(|line| !line.is_empty()).collect();
    assert_eq!(settings, defaults);
}

#[test]
fn the_address_of_a_webhook_is_never_shown() {
    let canary = "https://hooks.example/T0/canary";
    let config = load(&format!("webhook.url = \"{canary}\""), &[]).unwrap();
    assert_eq!(config.webhook.url.as_ref().unwrap().reveal().as_str(), canary);
    assert!(config.to_toml().contains("[webhook]\nurl = \"***\"\n"), "{}", config.to_toml());
    assert!(!format!("{config:?}").contains("canary"));
    for wrong in ["canary", "ftp://canary", "https://", "https://hooks.example/#canary", "***"] {
        let told = complaint("", &[("PRICECAST_WEBHOOK__URL", wrong)]);
        assert!(told.starts_with("webhook.url = *** (PRICECAST_WEBHOOK__URL): is "), "{told}");
        assert!(!told.contains("canary"), "{told}");
    }
    assert_eq!(default().webhook.url, None);
}

#[test]
fn what_is_probed_is_an_address_without_a_path() {
    let config = load("probe.url = \"https://prices.example\"", &[]).unwrap();
    assert_eq!(config.probe.url.unwrap().as_str(), "https://prices.example/");
    for wrong in ["prices.example", "https://prices.example/api/v1/prices", "https://a?b=c"] {
        let told = complaint(&format!("probe.url = \"{wrong}\""), &[]);
        assert!(told.contains("https://prices.example.com"), "{told}");
    }
}
