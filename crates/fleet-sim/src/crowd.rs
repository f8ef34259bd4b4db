//! The phones: sessions that begin and end, polls over a mobile network, the published rule of
//! core for when to ask and what to flag.

use pricecast_core::UnixMillis;
use pricecast_core::poll::{age_on_screen_ms, must_flag, next_poll_ms, takes};

use crate::measure::Shown;
use crate::origin::{BEGAN_AT_MS, clock};
use crate::world::{Ask, Event, Outcome, Reply, World};

/// An app is open at least this long, and this much longer on average.
const SESSION_MS: (u64, f64) = (15_000, 105_000.0);
/// What a client waits for an answer before it asks anew.
const GIVES_UP_AFTER_MS: u64 = 3_000;
/// A stream that broke is opened anew after this.
const REOPENS_AFTER_MS: (u64, u64) = (50, 1_050);
/// Wall clocks of phones are wrong by up to this.
const WALL_CLOCK_WRONG_BY_MS: i64 = 600_000;
/// One way over the last mile …
const LAST_MILE_MS: (u64, u64) = (15, 120);
/// … and of so many in a thousand …
const SLOW_PER_MILLE: u64 = 10;
/// … this much.
const SLOW_MS: (u64, u64) = (120, 900);

/// How clients learn of prices.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Manner {
    /// They ask, by the rule of core.
    Polls,
    /// They hold a connection, over which they are told.
    Streams,
}

/// What happens to a client.
#[derive(Clone, Copy, Debug)]
pub(crate) enum ClientEvent {
    /// A session begins, or it is time to ask.
    Asks { client: usize, request: u64 },
    /// Its request is at the edge.
    Arrives { client: usize, request: u64 },
    /// It has its answer, or an error.
    Learns { client: usize, request: u64, outcome: Outcome },
    /// It has waited too long.
    GivesUp { client: usize, request: u64 },
    /// The app is closed; another one is opened elsewhere.
    Closes { client: usize, session: u64 },
}

/// What stands on a screen.
#[derive(Clone, Copy, Debug)]
struct OnScreen {
    reply: Reply,
    /// `Pricecast-Now` as the rule needs it, with the moment it was asked for.
    pricecast_now: UnixMillis,
    sent_ms: u64,
    since_ms: u64,
}

struct Client {
    home: usize,
    session: u64,
    /// The request under way, or the connection; grows with each.
    request: u64,
    is_waiting: bool,
    sent_ms: u64,
    /// Of a stream: what its first message said of the origin's clock.
    opened: Option<UnixMillis>,
    screen: Option<OnScreen>,
    wall_clock_wrong_by_ms: i64,
}

/// All clients of one simulation, those of one data centre standing for more of them.
pub(crate) struct Crowd {
    manner: Manner,
    clients: Vec<Client>,
    /// Of a client of each home, in thousandths.
    weights: Vec<u64>,
}

impl Crowd {
    pub(crate) const fn new(manner: Manner) -> Self {
        Self { manner, clients: vec![], weights: vec![] }
    }

    /// `count` clients of another data centre, each standing for `weight` thousandths, who begin
    /// within the next `within_ms`.
    pub(crate) fn settle(
        &mut self,
        world: &mut World<'_>,
        count: usize,
        weight: u64,
        within_ms: u64,
    ) {
        let home = self.weights.len();
        self.weights.push(weight);
        self.join(world, home, count, within_ms);
    }

    /// More clients of a data centre that is known already.
    pub(crate) fn join(
        &mut self,
        world: &mut World<'_>,
        home: usize,
        count: usize,
        within_ms: u64,
    ) {
        for _ in 0..count {
            let client = self.clients.len();
            self.clients.push(Client {
                home,
                session: 0,
                request: 0,
                is_waiting: false,
                sent_ms: 0,
                opened: None,
                screen: None,
                wall_clock_wrong_by_ms: world.chance.around(WALL_CLOCK_WRONG_BY_MS),
            });
            let ms = world.chance.between(0, within_ms);
            world.after(ms, Event::Client(ClientEvent::Asks { client, request: 0 }));
            // Sessions have begun long ago: what is left of one has the same spread.
            let ms = world.chance.pause_ms(SESSION_MS.1);
            world.after(ms, Event::Client(ClientEvent::Closes { client, session: 0 }));
        }
    }

