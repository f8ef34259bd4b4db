//! Our scripts: each is one atomic step, whatever else happens to Redis. What they do is said in
//! [`pricecast_core::lease`]'s module; here are their arguments and the reading of their answers.

use pricecast_core::lease::{Acquired, Holder, Look, Refusal, Wrote};
use pricecast_core::{Version, named};
use pricecast_wire::BODY_LEN_MAX;
use redis::{Script, ScriptInvocation};

use super::kept::Kept;

/// Stands for "none was refused yet": no head that can be found.
pub const NO_HEAD: &str = "-";

/// A call of one of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Call {
    /// [`Scripts::look`].
    Look,
    /// [`Scripts::acquire`].
    Acquire,
    /// [`Scripts::write`].
    Write,
    /// [`Scripts::release`].
    Release,
}

impl Call {
    /// Every call.
    pub const ALL: [Self; 4] = [Self::Look, Self::Acquire, Self::Write, Self::Release];

    /// All that its script can say.
    #[must_use]
    pub const fn verdicts(self) -> &'static [&'static str] {
        match self {
            Self::Look => &["bare", "older", "none", "found"],
            Self::Acquire => &["granted", "held"],
            Self::Write => &["done", "absent", "foreign", "fenced"],
            Self::Release => &["done"],
        }
    }
}

named! {
    Call {
        Look = "look",
        Acquire = "acquire",
        Write = "write",
        Release = "release",
    }
}

/// The scripts, for one run of one instance.
pub struct Scripts {
    keys: [String; 3],
    me: String,
    look: Script,
    acquire: Script,
    write: Script,
    release: Script,
}

impl Scripts {
    /// On the keys that begin with `prefix`, in the name of `me` (hexadecimal).
    #[must_use]
    pub fn new(prefix: &str, me: String) -> Self {
        let common = include_str!("scripts/common.lua");
        let script = |text: &str| Script::new(&format!("{common}\n{text}"));
        Self {
            keys: ["lease", "fence", "snapshot"].map(|name| format!("{prefix}{name}")),
            me,
            look: script(include_str!("scripts/look.lua")),
            acquire: script(include_str!("scripts/acquire.lua")),
            write: script(include_str!("scripts/write.lua")),
            release: script(include_str!("scripts/release.lua")),
        }
    }

    /// Who leads, and is there a snapshot newer than `held`, other than the one with `refused_head`?
    /// Where nothing is stored, or a lower version, `brought` is stored: it is what is `held`.
    #[must_use]
    pub fn look(
        &self,
        seen_epoch: u64,
        held: Version,
        refused_head: &str,
        brought: Option<&Kept>,
    ) -> ScriptInvocation<'_> {
        let mut call = self.on_keys(&self.look);
        call.arg(seen_epoch).arg(held.epoch).arg(held.seq).arg(refused_head).arg(BODY_LEN_MAX);
        if let Some(kept) = brought {
            call.arg(&kept.head).arg(&kept.body[..]);
        }
        call
    }

    /// Takes the lease, if nobody else has it.
    #[must_use]
    pub fn acquire(&self, ttl_ms: u64, seen_epoch: u64) -> ScriptInvocation<'_> {
        let mut call = self.on_keys(&self.acquire);
        call.arg(&self.me).arg(ttl_ms).arg(seen_epoch);
        call
    }

    /// Extends the lease and stores a snapshot of that epoch.
    #[must_use]
    pub fn write(
        &self,
        epoch: u64,
        ttl_ms: u64,
        snapshot: Option<(&Kept, u64)>,
    ) -> ScriptInvocation<'_> {
        let mut call = self.on_keys(&self.write);
        call.arg(&self.me).arg(epoch).arg(ttl_ms);
        if let Some((kept, seq)) = snapshot {
            call.arg(&kept.head).arg(&kept.body[..]).arg(seq);
        }
        call
    }

    /// Gives the lease back, if it is held.
    #[must_use]
    pub fn release(&self) -> ScriptInvocation<'_> {
        let mut call = self.on_keys(&self.release);
        call.arg(&self.me);
        call
    }

    /// Understands what any of them answered; `None` if it is nothing they could have.
    #[must_use]
    pub fn read(&self, answer: Vec<Vec<u8>>) -> Option<Answer> {
        let mut words = answer.into_iter();
        let mut text = || String::from_utf8(words.next()?).ok();
        let told = text()?;
        let mut verdicts = Call::ALL.into_iter().flat_map(Call::verdicts);
        let verdict = verdicts.find(|&&verdict| verdict == told)?;
        let [seconds, micros]: [i64; 2] = [text()?.parse().ok()?, text()?.parse().ok()?];
        let (owner, epoch, fence_epoch) = (text()?, text()?.parse().ok()?, text()?.parse().ok()?);
        let holder = match owner {
            owner if owner.is_empty() => Holder::None,
            owner if owner == self.me => Holder::Me { epoch },
            _ => Holder::Other { epoch },
        };
        let mut found = || {
            let head = String::from_utf8_lossy(&words.next()?).into_owned();
            Some(Kept { head, body: words.next()? })
        };
        let found = found();
        let time_us = seconds.checked_mul(1_000_000)?.checked_add(micros)?;
        Some(Answer { verdict, time_us, holder, epoch, fence_epoch, found })
    }

    fn on_keys<'a>(&self, script: &'a Script) -> ScriptInvocation<'a> {
        let mut call = script.prepare_invoke();
        for key in &self.keys {
            call.key(key);
        }
        call
    }
}

/// What a script answered.
#[derive(Debug)]
pub struct Answer {
    verdict: &'static str,
    /// Redis's clock, µs since the epoch.
    pub time_us: i64,
    holder: Holder,
    /// Of the lease.
    epoch: u64,
    fence_epoch: u64,
    /// A snapshot that may be newer than the one held.
    pub found: Option<Kept>,
}

impl Answer {
    /// In one word, for metrics.
    #[must_use]
    pub const fn verdict(&self) -> &'static str {
        self.verdict
    }

    /// As the answer to a look that found `snapshot`.
    #[must_use]
    pub fn looked(&self, snapshot: Option<Version>) -> Look {
        let is_behind = matches!(self.verdict, "bare" | "older");
        Look { holder: self.holder, fence_epoch: self.fence_epoch, snapshot, is_behind }
    }

    /// As the answer to an acquisition.
    #[must_use]
    pub fn acquired(&self) -> Option<Acquired> {
        match self.verdict {
            "granted" => Some(Acquired::Granted { epoch: self.epoch }),
            "held" => Some(Acquired::Held { epoch: self.epoch }),
            _ => None,
        }
    }

    /// As the answer to a write.
    #[must_use]
    pub fn wrote(&self) -> Option<Wrote> {
        match self.verdict {
            "done" => Some(Wrote::Done),
            "absent" => Some(Wrote::Refused(Refusal::Absent)),
            "foreign" => Some(Wrote::Refused(Refusal::Foreign { epoch: self.epoch })),
            "fenced" => Some(Wrote::Refused(Refusal::Fenced { epoch: self.fence_epoch })),
            _ => None,
        }
    }
}
