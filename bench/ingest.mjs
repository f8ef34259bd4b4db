// What the origin does with Kraken's frames: its own benchmark, which prints its figures.

import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { root } from '../scripts/places.mjs';

/** `{serde_json, decode, ingest, …}`: frames per second of one core. */
export async function measureIngest({ tell }) {
  const child = spawn('cargo', ['bench', '--quiet', '-p', 'pricecast-origin', '--bench', 'ingest'], { cwd: root, stdio: ['ignore', 'pipe', 'inherit'] });
  const closed = new Promise((resolve) => child.once('close', resolve));
  let figures;
  for await (const line of createInterface({ input: child.stdout })) {
    if (line.startsWith('figures: ')) figures = JSON.parse(line.slice('figures: '.length));
    else tell(line);
  }
  const code = await closed;
  if (code !== 0 || !figures) throw new Error(`cargo bench --bench ingest ended with ${code}`);
  return figures;
}
