// The text of docs/scale.md.

import { DELIVERIES, SCENARIOS, dollars, percent, seconds, whole } from './names.mjs';

const table = (head, rows) => [head, head.map(() => '---'), ...rows].map((cells) => `| ${cells.join(' | ')} |`).join('\n');

/** A scenario's rows, one for each delivery. */
function scenario(report, name) {
  const rows = report.rows.filter((row) => row.scenario === name);
  const recovery = rows.some((row) => row.recovery_ms !== null);
  const head = ['delivery', 'p50 s', 'p99 s', 'max s', 'body lies', 'unflagged on screen', 'longest ms', 'flagged', 'over 5 s', 'errors', 'origin/s mean', 'max'];
  return table(
    recovery ? [...head, 'recovery s'] : head,
    rows.map((row) => {
      const cells = [
        DELIVERIES[row.delivery], seconds(row.age_ms_p50), seconds(row.age_ms_p99), seconds(row.age_ms_max), whole(row.unflagged_in_body),
        whole(row.unflagged_stale), whole(row.unflagged_stale_ms_max), percent(row.flagged_share), percent(row.old_share), percent(row.error_share),
        row.origin_rps_mean, whole(row.origin_rps_max),
      ];
      return recovery ? [...cells, seconds(row.recovery_ms)] : cells;
    }),
  );
}

function bySize({ sizes }, cell) {
  const users = [...new Set(sizes.map((size) => size.users))].sort((one, other) => one - other);
  const deliveries = [...new Set(sizes.map((size) => size.delivery))];
  const of = (delivery, count) => sizes.find((size) => size.delivery === delivery && size.users === count);
  return table(['delivery', ...users.map(whole)], deliveries.map((delivery) => [DELIVERIES[delivery], ...users.map((count) => cell(of(delivery, count)))]));
}

const normal = ({ rows }) => rows.filter((row) => row.scenario === 'normal-day');

