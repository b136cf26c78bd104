import { execFileSync } from "node:child_process";

/** The workerd processes that this process has started itself. */
export function ownWorkerds(): ReadonlySet<number> {
  const lines = execFileSync("ps", ["-A", "-o", "pid=,ppid=,comm="], { encoding: "utf8" }).trim().split("\n");
  const found = lines.flatMap((line) => {
    const [pid, parent, ...command] = line.trim().split(/\s+/);
    return Number(parent) === process.pid && /(^|\/)workerd$/.test(command.join(" ")) ? [Number(pid)] : [];
  });
  return new Set(found);
}
