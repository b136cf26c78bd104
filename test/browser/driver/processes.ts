import { readdirSync, readFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";

/** A process, as /proc tells of it. */
interface Process {
  readonly pid: number;
  readonly parent: number;
  readonly command: string;
}

function processes(): Process[] {
  const found: Process[] = [];
  for (const entry of readdirSync("/proc")) {
    if (!/^\d+$/.test(entry)) continue;
    try {
      const stat = readFileSync(`/proc/${entry}/stat`, "utf8");
      const [state, parent] = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
      if (state === "Z") continue;
      found.push({
        pid: Number(entry),
        parent: Number(parent),
        command: readFileSync(`/proc/${entry}/cmdline`, "utf8"),
      });
    } catch {
      // It ended meanwhile.
    }
  }
  return found;
}

/** All processes that were started with the word in their command line, and what they started. Never this one. */
function processTree(word: string): number[] {
  const all = processes().filter(({ pid }) => pid !== process.pid && pid !== process.ppid);
  const tree = new Set(all.filter(({ command }) => command.includes(word)).map(({ pid }) => pid));
  for (let before = -1; before !== tree.size; ) {
    before = tree.size;
    for (const { pid, parent } of all) if (tree.has(parent)) tree.add(pid);
  }
  return [...tree];
}

/** Kills every process of the tree outright, and waits until none is left. Returns how many there were. */
export async function killTree(word: string): Promise<number> {
  const first = processTree(word);
  for (let left = first; left.length > 0; left = processTree(word)) {
    for (const pid of left) {
      try {
        process.kill(pid, "SIGKILL");
      } catch {
        // It ended meanwhile.
      }
    }
    await sleep(20);
  }
  return first.length;
}
