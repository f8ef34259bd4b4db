// Charts for the documents: what is to be seen is said in Vega-Lite, and drawn into an SVG file.

import { writeFileSync } from 'node:fs';
import * as vega from 'vega';
import { compile } from 'vega-lite';

/** Readable on a page's white and on its black alike. */
const LOOK = { background: 'white', padding: 12, config: { font: 'system-ui, sans-serif', axis: { labelLimit: 360, titleFontWeight: 'normal' }, view: { stroke: null } } };

/** Draws `spec` (https://vega.github.io/vega-lite/) into `file`. */
export async function draw(file, spec) {
  const view = new vega.View(vega.parse(compile({ ...LOOK, ...spec }).spec), { renderer: 'none' });
  writeFileSync(file, `${await view.toSVG()}\n`);
}
