//! One file in `state_dir`: replaced in one step, so that a crash leaves the old one or the new one; one that
//! cannot be read is put aside, never deleted and never fatal.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use pricecast_core::UnixMillis;

/// Where it lies.
#[derive(Clone, Debug)]
pub struct StateFile {
    directory: PathBuf,
    name: &'static str,
}

impl StateFile {
    /// The file `name` in `directory`, which need not exist yet.
    #[must_use]
    pub fn new(directory: impl Into<PathBuf>, name: &'static str) -> Self {
        Self { directory: directory.into(), name }
    }

    /// The directory.
    #[must_use]
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// Its path.
    #[must_use]
    pub fn path(&self) -> PathBuf {
        self.directory.join(self.name)
    }

    /// What it holds; `None` if it is not there.
    ///
    /// # Errors
    /// When it is there and cannot be read.
    pub fn read(&self) -> io::Result<Option<Vec<u8>>> {
        match fs::read(self.path()) {
            Ok(content) => Ok(Some(content)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Gives a file that is of no use another name, which `now` makes its own; `None` if that
    /// fails: then it stays where it is.
    #[must_use]
    pub fn put_aside(&self, now: UnixMillis) -> Option<PathBuf> {
        let aside = self.directory.join(format!("{}.unusable-{now}", self.name));
        fs::rename(self.path(), &aside).ok().map(|()| aside)
    }

    /// Replaces it: written beside it, flushed to the disk, renamed over it.
    ///
    /// # Errors
    /// When the directory cannot be made or written.
    pub fn replace(&self, content: &[u8]) -> io::Result<()> {
        fs::create_dir_all(&self.directory)?;
        let temporary = self.directory.join(format!("{}.tmp", self.name));
        let mut file = File::create(&temporary)?;
        file.write_all(content)?;
        file.sync_all()?;
        fs::rename(&temporary, self.path())?;
        // The name itself is on the disk only once the directory is.
        if let Ok(directory) = File::open(&self.directory) {
            let _ = directory.sync_all();
        }
        Ok(())
    }
}
