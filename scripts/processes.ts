/** Processes as Linux tells of them; elsewhere there are none to see. */
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
  for (const entry of entries()) {
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

function entries(): string[] {
  try {
    return readdirSync("/proc");
  } catch {
    return [];
  }
}

/** The processes that match, and all that they started. Never this one, nor its parent. */
function treesOf(isRoot: (process: Process) => boolean): number[] {
  const all = processes().filter(({ pid }) => pid !== process.pid && pid !== process.ppid);
  const tree = new Set(all.filter(isRoot).map(({ pid }) => pid));
  for (let before = -1; before !== tree.size; ) {
    before = tree.size;
    for (const { pid, parent } of all) if (tree.has(parent)) tree.add(pid);
  }
  return [...tree];
}

function kill(pids: readonly number[]): void {
  for (const pid of pids) {
    try {
      process.kill(pid, "SIGKILL");
    } catch {
      // It ended meanwhile.
    }
  }
}

/**
 * Kills every process with the word in its command line, and what they started, outright; waits until none is left. Returns
 * how many there were.
 */
export async function killTree(word: string): Promise<number> {
  const find = (): number[] => treesOf(({ command }) => command.includes(word));
  const first = find();
  for (let left = first; left.length > 0; left = find()) {
    kill(left);
    await sleep(20);
  }
  return first.length;
}

/** A process and what it has used of the processor so far, in ticks. */
export interface Usage {
  readonly pid: number;
  readonly ticks: number;
}

/** What every process with the word in its command line, and all that they started, have used of the processor. */
export function usageOf(word: string): Usage[] {
  return treesOf(({ command }) => command.includes(word)).flatMap((pid) => {
    try {
      const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
      const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
      return [{ pid, ticks: Number(fields[11]) + Number(fields[12]) }];
    } catch {
      // It ended meanwhile.
      return [];
    }
  });
}

/** Kills a process of ours and all that it started, outright. */
export function killProcess(root: number): void {
  const tree = treesOf(({ pid }) => pid === root);
  kill(tree.length === 0 ? [root] : tree);
}
