//! What a bug report needs, in one file, without a secret in it.

use std::fs::File;
use std::io::{ErrorKind, Read as _, Write as _};
use std::path::Path;

use anyhow::Context as _;
use flate2::Compression;
use flate2::write::GzEncoder;
use pricecast_origin::config::Config;
use pricecast_origin::record::{folder, segments};
use tar::{Builder, Header};

/// Everything in it is below this folder.
const ROOT: &str = "pricecast-bundle";

/// Writes `file`; returns what is in it.
pub(super) fn pack(file: &Path, told: &str, config: Option<&Config>) -> anyhow::Result<String> {
    let zipped = GzEncoder::new(File::create(file)?, Compression::default());
    let mut archive = Builder::new(zipped);
    add(&mut archive, "doctor.txt", told)?;
    add(&mut archive, "version.txt", concat!(env!("CARGO_PKG_VERSION"), "\n"))?;
    let mut what = "what was told here".to_owned();
    if let Some(config) = config {
        add(&mut archive, "pricecast.toml", &config.to_toml())?;
        let place = folder(&config.state_dir);
        let found = match segments(&place) {
            Err(error) if error.kind() == ErrorKind::NotFound => vec![],
            found => found.with_context(|| format!("read {}", place.display()))?,
        };
        for path in &found {
            let name = path.file_name().unwrap_or_default();
            let open = match File::open(path) {
                // An origin that runs has deleted it meanwhile: the oldest goes first.
                Err(error) if error.kind() == ErrorKind::NotFound => continue,
                open => open.with_context(|| format!("read {}", path.display()))?,
            };
            // An origin that runs goes on writing: as much as is there now.
            let len = open.metadata()?.len();
            let inside = Path::new(ROOT).join("record").join(name);
            archive.append_data(&mut header(len), inside, open.take(len))?;
        }
        what = format!(
            "{what}, the configuration without its secrets, and {} segments of the record",
            found.len()
        );
    }
    archive.into_inner()?.finish()?.flush()?;
    Ok(what)
}

fn add<W: std::io::Write>(archive: &mut Builder<W>, name: &str, text: &str) -> anyhow::Result<()> {
    let mut header = header(u64::try_from(text.len())?);
    archive.append_data(&mut header, Path::new(ROOT).join(name), text.as_bytes())?;
    Ok(())
}

fn header(len: u64) -> Header {
    let mut header = Header::new_gnu();
    header.set_size(len);
    header.set_mode(0o644);
    header
}
