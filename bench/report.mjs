// What the figures say: a page, a chart and a file for programs.

import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { draw } from '../scripts/chart.mjs';
import { root } from '../scripts/places.mjs';
import { ratios, spread } from './rounds.mjs';

const TITLES = {
  constant: 'JavaScript Worker, a constant',
  hit: '**Pricecast, hit**',
  not_modified: '**Pricecast, 304**',
  revalidating: '**Pricecast, revalidating**',
  swr: 'JavaScript Worker, stale-while-revalidate with the Cache API',
  nginx_cache: 'nginx, micro-cache before the origin',
  varnish: 'Varnish, grace, before the origin',
  origin: '**Pricecast, origin**',
  axum: 'axum, a constant',
  nginx: 'nginx, a constant',
};
const plain = (name) => TITLES[name].replaceAll('*', '');

/** Writes `RESULTS.md`, `results.json` and `results.svg` into `folder`; without one it only prints. */
export async function write(measured, folder) {
  const results = summarise(measured);
  const text = page(measured, results);
  console.log(text);
  if (!folder) return;
  writeFileSync(path.join(folder, 'results.json'), `${JSON.stringify(results, null, 2)}\n`);
  writeFileSync(path.join(folder, 'RESULTS.md'), text);
  await draw(path.join(folder, 'results.svg'), chart(measured));
}

/** The figures by which the project is judged; `undefined` where something was not measured. */
export function summarise({ edge, start, origin, running, ingest, size }) {
  const ratio = (us, a, b) => (us?.[a] && us?.[b] ? rounded(spread(ratios(us[a], us[b])).median) : undefined);
  const per = (us) => us && Object.fromEntries(Object.entries(us).map(([name, values]) => [name, rounded(spread(values).median)]));
  return {
    edge_hit_vs_constant_js: ratio(edge?.us, 'hit', 'constant'),
    edge_hit_vs_js_swr: ratio(edge?.us, 'hit', 'swr'),
    origin_vs_axum: ratio(origin?.us, 'origin', 'axum'),
    origin_vs_nginx: ratio(origin?.us, 'origin', 'nginx'),
    ingest_frames_per_s: ingest?.ingest_frames_per_s,
    ingest_vs_serde_json: ingest?.ingest_vs_serde_json,
    edge_gzip_bytes: size.gzipBytes,
    edge_start_cpu_ms: start && rounded(start.edgeMs - start.constantMs),
    origin_cpu_share: running && rounded(running.share),
    origin_resident_mb: running && rounded(running.residentMb),
    cpu_us_per_request: { ...per(edge?.us), ...per(origin?.us) },
  };
}

const rounded = (value) => Math.round(value * 1000) / 1000;
const figure = (value, digits = 1) => value.toLocaleString('en', { minimumFractionDigits: digits, maximumFractionDigits: digits });

function rows(us, floor) {
  return Object.entries(us).map(([name, values]) => {
    const [own, times] = [spread(values), spread(ratios(values, us[floor]))];
    return `| ${TITLES[name]} | ${figure(own.median)} | ${figure(own.low)} – ${figure(own.high)} | ${figure(times.median, 2)} | ${figure(times.low, 2)} – ${figure(times.high, 2)} |`;
  });
}

const HEAD = '| | CPU µs per answer | middle half | ratio | middle half |\n|---|---|---|---|---|';

function page({ machine, rounds, seconds, versions, size, edge, start, origin, running, ingest }, results) {
  const parts = [`# Measured

Written by \`make bench\`, in one run on one machine: ${machine}; ${[versions.workerd, versions.rustc].filter(Boolean).join(', ')}. Each figure is CPU time of the
server's processes per answer (wrk, 16 connections, ${seconds} s at a time), the median of ${rounds} rounds; within a round everything is measured in turn, and a ratio is taken
within its round. The machine may be shared: compare ratios, not microseconds. The configuration of the peers is in \`bench/peers\`.`];
  if (edge) {
    parts.push(`## The Worker, in workerd

${HEAD}
${rows(edge.us, 'constant').join('\n')}

![CPU time per answer](results.svg)

All Workers give the same body (${size.wasmBytes ? '5 prices' : ''}) and the same headers. *Hit* is an answer from the isolate's memory, one fetch a second from the origin included. *304* answers
who asks with the tag of the last answer, as a poll does. *Revalidating*: the origin takes 0.8 s, so that ${figure(edge.revalidating * 100, 0)} % of the answers are given while a fetch is under way. The Worker that does
stale-while-revalidate by hand has its cache in another process, whose CPU time is not counted; the Cache API of production is another thing than this one. nginx and Varnish
keep a copy for one second and fetch behind it; they know nothing of what a price's age is.`);
  }
  if (start) {
    parts.push(`## Starting

From nothing to the first answer an isolate needs **${figure(results.edge_start_cpu_ms, 0)} ms** of CPU more than workerd with a constant Worker (${figure(start.edgeMs, 0)} against ${figure(start.constantMs, 0)} ms): compiling
the WebAssembly, and a first fetch. Uploaded: **${figure(size.gzipBytes / 1024, 0)} KiB** gzipped, WebAssembly and JavaScript together.`);
  }
  if (origin) {
    parts.push(`## The origin, \`GET /api/v1/prices\`

${HEAD}
${rows(origin.us, 'axum').join('\n')}

The same body and headers; the origin takes in its market meanwhile.`);
  }
  if (running) {
    parts.push(`While it runs, at ${figure(running.framesPerS, 0)} Kraken frames and ${running.askedPerS} requests a second, the origin takes **${figure(running.share * 100)} %** of a core and **${figure(running.residentMb)} MB**.`);
  }
  if (ingest) {
    parts.push(`## Taking in Kraken's frames, one core

| | frames/s |
|---|---|
${Object.entries(ingest.frames_per_s).map(([name, value]) => `| ${name} | ${figure(value, 0)} |`).join('\n')}

All of it takes **${figure(ingest.ingest_vs_serde_json, 2)}×** the time of serde_json alone.`);
  }
  return `${parts.join('\n\n')}\n`;
}

function chart({ edge, origin }) {
  const bars = (us, group) => Object.entries(us).map(([name, values]) => ({ what: plain(name), group, us: spread(values).median, ours: plain(name).startsWith('Pricecast') ? 'Pricecast' : 'peer' }));
  const values = [...bars(edge.us, 'edge'), ...bars(origin.us, 'origin')];
  return {
    width: 480,
    height: { step: 22 },
    data: { values },
    mark: 'bar',
    encoding: {
      y: { field: 'what', type: 'nominal', sort: null, title: null },
      x: { field: 'us', type: 'quantitative', title: 'CPU µs per answer' },
      color: { field: 'ours', type: 'nominal', title: null, scale: { domain: ['Pricecast', 'peer'], range: ['#0f766e', '#cbd5e1'] } },
      row: { field: 'group', type: 'nominal', title: null },
    },
    resolve: { scale: { y: 'independent' } },
  };
}
