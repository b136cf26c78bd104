/** `npm run bench:browser`: see bench/browser.ts. */
import { installBrowsers } from "./browsers.ts";

for (const line of await installBrowsers()) console.log(`Left out: ${line}.`);
await import(new URL("../bench/browser.ts", import.meta.url).href);
