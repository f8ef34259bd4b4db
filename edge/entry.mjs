// `main` of wrangler.toml: what `scripts/build-edge` has built, in its outer shell.
import App from './build/index.js';
import { worker } from './recover.mjs';

export default worker(App);
