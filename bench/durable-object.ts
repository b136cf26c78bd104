/**
 * The engine on Durable Objects in a local workerd, beside the bare platform and the platform's own workflow engine, in one
 * run. Storage is on the folder that TMPDIR names: memory-backed ones repeat best.
 */
import { startLocalWorker } from "./local-worker.ts";
import { median, printTable } from "./table.ts";

const ROUNDS = 3;
const durableObjects = { ORCHESTRATIONS: "OrchestrationObject", HUB_INDEX: "HubIndexObject", BARE: "BareObject" };
const worker = await startLocalWorker({
  entry: "bench/durable-object/worker.ts",
  durableObjects,
  workflows: { FLOW: "Flow" },
});

try {
  const { url } = worker;
  const call = async <T>(path: string): Promise<{ readonly ms: number; readonly answer: T }> => {
    const begun = performance.now();
    const response = await fetch(`${url}${path}`);
    const answer = (await response.json()) as T;
    if (!response.ok) throw new Error(`${path}: ${JSON.stringify(answer)}`);
    return { ms: performance.now() - begun, answer };
  };
  const time = async (path: string): Promise<number> => {
    const rounds: number[] = [];
    for (let round = 0; round < ROUNDS; round++) rounds.push((await call(path)).ms);
    return median(rounds);
  };
  await call("/ours?kind=chain&size=20");
  await call("/theirs?kind=chain&size=5");
  await call("/bare?count=1");

  const rows: string[][] = [];
  const compare = async (what: string, own: string, other: string, goal: string): Promise<void> => {
    const [mine, rival] = [await time(own), await time(other)];
    rows.push([what, mine.toFixed(0), rival.toFixed(0), (rival / mine).toFixed(1), goal]);
  };
  await compare(
    "200 steps in a row; the platform's workflows",
    "/ours?kind=chain&size=200",
    "/theirs?kind=chain&size=200",
    "10",
  );
  await compare(
    "fan-out of 1,000; the platform's workflows",
    "/ours?kind=crowd&size=1000",
    "/theirs?kind=crowd&size=1000",
    "20",
  );
  await compare(
    "200 steps in a row; 200 bare transactions",
    "/ours?kind=chain&size=200",
    "/transactions?size=200",
    "-",
  );
  await compare(
    "100 new instances x 3; 100 bare objects x 1",
    "/ours?kind=chain&size=3&count=100",
    "/bare?count=100",
    "0.67",
  );
  printTable("Durable Objects, ms (median of 3)", ["what; beside", "ours", "beside", "beside / ours", "goal"], rows);

  const { answer: marks } = await call<number[]>("/ours?kind=long&size=5001");
  const [a = 0, b = 0, c = 0, d = 0] = marks;
  const [early, late] = [(b - a) / 100, (d - c) / 99];
  printTable(
    "time per step, ms (Durable Object)",
    ["at 100", "at 5,000", "5,000 / 100"],
    [[early.toFixed(2), late.toFixed(2), (late / early).toFixed(2)]],
  );
} finally {
  await worker.stop();
}
