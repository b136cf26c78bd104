/** `npm run stress:browser`: see test/browser/stress.ts, which has types of its own. */
import { installBrowsers } from "./browsers.ts";

for (const line of await installBrowsers()) console.log(`Left out: ${line}.`);
await import(new URL("../test/browser/stress.ts", import.meta.url).href);
