//! The configuration: a file, then after a zero byte lines `NAME=VALUE` for the environment.
#![no_main]

use libfuzzer_sys::fuzz_target;
use pricecast_origin::config::{Config, FileText};

fn load(text: &str, variables: &[(String, String)]) -> Option<Config> {
    let file = FileText { name: "fuzz.toml", text };
    match Config::load(Some(file), variables.iter().cloned()) {
        Ok(config) => Some(config),
        Err(error) => {
            assert!(!error.problems.is_empty(), "refused without a reason");
            assert!(error.to_string().lines().count() > error.problems.len());
            None
        }
    }
}

fuzz_target!(|data: &[u8]| {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let (file, lines) = text.split_once('\0').unwrap_or((text, ""));
    let variables: Vec<_> = lines
        .lines()
        .filter_map(|line| line.split_once('='))
        .map(|(name, value)| (format!("PRICECAST_{name}"), value.to_owned()))
        .collect();
    let Some(config) = load(file, &variables) else { return };
    let printed = config.to_toml();
    for secret in &config.access.secrets {
        let secret = String::from_utf8_lossy(secret.expose());
        // A short one may stand there by chance.
        assert!(secret.len() < 16 || !printed.contains(&*secret), "a secret is printed");
    }
    if config.access.secrets.is_empty() {
        let again = load(&printed, &[]).expect("what was printed loads");
        assert_eq!(again, config, "and says something else:\n{printed}");
        assert_eq!(again.to_toml(), printed);
    }
});
