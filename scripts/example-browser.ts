/**
 * `npm run example:browser`: serves the browser example with the local Worker behind it, on PORT (default 8787), as
 * `npm start` does too, and builds it anew whenever its files change. Uses a server that is there already.
 */
import { serverAt } from "./demo/server.ts";
import { buildExample, EXAMPLE_PATH } from "./example/build.ts";

const server = await serverAt(Number(process.env.PORT ?? 8787), () => undefined);
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
  process.on(signal, () => void server.stop().then(() => process.exit()));
}
await buildExample(true);
console.log(`The browser example is at ${server.url}${EXAMPLE_PATH}`);
