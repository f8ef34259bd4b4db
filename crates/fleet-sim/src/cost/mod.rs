//! What a month costs at Cloudflare, from one dated table of list prices. The origin's own machine
//! is not in it.

mod bill;
mod prices;

pub use bill::{Bill, Line, PaidDelivery, Usage, UsageError, ZonePlan};
pub use prices::{ListPrice, NEXT_CHANGE, PRICES, READ_ON};

#[cfg(test)]
mod tests {
    use super::prices::{LOG_EVENT, REQUEST};

    /// Logs may add this share to the price of a request.
    const SHARE_MAX: f64 = 0.05;

    #[test]
    fn in_no_environment_do_logs_cost_more_than_a_twentieth_of_the_requests() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../wrangler.toml");
        let config: toml::Table = std::fs::read_to_string(path).unwrap().parse().unwrap();
        let environments = config["env"].as_table().unwrap().values();
        let sections: Vec<_> = std::iter::once(&config["observability"])
            .chain(environments.filter_map(|environment| environment.get("observability")))
            .collect();
        assert!(sections.len() > 1, "{sections:?}");
        for section in sections {
            assert_eq!(section["enabled"].as_bool(), Some(true));
            let rate = section["head_sampling_rate"].as_float().unwrap();
            let share = rate * (LOG_EVENT.usd / LOG_EVENT.per) / (REQUEST.usd / REQUEST.per);
            assert!(share > 0.0 && share <= SHARE_MAX, "{rate} adds {share} to each request");
        }
    }
}
