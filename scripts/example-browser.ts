/**
 * `npm run example:browser`: serves the browser example with the local Worker behind it, on PORT (default 8787), as
 * `npm start` does too, and builds it anew whenever its files change. Uses a server that is there already.
 */
import { type Server, serverAt } from "./demo/server.ts";
import { EXAMPLE_PATH, watchExample } from "./example/build.ts";

async function start(): Promise<Server> {
  try {
    return await serverAt(Number(process.env.PORT ?? 8787), () => undefined);
  } catch (error) {
    console.error(error instanceof Error ? error.message : error);
    process.exit(1);
  }
}

const server = await start();
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
  process.on(signal, () => void server.stop().then(() => process.exit()));
}
await watchExample();
const url = `${server.url}${EXAMPLE_PATH}`;
const { ok } = await fetch(url);
if (ok) console.log(`The browser example is at ${url}`);
else {
  console.error(`The server at ${server.url} does not serve the example: stop it, or choose another port: PORT=8788`);
  await server.stop();
  process.exit(1);
}