/** The whole page. */
export function page(report) {
  const { seed, centres, open_apps: open } = report;
  const dead = report.rows.find((row) => row.scenario === 'origin-dead-60s' && row.delivery === 'worker');
  return `# At five million users

What is on the screen, what the origin notices, and what it costs: from \`make fleet\`, which writes this page, its charts and
\`target/fleet.json\`. Seed ${seed}; \`make fleet SEED=7\` takes another. The cache policy, the age of a copy, the poll rule and the flag at five seconds
are the code that ships (\`crates/core\`); everything around them is a model, and nothing here was measured at Cloudflare.

## Age on screen

![Age on screen by scenario and delivery](scale-age.svg)

${whole(open)} apps are open at once, on the day's average; five million people who open theirs for five minutes a day have about 17,000 open at once. The age is
that of the price confirmed longest ago, by the model's own clock, over all screen time, not only when answers arrive. **Body lies** are answers that say \`stale: false\` of a price that was over 5 s old when
they arrived. **Unflagged on screen** counts prices that stood over 5 s old and were not flagged by the [published client rule](freshness.md), neither for their age nor by their body, **longest** how long at
most. **Flagged** and **over 5 s** are parts of the screen time, **origin/s** requests that reached the origin or tried to.

${Object.entries(SCENARIOS).map(([name, title]) => `### ${title}\n\n${scenario(report, name)}`).join('\n\n')}

* **Normal day**: three hours of the day, eight hours apart, one of them the busiest; everything else happens in that hour.
* **Quiet market**: no price moves. Each of Kraken's heartbeats, one a second, confirms them all and is published, so the tag changes with it: hardly a poll is answered 304.
* **Kraken silent**: 25 s; after 3 s Coinbase's prices are published, which are up to 1.3 s old.
* **Origin dead**: 20 s of refused connections, then 40 s of lost packets; it comes back with fresh prices under a new epoch. **Recovery** is until the last error
  or old price that any phone was sent.
* **Deploy**: every isolate and every cache is empty at the same moment. A deploy of the Worker empties isolates alone: the shared cache's keys carry no version.

## What the model says about deliveries

* **No delivery** shows an old price without a flag, in any scenario, whatever the phones' clocks say. A client that compared \`confirmedAt\` with its
  own clock, wrong by up to ten minutes, would in the outage show one unflagged for ${percent(dead.unflagged_by_wall_clock_share)} of its screen time.
* **Behind a shared cache that has its price.** By what the headers tell a price looks younger than it is: with one tier by the way of the answer from origin to cache, which \`Age\` need not count;
  with two tiers a copy's time in the upper one may be stated nowhere, for \`Age\` is absent on the first hit, and begins anew, or has been rounded down twice. Whether Cloudflare keeps the age from tier to
  tier is not documented; both readings are here. So whoever answers a shared cache tells \`Pricecast-Now\` ahead: by 500 ms for one tier, by 2,250 ms for two. What more or less of it would do, at a smaller
  size, on a normal day and in the outage:

${table(['delivery', 'ahead by ms', 'longest unflagged ms', 'flagged', 'answers per open app and second'], report.ahead.map((row) => [DELIVERIES[row.delivery], whole(row.ahead_ms), whole(row.unflagged_stale_ms_max), percent(row.flagged_share), row.answers_per_open_s.toFixed(2)]))}

  A CDN without Tiered Cache is honest at next to no price in flags; with tiers only by flagging prices that would need none under the better reading.
* **Workers Cache** costs per request what the Worker costs, for a hit is billed as a request, and saves CPU time, a small part of the bill. Under the rule it costs more than twice as much, for prices look older and are asked for more often.
* **[CDN](cdn.md)**: no charge per request. While the origin cannot be asked there are errors instead of flagged last known prices: the last known lives in the client. A
  connection that was waiting when packets were lost holds up all who wait with it, for up to 19 s after the origin is back. Without Tiered Cache each data centre
  asks again as soon as an attempt has failed: several attempts a second and data centre, as long as the origin refuses.
* **Deploy**: with its shared cache emptied too, each isolate of the Worker fetches once, all in the same second.

### Where the promise ends

A copy that one machine fetched and another adopts is dated by two clocks. The data centre's clock may be wrong (here by up to 3 s), but its machines must agree:

${table(['clocks of one data centre apart by up to, ms', 'longest unflagged on screen, ms', 'origin requests/s of a data centre'], report.clocks_apart.map((row) => [whole(row.apart_ms), whole(row.unflagged_stale_ms_max), row.origin_rps_mean.toFixed(2)]))}

## What the origin notices

![Origin requests per second against apps open at once](scale-origin.svg)

Requests per second at the origin on a normal day, mean (busiest second), by apps open at once:

${bySize(report, (size) => `${size.origin_rps_mean} (${size.origin_rps_max})`)}

About one a second for each of ${centres} data centres once all have traffic, and no more with fifty times the users; behind tiered caches about one for each
upper tier.

## What it costs

![Dollars a month against users](scale-cost.svg)

Cloudflare's list prices, read on ${report.prices_read_on}; ${report.prices_next_change}. The origin's machine is not included. Polls come as often as the rule asks in the model on a normal
day. \`pricecast cost\` works out any other case, by default with a poll every 2.5 s.

${table(
    ['delivery', 'answers per open app and second', '5 M users, 5 min a day', '5 M apps always open'],
    normal(report).map((row) => [DELIVERIES[row.delivery], row.answers_per_open_s.toFixed(2), dollars(row.usd_per_month), dollars(row.usd_per_month_always_open)]),
  )}

By users, each with the app open five minutes a day, a month:

${bySize(report, (size) => dollars(size.usd_per_month))}

${table(
    ['price', 'US dollars', 'for', 'included', 'source'],
    report.prices.map((price) => [price.item, price.usd, `${whole(price.per)} ${price.unit}`, whole(price.included), price.source]),
  )}

CPU time per answer is 0.07 ms (workerd on one machine: 0.06-0.1), per message of a stream 0.03 ms (not measured). At CDN traffic of this size Cloudflare may ask for an Enterprise contract.

## What is assumed

* ${centres} data centres; the nth has traffic in proportion to 1/n^0.9, in ten regions with their own night and day. One isolate for 100 requests/s or 2,000 streams, at
  most 200 in a data centre, living five minutes on average. None of this is published.
* Apps are open for 15 s and 105 s more on average. One way over the last mile takes 15-120 ms, one time in a hundred 120-900 ms. A client gives up after 3 s.
* Origin and data centre are 50-300 ms apart, there and back. A \`cache.put\` is seen after 5-40 ms, a look into the cache takes 1-5 ms. The price confirmed longest ago was
  confirmed 100-700 ms before it was published (a busy market; in a quiet one up to 1.6 s); publications come every 100 ms.
* Shared caches hold for \`max-age=1, stale-while-revalidate=1, stale-if-error=0\`, asking once at a time; a hop between tiers takes 5-60 ms. "Age kept" also means that
  only fresh copies are passed on between tiers, "age anew" that stale ones are too.
* A stream's client dates every message by the \`Pricecast-Now\` of the first one and its own monotonic clock since it asked: of a later message nobody knows how long it was on
  its way.
* Thirty phones of a data centre are simulated one by one and stand for all; the requests of the others reach the caches as independent events, which has a small
  data centre ask the origin up to a tenth more often. Phones that follow the rule
  move in step with refreshes, which those do not; a test holds figures of both ways within 4 % of each other (fetches within 12 %) at a size where all can be simulated.
`;
}
