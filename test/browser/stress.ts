/**
 * `npm run stress:browser [kills [seed]]`: kills pages, renderers, workers and whole browsers in mid-run, at least 200 times, and
 * says what was lost. Takes some minutes.
 */
import { browsers } from "../../scripts/browsers.ts";
import { type ChaosReport, runChaos } from "./driver/chaos.ts";
import { serveSite } from "./driver/site.ts";

const installed = browsers();
const wanted = Number(process.argv[2] ?? 240);
const seed = Number(process.argv[3] ?? Date.now() % 2 ** 31);
if (installed.length === 0) throw new Error("no browser is installed: npm run test:browser installs them where it can");
console.log(`${wanted} kills, seed ${seed}`);

const site = await serveSite();
let failures = 0;
for (const { name } of installed) {
  // A relaunch of Firefox takes three times as long.
  const share = installed.length === 1 ? 1 : name === "chromium" ? 0.7 : 0.3;
  const beganMs = Date.now();
  const report: ChaosReport = await runChaos({
    browser: name,
    kills: Math.ceil(wanted * share),
    seed,
    site,
    log: (line) => console.log(`${name}: ${line}`),
    weights: { page: 3, renderer: name === "chromium" ? 3 : 0, worker: 3, browser: 4 },
  });
  const kinds = Object.entries(report.kills).map(([kind, count]) => `${count} x ${kind}`);
  const seconds = ((Date.now() - beganMs) / 1000).toFixed(0);
  console.log(
    `${name}: ${kinds.join(", ")} in ${seconds} s; ${report.starts} starts, ${report.events} events, ${report.ended} ended; ` +
      `${report.losses.length} databases lost, ${report.violations.length} promises broken`,
  );
  for (const line of [...report.losses, ...report.violations]) console.log(line);
  failures += report.violations.length + (report.ended === report.starts ? 0 : 1);
}
await site.close();
process.exitCode = failures === 0 ? 0 : 1;