    /// How many clients of `home` are simulated.
    pub(crate) fn residents(&self, home: usize) -> usize {
        self.clients.iter().filter(|client| client.home == home).count()
    }

    /// In which data centre one asks.
    pub(crate) fn home(&self, ask: Ask) -> usize {
        let Ask::Client { client, .. } = ask else { return 0 };
        self.clients.get(client).map_or(0, |client| client.home)
    }

    /// Whether a client still waits for the answer, or listens to the stream, that it asked for.
    pub(crate) fn is_awaited(&self, ask: Ask) -> bool {
        let Ask::Client { client, request } = ask else { return false };
        self.clients.get(client).is_some_and(|client| client.request == request)
    }

    /// An outcome travels to whom it is for.
    pub(crate) fn send(world: &mut World<'_>, ask: Ask, outcome: Outcome) {
        let Ask::Client { client, request } = ask else { return };
        let ms = last_mile_ms(world);
        world.after(ms, Event::Client(ClientEvent::Learns { client, request, outcome }));
    }

    /// A stream has broken: it is opened anew, not by all at once.
    pub(crate) fn lose(&mut self, world: &mut World<'_>, ask: Ask) {
        if let (Ask::Client { client, request }, true) = (ask, self.is_awaited(ask)) {
            let ms = world.chance.between(REOPENS_AFTER_MS.0, REOPENS_AFTER_MS.1);
            world.after(ms, Event::Client(ClientEvent::Asks { client, request }));
        }
    }

    /// Handles what happens to a client; returns the request that is at the edge now.
    pub(crate) fn handle(&mut self, world: &mut World<'_>, event: ClientEvent) -> Option<Ask> {
        match event {
            ClientEvent::Asks { client, request } => self.ask(world, client, request),
            ClientEvent::Arrives { client, request } => {
                return Some(Ask::Client { client, request });
            }
            ClientEvent::Learns { client, request, outcome } => {
                self.learn(world, client, request, outcome);
            }
            ClientEvent::GivesUp { client, request } => {
                let of = self.clients.get_mut(client);
                if let Some(of) = of.filter(|of| of.is_waiting && of.request == request) {
                    // What still comes of it is nobody's any more.
                    of.request += 1;
                    self.learn(world, client, request + 1, None);
                }
            }
            ClientEvent::Closes { client, session } => self.close(world, client, session),
        }
        None
    }

    /// Takes down what stands on the screens when the run ends.
    pub(crate) fn end(&mut self, world: &mut World<'_>) {
        for client in &mut self.clients {
            let weight = self.weights.get(client.home).copied().unwrap_or(0);
            client.take_down(world, weight);
        }
    }

    fn ask(&mut self, world: &mut World<'_>, index: usize, request: u64) {
        let Some(client) = self.clients.get_mut(index) else { return };
        if client.request != request {
            return;
        }
        client.request += 1;
        client.is_waiting = true;
        client.sent_ms = world.now;
        client.opened = None;
        let weight = self.weights.get(client.home).copied().unwrap_or(0);
        world.measure.note_asked(world.now, self.manner == Manner::Streams, weight);
        let request = client.request;
        let up_ms = last_mile_ms(world);
        world.after(up_ms, Event::Client(ClientEvent::Arrives { client: index, request }));
        let gives_up = ClientEvent::GivesUp { client: index, request };
        world.after(GIVES_UP_AFTER_MS, Event::Client(gives_up));
    }

