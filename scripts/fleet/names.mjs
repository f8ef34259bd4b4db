// What things are called on the page.

export const DELIVERIES = {
  worker: 'Worker',
  'workers-cache': 'Workers Cache, age kept',
  'workers-cache-age-anew': 'Workers Cache, age anew',
  cdn: 'CDN, tiered, age kept',
  'cdn-age-anew': 'CDN, tiered, age anew',
  'cdn-one-tier': 'CDN, one tier',
  stream: 'Stream (not built yet)',
};

export const SCENARIOS = {
  'normal-day': 'Normal day',
  'quiet-market': 'Quiet market',
  'kraken-silent': 'Kraken silent',
  'origin-dead-60s': 'Origin dead 60 s',
  'flash-crowd-x10': 'Flash crowd ×10',
  'deploy-empties-caches': 'Deploy empties all caches',
};

export const whole = (value) => Math.round(value).toLocaleString('en');
export const seconds = (ms) => (ms / 1000).toFixed(2);
/** A part of a whole, in per cent: never "0" where there is some. */
export const percent = (share) => (share === 0 ? '0' : share < 0.0001 ? '< 0.01 %' : `${(share * 100).toFixed(2)} %`);
export const dollars = (usd) => `$${usd.toLocaleString('en', usd < 100 ? { minimumFractionDigits: 2, maximumFractionDigits: 2 } : { maximumFractionDigits: 0 })}`;
