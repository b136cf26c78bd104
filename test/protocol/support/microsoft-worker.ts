/** A worker of Microsoft's SDK in a process of its own: `microsoft-worker.ts <address> <seconds that an activity takes>`. */
import * as sdk from "@microsoft/durabletask-js";

const [hostAddress = "", seconds = "0"] = process.argv.slice(2);
const worker = new sdk.TaskHubGrpcWorker({ hostAddress, logger: new sdk.NoOpLogger() });
worker.addNamedActivity("slow", async (ctx: sdk.ActivityContext, name: string) => {
  process.stdout.write(`begins ${name}\n`);
  await new Promise((resolve) => setTimeout(resolve, Number(seconds) * 1000));
  process.stdout.write(`ends ${name}\n`);
  return `${name} by ${process.pid} for ${ctx.orchestrationId}`;
});
worker.addNamedOrchestrator("slowly", async function* (ctx: sdk.OrchestrationContext, names: string[]): AsyncGenerator<
  sdk.Task<unknown>,
  unknown,
  unknown
> {
  const done: unknown[] = [];
  for (const name of names) done.push(yield ctx.callActivity("slow", name));
  yield ctx.createTimer(0.2);
  return done.length;
});
await worker.start();