    fn learn(&mut self, world: &mut World<'_>, index: usize, request: u64, outcome: Outcome) {
        let Some(client) = self.clients.get_mut(index) else { return };
        if client.request != request {
            return;
        }
        let is_answer_to_request = std::mem::take(&mut client.is_waiting);
        let weight = self.weights.get(client.home).copied().unwrap_or(0);
        let told = outcome.map(|reply| (reply.confirmed_ms, reply.is_stale));
        world.measure.note_answer(world.now, told, weight);
        if let Some(reply) = outcome {
            client.show(world, reply, weight);
        }
        let asks_again = match self.manner {
            Manner::Polls => is_answer_to_request,
            // Without an answer there is no stream.
            Manner::Streams => is_answer_to_request && outcome.is_none(),
        };
        if asks_again {
            let age_ms = client.screen.map_or(u64::MAX, |screen| screen.age_ms(world.now));
            let ms = next_poll_ms(age_ms, world.chance.jitter());
            world.after(ms, Event::Client(ClientEvent::Asks { client: index, request }));
        }
    }

    fn close(&mut self, world: &mut World<'_>, index: usize, session: u64) {
        let Some(client) = self.clients.get_mut(index) else { return };
        if client.session != session {
            return;
        }
        let weight = self.weights.get(client.home).copied().unwrap_or(0);
        client.take_down(world, weight);
        client.session += 1;
        client.request += 1;
        client.is_waiting = false;
        client.wall_clock_wrong_by_ms = world.chance.around(WALL_CLOCK_WRONG_BY_MS);
        let (request, session) = (client.request, client.session);
        world.after(0, Event::Client(ClientEvent::Asks { client: index, request }));
        let ms = SESSION_MS.0 + world.chance.pause_ms(SESSION_MS.1);
        world.after(ms, Event::Client(ClientEvent::Closes { client: index, session }));
    }
}

impl Client {
    fn show(&mut self, world: &mut World<'_>, reply: Reply, weight: u64) {
        // The first message answers the request that opened the stream, so it bounds the origin's
        // clock; of a later one nobody knows how long it was on its way.
        let pricecast_now = *self.opened.get_or_insert(reply.pricecast_now);
        if !takes(self.screen.map(|screen| screen.reply.version), reply.version) {
            return;
        }
        self.take_down(world, weight);
        self.screen =
            Some(OnScreen { reply, pricecast_now, sent_ms: self.sent_ms, since_ms: world.now });
    }

    /// What stood on the screen until now goes into the books.
    fn take_down(&mut self, world: &mut World<'_>, weight: u64) {
        let Some(screen) = self.screen.take() else { return };
        // By its own wall clock the price was confirmed at the origin's stamp.
        let fresh_until_ms = screen.flag_ms(|at_ms| {
            (BEGAN_AT_MS + at_ms)
                .saturating_add_signed(self.wall_clock_wrong_by_ms)
                .saturating_sub(clock(screen.reply.confirmed_ms).as_ms())
        });
        let too_old_from_ms = screen.flag_ms(|at_ms| screen.age_ms(at_ms));
        let is_flagged = screen.reply.is_stale;
        world.measure.note_shown(&Shown {
            span: screen.since_ms..world.now,
            confirmed_ms: screen.reply.confirmed_ms,
            flagged_from_ms: if is_flagged { screen.since_ms } else { too_old_from_ms },
            too_old_from_ms,
            flagged_by_wall_clock_from_ms: fresh_until_ms,
            weight,
        });
    }
}

impl OnScreen {
    /// Its age by the published rule.
    fn age_ms(&self, at_ms: u64) -> u64 {
        let since_sending_ms = at_ms - self.sent_ms;
        // Of a stream, what the origin's clock says by now at the latest.
        let origin_now = self.pricecast_now.plus_ms(since_sending_ms);
        let age_s = self.reply.age_s;
        age_on_screen_ms(clock(self.reply.confirmed_ms), origin_now, age_s, 0)
    }

    /// The first moment at which it must be flagged when its age is `age_ms_at`, which grows with
    /// time.
    fn flag_ms(&self, age_ms_at: impl Fn(u64) -> u64) -> u64 {
        let (mut before, mut from) = (self.since_ms, self.since_ms + 2_000_000);
        while before < from {
            let middle = before.midpoint(from);
            if must_flag(age_ms_at(middle)) { from = middle } else { before = middle + 1 }
        }
        from
    }
}

fn last_mile_ms(world: &mut World<'_>) -> u64 {
    let (least, most) = if world.chance.happens(SLOW_PER_MILLE) { SLOW_MS } else { LAST_MILE_MS };
    world.chance.between(least, most)
}
