/** A worker of Dapr's SDK in a process of its own: `dapr-worker.ts <address> <seconds that an activity takes>`. */
import * as sdk from "@dapr/durabletask-js";

// It writes every step to the console, which is for the lines of the test.
for (const method of ["log", "info", "error"] as const) console[method] = () => undefined;

const [address = "", seconds = "0"] = process.argv.slice(2);
const worker = new sdk.TaskHubGrpcWorker(address);
worker.addNamedActivity("slow", (async (_: unknown, name: string) => {
  process.stdout.write(`begins ${name}\n`);
  await new Promise((resolve) => setTimeout(resolve, Number(seconds) * 1000));
  process.stdout.write(`ends ${name}\n`);
  return name;
}) as never);
worker.addNamedOrchestrator("slowly", async function* (
  ctx: { callActivity(name: string, input: string): object },
  names: string[],
): AsyncGenerator<object, number, unknown> {
  const done: unknown[] = [];
  for (const name of names) done.push(yield ctx.callActivity("slow", name));
  return done.length;
} as never);
await worker.start();
