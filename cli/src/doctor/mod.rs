//! `pricecast doctor`: looks at a configuration, at what it needs, and at what runs.

mod answer;
mod bundle;
mod exchanges;
mod face;
mod finding;
mod said;
mod setup;
mod system;

use std::io::{self, Write};
use std::path::PathBuf;

use anyhow::Context as _;
use clap::Args;
use pricecast_origin::config::Config;
use reqwest::Url;

use self::face::Market;
use self::finding::{Finding, Verdict};

/// Looks at a set-up before a deploy, and at what runs after it: one line for each thing, exit code
/// 0 if nothing must be mended, 1 otherwise.
///
/// Reads the configuration as the origin does: --config or ./pricecast.toml, then PRICECAST_… in the
/// environment. Asks each exchange once. No secret is ever printed.
#[derive(Debug, Args)]
pub(crate) struct DoctorFlags {
    /// The origin's configuration file [default: ./pricecast.toml, if it is there].
    #[arg(long, value_name = "PATH")]
    config: Option<PathBuf>,
    /// A file with further variables, such as the EnvironmentFile of the origin's systemd unit.
    #[arg(long, value_name = "PATH")]
    env_file: Option<PathBuf>,
    /// A running origin, e.g. http://127.0.0.1:8080.
    #[arg(long, value_name = "URL", value_parser = address)]
    origin: Option<Url>,
    /// A running edge, or the public address of a zone that serves without a Worker.
    #[arg(long, value_name = "URL", value_parser = address)]
    edge: Option<Url>,
    /// The secret that the edge sends; without it the first of the configuration's access.secrets.
    #[arg(long, env = "ORIGIN_SECRET", hide_env_values = true)]
    origin_secret: Option<String>,
    /// Pack what a bug report needs into this file (.tar.gz): what is told here, the configuration
    /// without its secrets, and the record of the last hour in state_dir.
    #[arg(long, value_name = "FILE")]
    bundle: Option<PathBuf>,
    /// Leave configuration and exchanges alone: only look at what runs.
    #[arg(long)]
    running_only: bool,
    /// A simulated market must be mended too.
    #[arg(long)]
    real_market: bool,
}

impl DoctorFlags {
    /// Looks at everything, and tells `out` as it goes. Returns whether all is well.
    pub(crate) fn run(&self, out: &mut impl Write) -> anyhow::Result<bool> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let mut report = Report { out, is_well: true, told: String::new() };
        let config = runtime.block_on(self.look(&mut report))?;
        let verdict = if report.is_well { "all is well" } else { "something must be mended" };
        writeln!(report.out, "{verdict}")?;
        if let Some(file) = &self.bundle {
            let what = bundle::pack(file, &report.told, config.as_ref());
            let what = what.with_context(|| format!("write the bundle {}", file.display()))?;
            writeln!(report.out, "{} holds {what}", file.display())?;
        }
        Ok(report.is_well)
    }

    /// Returns the configuration, if it can be read.
    async fn look(&self, report: &mut Report<'_, impl Write>) -> io::Result<Option<Config>> {
        if self.running_only && self.origin.is_none() && self.edge.is_none() {
            let text = "nothing to look at: give --origin or --edge with --running-only";
            report.tell([Finding::bad("usage", text)])?;
            return Ok(None);
        }
        let (config, findings) = setup::config(self.config.as_deref(), self.env_file.as_deref());
        let mut secret = self.origin_secret.clone();
        let mut ca_file = None;
        match &config {
            Some(config) => {
                ca_file.clone_from(&config.tls.ca_file);
                let first = config.access.secrets.first();
                let first = first.map(|first| String::from_utf8_lossy(first.expose()).into_owned());
                if !self.running_only {
                    report.tell(findings)?;
                    report.tell(setup::secrets(config, self.origin_secret.as_deref()))?;
                    report.tell([setup::state_dir(config)])?;
                    report.tell(exchanges::kraken(config).await)?;
                    report.tell(exchanges::coinbase(config).await)?;
                }
                secret = secret.or(first);
            }
            None => report.tell(findings)?,
        }
        let web = match answer::Web::new(ca_file.as_deref()) {
            Ok(web) => web,
            Err(error) => {
                report.tell([Finding::bad("tls", format!("{error:#}"))])?;
                return Ok(config);
            }
        };
        let market = if self.real_market { Market::Real } else { Market::Any };
        let system = system::System { web, secret, market };
        let mut seen = None;
        if let Some(origin) = &self.origin {
            let (findings, prices) = system.origin(origin).await;
            report.tell(findings)?;
            seen = prices;
        }
        if let Some(edge) = &self.edge {
            report.tell(system.edge(edge, seen).await)?;
        }
        Ok(config)
    }
}

/// An address of ours, without anything that must not be printed.
fn address(text: &str) -> Result<Url, String> {
    let url = Url::parse(text).ok().filter(|url| matches!(url.scheme(), "http" | "https"));
    let url = url.ok_or("give an address such as https://prices.example.com")?;
    if url.username().is_empty() && url.password().is_none() {
        Ok(url)
    } else {
        Err("leave name and password out: they would be printed".to_owned())
    }
}

struct Report<'a, W> {
    out: &'a mut W,
    is_well: bool,
    /// All of it, for the bundle.
    told: String,
}

impl<W: Write> Report<'_, W> {
    fn tell(&mut self, findings: impl IntoIterator<Item = Finding>) -> io::Result<()> {
        for finding in findings {
            self.is_well &= finding.verdict != Verdict::Bad;
            writeln!(self.out, "{finding}")?;
            self.told.push_str(&format!("{finding}\n"));
        }
        self.out.flush()
    }
}
