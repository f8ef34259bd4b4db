//! The configuration and what of it lies on this machine.

use std::path::Path;
use std::{fs, io};

use pricecast_origin::config::Config;
use pricecast_origin::config_file::{file_in, load, variables_in};
use pricecast_wire::headers::SECRET_LEN_MIN;

use super::finding::Finding;

/// Reads the configuration as the origin does.
pub(super) fn config(
    named: Option<&Path>,
    env_file: Option<&Path>,
) -> (Option<Config>, Vec<Finding>) {
    let more = env_file.map_or(Ok(vec![]), variables_in);
    match more.and_then(|more| load(named, &more)) {
        Ok(config) => {
            let read = file_in(named).map_or("no file".to_owned(), |p| p.display().to_string());
            let symbols: Vec<_> = config.symbols.iter().map(ToString::to_string).collect();
            let text = format!("read from {read} and the environment: {}", symbols.join(", "));
            let mut findings = vec![Finding::good("config", text)];
            if !config.is_real_market() {
                let text = "the exchanges are not the real ones: every answer will say Pricecast-Market: custom";
                findings.push(Finding::note("market", text));
            }
            (Some(config), findings)
        }
        Err(error) => {
            let lines = format!("{error:#}");
            let mistakes: Vec<_> = lines.lines().map(str::trim).collect();
            (None, vec![Finding::bad("config", mistakes.join("; "))])
        }
    }
}

/// The secret between edge and origin.
pub(super) fn secrets(config: &Config, of_edge: Option<&str>) -> Vec<Finding> {
    let known = &config.access.secrets;
    let mut findings = vec![match (known.len(), config.http.public) {
        (0, true) => Finding::note(
            "secrets",
            "http.public = true: anyone may ask this origin, as often as the limits allow",
        ),
        (0, false) => Finding::note(
            "secrets",
            "access.secrets is empty: fine on loopback; before a deploy set one (openssl rand -hex 32), also behind a Tunnel",
        ),
        (1, _) => Finding::good("secrets", "access.secrets has one"),
        _ => Finding::note(
            "secrets",
            "access.secrets has two: end the rotation once the edge uses the new one",
        ),
    }];
    if let Some(of_edge) = of_edge {
        let is_known = known.iter().any(|secret| secret.expose() == of_edge.as_bytes());
        findings.push(if of_edge.len() < SECRET_LEN_MIN {
            Finding::bad("ORIGIN_SECRET", format!("has {} characters, at least {SECRET_LEN_MIN} are needed: openssl rand -hex 32", of_edge.len()))
        } else if is_known || known.is_empty() {
            Finding::good("ORIGIN_SECRET", "is one that the origin knows")
        } else {
            Finding::bad("ORIGIN_SECRET", "is none of access.secrets: the origin would answer the edge 403; put the same in both (wrangler secret put ORIGIN_SECRET)")
        });
    }
    findings
}

/// Whether the last known prices can be kept. Makes nothing that would be left behind: whoever asks may be
/// another user than the origin.
pub(super) fn state_dir(config: &Config) -> Finding {
    let folder = &config.state_dir;
    let place = folder.display();
    let of = "state_dir";
    if let Ok(false) = folder.try_exists() {
        let parent = folder.parent().filter(|parent| !parent.as_os_str().is_empty());
        let parent = parent.unwrap_or(Path::new("."));
        return match try_to_write(parent) {
            Ok(()) => Finding::good(of, format!("{place} is not there yet, and can be made")),
            Err(error) => Finding::bad(
                of,
                format!(
                    "{place} is not there and cannot be made ({error}): prices would not survive a restart; make it, or name another in state_dir"
                ),
            ),
        };
    }
    match try_to_write(folder) {
        Ok(()) => Finding::good(of, format!("{place} can be written")),
        Err(error) => Finding::bad(
            of,
            format!(
                "{place} cannot be written by this user ({error}): prices would not survive a restart; look at who owns it, or name another in state_dir"
            ),
        ),
    }
}

fn try_to_write(folder: &Path) -> io::Result<()> {
    let probe = folder.join(".pricecast-doctor");
    fs::write(&probe, "written by pricecast doctor")?;
    fs::remove_file(&probe)
}
